#include "runtime/sched/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <sched.h>

#include "hilo/detail/decision.hpp"
#include "hilo/fiber.hpp"
#include "hilo/stack_usage.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/context/stack_usage.hpp"
#include "runtime/sched/decider.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

[[noreturn]] void end_program(fiber& self, const std::exception_ptr& error) noexcept {
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

// fiber::stop_made.
enum : std::uint8_t { none, being_made, there };

// The stack goes back while its fiber may still stand on it, on this carrier or on another. Whoever
// takes it waits until it is off its CPU: create(), below.
void give_back(fiber& one, worker* here) noexcept {
  if (one.stop_made.load(std::memory_order_relaxed) != none) [[unlikely]] {  // nobody else is left
    one.stop = std::stop_source(std::nostopstate);
    one.stop_made.store(none, std::memory_order_relaxed);
  }
  if (one.interrupts.load(std::memory_order_relaxed) != 0) [[unlikely]] {  // all have returned
    one.interrupts.store(0, std::memory_order_relaxed);
    one.stop_requested.store(false, std::memory_order_relaxed);
    one.claimed.store(0, std::memory_order_relaxed);
  }
  if (context::sanitizing && (here == nullptr || &here->running() != &one)) {
    one.context.wait_off_cpu();
    one.context.sanitizer.destroy();
  }
  if (here != nullptr && &here->home() == one.home) {
    here->returned_count.bump();
    here->cache(one.pool->size_class()).give(&one);
  } else {
    scheduler& home = *one.home;
    one.pool->give(&one);
    home.count_guest_return();
  }
}

fiber* take_stack(scheduler& where, worker* here, unsigned size_class) {
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

// What few fibers have: a thread block, control words, a painted stack, a simulation around them.
// Throws std::system_error.
[[gnu::cold, gnu::noinline]] void equip(fiber& one, fiber_extras wanted) {
  char* const low = one.top - one.pool->stack_size();
  if (wanted.own_block) {
    one.own = context::tls_block::take(low, one.pool->stack_size());
    one.keeps |= keeps::thread_block;
  }
  if (wanted.fp_control) {
    one.fp = context::read_fp_control();  // its spawner's, as a thread has its creator's
    one.keeps |= keeps::fp_control;
  }
  if (wanted.paint) {
    context::paint_stack(low, static_cast<char*>(one.context.sp));
    one.painted = true;
  }
  if (wanted.simulated) {
    one.special = true;
    one.pin_first = false;
    one.urgency = priority::normal;
    one.pins = 0;
    one.home->decides()->created(one);
  }
}

[[noreturn, gnu::cold]] void fail_too_big(fiber& one, std::size_t bytes) {
  detail::discard_unstarted(one);
  base::fail(EINVAL, "spawn a fiber",
             "its callable and arguments are " + base::format_bytes(bytes) +
                 ", too many for a stack of " + base::format_bytes(one.pool->stack_size()) +
                 "; set spawn_options.stack_size or pass a pointer");
}

// A new life on a free stack, which is counted. Returns the task's place, null if it is too big.
[[gnu::always_inline]] inline void* begin_life(fiber& one, scheduler& where, worker* local,
                                               std::size_t bytes, std::size_t alignment,
                                               const void* site) noexcept {
  one.context.wait_off_cpu();  // see give_back()
  one.home = &where;
  one.spawned_at = site;
  if (local != nullptr) {
    local->spawned_count.bump();
    one.id = local->next_id();
  } else {
    where.count_guest_spawn();
    one.id = where.next_ids(1);
  }
  return prepare_fiber(one, bytes, alignment);
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
  const unsigned size_class = options == nullptr || options->stack_size == 0
                                  ? where->default_class()
                                  : scheduler::size_class_of(options->stack_size);
  fiber* const one = take_stack(*where, local, size_class);
  void* const place = begin_life(*one, *where, local, bytes, alignment, site);
  if (place == nullptr) [[unlikely]]
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
  *made = one;
  return place;
}

// The stop state, made at the first need by either side.
std::stop_source& stop_source_of(fiber& one) {
  std::uint8_t seen = one.stop_made.load(std::memory_order_acquire);  // (T2)
  if (seen == none &&
      one.stop_made.compare_exchange_strong(seen, being_made, std::memory_order_acquire)) {
    one.stop = std::stop_source();
    one.stop_made.store(there, std::memory_order_release);  // (T1) publishes the source
    return one.stop;
  }
  while (one.stop_made.load(std::memory_order_acquire) != there) base::cpu_relax();  // (T2)
  return one.stop;
}

}  // namespace

void set_stop_source(fiber& one, const std::stop_source& stop) noexcept {
  HILO_CHECK(one.stop_made.load(std::memory_order_relaxed) == none,
             "a fiber that shares a stop state has one of its own");
  one.stop = stop;
  one.stop_made.store(there, std::memory_order_relaxed);
}

void end_fiber(fiber& self) noexcept {
  // (J2) acq_rel: publishes the result to the joiner, and acquires a joiner's waiter.
  const std::uintptr_t before = self.join.exchange(join_word::ended, std::memory_order_acq_rel);
  if (before == join_word::detached) {
    if (self.work->error != nullptr) end_program(self, self.work->error);
    self.work->destroy(*self.work);  // may park: the carrier is asked for only below
    worker* const here = current_worker();
    here->ended_count.bump();
    give_back(self, here);
  } else {
    current_worker()->ended_count.bump();
    if (before >= join_word::waiters) {
      detail::wake(*reinterpret_cast<detail::waiter*>(before), status::ok);
    } else if (before == join_word::watched) {
      self.end_lock.lock();
      detail::wait_node* const all = self.end_waiters.take_all();
      self.end_lock.unlock();
      detail::wake_all(all, status::ok);  // our stack is ours until we are off it
    }
  }
  worker* const here = current_worker();
  fiber* const next = here->pick();
  here->switch_to(next != nullptr ? *next : here->base(), true);
  __builtin_unreachable();
}

bool watch_end(fiber& one) noexcept {
  std::uintptr_t seen = join_word::running;
  // (J4) acq_rel: as (J1)
  one.join.compare_exchange_strong(seen, join_word::watched, std::memory_order_acq_rel,
                                   std::memory_order_acquire);
  return seen == join_word::ended;
}

}  // namespace hilo::sched

