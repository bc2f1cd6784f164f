// Fibers: threads of control that cost a page and some tens of nanoseconds. A fiber is written as
// straight-line, blocking code; when it waits, its kernel thread (the carrier) goes on with
// another. Not for code that blocks in system calls of its own: that holds up a carrier.
//
//   auto answer = hilo::spawn([] { return 6 * 7; });
//   use(answer.join());
//
// Fibers share their carrier's thread_local variables, errno among them, and may continue on
// another carrier after any call that parks: do not keep a pointer to one across such a call. Code
// that cannot be told so gets thread_local variables of its own: tls::own, below.
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
  inherit,  // what runtime_options.tls says
  carrier,  // that of the kernel thread that runs it, shared with its other fibers
  // Its own, as a kernel thread has: errno, thread_local objects (made at first use, destroyed at
  // the fiber's end), pthread_self() and pthread keys, locale, exceptions in flight and malloc's
  // cache stay with it across parks and migrations. Costs some kilobytes a fiber, a
  // few system calls at its end, and some nanoseconds a switch. Where it cannot be had (clone
  // backend and FSGSBASE are needed; no address or thread sanitizer) spawn fails with ENOTSUP and
  // says why. docs/fibers.md tells what is still the carrier's.
  own,
};

// In which order runnable fibers of a carrier take turns. Nobody starves: after 16 fibers of high
// priority in a row one of the others runs, and at least every 512th turn is an idle one's.
enum class priority : std::uint8_t {
  high,    // before all others; for what answers quickly and runs briefly
  normal,  // in the order of hilo's run queues, the fastest
  idle,    // when no carrier finds anything else to run
};

// How a fiber is made; every member has a default.
struct spawn_options {
  // For reports and dumps; at most 23 characters are kept.
  std::string_view name{};
  // Bytes of stack, rounded up to a power of two, 16 KiB to 1 GiB; 0: the runtime's stack_size.
  std::size_t stack_size = 0;
  hilo::tls tls = hilo::tls::inherit;
  // Keeps the floating-point control words with the fiber: rounding mode and traps (fenv.h). It
  // starts with its spawner's. Otherwise they are the carrier's, and must be as they were whenever
  // the fiber parks. Costs some nanoseconds a switch. Exception flags are never kept.
  bool keep_fp_control = false;
  // Paints the stack first, so that stack_usage() is exact. Costs memory for the whole of it.
  bool paint_stack = false;
  // When it runs before others that are ready too.
  priority urgency = priority::normal;
  // Stays on the carrier that runs it first, as after this_fiber::pin().
  bool pinned = false;
  // Memory of the caller's to run on; empty: a stack of the runtime's. hilo keeps the fiber's
  // control block, its callable and its result there too, so that spawn allocates nothing. Used as
  // it is: not rounded up, and without a guard: a fiber that overflows it writes below, or faults
  // in a guard of the caller's. stack_size is not looked at. At least stack_least bytes and what
  // the callable and its arguments take, else spawn fails with EINVAL. It must stay until the fiber
  // was joined, or its handle destroyed; that of a detached fiber until its runtime has ended. One
  // fiber at a time.
  std::span<std::byte> stack{};
};

// The least of spawn_options::stack, for a callable of a few words that calls little.
inline constexpr std::size_t stack_least = 8192;

// A fiber's number, unique in its runtime; never 0 for a fiber.
struct fiber_id {
  std::uint64_t value = 0;
  friend auto operator<=>(const fiber_id&, const fiber_id&) = default;
};

// The handle of a spawned fiber that returns T. Its destructor asks the fiber to stop and joins it,
// as std::jthread's does (C++20 [thread.jthread.cons]), and so does assigning another to it: in the
// fiber itself they abort, because it would wait for itself. A handle may be moved to, and used
// from, any fiber or thread, by one at a time; it may not outlive its runtime.
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

  // Tells whether there is a fiber to join or detach. A look that finds none counts: a loop that
  // waits so for a handle lets others run. Callable from: anywhere.
  bool joinable() const noexcept {
    if (work_ != nullptr) return true;
    detail::count_eager();
    return false;
  }

  // Waits until the fiber ended; returns its value or rethrows its exception.
  // Parks: until then; no stop request and no limit ends the wait. Callable from: any fiber or
  // thread. Ordering: all the fiber did happens before join returns. Errors: joining an empty
  // handle aborts, and so does a fiber that joins itself.
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

  // Waits until the fiber ended, without taking its result: ok then, and join() does not wait any
  // more; cancelled or timed_out when a stop request, a limit or the time given came first.
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

  // Lets the fiber run on by itself; its result is destroyed when it ends, as the last of its user
  // code but for the fiber_local values (hilo/fiber_local.hpp). The result of a fiber that has
  // ended before is destroyed by the caller, in detach(), which parks if the destructor does. An
  // exception that leaves a detached fiber ends the program with its message, as in a thread.
  // Callable from: anywhere but a signal handler. Errors: detaching an empty handle aborts.
  void detach() { detail::detach_fiber(*claim("detach")->owner); }

  // Asks the fiber to stop: a stop is requested of its stop_token, the call in which it is parked
  // ends with cancelled, and so does every later one at once, except in shielded() and in calls
  // that promise something on return (hilo/limit.hpp). Never parks. Callable from: anywhere but a
  // signal handler.
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

  // The exception of a fiber nobody joined is dropped with it, as std::future's is.
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

