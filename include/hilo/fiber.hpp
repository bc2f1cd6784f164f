// Fibers: threads of control that cost a page and some tens of nanoseconds. A fiber is written as
// straight-line, blocking code. When it waits, its kernel thread (the carrier) runs another fiber.
// Not for code that blocks in its own system calls, because such code holds up a carrier.
//
//   auto answer = hilo::spawn([] { return 6 * 7; });
//   use(answer.join());
//
// Fibers share the thread_local variables of their carrier, and errno is one of them. After any
// call that parks, a fiber may continue on another carrier: do not keep a pointer to a thread_local
// variable across such a call. For code that you cannot change, use tls::own (below), which gives
// the fiber its own thread_local variables.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/task.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo {

// Whose thread-local storage a fiber has.
enum class tls : std::uint8_t {
  inherit,  // as runtime_options.tls says
  carrier,  // that of the kernel thread that runs the fiber, shared with other fibers
  // Its own, as a kernel thread has. These stay with the fiber across parks and migrations: errno,
  // thread_local objects (made at first use, destroyed at the fiber's end), pthread_self() and
  // pthread keys, locale, exceptions in flight and malloc's cache. Costs some kilobytes a fiber, a
  // few system calls at its end, and some nanoseconds a switch. Needs the clone backend and
  // FSGSBASE, and does not work with the address or thread sanitizer: spawn then fails with ENOTSUP
  // and says why. docs/fibers.md lists the things that still belong to the carrier.
  own,
};

// In which order the runnable fibers of a carrier take turns. No fiber starves: after 16 fibers of
// high priority in a row, a fiber of another priority runs, and at least every 512th turn goes to
// an idle fiber.
enum class priority : std::uint8_t {
  high,    // before all others; for fibers that must answer quickly and run briefly
  normal,  // in the order of hilo's run queues, the fastest
  idle,    // when no carrier finds another fiber to run
};

// How a fiber is made; every member has a default.
struct spawn_options {
  // For reports and dumps; at most 23 characters are kept.
  std::string_view name{};
  // Bytes of stack, rounded up to a power of two, 16 KiB to 1 GiB; 0: the runtime's stack_size.
  std::size_t stack_size = 0;
  hilo::tls tls = hilo::tls::inherit;
  // Keeps the floating-point control words with the fiber: rounding mode and traps (fenv.h). The
  // fiber starts with those of its spawner. If false, the control words belong to the carrier: a
  // fiber that changes them must restore them before it parks. Costs some nanoseconds a switch.
  // Exception flags are never kept.
  bool keep_fp_control = false;
  // Paints the stack first, so that stack_usage() is exact. Costs memory for the whole stack.
  bool paint_stack = false;
  // Decides the order among fibers that are ready at the same time.
  priority urgency = priority::normal;
  // The fiber stays on the carrier that runs it first, as after this_fiber::pin().
  bool pinned = false;
  // The caller's memory for the fiber to run on; empty: the runtime provides a stack. hilo also
  // keeps the fiber's control block, its callable and its result in this memory. spawn then
  // allocates nothing, except when the runtime's list of such fibers has to grow. The memory is not
  // rounded up and gets no guard: a fiber that overflows it writes below it, or faults in a guard
  // that the caller made. stack_size is ignored. Needs stack_least bytes plus the size of the
  // callable and its arguments, else spawn fails with EINVAL. The memory must stay until the fiber
  // is joined or its handle is destroyed; for a detached fiber, until its runtime has ended. One
  // fiber at a time.
  std::span<std::byte> stack{};
};

// The smallest spawn_options::stack, for a callable of a few words that needs little stack.
inline constexpr std::size_t stack_least = 8192;

// A fiber's number, unique in its runtime; never 0 for a fiber.
struct fiber_id {
  std::uint64_t value = 0;
  friend auto operator<=>(const fiber_id&, const fiber_id&) = default;
};

