// Timers and tickers: what fired, what was taken back, and which wait or select is told so.
#include <chrono>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::require;

// A wait and a cancel() that meet: either the timer fired for both, or for neither.
HILO_SEEDED("timer: a wait and cancel() agree on what was first") {
  hilo::timer alarm(100us);
  std::vector<hilo::fiber<status>> all;
  for (int i = 0; i < 2; ++i) all.push_back(hilo::spawn([&] { return alarm.wait(); }));
  hilo::sleep_for(99us);
  const bool taken_back = alarm.cancel();
  require(alarm.has_fired() != taken_back, "a timer is fired and taken back");
  for (auto& one : all) {
    require(one.join() == (taken_back ? status::closed : status::ok),
            "a wait and cancel() tell different stories");
  }
  require(alarm.wait() == (taken_back ? status::closed : status::ok), "a firing is forgotten");
}

// A fiber that can run is held up for a millisecond at most, so after ten of them it waits.
HILO_SEEDED(
    "timer: waits and selects that began before a new time end by the time that came first") {
  hilo::timer alarm(20ms);
  const auto start = hilo::now();
  std::vector<hilo::fiber<hilo::status>> all;
  for (int i = 0; i < 2; ++i) all.push_back(hilo::spawn([&] { return alarm.wait(); }));
  for (int i = 0; i < 2; ++i) {
    all.push_back(hilo::spawn([&] { return hilo::select{hilo::fired_of(alarm)}.end; }));
  }
  hilo::sleep_for(10ms);
  hilo::sleep_until(start + 20ms - 2us);
  for (int i = 0; i < 2; ++i) hilo::yield();  // a microsecond each
  const bool was_active = alarm.fire_after(1h);
  require(!alarm.has_fired(), "a timer fires early");
  for (auto& one : all) {
    require(one.join() == status::ok, "a set timer does not fire");
    const auto took = hilo::now() - start;
    require(was_active == (took >= 1h), "a wait and a new time tell different stories");
  }
}

HILO_SEEDED("timer: limits and stop requests are told from cancel()") {
  hilo::timer alarm(1h);
  auto stopped = hilo::spawn([&] { return alarm.wait(); });
  auto limited =
      hilo::spawn([&] { return hilo::with_timeout(50us, [&] { return alarm.wait(); }); });
  auto taken_back = hilo::spawn([&] {
    const status end = hilo::shielded([&] { return alarm.wait(); });
    require(end == status::closed, "cancel() does not end a wait with closed");
  });
  stopped.request_stop();
  require(stopped.join() == status::cancelled, "a stop request is taken for cancel()");
  require(limited.join() == status::timed_out, "a limit is taken for cancel()");
  require(alarm.cancel(), "a timer that is set is not active");
  taken_back.join();
}

HILO_SEEDED("timer: a select follows its time, sooner and later") {
  hilo::timer alarm;
  hilo::channel<int> never;
  std::optional<int> none;
  auto selects = hilo::spawn([&] {
    const hilo::select first{hilo::receive_from(never, none), hilo::fired_of(alarm)};
    require(first == 1 && first.end == status::ok, "a select takes what was not ready");
    return hilo::now();
  });
  const auto start = hilo::now();
  require(!alarm.fire_after(2h), "an unset timer is active");
  hilo::sleep_for(10us);
  require(alarm.fire_after(3h), "a set timer is not active");
  hilo::sleep_for(10us);
  require(alarm.fire_at(start + 1h), "a set timer is not active");
  const auto took = selects.join() - start;
  require(took >= 1h && took < 2h, "a select does not follow a timer");
}

HILO_SEEDED("timer: a select and cancel() agree on what was first") {
  hilo::timer alarm(100us);
  hilo::event give_up;
  auto selects = hilo::spawn([&] {
    return hilo::select{hilo::fired_of(alarm), hilo::set_of(give_up)}.index;
  });
  hilo::sleep_for(99us);
  if (alarm.cancel()) {
    give_up.set();
    require(selects.join() == 1, "a timer fires that was taken back");
  } else {
    require(selects.join() == 0, "a firing is lost");
  }
}