// Inlined, as everything between the user and create_fiber() is: the address that this returns to
// is the spawn site of reports.
template <class F, class... A>
[[gnu::always_inline]] inline auto spawn_on(sched::scheduler* where, const spawn_options* options,
                                            std::error_code* error, F&& callable,
                                            A&&... arguments) {
  using result = spawn_result_t<std::decay_t<F>, std::decay_t<A>...>;
  using work_type = task_with<result, std::decay_t<F>, std::decay_t<A>...>;
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

// Starts a fiber that calls callable(arguments...), each decayed and moved, as std::thread does; a
// callable whose first parameter is a std::stop_token gets the fiber's. The new fiber runs soon, on
// this carrier or on one that is idle.
// Parks: it may run the new fiber first. Callable from: a fiber; from elsewhere use runtime::spawn.
// Errors: std::system_error when no stack can be had, and outside a runtime.
// Ordering: what happened before spawn happens before the callable runs.
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

// Lets others run: the caller goes to the end of its carrier's queue.
// Parks: until its turn. Callable from: anywhere but a signal handler; in a kernel thread it is
// sched_yield(2).
HILO_API void yield() noexcept;

namespace detail {
HILO_API status sleep_until_ns(std::int64_t deadline) noexcept;
}  // namespace detail

// Waits until a clock reaches `when`; at once if it has. Lateness is some tens of microseconds when
// a carrier is free. Returns ok then; cancelled or timed_out when a stop request or a limit came
// first (hilo/limit.hpp). Parks: until then. Callable from: any fiber or thread.
template <class C, class D>
status sleep_until(std::chrono::time_point<C, D> when) noexcept {
  status end = status::ok;
  do {
    end = detail::sleep_until_ns(detail::deadline_at(when));
  } while (end == status::ok && !detail::has_come(when));  // a clock may be set back, or go slower
  return end;
}

// Waits for a duration; a negative one is none. Otherwise as sleep_until.
template <class R, class P>
status sleep_for(std::chrono::duration<R, P> duration) noexcept {
  return detail::sleep_until_ns(detail::deadline_after(duration));
}

namespace this_fiber {

// The calling fiber's number; 0 in a kernel thread that runs none.
HILO_API fiber_id id() noexcept;

// The calling fiber's stop token; in a kernel thread one that is never requested.
HILO_API std::stop_token stop_token();

// Keeps the calling fiber on its carrier from now on, until unpin() as often: for libraries that
// belong to one kernel thread, and to keep the address of a thread_local variable across a park. It
// takes turns with the others there; while it computes or waits they may go elsewhere. Its priority
// no longer counts. In a kernel thread that runs no fiber it does nothing.
// What a pinned fiber changes of its kernel thread (unshare, setns, personality, setfsuid,
// capabilities, signal mask, affinity) stays with the carrier: later fibers, programs and threads
// that start there have it too. Undo such a change before the fiber parks or ends, or call taint()
// before you make it.
// Errors: more unpin() than pin() aborts.
HILO_API void pin() noexcept;
HILO_API void unpin() noexcept;

// Keeps the calling fiber on its kernel thread until it ends, and other fibers away from that
// thread: it is a carrier no longer, and ends with the fiber. For changes of the thread that cannot
// be undone, or must last while the fiber waits.
//
//   hilo::this_fiber::taint();
//   if (::unshare(CLONE_FS) != 0 || ::chdir("/srv/a") != 0) return;
//   serve(requests);  // parks as any fiber, and stays in that directory
//
// Another kernel thread takes over as the carrier; the runtime's own monitor makes it, so it
// inherits nothing from the caller. Runtimes without one (stuck_after and report_busy_after are 0)
// let the caller make it: call taint() before the first change. A second call, and unpin(), change
// nothing. Fibers that are pinned to this carrier already stay, and see the changes;
// a fiber that unpins itself there leaves when it parks or yields. Fibers that the caller spawns
// run elsewhere, and so do calls that spawn some: parallel_for, when_all, race, connecting to a
// name. Programs, hilo::threads and runtimes that the caller starts inherit the changes. Its
// hilo::blocking calls run on its thread, and hold up only the fibers that are pinned there. Do not
// unshare the descriptors (CLONE_FILES): hilo's I/O needs those of the process. In a kernel thread
// that runs no fiber, and in the child of a fork, it does nothing.
// Parks: never; it waits for the start of a kernel thread, some 100 us. Callable from: any fiber or
// thread; a simulated fiber aborts. Errors: EAGAIN when the kernel gives no thread, or 512 such
// fibers live; EINVAL inside hilo::blocking, unless its fiber is tainted; nothing has changed then.
// Ordering: none with other fibers.
HILO_API void taint();
HILO_API void taint(std::error_code& error) noexcept;

}  // namespace this_fiber

}  // namespace hilo