namespace hilo::detail {

using sched::fiber;
using sched::worker;

void* create_fiber(sched::scheduler* where, const spawn_options* options, std::size_t bytes,
                   std::size_t alignment, fiber** made, std::error_code* error) {
  const void* const site = __builtin_return_address(0);
  // As most are: by a fiber for its own runtime, without options, on a warm stack.
  worker* const here = sched::current_worker();
  if (where == nullptr && options == nullptr && here != nullptr &&
      !here->home().default_extras().any()) [[likely]] {
    if (context::stack* const warm = here->cache(here->home().default_class()).take_free()) {
      *made = &fiber::of(*warm);
      void* const place = sched::begin_life(**made, here->home(), here, bytes, alignment, site);
      if (place != nullptr) [[likely]]
        return place;
      discard_unstarted(**made);  // too big: create() says so
    }
  }
  if (error == nullptr) return sched::create(where, options, bytes, alignment, site, made);
  try {
    return sched::create(where, options, bytes, alignment, site, made);
  } catch (const std::system_error& failed) {
    *error = failed.code();
    return nullptr;
  }
}

void start_fiber(fiber& one, task& work) noexcept {
  one.work = &work;
  worker* const here = sched::current_worker();
  if (here == nullptr || &here->home() != one.home) return one.home->inject_as_guest(one);
  if (!here->crowded()) [[likely]]
    return here->run_next(one);
  // Child first: the caller waits in the slot, and goes on when the child ends or parks.
  here->run_next(here->running());
  here->switch_to(one);
}

status join_fiber(fiber& one) noexcept {
  // acquire: as (J1) when the fiber ended before; its result is there.
  if (one.join.load(std::memory_order_acquire) == sched::join_word::ended) return status::ok;
  waiter& self = current_waiter();
  std::uintptr_t expected = sched::join_word::running;
  // (J1) publishes the waiter to (J2); or acquires the result of a fiber that just ended.
  if (!one.join.compare_exchange_strong(expected, reinterpret_cast<std::uintptr_t>(&self),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
    return wait_for_end(one, until_woken);  // ended, or watched
  }
  return park(self, "join");
}

// Who links itself under end_lock while the word is not `ended` is found by the end, which takes
// the lock after it wrote that; who comes later sees it.
status wait_for_end(fiber& one, std::int64_t deadline) noexcept {
  decision_point();
  one.end_lock.lock();
  if (sched::watch_end(one)) {
    one.end_lock.unlock();
    return status::ok;
  }
  return wait_in_until(one.end_waiters, one.end_lock, nullptr, deadline, "join");
}

void discard_unstarted(fiber& one) noexcept {
  if (one.own != nullptr) context::tls_block::give(std::exchange(one.own, nullptr));
  if (worker* const here = sched::current_worker(); here != nullptr && &here->home() == one.home) {
    here->ended_count.bump();
  } else {
    one.home->count_guest_end();
  }
  discard_fiber(one);
}

void discard_fiber(fiber& one) noexcept {
  sched::give_back(one, sched::current_worker());
}

void detach_fiber(fiber& one) noexcept {
  // (J3) acq_rel: acquires the result of a fiber that ended before.
  const std::uintptr_t before =
      one.join.exchange(sched::join_word::detached, std::memory_order_acq_rel);
  if (before != sched::join_word::ended) return;
  if (one.work->error != nullptr) sched::end_program(one, one.work->error);
  one.work->destroy(*one.work);
  discard_fiber(one);
}

void stop_fiber(fiber& one) noexcept {
  if (one.join.load(std::memory_order_acquire) == sched::join_word::ended) return;
  if (!sched::stop_source_of(one).request_stop()) return;
  begin_stop(one);
  heavy_fence();  // between (E3) and (E4)
  finish_interrupt(one, 0);
  decision_point();
}

std::stop_token stop_token_of(fiber& one) {
  return sched::stop_source_of(one).get_token();
}

stack_usage_report stack_usage_of(const fiber* one) {
  if (one == nullptr) {
    worker* const here = sched::current_worker();
    if (here == nullptr) {
      base::fail(EINVAL, "tell how much of its stack the caller used", "it is no fiber");
    }
    one = &here->running();
  }
  const std::size_t size = one->pool->stack_size();
  const char* const low = one->top - size;
  const char* const lowest = one->painted ? context::lowest_painted_over(low, one->top)
                                          : context::lowest_page_in_use(low, one->top);
  return {
      .size = size, .used = static_cast<std::size_t>(one->top - lowest), .painted = one->painted};
}

std::uint64_t id_of(const fiber& one) noexcept {
  return one.id;
}

void empty_handle(const char* what) noexcept {
  base::die("%s of an empty fiber handle: it was joined, detached or moved from before", what);
}

}  // namespace hilo::detail
