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

// While it lives, a signal handler reads the registry, and no runtime that it found there ends. It
// takes no lock: unlist_runtime() waits for it.
//
//   handler                                 end of a runtime
//   (RH1) handlers += 1       sc            (RH3) its place := null     sc
//   (RH2) read the place      sc            (RH4) read handlers         sc
//
// Forbidden: (RH2) sees the runtime and (RH4) sees no handler. All four are in one order.
class registry_reader {
 public:
  registry_reader() noexcept;
  ~registry_reader();
  registry_reader(const registry_reader&) = delete;
  registry_reader& operator=(const registry_reader&) = delete;
};

void list_runtime(scheduler& one) noexcept;
void unlist_runtime(scheduler& one) noexcept;

}  // namespace hilo::sched
