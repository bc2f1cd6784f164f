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
  std::vector<int> kept;  // guarded by lock
};

registry& all() {
  // Never destroyed: a fork may come after static destruction has begun.
  static registry* const made = [] {
    auto* one = new registry;
    static registry* seen;
    seen = one;
    ::pthread_atfork([] { seen->lock.lock(); }, [] { seen->lock.unlock(); },
                     [] {
                       for (const int fd : seen->kept) ::close(fd);
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

// The caller holds the lock.
void between_forks::keep(int fd) {
  all().kept.push_back(fd);
}

void between_forks::release(int fd) noexcept {
  std::erase(all().kept, fd);
}

void close_kept(sys::own_descriptor& which) noexcept {
  registry& its = all();
  const std::scoped_lock guard(its.lock);
  const auto at = std::find(its.kept.begin(), its.kept.end(), which.number());
  if (at == its.kept.end()) return (void)which.release();
  its.kept.erase(at);
  which = sys::own_descriptor();
}

}  // namespace hilo::io
