#include "bench/scaling/runtime.hpp"

namespace scaling {

prices::prices(const costs& all) noexcept
    : locked(to_ps(all.locked)),
      relax(to_ps(all.relax)),
      clock(to_ps(all.clock)),
      look(to_ps(all.look)),
      system_call(to_ps(all.system_call)),
      futex_wake(to_ps(all.futex_wake)),
      kernel_switch(to_ps(all.kernel_switch)),
      membarrier(to_ps(all.membarrier)),
      spawn(to_ps(all.spawn)),
      life(to_ps(all.life)),
      pick(to_ps(all.pick)),
      swap(to_ps(all.swap)),
      join(to_ps(all.join)),
      park(to_ps(all.park)),
      channel(to_ps(all.channel)),
      section(to_ps(all.section)),
      fork(to_ps(all.fork)) {}

runtime::runtime(const costs& inputs, unsigned carriers, unsigned cpus, std::uint32_t seed)
    : prices_(inputs), carriers_(carriers), seed_(seed), machine_(inputs, cpus, carriers) {
  for (unsigned i = 0; i < carriers; ++i) workers_.emplace_back(*this, i);
}

namespace {

// How long the first fiber computes before it begins. By then all other carriers sleep.
constexpr picoseconds quiet_time = microseconds(100'000);

}  // namespace

step<void> runtime::begin_first(fiber& me, const std::function<step<void>(fiber&)>& first) {
  for (picoseconds i = 0; i < 1000; ++i) {
    machine_.spend(me.at->its_thread(), quiet_time / 1000);
    co_await machine_.turn(me.at->its_thread());
  }
  co_await first(me);
  co_await worker::departure{me, worker::leaving::parks, nullptr};
}

bool runtime::run(const std::function<step<void>(fiber&)>& first) {
  fiber& one = open();
  one.program.emplace(begin_first(one, first));
  one.next = one.program->start();
  workers_[0].begin_with(one);
  for (worker& each : workers_) {
    loops_.push_back(each.loop());
    machine_.begin(each.its_thread(), loops_.back().start());
  }
  return machine_.run() && measuring_ended();
}

// A thread that sleeps or waits for a CPU has been doing that since the time that its clock shows.
void runtime::begin_measuring(fiber& me) {
  began_at_ = me.at->its_thread().now;
  for (worker& each : workers_) {
    machine::account(each.its_thread(), began_at_);
    each.its_thread().times = {};
    each.stolen = each.searches = each.naps = each.switches = 0;
  }
  machine_.forget_transfers();
  idle_.forget_wakes();
}

void runtime::end_measuring(fiber& me) {
  ended_at_ = me.at->its_thread().now;
  for (worker& each : workers_) machine::account(each.its_thread(), ended_at_);
  machine_.stop();
}

step<fiber*> runtime::take_chain(worker& by) {
  co_await pool_lock_.lock(by);
  fiber* const first = chains_.empty() ? nullptr : chains_.back();
  if (first != nullptr) chains_.pop_back();
  co_await machine_.write(by.its_thread(), pool_line_);
  co_await pool_lock_.unlock(by);
  co_return first;
}

step<void> runtime::give_chain(worker& by, fiber* first) {
  co_await pool_lock_.lock(by);
  chains_.push_back(first);
  co_await machine_.write(by.its_thread(), pool_line_);
  co_await pool_lock_.unlock(by);
}

double runtime::share(doing what) const noexcept {
  picoseconds all = 0;
  picoseconds those = 0;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    for (const picoseconds time : machine_.at(i).times) all += time;
    those += machine_.at(i).times[std::size_t(what)];
  }
  return all == 0 ? 0 : double(those) / double(all);
}

std::uint64_t runtime::sum(std::uint64_t worker::*count) const noexcept {
  std::uint64_t all = 0;
  for (const worker& each : workers_) all += each.*count;
  return all;
}

}  // namespace scaling