// 20 ticks, taken by waits and by selects; some selects take a value instead.
HILO_SEEDED("ticker: each tick is taken once, and by no select that took another case") {
  constexpr int ticks = 20;
  hilo::ticker beat(100us, hilo::missed_ticks::catch_up);
  const auto start = hilo::now();
  hilo::channel<int> numbers(1);
  int taken = 0;
  const auto count = [&] {
    ++taken;
    require(hilo::now() - start >= taken * 100us, "a tick is taken twice, or comes early");
  };
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back(hilo::spawn([&] {
      while (taken < ticks) {
        const status end = hilo::with_timeout(250us, [&] { return beat.wait(); });
        if (end == status::ok) count();
        require(end == status::ok || end == status::timed_out, "a wait ends for no reason");
      }
    }));
  }
  all.push_back(hilo::spawn([&] {
    std::optional<int> number;
    while (true) {
      const hilo::select first{hilo::tick_of(beat, taken < ticks),
                               hilo::receive_from(numbers, number)};
      if (first == 0) count();
      if (first == 1 && first.end == status::closed) break;
    }
  }));
  for (int i = 0; i < 5; ++i) {
    hilo::sleep_for(170us);
    require(numbers.send(i) == status::ok, "a channel is closed");
  }
  numbers.close();
  for (auto& one : all) one.join();
  // What was taken and what is left are all the ticks there were.
  require(beat.next_tick() == start + (taken + 1) * 100us, "a tick is lost");
}

HILO_SEEDED("ticker: a wait that is ended takes no tick, and leaves none without a wait") {
  hilo::ticker beat(100us, hilo::missed_ticks::catch_up);
  const auto start = hilo::now();
  auto first = hilo::spawn([&] { return hilo::with_timeout(50us, [&] { return beat.wait(); }); });
  auto second = hilo::spawn([&] { return beat.wait(); });
  auto third = hilo::spawn([&] { return beat.wait(); });
  third.request_stop();
  const int taken =
      (first.join() == status::ok) + (second.join() == status::ok) + (third.join() == status::ok);
  require(beat.next_tick() == start + (taken + 1) * 100us, "a wait that was ended takes a tick");
}

// Each wait begins before the next, so the ticks come in that order, also if the first one gives
// up.
HILO_SEEDED("ticker: a tick goes to the wait that began first") {
  hilo::ticker beat(1s);
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(hilo::spawn([&, i] {
      if (beat.wait() == status::ok) order.push_back(i);
    }));
    hilo::sleep_for(50ms);
  }
  all[0].request_stop();
  for (auto& one : all) one.join();
  require(order == std::vector{1, 2, 3}, "a later wait gets an earlier tick");
}

HILO_SEEDED("ticker: a wait that begins when a tick is due leaves it to an earlier wait") {
  hilo::ticker beat(1s, hilo::missed_ticks::catch_up);
  const auto start = hilo::now();
  auto earlier = hilo::spawn([&] {
    require(beat.wait() == status::ok, "a tick is lost");
    return hilo::now() - start;
  });
  hilo::sleep_until(start + 1s);
  require(beat.wait() == status::ok, "a tick is lost");
  require(hilo::now() - start >= 2s, "a later wait takes the tick of an earlier one");
  require(earlier.join() < 2s, "an earlier wait gets a later tick");
}

HILO_SEEDED("ticker: reset and stop reach every wait and select") {
  hilo::ticker beat(1h);
  const auto start = hilo::now();
  std::vector<hilo::fiber<status>> all;
  for (int i = 0; i < 2; ++i) all.push_back(hilo::spawn([&] { return beat.wait(); }));
  auto selects = hilo::spawn([&] { return hilo::select{hilo::tick_of(beat)}.end; });
  hilo::sleep_for(20us);
  require(beat.reset(50us, start + 200us), "a ticker that runs is stopped");
  for (auto& one : all) require(one.join() == status::ok, "a new period does not reach a wait");
  require(selects.join() == status::ok, "a new period does not reach a select");
  require(hilo::now() - start >= 300us, "a tick comes early");
  require(hilo::now() - start < 1h, "a new period comes late");
  auto last = hilo::spawn([&] { return beat.wait(); });
  require(beat.stop() && !beat.stop(), "a ticker does not know whether it runs");
  const status end = last.join();
  require(end == status::closed || end == status::ok, "a stopped ticker ends a wait otherwise");
  require(!beat.reset(1us) && beat.wait() == status::ok, "a stopped ticker cannot be reset");
}

}  // namespace
