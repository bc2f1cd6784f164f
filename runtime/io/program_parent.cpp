#include "runtime/io/program_parent.hpp"

#include <cerrno>
#include <optional>
#include <utility>

#include <sys/wait.h>

#include "hilo/blocking.hpp"
#include "hilo/clone.hpp"
#include "hilo/limit.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/io/without_signals.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::io {
namespace {

#if HILO_TSAN
constexpr clone_flags how = with::caller_asleep | with::pidfd;
#else
constexpr clone_flags how = share::memory | with::caller_asleep | with::pidfd;
#endif

// Called in the thread that becomes the parent, with all signals blocked.
child clone_program(const start_plan& plan, std::error_code& error) {
  return clone<how>()
      .thread_block(callers_block{})
      .start([&plan] { return become_program(plan); }, error);
}

child make_here(const start_plan& plan, std::error_code& error) {
  return hilo::blocking([&] {
    const without_signals guard;
    return clone_program(plan, error);
  });
}

// Waits until the child of this thread has ended. Other code collects it, perhaps before: ECHILD.
void stay_until_end(pid_t id) noexcept {
  siginfo_t end;
  while (id > 0 && sys::call(SYS_waitid, P_PID, id, &end, WEXITED | WNOWAIT | __WALL | __WNOTHREAD,
                             nullptr) == -EINTR) {
  }
}

bool is_pinned(const sched::fiber& one) noexcept {
  return one.special && one.pins != 0;
}

constexpr std::size_t stack_size = 128 * 1024;  // guess; for a few system calls

}  // namespace

child make_program(const start_plan& plan, std::error_code& error) {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr || is_pinned(here->running())) return make_here(plan, error);
  child made;
  oneshot_ends<bool> ends = make_oneshot<bool>();
  std::error_code no_thread;
  {
    const without_signals guard;
    thread parent(no_thread, {.name = "hilo-parent", .stack_size = stack_size},
                  [&plan, &error, &made, done = std::move(ends.out)]() mutable {
                    made = clone_program(plan, error);
                    const pid_t id = made.id();
                    (void)done.send(true);  // from here on the caller's frame may be gone
                    stay_until_end(id);
                  });
    if (parent.joinable()) parent.detach();
  }
  if (no_thread) return make_here(plan, error);
  std::optional<bool> handed_over;
  (void)shielded([&] { return ends.in.receive(handed_over); });
  return made;
}

}  // namespace hilo::io
