// The control block of a fiber. It lies at the top of the fiber's stack. When the fiber ends it
// stays there, for the next fiber.
//
//   top of the slot  ->  | colour | control block | task | first frame ... -> grows down
//
// The colour moves the control blocks of neighbouring stacks to different cache sets. Stacks are
// whole pages apart, so without it the same lines of every stack would compete for the same eight
// ways.
//
// The owner of a fiber in each state, which may touch it:
//   new       its spawner                       until start
//   runnable  one queue: a next slot, a work_ring, the injector
//   running   its carrier
//   waiting   the wait list or timer that holds its waiter; then its waker
//   ended     its handle; no owner once detached
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stop_token>

#include "hilo/detail/fork.hpp"
#include "hilo/detail/task.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fiber_local.hpp"

#include "runtime/context/context.hpp"
#include "runtime/context/fp_control.hpp"
#include "runtime/context/stack_cache.hpp"
#include "runtime/context/tls_block.hpp"
#include "runtime/sched/time/alarm.hpp"

namespace hilo::sched {

class worker;
class scheduler;

// The state of exceptions in flight, which the C++ ABI keeps per thread (Itanium C++ ABI, 2.2.2). A
// fiber that parks inside a catch block takes it along.
struct exception_globals {
  void* caught = nullptr;
  unsigned uncaught = 0;
};

// State that a switch moves for a fiber, beyond the registers. Most fibers keep none.
namespace keeps {
inline constexpr std::uint8_t thread_block = 1;  // fiber::own
inline constexpr std::uint8_t fp_control = 2;    // fiber::fp
inline constexpr std::uint8_t wakeup_time = 4;   // fiber::woken_at
}  // namespace keeps

// A spawner's wishes for a fiber, beyond a stack.
struct fiber_extras {
  bool own_block = false;
  bool fp_control = false;
  bool paint = false;
  bool watched = false;  // the scheduler is told of each wake: a simulation, measure_wakeups
  bool any() const noexcept { return std::bit_cast<std::uint32_t>(*this) != 0; }
};
static_assert(sizeof(fiber_extras) == sizeof(std::uint32_t));

// The word at which a fiber and its handle meet. Values below `waiters` are states; a larger value
// is the address of the joining waiter. The word changes by exchange or compare-exchange, except
// where only one side can change it: (J1) of a fiber that cannot run meanwhile, (J2) when a joiner
// waits.
//   running -> joiner    join (J1)      running | joiner | watched -> ended   end of the fiber (J2)
//   running | watched -> detached  detach (J3)  detached -> ended  given back by the fiber itself
//   running -> watched   a wait that may be given up (J4): from then on end_waiters has the waiters
namespace join_word {
inline constexpr std::uintptr_t running = 0;
inline constexpr std::uintptr_t ended = 1;
inline constexpr std::uintptr_t detached = 2;
inline constexpr std::uintptr_t watched = 3;
inline constexpr std::uintptr_t waiters = 8;
}  // namespace join_word

// fiber::stop_made: if it is not 0, the end of the life must handle it.
namespace stop_state {
inline constexpr std::uint8_t none = 0;
inline constexpr std::uint8_t being_made = 1;
inline constexpr std::uint8_t there = 2;
inline constexpr std::uint8_t user_stack =
    4;  // a bit: the stack is not the runtime's (user_stacks.hpp)
}  // namespace stop_state

// The list of forks comes first: carrier::forks points at it.
struct alignas(64) fiber : detail::fork_list, context::stack, detail::waiter {
  fiber() noexcept : waiter(detail::waiter_kind::fiber) {}

  // Fields that every life touches come first, down to `urgency`, in four cache lines: a stolen
  // fiber costs a cache miss for each line. A fifth line cost a twentieth of skynet and a tenth of
  // channel_4x4 on two carriers.
  context::context context;
  worker* carrier = nullptr;  // the worker that runs it; only the fiber uses it
  scheduler* home = nullptr;  // set at creation
  detail::task* work = nullptr;

  // Written by the fiber at its end and by its handle; the table above.
  // (J) acq_rel everywhere: the fiber's end publishes its result; the joiner publishes its waiter.
  std::atomic<std::uintptr_t> join{join_word::ended};  // as before the first life

  exception_globals exceptions;
  detail::local_value* locals = nullptr;  // its fiber_local values; only the fiber uses them
  const char* parked_on = nullptr;        // why it waits, for dumps
  std::uint64_t id = 0;
  const void* spawned_at = nullptr;  // where its spawn returned to
  bool started = false;              // false until it first runs: till then it is depth-first work
  std::uint8_t keeps = 0;            // bits of sched::keeps; only the fiber uses it while it lives
  bool painted = false;              // its stack was painted at spawn
  // (T1)/(T2). The stop state is made by the first side that needs it, the fiber or its handle;
  // most fibers never have one.
  std::atomic<std::uint8_t> stop_made{stop_state::none};
  // It waits in a lane and not in a ring (lanes.cpp), because it has a priority, is pinned, or
  // belongs to a simulation (decider.hpp). Or its wakes are measured or traced (tracer.hpp), and it
  // waits in a ring all the same. Used only by the owner of the fiber. pin_first, urgency, pins and
  // pinned_to count only if it is set.
  bool special = false;
  bool pin_first = false;  // to the worker that runs it first
  priority urgency = priority::normal;
  std::uint32_t parked_at = 0;  // when it parked (coarse_clock.hpp), for dumps; 0: not known

  static constexpr std::size_t name_room = 24;
  char name[name_room] = "";

  // How many times it is pinned, and a bit that stays set until its end (retire.cpp).
  static constexpr std::uint32_t pinned_for_life = std::uint32_t{1} << 31;
  std::uint32_t pins = 0;
  worker* pinned_to = nullptr;        // while pins is not 0
  fiber* next_injected = nullptr;     // in the injector, guarded by its lock
  context::tls_block* own = nullptr;  // if it keeps a thread block
  context::fp_control fp;             // its control words while suspended, if it keeps them
  // When it was woken, if that is measured; 0: it was not. The waker writes it before it makes the
  // fiber runnable.
  std::int64_t woken_at = 0;
  std::stop_source stop{std::nostopstate};

  // The waiters for its end, once `join` is watched; guarded by end_lock.
  detail::spin_lock end_lock;
  detail::wait_list end_waiters;

  alarm deadline{*this};  // the deadline of its waits

  static fiber& of(detail::waiter& one) noexcept { return static_cast<fiber&>(one); }
  static fiber& of(context::stack& one) noexcept { return static_cast<fiber&>(one); }
};

// Makes the control block of a fresh slot.
context::stack* build_fiber(char* top, std::size_t index, context::stack_pool& pool);

// The bytes of its stack, which end at `top`.
inline std::size_t stack_bytes(const fiber& one) noexcept {
  return one.pool != nullptr ? one.pool->stack_size() : one.chain_length;  // user_stacks.hpp
}

// The first and last function of a fiber. Its argument is the fiber, whose task is set.
void enter_fiber(void* argument);

// Makes the fiber's end wake the waiters in end_waiters (J4). True if the fiber has ended already.
bool watch_end(fiber& one) noexcept;

// Writes `fiber #7 "name"` for reports. Async-signal-safe.
void describe_fiber(const fiber& one, char* text, std::size_t room) noexcept;

}  // namespace hilo::sched