// The handle of a spawned fiber that returns T. The destructor asks the fiber to stop and joins it,
// as that of std::jthread does (C++20 [thread.jthread.cons]). Assigning another handle does the
// same to the fiber that this one held. Both abort in the fiber itself, because it would wait for
// itself. A handle may be moved to any fiber or thread and used there, by one at a time. It must
// not outlive its runtime.
template <class T>
class fiber;

namespace detail {
template <class T>
sched::fiber* owner_of(const fiber<T>& handle) noexcept;
}  // namespace detail

template <class T>
class [[nodiscard]] fiber {
 public:
  fiber() noexcept = default;
  explicit fiber(detail::task_of<T>& work) noexcept : work_(&work) {}
  fiber(fiber&& other) noexcept : work_(std::exchange(other.work_, nullptr)) {}
  fiber& operator=(fiber&& other) noexcept {
    if (this != &other) {
      end();
      work_ = std::exchange(other.work_, nullptr);
    }
    return *this;
  }
  ~fiber() { end(); }

  // Tells whether there is a fiber to join or detach. A false answer counts (docs/fibers.md), so a
  // loop that waits for a handle lets other fibers run. Callable from: anywhere.
  bool joinable() const noexcept {
    if (work_ != nullptr) return true;
    detail::count_eager();
    return false;
  }

  // Waits until the fiber ended; returns its value or rethrows its exception.
  // Parks: until then; no stop request and no limit ends the wait. Callable from: any fiber or
  // thread. Ordering: everything that the fiber did happens before join returns. Errors: joining an
  // empty handle aborts, and so does a fiber that joins itself.
  T join() {
    detail::task_of<T>& work = *claim("join");
    (void)detail::join_fiber(*work.owner);
    struct closing {  // the result is moved out before the stack it lies on is given back
      detail::task_of<T>& work;
      ~closing() {
        sched::fiber& owner = *work.owner;
        work.destroy(work);
        detail::discard_fiber(owner);
      }
    } closing{work};
    if (work.error != nullptr) std::rethrow_exception(work.error);
    return work.take();
  }

  // Waits until the fiber has ended, and leaves its result. Returns ok when it has ended: join()
  // then returns at once. Returns cancelled or timed_out if a stop request, a limit or the given
  // time came first.
  // Parks: until then. Callable from: any fiber or thread. Errors: an empty handle aborts, and so
  // does a fiber that waits for its own end.
  [[nodiscard]] status wait() noexcept { return wait_ns(detail::no_deadline); }
  template <class R, class P>
  [[nodiscard]] status wait_for(std::chrono::duration<R, P> patience) noexcept {
    return wait_ns(detail::deadline_after(patience));
  }
  template <class C, class D>
  [[nodiscard]] status wait_until(std::chrono::time_point<C, D> when) noexcept {
    return detail::wait_until_time(when, [&](std::int64_t deadline) { return wait_ns(deadline); });
  }

  // Lets the fiber run on without a handle. Its result is destroyed when the fiber ends, after its
  // other user code and before its fiber_local values (hilo/fiber_local.hpp). If the fiber has
  // already ended, detach() itself destroys the result, and parks if the result's destructor does.
  // An exception that leaves a detached fiber ends the program with its message, as in a thread.
  // Callable from: anywhere except a signal handler. Errors: detaching an empty handle aborts.
  void detach() { detail::detach_fiber(*claim("detach")->owner); }

  // Asks the fiber to stop. Its stop_token becomes stop-requested, the call in which the fiber is
  // parked ends with cancelled, and every later call that would park ends so at once. Waits in
  // shielded(), and calls that promise something on return (hilo/limit.hpp), go on. Never parks.
  // Callable from: anywhere except a signal handler.
  void request_stop() noexcept {
    if (work_ != nullptr) detail::stop_fiber(*work_->owner);
  }

  // The fiber's number; 0 for an empty handle.
  fiber_id id() const noexcept {
    return work_ == nullptr ? fiber_id{} : fiber_id{detail::id_of(*work_->owner)};
  }

