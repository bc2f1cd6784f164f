#include "runtime/sched/fibers/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <sched.h>

#include "hilo/fiber.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/context/stack_usage.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

constexpr std::size_t least_frames = 4096;   // bytes that a task must leave of its stack
constexpr std::size_t least_alignment = 16;  // of a frame, and so of the task above it

// For a fiber that was asked to stop, or could have been. Its handle is done with it, but a stop of
// the whole runtime may be under way (stop_all.cpp), for some instructions more.
[[gnu::cold, gnu::noinline]] void forget_requests(fiber& one) noexcept {
  while (one.interrupts.load(std::memory_order_acquire) > 1) ::sched_yield();
  one.stop = std::stop_source(std::nostopstate);
  one.stop_made.store(stop_state::none,
                      std::memory_order_release);  // pairs with (T2) of the next maker
  // A stop of the whole runtime may protect the block at any moment, also now, and then finds that
  // the fiber has ended. Its count must not be overwritten: it would then be subtracted from the
  // next life.
  std::uint32_t seen = 1;
  while (!one.interrupts.compare_exchange_weak(seen, 0, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
    if (seen <= 1) continue;
    ::sched_yield();
    seen = 1;
  }
  one.stop_requested.store(false, std::memory_order_relaxed);
  one.reopen();
}

[[gnu::noinline]] void give_back_as_guest(fiber& one) noexcept {
  scheduler& home = *one.home;
  if (home.left_behind()) return;  // another thread may have held the pool's lock at the fork
  one.pool->give(&one);
  home.count_guest_return();
}

// The stack is the user's. The caller stands on that stack only if the fiber was detached.
[[gnu::cold, gnu::noinline]] void leave_user_stack(fiber& one, worker* here) noexcept {
  scheduler& home = *one.home;
  home.on_user_stacks().remove(one);
  forget_requests(one);
  if (here == nullptr || &here->running() != &one) {
    one.context.wait_off_cpu();
    one.context.sanitizer.destroy();
    char* const top = one.top;
    const std::size_t bytes = one.chain_length;
    one.~fiber();
    context::forget_frames(top - bytes, bytes);
  }
  if (here != nullptr && &here->home() == &home) {
    here->returned_count.bump();
  } else {
    home.count_guest_return();
  }
}

// The stack goes back while its fiber may still stand on it, on this carrier or on another. The
// taker of the stack waits until the fiber is off its CPU: create(), below.
[[gnu::always_inline]] inline void give_back(fiber& one, worker* here) noexcept {
  detail::light_fence();  // between (J2) and (L3); an end that a joiner waits for is a plain store
  // (L3)
  if ((one.stop_made.load(std::memory_order_relaxed) |
       one.interrupts.load(std::memory_order_relaxed)) != 0) [[unlikely]] {
    if ((one.stop_made.load(std::memory_order_relaxed) & stop_state::user_stack) != 0)
      return leave_user_stack(one, here);
    forget_requests(one);
  }
  if (context::sanitizing && !one.home->left_behind() &&
      (here == nullptr || &here->running() != &one)) {
    one.context.wait_off_cpu();
    one.context.sanitizer.destroy();
  }
  if (here == nullptr || &here->home() != one.home) [[unlikely]]
    return give_back_as_guest(one);
  here->returned_count.bump();
  here->cache(one.pool->size_class()).give(&one);
}

fiber* take_stack(scheduler& where, worker* here, const spawn_options* options) {
  if (options != nullptr && options->stack.data() != nullptr) {
    return &where.on_user_stacks().add(options->stack);
  }
  const unsigned size_class = options == nullptr || options->stack_size == 0
                                  ? where.default_class()
                                  : scheduler::size_class_of(options->stack_size);
  if (here != nullptr) {
    if (context::stack* const warm = here->cache(size_class).take_free()) [[likely]] {
      return &fiber::of(*warm);
    }
  }
  context::stack_pool& pool = where.pool(size_class);
  int error = 0;
  context::stack* const one =
      here != nullptr ? here->cache(size_class).refill(pool, error) : pool.take(error);
  if (one == nullptr) [[unlikely]] {
    base::fail(error == 0 ? EAGAIN : error, "spawn a fiber", pool.arena().explain(error));
  }
  return &fiber::of(*one);
}

// Extras that few fibers have: a thread block, control words, a painted stack, a look at each wake.
// Throws std::system_error.
[[gnu::cold, gnu::noinline]] void equip(fiber& one, fiber_extras wanted) {
  char* const low = one.top - stack_bytes(one);
  if (wanted.own_block) {
    one.own = context::tls_block::take(low, stack_bytes(one));
    one.keeps |= keeps::thread_block;
  }
  if (wanted.fp_control) {
    one.fp = context::read_fp_control();  // its spawner's, as a new thread has its creator's
    one.keeps |= keeps::fp_control;
  }
  if (wanted.paint) {
    context::paint_stack(low, static_cast<char*>(one.context.sp));
    one.painted = true;
  }
  if (wanted.watched) {
    one.special = true;
    one.pin_first = false;
    one.urgency = priority::normal;
    one.pins = 0;
    if (decider* const who = one.home->decides()) {
      who->created(one);
    } else {
      one.keeps |= keeps::wakeup_time;
      one.woken_at = 0;
    }
  }
}

// Whether a task of so many bytes leaves room for frames on the stack.
bool fits(const fiber& one, std::size_t stack, std::size_t bytes, std::size_t alignment) noexcept {
  const char* const low = one.top - stack;
  const auto room = static_cast<std::size_t>(reinterpret_cast<const char*>(&one) - low);
  return bytes + alignment + least_frames <= room;
}

// Begins a life on a free stack that is off its CPU: lays out room for a task that fits, and the
// first frame below it. Returns the task's place.
[[gnu::always_inline]] inline void* begin_life(fiber& one, scheduler& where, std::uint64_t id,
                                               std::size_t bytes, std::size_t alignment,
                                               const void* site) noexcept {
  one.home = &where;
  one.id = id;
  one.spawned_at = site;
  if constexpr (context::sanitizing) {
    char* const low = one.top - stack_bytes(one);
    one.context.sanitizer.destroy();  // of a last life that gave itself back
    one.context.sanitizer.create(low, static_cast<std::size_t>(one.top - low));
  }
  const std::size_t aligned = std::max<std::size_t>(alignment, least_alignment);
  const auto place = (reinterpret_cast<std::uintptr_t>(&one) - bytes) & ~(aligned - 1);
  auto* const task = reinterpret_cast<char*>(place);
  context::prepare_context(one.context, task, enter_fiber, &one);
  one.exceptions = {};
  // (L4) release: pairs with (L2). Only a stop of the whole runtime may look. It finds the last
  // life's stop state as that life left it.
  one.join.store(join_word::running, std::memory_order_release);
  one.started = false;
  one.keeps = 0;
  one.painted = false;
  one.special = false;
  one.name[0] = '\0';
  return task;
}

[[noreturn, gnu::cold, gnu::noinline]] void fail_too_big(fiber& one, std::size_t bytes) {
  const std::size_t stack = stack_bytes(one);
  detail::discard_unstarted(one);
  base::fail(EINVAL, "spawn a fiber",
             "its callable and arguments are " + base::format_bytes(bytes) +
                 ", too many for a stack of " + base::format_bytes(stack) +
                 "; set spawn_options.stack_size or pass a pointer");
}

void* create(scheduler* where, const spawn_options* options, std::size_t bytes,
             std::size_t alignment, const void* site, fiber** made) {
  worker* const here = current_worker();
  if (where == nullptr) {
    if (here == nullptr) [[unlikely]] {
      base::fail(EINVAL, "spawn a fiber",
                 "the caller is in no runtime; call spawn inside hilo::run, or use runtime::spawn");
    }
    where = &here->home();
  }
  worker* const local = here != nullptr && &here->home() == where ? here : nullptr;
  if (local == nullptr && where->left_behind()) [[unlikely]] {
    base::fail(ESRCH, "spawn a fiber",
               "its runtime is the parent's and does not run in the child of a fork; start one in "
               "the child");
  }
  fiber* const one = take_stack(*where, local, options);
  one->context.wait_off_cpu();  // see give_back()
  std::uint64_t id;
  if (local != nullptr) {
    local->spawned_count.bump();
    id = local->next_id();
  } else {
    where->count_guest_spawn();
    id = where->next_ids(1);
  }
  const bool fit = fits(*one, stack_bytes(*one), bytes, alignment);
  void* const place =
      begin_life(*one, *where, id, fit ? bytes : 0, fit ? alignment : least_alignment, site);
  if (!fit) [[unlikely]]
    fail_too_big(*one, bytes);
  const fiber_extras extras =
      options == nullptr ? where->default_extras() : where->extras_of(*options);
  if (extras.any()) [[unlikely]] {
    try {
      equip(*one, extras);
    } catch (...) {
      detail::discard_unstarted(*one);
      throw;
    }
  }
  if (options != nullptr && !options->name.empty()) {
    const std::size_t length = std::min(options->name.size(), fiber::name_room - 1);
    std::memcpy(one->name, options->name.data(), length);
    one->name[length] = '\0';
  }
  if (options != nullptr && (options->urgency != priority::normal || options->pinned)) {
    one->special = true;
    one->pin_first = options->pinned;
    one->urgency = options->urgency;
    one->pins = 0;
  }
  if (local != nullptr && local->trace().on()) [[unlikely]]
    local->trace().spawned(*one);
  *made = one;
  return place;
}

}  // namespace

