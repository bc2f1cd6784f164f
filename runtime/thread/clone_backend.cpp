// Kernel threads by the clone system call.
//
// A start. The order of the steps matters:
//
//   starting thread                              new thread
//   a record: stack, block, from the cache
//   build the closure at the top of the stack
//   alive = 1; count it (live_threads.hpp)
//   clone ------------------------------------>  assembly entry, on its own stack
//     kernel: tid into the block                 robust list, rseq, ctype
//                                                run the closure
//                                                destructors of thread_local objects and keys
//                                                count it off; the last of all calls exit(0)
//                                                wake the fiber that joins, if one does
//                                                be no thread of libc's any more
//                                                block all signals
//                                                make the block new for the next thread
//                                                exit ----> kernel: alive = 0, wake
//   join: wait while alive != 0
//   the record goes back to the cache
//
// No signal handler of the program may run on a block that is not a thread's. So signals are
// blocked at the end, and the block is made new there and not in the next thread. The next thread
// is then complete from its first instruction: it inherits the starting thread's mask, and no call
// has to set or restore the mask. Signals are blocked across clone only if the block is not
// complete. That is a fresh block, which libc has yet to fill, or a block that was made new before
// a module was loaded.
//
// `alive` is set before clone and not by CLONE_CHILD_SETTID: the child's side of the kernel stores
// that only when the child first runs, so a join before that would read the last thread's 0 and
// return. The thread's number goes to its block by CLONE_PARENT_SETTID, which is stored before the
// child can run.
//
// Stack and block are reused only after `alive` is 0. The kernel clears it when the task gives up
// its memory. That is after the last instruction of user mode, so nothing can still be using them.
#include <cerrno>
#include <csignal>
#include <cstring>

#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/sys/clone.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/backend.hpp"
#include "runtime/thread/clone_records.hpp"
#include "runtime/thread/cpu.hpp"
#include "runtime/thread/join_spin.hpp"
#include "runtime/thread/live_threads.hpp"
#include "runtime/thread/record.hpp"
#include "runtime/thread/signal_mask.hpp"
#include "runtime/thread/thread_list.hpp"

namespace hilo::kernel {
namespace {

constexpr unsigned long thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                       CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                       CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

record* of(detail::kernel_thread* thread) noexcept {
  return static_cast<record*>(thread);
}

[[noreturn]] void run(void* argument) {
  auto& self = *static_cast<record*>(argument);
  self.block.enter(*self.layout);
  if (self.signals_blocked) set_signal_mask(self.signal_mask);
  if (self.name[0] != '\0') sys::call(SYS_prctl, PR_SET_NAME, self.name);

  self.run_and_destroy(self.closure);
  self.block.run_destructors(*self.layout);
  count_end(*self.layout);
  self.end.announce();

  self.block.hide(*self.layout);
  set_signal_mask(all_signals);
  self.block.renew(*self.layout);
  // (C1) acq_rel: pairs with (C2); the second of the two gives the record back
  if (self.owner.exchange(release_by::ended, std::memory_order_acq_rel) == release_by::detached) {
    clone_records().release_when_gone(&self);
  }
  for (;;) sys::call(SYS_exit, 0);
}

[[noreturn, gnu::cold]] void fail_to_start(int error) {
  std::string hint;
  rlimit limit{};
  switch (error) {
    case EAGAIN:
      hint = "the limit on threads is reached: ";
      if (::getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        hint += "RLIMIT_NPROC is " + std::to_string(limit.rlim_cur) + ", ";
      }
      hint += "or see pids.max of the cgroup and kernel.threads-max; raise it or run fewer threads";
      break;
    case ENOMEM:
      hint = "the kernel has no memory for one more; run fewer threads";
      break;
    case EPERM:
    case ENOSYS:
      hint =
          "clone is refused here, usually by a seccomp filter; allow it or set "
          "HILO_THREADS=pthread";
      break;
    default:
      hint = "the clone system call failed; HILO_THREADS=pthread does not need it";
  }
  base::fail(error, "start a thread", hint);
}

class clone_threads final : public backend {
 public:
  explicit clone_threads(const libc_layout& layout) : layout_(layout) {}