 private:
  friend sched::fiber* detail::owner_of<T>(const fiber& handle) noexcept;

  status wait_ns(std::int64_t deadline) noexcept {
    if (work_ == nullptr) [[unlikely]]
      misuse("wait");
    return detail::wait_for_end(*work_->owner, deadline);
  }
  detail::task_of<T>* claim(const char* what) noexcept {
    if (work_ == nullptr) [[unlikely]]
      misuse(what);
    return std::exchange(work_, nullptr);
  }
  [[noreturn]] static void misuse(const char* what) noexcept;

  // If the fiber was never joined, its exception is dropped with it, as with std::future.
  void end() noexcept {
    if (work_ == nullptr) return;
    if (detail::left_behind(*work_->owner)) {
      work_ = nullptr;
      return;
    }
    detail::task_of<T>& work = *claim("end");
    sched::fiber& owner = *work.owner;
    detail::abandon_fiber(owner);
    work.destroy(work);
    detail::discard_fiber(owner);
  }

  detail::task_of<T>* work_ = nullptr;
};

namespace detail {

[[noreturn]] HILO_API void empty_handle(const char* what) noexcept;

// The fiber behind a handle; null for an empty one.
template <class T>
sched::fiber* owner_of(const fiber<T>& handle) noexcept {
  return handle.work_ == nullptr ? nullptr : handle.work_->owner;
}

// Inlined, like everything between the user and create_fiber(), because reports name the return
// address of this function as the spawn site.
template <class F, class... A>
[[gnu::always_inline]] inline auto spawn_on(sched::scheduler* where, const spawn_options* options,
                                            std::error_code* error, F&& callable,
                                            A&&... arguments) {
  using call = task_call_t<F, A...>;
  using result = call_result_t<call>;
  using work_type = task_with<result, call>;
  sched::fiber* made = nullptr;
  void* place = create_fiber(where, options, sizeof(work_type), alignof(work_type), &made, error);
  if (place == nullptr) return fiber<result>();
  work_type* work = nullptr;
  try {
    work = ::new (place) work_type(std::forward<F>(callable), std::forward<A>(arguments)...);
  } catch (...) {
    discard_unstarted(*made);
    throw;
  }
  work->owner = made;
  start_fiber(*made, *work);
  return fiber<result>(*work);
}

}  // namespace detail

template <class T>
void fiber<T>::misuse(const char* what) noexcept {
  detail::empty_handle(what);
}

// Starts a fiber that calls callable(arguments...), each decayed and moved, as std::thread does. If
// the first parameter of the callable is a std::stop_token, it gets the fiber's token. The new
// fiber runs soon, on this carrier or on an idle one. Parks: the new fiber may run first. Callable
// from: a fiber; from elsewhere use runtime::spawn. Errors: std::system_error if no stack is
// available, and outside a runtime. Ordering: everything before spawn happens before the callable
// runs.
template <class F, class... A>
requires detail::spawnable<F, A...>
[[gnu::always_inline]] inline auto spawn(F&& callable, A&&... arguments) {
  return detail::spawn_on(nullptr, nullptr, nullptr, std::forward<F>(callable),
                          std::forward<A>(arguments)...);
}

template <class F, class... A>
[[gnu::always_inline]] inline auto spawn(const spawn_options& options, F&& callable,
                                         A&&... arguments) {
  return detail::spawn_on(nullptr, &options, nullptr, std::forward<F>(callable),
                          std::forward<A>(arguments)...);
}

// The same without an exception: sets `error` and returns an empty handle.
template <class F, class... A>
[[gnu::always_inline]] inline auto spawn(std::error_code& error, const spawn_options& options,
                                         F&& callable, A&&... arguments) {
  error.clear();
  return detail::spawn_on(nullptr, &options, &error, std::forward<F>(callable),
                          std::forward<A>(arguments)...);
}

// Lets other fibers run: the caller goes to the end of its carrier's queue. Parks: until its turn.
// Callable from: anywhere except a signal handler; in a kernel thread it is sched_yield(2).
HILO_API void yield() noexcept;

