// The runtimes of this process. A reader from outside (runtime/tool/root.hpp) finds them here.
//
// The registry is a fixed array that needs no lock. So a fork at any moment leaves it whole, and a
// reader that stops this process at any moment finds it whole.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hilo::sched {

class scheduler;

struct registry {
  static constexpr std::size_t room = 64;
  // A runtime takes a free place when it has started, and empties the place before it ends. (RR)
  // release: publishes the runtime to readers in this process; a reader from outside needs none.
  std::atomic<scheduler*> runtimes[room];
  // Runtimes that found no free place. Relaxed: only a count.
  std::atomic<std::uint32_t> unlisted;
};
extern registry all_runtimes;

// While it lives, no listed runtime of this process ends.
class runtimes_kept {
 public:
  runtimes_kept() noexcept;
  ~runtimes_kept();
  runtimes_kept(const runtimes_kept&) = delete;
  runtimes_kept& operator=(const runtimes_kept&) = delete;

  // Called in the child of a fork, whose parent's threads do not exist.
  static void forget() noexcept;
};

void list_runtime(scheduler& one) noexcept;
void unlist_runtime(scheduler& one) noexcept;

}  // namespace hilo::sched