  detail::kernel_thread* start(const thread_options& options,
                               const detail::thread_body& body) override {
    record* thread = clone_records().acquire(options, layout_);
    sys::clone_start* bottom = nullptr;
    try {
      bottom = place_closure(*thread, body);
    } catch (...) {
      clone_records().release(thread);
      throw;
    }
    const std::size_t length = std::min(options.name.size(), sizeof thread->name - 1);
    std::memcpy(thread->name, options.name.data(), length);
    thread->name[length] = '\0';
    thread->alive.store(1, std::memory_order_relaxed);  // ordered by clone
    thread->end.begin();

    const bool blocked = thread->block.incomplete();
    thread->signals_blocked = blocked;
    const std::uint64_t mask = blocked ? set_signal_mask(all_signals) : 0;
    thread->signal_mask = mask;
    count_start(layout_);
    thread->block.show(layout_);
    const long tid = sys::hilo_sys_clone(thread_flags, bottom, thread->block.tid(layout_),
                                         reinterpret_cast<std::uint32_t*>(&thread->alive),
                                         thread->block.thread_pointer());
    if (blocked) set_signal_mask(mask);
    if (tid < 0) {
      take_back_start(layout_);
      thread->block.hide(layout_);
      thread->alive.store(0, std::memory_order_relaxed);
      body.destroy(thread->closure);
      clone_records().release(thread);
      fail_to_start(static_cast<int>(-tid));
    }
    return thread;
  }

  bool join(detail::kernel_thread* handle, deadline until) noexcept override {
    record* thread = of(handle);
    spin_.watch(thread->alive);
    // acquire: pairs with the kernel's store; everything that the thread did is visible
    while (const auto tid = thread->alive.load(std::memory_order_acquire)) {
      if (!until.has_value()) {
        sys::futex_wait(thread->alive, tid, sys::futex_scope::shared);
      } else if (sys::futex_wait_until(thread->alive, tid, *until, sys::futex_scope::shared) ==
                 -ETIMEDOUT) {
        // The thread may have ended just at the deadline. Then the join succeeds.
        if (thread->alive.load(std::memory_order_acquire) != 0) return false;
      }
    }
    clone_records().release(thread);
    return true;
  }

  void detach(detail::kernel_thread* handle) noexcept override {
    record* thread = of(handle);
    // (C2) acq_rel: pairs with (C1)
    if (thread->owner.exchange(release_by::detached, std::memory_order_acq_rel) ==
        release_by::ended) {
      clone_records().release_when_gone(thread);
    }
  }

  bool is_caller(const detail::kernel_thread* handle) noexcept override {
    return static_cast<const record*>(handle)->block.thread_pointer() == cpu::thread_pointer();
  }

  pid_t id(const detail::kernel_thread* handle) noexcept override {
    return static_cast<pid_t>(*static_cast<const record*>(handle)->block.tid(layout_));
  }

 private:
  // From the top down: the closure, then the two words that the assembly entry takes.
  static sys::clone_start* place_closure(record& thread, const detail::thread_body& body) {
    auto top = reinterpret_cast<std::uintptr_t>(thread.memory.top());
    if (body.size + body.alignment > thread.memory.size() / 2) {
      base::fail(
          EINVAL, "start a thread with a callable of " + base::format_bytes(body.size),
          "it takes more than half of thread_options.stack_size; raise that or pass a pointer");
    }
    top = (top - body.size) & ~(static_cast<std::uintptr_t>(body.alignment) - 1);
    thread.closure = reinterpret_cast<void*>(top);
    thread.run_and_destroy = body.run_and_destroy;
    body.construct(thread.closure, body.context);
    top = (top & ~std::uintptr_t{15}) - sizeof(sys::clone_start);
    return ::new (reinterpret_cast<void*>(top)) sys::clone_start{run, &thread};
  }

  const libc_layout& layout_;
  join_spin spin_;
};

}  // namespace

record_cache& clone_records() {
  static record_cache& records = []() -> record_cache& {
    // Never destroyed: detached threads use it until the process ends.
    static auto* made = new record_cache;
    ::pthread_atfork(
        [] {
          made->lock();
          lock_thread_list();
        },
        [] {
          unlock_thread_list();
          made->unlock();
        },
        [] {
          forget_thread_list();
          made->unlock();
        });
    return *made;
  }();
  return records;
}

backend& clone_backend(const libc_layout& layout) {
  static auto* threads = new clone_threads(layout);
  clone_records();
  return *threads;
}

}  // namespace hilo::kernel