void end_for_exception(const fiber& self, const std::exception_ptr& error) noexcept {
  char who[64];
  describe_fiber(self, who, sizeof who);
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& escaped) {
    base::report("an exception left detached %s: %s", who, escaped.what());
    std::terminate();
  } catch (...) {
    base::report("an exception that is no std::exception left detached %s", who);
    std::terminate();
  }
}

// For a fiber that was detached after its look at (J5).
[[gnu::cold, gnu::noinline]] static void end_late(fiber& self) noexcept {
  drop_result(self);
  end_values(self);
}

void end_fiber(fiber& self) noexcept {
  // (J2) publishes the result to the joiner, and acquires a joiner's waiter. While the word is a
  // joiner, only we change it, so a store is enough: a locked instruction would be a tenth of a
  // short life.
  std::uintptr_t before = self.join.load(std::memory_order_acquire);
  if (before >= join_word::waiters) {
    self.join.store(join_word::ended, std::memory_order_release);
  } else {
    before = self.join.exchange(join_word::ended, std::memory_order_acq_rel);
  }
  if (before == join_word::detached) {
    if (self.work != nullptr) [[unlikely]]
      end_late(self);
    if ((self.special | self.keeps) != 0) [[unlikely]]
      take_down(self);
    worker* const here = current_worker();  // asked for here: the destructors may have parked
    here->ended_count.bump();
    give_back(self, here);
  } else {
    if ((self.special | self.keeps) != 0) [[unlikely]]
      take_down(self);
    worker* const here = current_worker();
    here->ended_count.bump();
    if (before >= join_word::waiters) {
      auto& joiner = *reinterpret_cast<detail::waiter*>(before);
      if (joiner.kind == detail::waiter_kind::fiber && here->pass_turn_to(fiber::of(joiner))) {
        fiber::of(joiner).context.result = static_cast<std::uint32_t>(status::ok);
        return here->leave_for(fiber::of(joiner));
      }
      detail::wake(joiner, status::ok);
    } else if (before == join_word::watched) {
      self.end_lock.lock();
      detail::wait_node* const all = self.end_waiters.take_all();
      self.end_lock.unlock();
      detail::wake_all(all, status::ok);  // our stack is ours until we are off it
    }
  }
  worker* const here = current_worker();
  fiber* next = here->pick_quickly(run_queue::leaving::goes_on);
  if (next == nullptr) next = here->pick_after(trace_what::ends);
  here->leave_for(next != nullptr ? *next : here->base());
}

}  // namespace hilo::sched

