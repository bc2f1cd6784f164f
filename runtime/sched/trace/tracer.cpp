#include "runtime/sched/trace/tracer.hpp"

#include <cstring>

#include <unistd.h>

#include "hilo/detail/deadline.hpp"

#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/scheduler.hpp"

namespace hilo::sched {

constinit trace_wishes trace_wanted{};

namespace {

std::uint64_t address_of(const void* at) noexcept {
  return reinterpret_cast<std::uintptr_t>(at);
}

void copy_name(trace_event& into, const fiber& one) noexcept {
  static_assert(fiber::name_room == trace_event::name_room);
  std::memcpy(into.name, one.name, sizeof into.name);
}

}  // namespace

void trace_wishes::expire(std::int64_t now) noexcept {
  std::int64_t until = outside_until.load(std::memory_order_relaxed);
  if (until == 0 || until >= now) return;
  // A new time that comes meanwhile stays.
  outside_until.compare_exchange_strong(until, 0, std::memory_order_relaxed);
}

bool tracer::turn() noexcept {
  if (on_) {
    on_ = false;
    return true;
  }
  trace_wanted.expire(detail::monotonic_now());
  if (!trace_wanted.any()) return false;
  if (ring_ == nullptr) {
    ring_ = trace_ring::make(trace_wanted.room.load(std::memory_order_relaxed));
    if (ring_ == nullptr) return false;
    shown_.store(ring_.get(), std::memory_order_release);  // (TR)
  }
  thread_.store(::gettid(), std::memory_order_relaxed);
  ring_->begin();
  running_ = 0;
  clock_.begin();
  (void)clock_.now();
  on_ = true;
  return true;
}

[[gnu::always_inline]] inline void tracer::record(const trace_event& one) noexcept {
  ring_->write(one);
  if (is_probed()) [[unlikely]]
    pass_probe(trace_event(one));  // a copy: what has an address is kept in memory
}

[[gnu::always_inline]] inline trace_event tracer::now(trace_what what,
                                                      std::uint64_t fiber) noexcept {
  trace_event one;
  one.time = clock_.now();
  one.fiber = fiber;
  one.what = what;
  return one;
}

// A switch is two events and needs one look at the clock, unless there was a search in between.
void tracer::runs(fiber& one, bool long_after) noexcept {
  if (!one.special) {
    one.pin_first = false;
    one.urgency = priority::normal;
    one.pins = 0;
    one.special = true;
  }
  trace_event its;
  its.time = long_after ? clock_.now() : clock_.last();
  its.fiber = running_ = one.id;
  its.what = trace_what::runs;
  copy_name(its, one);
  record(its);
}

void tracer::leaves(trace_what how, const char* reason) noexcept {
  trace_event its = now(how, running_);
  its.text = address_of(reason);
  record(its);
  running_ = 0;
}

void tracer::spawned(const fiber& one) noexcept {
  trace_event its = now(trace_what::spawned, one.id);
  its.other = running_;
  its.text = address_of(one.spawned_at);
  copy_name(its, one);
  record(its);
}

void tracer::wakes(const fiber& one) noexcept {
  trace_event its = now(trace_what::wakes, one.id);
  its.other = running_;
  its.number = one.home->number();
  record(its);
}

void tracer::steals(const fiber& one, std::uint32_t from) noexcept {
  trace_event its = now(trace_what::steals, one.id);
  its.number = from;
  record(its);
}

void tracer::note(trace_what what, const fiber* one, std::uint32_t number, std::uint64_t other,
                  std::uint8_t call) noexcept {
  trace_event its = now(what, one != nullptr ? one->id : 0);
  its.number = number;
  its.other = other;
  its.call = call;
  record(its);
}

}  // namespace hilo::sched
