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

void list_runtime(scheduler& one) noexcept;
void unlist_runtime(scheduler& one) noexcept;

}  // namespace hilo::sched
