// What opens: latch, wait_group, event, barrier; timers; and the ends of fibers.
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::require;

HILO_SEEDED("latch: opens when all have come, and may go at once") {
  std::optional<hilo::latch> gate(std::in_place, 3);
  int come = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(hilo::spawn([&] {
      ++come;
      gate->count_down();
    }));
  }
  gate->wait();
  require(come == 3, "a latch opens early");
  gate.reset();
  for (auto& one : all) one.join();
}

HILO_SEEDED("latch: all that wait go on") {
  hilo::latch gate(2);
  int through = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(hilo::spawn([&, i] {
      if (i == 0) {
        while (!gate.wait_for(50us)) {
        }
      } else {
        gate.wait();
      }
      ++through;
    }));
  }
  gate.count_down();
  hilo::sleep_for(60us);
  require(through == 0, "a latch opens early");
  gate.count_down();
  for (auto& one : all) one.join();
  require(through == 3, "one is left at an open latch");
}

HILO_SEEDED("wait_group: waits for all, again and again") {
  hilo::wait_group jobs;
  int done = 0;
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 2; ++i) {
      jobs.add();
      hilo::spawn([&] {
        hilo::yield();
        ++done;
        jobs.done();
      }).detach();
    }
    jobs.wait();
    require(done == 2 * round, "a wait_group opens early");
  }
}

HILO_SEEDED("event: nobody stays behind, nobody passes while it is reset") {
  hilo::event open;
  bool allowed = false;
  int through = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(hilo::spawn([&, i] {
      if (i == 0) {
        while (!open.wait_for(40us)) {
        }
      } else {
        open.wait();
      }
      require(allowed, "an event that is not set lets one through");
      ++through;
    }));
  }
  hilo::sleep_for(40us);
  allowed = true;
  open.set();
  for (auto& one : all) one.join();
  require(through == 3 && open.is_set(), "one is left at a set event");
  open.reset();
  require(!open.wait_for(10us), "an event that was reset lets one through");
}

HILO_SEEDED("barrier: nobody leaves a round before all arrived, and one may drop out") {
  constexpr int crew = 3;
  constexpr int rounds = 4;
  constexpr int last_of_first = 1;  // the first fiber takes part in rounds 0 and 1
  const auto expected = [](int round) { return round <= last_of_first ? crew : crew - 1; };
  int completed = 0;
  std::vector<int> arrived(rounds, 0);
  hilo::barrier meet(crew, [&] {
    require(arrived[static_cast<std::size_t>(completed)] == expected(completed),
            "a round ends early");
    ++completed;
  });
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&, i] {
      for (int round = 0; round < rounds; ++round) {
        if (i == 0 && round > last_of_first) return meet.arrive_and_drop();
        ++arrived[static_cast<std::size_t>(round)];
        meet.arrive_and_wait();
        require(completed == round + 1, "one passes a barrier alone");
      }
    }));
  }
  for (auto& one : all) one.join();
  require(completed == rounds, "a round is lost");
}

HILO_SEEDED("barrier: arrivals during a completion count for the next round") {
  constexpr int crew = 3;
  constexpr int rounds = 4;
  int begun = 0;
  int completed = 0;
  std::vector<int> arrived(rounds, 0);
  hilo::barrier meet(crew, [&] {
    require(arrived[static_cast<std::size_t>(completed)] == crew, "a round ends early");
    ++begun;
    hilo::yield();  // others may arrive meanwhile: those that do not wait
    ++completed;
  });
  int led = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&, i] {
      for (int round = 0; round < rounds; ++round) {
        ++arrived[static_cast<std::size_t>(round)];
        if (i == 0) {
          // Its wait is over at once, so it comes for the next round while this one is completed.
          const auto before = completed;
          const status end =
              hilo::with_timeout(0us, [&] { return meet.arrive_and_wait(hilo::interruptible); });
          require(end == status::timed_out || completed > before, "a wait ends as what it is not");
          while (begun <= round) hilo::sleep_for(10us);
        } else if (i == 1) {
          meet.wait(meet.arrive());
          require(completed > round, "one passes a barrier alone");
        } else {
          led += meet.arrive_and_elect() ? 1 : 0;
          require(completed > round, "one passes a barrier alone");
        }
      }
    }));
  }
  for (auto& one : all) one.join();
  require(completed == rounds && led == rounds, "a round is lost");
}

HILO_SEEDED("barrier: a round that fills up during a completion ends too") {
  int completed = 0;
  bool early = false;
  hilo::barrier some(2, [&] {
    if (++completed == 1) {
      while (!early) hilo::yield();
    }
  });
  auto other = hilo::spawn([&] {
    (void)some.arrive();
    while (completed == 0) hilo::yield();
    auto token = some.arrive();
    some.arrive_and_drop();
    early = true;
    some.wait(std::move(token));
    require(completed == 2, "one passes a barrier alone");
  });
  hilo::sleep_for(1s);
  some.arrive_and_wait();
  other.join();
  require(completed == 2, "a full round is not ended");
  some.arrive_and_wait();
  require(completed == 3, "who dropped out is waited for");
}

HILO_SEEDED("auto_reset_event: each set lets exactly one through") {
  hilo::auto_reset_event turn;
  int through = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(hilo::spawn([&, i] {
      if (i == 0) {
        while (!turn.wait_for(40us)) {
        }
      } else {
        turn.wait();
      }
      ++through;
    }));
  }
  for (int i = 1; i <= 3; ++i) {
    require(through < i, "an auto_reset_event lets one through too many");
    turn.set();
    while (through != i) hilo::sleep_for(10us);
    hilo::sleep_for(1s);
    require(through == i, "one set lets two through");
  }
  for (auto& one : all) one.join();
  require(!turn.try_wait(), "an auto_reset_event stays set");
}

