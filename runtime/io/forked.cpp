#include "runtime/io/forked.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "hilo/kernel/mutex.hpp"

#include "runtime/io/pending.hpp"

namespace hilo::io {
namespace {

struct registry {
  kernel::mutex lock;
  std::vector<sys::own_descriptor::identity> kept;  // guarded by lock
};

registry& all() {
  // Never destroyed: a fork may come after static destruction has begun.
  static registry* const made = [] {
    auto* one = new registry;
    static registry* seen;
    seen = one;
    ::pthread_atfork([] { seen->lock.lock(); }, [] { seen->lock.unlock(); },
                     [] {
                       for (const auto& one : seen->kept) {
                         if (one.is_there()) ::close(one.number);
                       }
                       seen->kept.clear();
                       forget_calls();
                       seen->lock.unlock();
                     });
    return one;
  }();
  return *made;
}

}  // namespace

between_forks::between_forks() noexcept {
  all().lock.lock();
}

between_forks::~between_forks() {
  all().lock.unlock();
}

namespace {

// The caller holds the lock. Returns false if it was not kept: this process is a child of a fork.
bool forget(const sys::own_descriptor& which) noexcept {
  const auto& its = which.known_by();
  return std::erase_if(all().kept, [&](const auto& one) {
           return one.number == its.number && one.mark == its.mark;
         }) != 0;
}

}  // namespace

// The caller holds the lock.
void between_forks::keep(const sys::own_descriptor& which) {
  all().kept.push_back(which.known_by());
}

void between_forks::release(const sys::own_descriptor& which) noexcept {
  (void)forget(which);
}

void close_kept(sys::own_descriptor& which) noexcept {
  const std::scoped_lock guard(all().lock);
  if (!forget(which)) return (void)which.release();
  which = sys::own_descriptor();
}

}  // namespace hilo::io