namespace detail {
HILO_API status sleep_until_ns(std::int64_t deadline) noexcept;
}  // namespace detail

// Waits until a clock reaches `when`; returns at once if that time has passed. If a carrier is
// free, the caller wakes some tens of microseconds late. Returns ok when the time has come;
// cancelled or timed_out if a stop request or a limit came first (hilo/limit.hpp). Parks: until
// then. Callable from: any fiber or thread.
template <class C, class D>
status sleep_until(std::chrono::time_point<C, D> when) noexcept {
  status end = status::ok;
  do {
    end = detail::sleep_until_ns(detail::deadline_at(when));
  } while (end == status::ok && !detail::has_come(when));  // a clock may be set back, or go slower
  return end;
}

// Waits for a duration; a negative duration counts as 0. Otherwise as sleep_until.
template <class R, class P>
status sleep_for(std::chrono::duration<R, P> duration) noexcept {
  return detail::sleep_until_ns(detail::deadline_after(duration));
}

namespace this_fiber {

// The calling fiber's number; 0 in a kernel thread that runs no fiber.
HILO_API fiber_id id() noexcept;

// The calling fiber's stop token; in a kernel thread, a token that never gets a stop request.
// Errors: std::bad_alloc, of the first call of a fiber.
HILO_API std::stop_token stop_token();

// Keeps the calling fiber on its carrier until unpin() has been called as often as pin(). For
// libraries that belong to one kernel thread, and to keep the address of a thread_local variable
// across a park. The fiber takes turns with the other fibers of its carrier; while it computes or
// waits, they may move to other carriers. Its priority no longer counts. In a kernel thread that
// runs no fiber, these calls do nothing. If a pinned fiber changes its kernel thread (unshare,
// setns, personality, setfsuid, capabilities, signal mask, affinity), the change stays with the
// carrier: later fibers, and programs and threads that start there, have it too. Undo such a change
// before the fiber parks or ends, or call taint() before you make it.
// Errors: calling unpin() more often than pin() aborts.
HILO_API void pin() noexcept;
HILO_API void unpin() noexcept;

// Keeps the calling fiber on its kernel thread until the fiber ends, and keeps other fibers away
// from that thread. The thread stops being a carrier, and ends with the fiber. For changes of the
// thread that cannot be undone, or that must last while the fiber waits.
//
//   hilo::this_fiber::taint();
//   if (::unshare(CLONE_FS) != 0 || ::chdir("/srv/a") != 0) return;
//   serve(requests);  // parks as any fiber, and stays in that directory
//
// Another kernel thread takes over as the carrier. The runtime's monitor makes that thread, so it
// inherits nothing from the caller. A runtime without a monitor (stuck_after and report_busy_after
// are 0) lets the caller make it: call taint() before the first change. A second taint(), and
// unpin(), change nothing. Fibers that are already pinned to this carrier stay, and see the changes
// of the thread; such a fiber leaves at its next park or yield after its unpin(). Fibers that the
// caller spawns run elsewhere. That includes fibers spawned by a call: parallel_for, when_all,
// race, connecting to a name. Programs, hilo::thread and runtimes that the caller starts inherit
// the changes. The caller's hilo::blocking calls run on its thread, and hold up only the fibers
// pinned there. Do not unshare the descriptors (CLONE_FILES), because hilo's I/O needs the
// descriptors of the process. In a kernel thread that runs no fiber, and in the child of a fork,
// taint() does nothing.
// Parks: never; the call waits for the start of a kernel thread, some 100 us. Callable from: any
// fiber or thread; a simulated fiber aborts. Errors: EAGAIN if the kernel gives no thread, or if
// 512 tainted fibers live; EINVAL inside hilo::blocking, unless its fiber is tainted. After an
// error nothing has changed. Ordering: none with other fibers.
HILO_API void taint();
HILO_API void taint(std::error_code& error) noexcept;

}  // namespace this_fiber

}  // namespace hilo