// Each wait begins before the next. The second gives up.
HILO_SEEDED("auto_reset_event: the longest waiter is let through") {
  hilo::auto_reset_event turn;
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(hilo::spawn([&, i] {
      if (turn.wait(hilo::interruptible) == status::ok) order.push_back(i);
    }));
    hilo::sleep_for(50ms);
  }
  all[1].request_stop();
  for (std::size_t i = 0; i < 3; ++i) {
    turn.set();
    while (order.size() <= i) hilo::sleep_for(10us);
  }
  for (auto& one : all) one.join();
  require(order == std::vector{0, 2, 3}, "a later waiter is let through first");
}

HILO_SEEDED("sleep: ends in the order of time, never early") {
  const auto start = hilo::now();
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  for (const int hours : {3, 1, 2}) {
    all.push_back(hilo::spawn([&, hours] {
      require(hilo::sleep_for(std::chrono::hours(hours)) == status::ok, "a sleep is ended");
      require(hilo::now() - start >= std::chrono::hours(hours), "a sleep ends early");
      order.push_back(hours);
    }));
  }
  for (auto& one : all) one.join();
  require(order == std::vector<int>{1, 2, 3}, "sleeps end out of order");
}

HILO_SEEDED("timer: fires once it is due, moved or not; cancel ends every wait") {
  hilo::timer alarm(100us);
  const auto start = hilo::now();
  int fired = 0;
  int cancelled = 0;
  std::vector<hilo::fiber<void>> all;
  bool moved = false;
  for (int i = 0; i < 2; ++i) {
    all.push_back(hilo::spawn([&] {
      const status end = alarm.wait();
      if (end == status::ok) {
        require(hilo::now() - start >= 100us, "a timer fires early");
        ++fired;
      } else {
        require(end == status::closed, "a timer ends a wait as what it is not");
        ++cancelled;
      }
    }));
  }
  hilo::sleep_for(70us);
  if (!alarm.has_fired()) {
    alarm.fire_after(100us);
    moved = true;
  }
  hilo::sleep_for(90us);
  const bool stopped = alarm.cancel();
  for (auto& one : all) one.join();
  require(fired + cancelled == 2, "a wait for a timer is lost");
  require(!(moved && stopped) || fired < 2 || hilo::now() - start >= 100us, "it fired twice");
}

HILO_SEEDED("ticker: each tick ends one wait") {
  hilo::ticker beat(1ms, hilo::missed_ticks::catch_up);
  const auto start = hilo::now();
  int ticks = 0;
  const auto count = [&] {
    for (int i = 0; i < 3; ++i) {
      require(beat.wait() == status::ok, "a tick is lost");
      ++ticks;
      require(hilo::now() - start >= ticks * 1ms, "a tick comes early");
    }
  };
  auto one = hilo::spawn(count);
  auto other = hilo::spawn(count);
  one.join();
  other.join();
  beat.stop();
  require(beat.wait() == status::closed, "a stopped ticker ticks");
}

HILO_SEEDED("join: gets the result, however the end comes") {
  auto quick = hilo::spawn([] { return std::make_unique<int>(1); });
  auto slow = hilo::spawn([] {
    hilo::sleep_for(50us);
    return 2;
  });
  auto failing = hilo::spawn([]() -> int {
    hilo::yield();
    throw std::runtime_error("meant");
  });
  int sum = *quick.join();
  while (slow.wait_for(20us) != status::ok) {
  }
  sum += slow.join();
  try {
    sum += failing.join();
  } catch (const std::runtime_error&) {
    sum += 4;
  }
  require(sum == 7, "a result is lost");
}

HILO_SEEDED("stop: ends the wait it finds, or the next") {
  bool ended = false;
  hilo::semaphore never(0);
  {
    auto waits = hilo::spawn([&] {
      const hilo::test::mark_at_end mark(ended);
      require(never.acquire(hilo::interruptible) == status::cancelled, "a stop is not seen");
      require(hilo::sleep_for(1h) == status::cancelled, "a stop is forgotten");
      require(hilo::shielded([] { return hilo::sleep_for(1us); }) == status::ok,
              "a shield lets a stop through");
    });
    hilo::yield();
  }
  require(ended, "the handle's destructor does not wait");
  require(!never.try_acquire(), "a semaphore counts what nobody released");
}

HILO_SEEDED("stop and a waker: one of them, and what was given is not lost") {
  hilo::semaphore given(0);
  bool mine = false;
  auto waits = hilo::spawn([&] { mine = given.acquire(hilo::interruptible) == status::ok; });
  auto gives = hilo::spawn([&] { given.release(); });
  waits.request_stop();
  waits.join();
  gives.join();
  require(mine != given.try_acquire(), "a permit is lost or doubled");
}

HILO_SEEDED("limits: the nearest deadline ends a wait, tokens too") {
  hilo::event never;
  const auto start = hilo::now();
  hilo::with_timeout(2ms, [&] {
    hilo::with_timeout(500us, [&] {
      require(never.wait(hilo::interruptible) == status::timed_out, "a deadline is missed");
      const auto took = hilo::now() - start;
      require(took >= 500us && took < 2s, "a deadline of another limit ends the wait");
    });
    require(hilo::this_fiber::limit_reached() == status::ok || hilo::now() - start >= 2ms,
            "a limit outlives its function");
  });
  std::stop_source source;
  auto stops = hilo::spawn([&] { source.request_stop(); });
  hilo::with_stop(source.get_token(), [&] {
    require(never.wait(hilo::interruptible) == status::cancelled, "a token is not seen");
    require(never.wait(hilo::interruptible) == status::cancelled, "a token is forgotten");
  });
  stops.join();
}

}  // namespace
