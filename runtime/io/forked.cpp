#include "runtime/io/forked.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "hilo/kernel/mutex.hpp"

namespace hilo::io {
namespace {

struct registry {
  kernel::mutex lock;
  std::vector<int> kept;  // guarded by lock
};

registry& all() {
  // Never destroyed: a fork may come after static destruction began.
  static registry* const made = [] {
    auto* one = new registry;
    static registry* seen;
    seen = one;
    ::pthread_atfork([] { seen->lock.lock(); }, [] { seen->lock.unlock(); },
                     [] {
                       for (const int fd : seen->kept) ::close(fd);
                       seen->kept.clear();
                       seen->lock.unlock();
                     });
    return one;
  }();
  return *made;
}

}  // namespace

void keep_from_forks(int fd) {
  registry& its = all();
  const std::scoped_lock guard(its.lock);
  its.kept.push_back(fd);
}

void release_kept(int fd) noexcept {
  registry& its = all();
  const std::scoped_lock guard(its.lock);
  std::erase(its.kept, fd);
}

void close_kept(int fd) noexcept {
  registry& its = all();
  const std::scoped_lock guard(its.lock);
  const auto at = std::find(its.kept.begin(), its.kept.end(), fd);
  if (at == its.kept.end()) return;
  its.kept.erase(at);
  ::close(fd);
}

}  // namespace hilo::io