namespace hilo::detail {

using sched::fiber;
using sched::worker;

namespace {

[[gnu::noinline]] void* create_anyhow(sched::scheduler* where, const spawn_options* options,
                                      std::size_t bytes, std::size_t alignment, fiber** made,
                                      std::error_code* error, const void* site) {
  if (error == nullptr) return sched::create(where, options, bytes, alignment, site, made);
  try {
    return sched::create(where, options, bytes, alignment, site, made);
  } catch (const std::system_error& failed) {
    *error = failed.code();
    return nullptr;
  }
}

// Child first: the caller waits in the slot, and goes on when the child ends or parks. A retired
// carrier starts no fiber.
[[gnu::noinline]] void start_at_once(worker& here, fiber& one) noexcept {
  if (here.retired()) return here.home().inject(one);
  if (here.trace().on()) [[unlikely]]
    here.trace().leaves(sched::trace_what::yields);
  here.run_next(here.running());
  here.go_on(one);
  here.switch_to(one);
}

}  // namespace

void* create_fiber(sched::scheduler* where, const spawn_options* options, std::size_t bytes,
                   std::size_t alignment, fiber** made, std::error_code* error) {
  const void* const site = __builtin_return_address(0);
  // The common case: a fiber spawns in its own runtime, without options, on a warm stack.
  worker* const here = sched::current_worker();
  if (where == nullptr && options == nullptr && here != nullptr &&
      !here->home().default_extras().any() && here->has_ids()) [[likely]] {
    context::stack_cache& cache = here->cache(here->home().default_class());
    context::stack* const warm = cache.first_free();
    if (warm != nullptr) [[likely]] {
      fiber& one = fiber::of(*warm);
      if (one.context.off_cpu() && sched::fits(one, one.pool->stack_size(), bytes, alignment))
          [[likely]] {
        cache.take(*warm);
        *made = &one;
        here->spawned_count.bump();
        return sched::begin_life(one, here->home(), here->take_id(), bytes, alignment, site);
      }
    }
  }
  return create_anyhow(where, options, bytes, alignment, made, error, site);
}

void start_fiber(fiber& one, task& work) noexcept {
  one.work = &work;
  worker* const here = sched::current_worker();
  if (here == nullptr || &here->home() != one.home) [[unlikely]]
    return one.home->inject_as_guest(one);
  if (here->its_queue().crowded()) [[unlikely]]
    return start_at_once(*here, one);
  here->run_next(one);
}

void discard_unstarted(fiber& one) noexcept {
  if (one.own != nullptr) context::tls_block::give(std::exchange(one.own, nullptr));
  if (worker* const here = sched::current_worker(); here != nullptr && &here->home() == one.home) {
    here->ended_count.bump();
  } else {
    one.home->count_guest_end();
  }
  one.join.store(sched::join_word::ended, std::memory_order_release);  // as (J2)
  discard_fiber(one);
}

void discard_fiber(fiber& one) noexcept {
  sched::give_back(one, sched::current_worker());
}

}  // namespace hilo::detail
