// The order in which one worker runs fibers, against a plain model of it. No thread takes part.
#include "runtime/sched/queues/run_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "hilo/fiber.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

using hilo::priority;
using hilo::sched::fiber;
using hilo::sched::run_queue;
using hilo::sched::shared_queues;
using hilo::sched::work_ring;

namespace {

constexpr std::size_t room = work_ring::capacity;

// The queue with what a worker adds to it: the order of its looks at one switch.
struct tested {
  explicit tested(std::size_t fibers, unsigned carriers, bool shared)
      : all(std::make_unique<fiber[]>(fibers)), common(carriers), queue(common, shared) {}

  std::optional<std::size_t> take() {
    const std::uint32_t tick = queue.next_tick();
    if (queue.must_attend(tick)) {
      queue.begin_attending(tick);
      if (queue.poll_is_due(tick)) {
        fiber* const waited = queue.take_waited(true);
        if (fiber* const one = queue.choose_after_poll(tick, waited)) return begin(one);
      }
      if (fiber* const one = queue.choose_special(tick)) return begin(one);
    }
    if (fiber* const one = queue.take_own(tick)) return begin(one);
    return begin(queue.take_common(true));
  }
  std::optional<std::size_t> take_quickly() {
    // Number 0 runs, and is in no queue.
    return begin(queue.take_quickly(&all[0], run_queue::leaving::parks));
  }
  std::optional<std::size_t> begin(fiber* one) {
    if (one == nullptr) return std::nullopt;
    one->started = true;
    return static_cast<std::size_t>(one - all.get());
  }

  std::unique_ptr<fiber[]> all;
  shared_queues common;
  run_queue queue;
};

// The rules, as the head of run_queue.hpp has them.
struct model {
  using number = std::optional<std::size_t>;

  explicit model(std::size_t fibers, unsigned its_carriers)
      : carriers(its_carriers), started(fibers) {}

  void put_next(std::size_t one) {
    const number before = slot;
    slot = one;
    if (before) put_surplus(*before);
  }
  void put_surplus(std::size_t one) { into(started[one] ? ready : spawned, one); }
  void put_last(std::size_t one) { into(ready, one); }

  number take() {
    ++tick;
    if (later(tick, attend_at)) {
      attend_at = tick + run_queue::poll_period;
      if (tick - polled >= run_queue::poll_period) {
        polled = tick;
        const number waited = injected.empty() ? std::nullopt : take_injected();
        if (tick - idle_turn >= 512 - 2 * run_queue::poll_period) {
          idle_turn = tick;
          if (!idle.empty()) {
            if (waited) put_last(*waited);
            return begin(front(idle));
          }
        }
        if (waited) return begin(waited);
      }
      if (special < (high.empty() ? 1 : run_queue::longest_streak)) {
        if (const number one = take_special()) {
          ++special;
          attend_at = tick + 1;
          return begin(one);
        }
      }
      if (special != 0) attend_at = tick + 1;
      special = 0;
    }
    if (slot) {
      const number one = std::exchange(slot, std::nullopt);
      if (++streak <= run_queue::longest_streak) return begin(one);
      if (ready.empty() && spawned.empty()) {
        streak = 0;
        return begin(one);
      }
      put_last(*one);
    }
    streak = 0;
    if (tick % 2 == 1 && !spawned.empty()) return begin(back(spawned));
    if (!ready.empty()) return begin(front(ready));
    if (!spawned.empty()) return begin(back(spawned));
    return begin(injected.empty() ? take_special() : take_injected());
  }

  // Takes from the slot or the rings if take() would, and if nothing else is to be looked at. Where
  // others steal, it leaves new fibers to take() when they come first.
  number take_quickly() {
    if (later(tick + 1, attend_at)) return std::nullopt;
    if (slot ? streak >= run_queue::longest_streak
             : (ready.empty() && spawned.empty()) ||
                   (carriers > 1 && (tick + 1) % 2 == 1 && !spawned.empty())) {
      return std::nullopt;
    }
    return take();
  }

  bool pass_turn() {
    if (later(tick + 1, attend_at) || slot || streak >= run_queue::longest_streak) return false;
    ++tick;
    ++streak;
    return true;
  }

  number steal_new(model& thief) {
    number first;
    for (std::size_t wanted = (spawned.size() + 1) / 2; wanted != 0; --wanted) {
      const number one = front(spawned);
      if (!first) {
        first = one;
      } else if (thief.spawned.size() == room) {
        injected.push_back(*one);
        break;
      } else {
        thief.spawned.push_back(*one);
      }
    }
    return first;
  }

  void prompt() { attend_at = tick; }

  number slot;
  std::deque<std::size_t> spawned, ready, mail;  // of the worker
  std::deque<std::size_t> injected, high, idle;  // shared
  std::uint32_t tick = 0, attend_at = run_queue::poll_period, polled = 0, idle_turn = 0;
  std::uint32_t streak = 0, special = 0;
  unsigned carriers;
  std::vector<bool> started;

 private:
  static bool later(std::uint32_t now, std::uint32_t when) { return now >= when; }
  number begin(number one) {
    if (one) started[*one] = true;
    return one;
  }
  static std::size_t front(std::deque<std::size_t>& from) {
    const std::size_t one = from.front();
    from.pop_front();
    return one;
  }
  static std::size_t back(std::deque<std::size_t>& from) {
    const std::size_t one = from.back();
    from.pop_back();
    return one;
  }
  void into(std::deque<std::size_t>& ring, std::size_t one) {
    (ring.size() == room ? injected : ring).push_back(one);
  }
  number take_special() {
    if (!high.empty()) return front(high);
    if (!mail.empty()) return front(mail);
    return std::nullopt;
  }
  // A share of the injected fibers comes into the ready ring. If they do not fit, up to eight of
  // them change places with the ring's newest.
  number take_injected() {
    const std::size_t share = injected.size() / carriers + 1;
    const std::size_t fit = room - ready.size() + 1;
    const std::size_t wanted = std::min({share, std::size_t{64}, std::max(fit, std::size_t{8})});
    std::deque<std::size_t> taken;
    while (taken.size() < wanted && !injected.empty()) taken.push_back(front(injected));
    std::deque<std::size_t> out;
    for (std::size_t i = fit; i < wanted && !ready.empty(); ++i) out.push_front(back(ready));
    const std::size_t first = front(taken);
    for (const std::size_t one : taken) into(ready, one);
    for (const std::size_t one : out) injected.push_back(one);
    return first;
  }
};

// A worker and a thief: two queues and what they share.
void run_seed(std::uint32_t seed, bool shared) {
  constexpr std::size_t fibers = 1500;
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  const unsigned carriers = shared ? 2 : 1;
  tested real(fibers, carriers, shared);
  run_queue real_thief(real.common, shared);
  model plain(fibers, carriers);
  model plain_thief(fibers, carriers);
  std::vector<std::size_t> outside;  // runnable nowhere
  for (std::size_t i = fibers - 1; i > 0; --i) outside.push_back(i);
  const auto any = [&]() -> std::size_t {
    std::swap(outside[below(outside.size())], outside.back());
    const std::size_t one = outside.back();
    outside.pop_back();
    return one;
  };
  // Seeds differ in what is frequent, so that rings get full, and queues empty.
  const std::size_t growth = 1 + below(6);
  for (int step = 0; step < 4000; ++step) {
    const bool grow = below(8) < growth;
    if (grow && outside.empty()) continue;
    if (grow) {
      const std::size_t what = below(24);
      const std::size_t one = any();
      fiber& its = real.all[one];
      if (what < 8) {
        its.started = plain.started[one] = below(2) == 0;
        real.queue.put_next(its);
        plain.put_next(one);
      } else if (what < 15) {
        real.queue.put_last(its);
        plain.put_last(one);
      } else if (what < 18) {
        its.started = plain.started[one] = below(2) == 0;
        real.queue.put_surplus(its);
        plain.put_surplus(one);
      } else if (what < 21) {
        real.common.inject(its);
        plain.injected.push_back(one);
      } else if (what == 21) {
        real.common.lane(priority::high).push(its);
        plain.high.push_back(one);
        if (below(2) == 0) {
          real.queue.prompt();
          plain.prompt();
        }
      } else if (what == 22) {
        real.common.lane(priority::idle).push(its);
        plain.idle.push_back(one);
      } else {
        real.queue.post(its);
        plain.mail.push_back(one);
        plain.prompt();
      }
      continue;
    }
    const std::size_t what = below(20);
    model::number got;
    model::number expected;
    if (what < 12) {
      got = real.take();
      expected = plain.take();
    } else if (what < 17) {
      got = real.take_quickly();
      expected = plain.take_quickly();
    } else if (what < 19) {
      REQUIRE(real.queue.pass_turn_to(real.all[0]) == plain.pass_turn());
    } else if (shared) {
      got = real.begin(real.queue.steal_new(real_thief));
      expected = plain.steal_new(plain_thief);
      if (expected) plain.started[*expected] = true;
      // The thief gives the others back, so that both go on from the same fibers.
      real_thief.give_away();
      for (const std::size_t one : plain_thief.spawned) plain.injected.push_back(one);
      plain_thief.spawned.clear();
    }
    REQUIRE(got == expected);
    if (got) outside.push_back(*got);
    REQUIRE(real.queue.crowded() == (plain.spawned.size() == room));
    REQUIRE(real.queue.slot_filled() == plain.slot.has_value());
  }
  // Nothing is lost: what is still there comes out, in the same order.
  std::size_t left = 0;
  for (int empty = 0; empty < 1200; ++left) {
    const model::number got = real.take();
    REQUIRE(got == plain.take());
    empty = got ? 0 : empty + 1;
    if (got) outside.push_back(*got);
  }
  CHECK(outside.size() == fibers - 1);
}

}  // namespace

TEST_CASE("run_queue: takes fibers in the order of a plain model") {
  const auto seeds = static_cast<std::uint32_t>(hilo::test::repetitions(HILO_TSAN ? 20 : 200));
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    run_seed(seed, false);
    run_seed(seed, true);
  }
}

TEST_CASE(
    "run_queue: what waits behind a pair that wakes each other has its turn after 16 switches") {
  tested one(4, 1, false);
  one.queue.put_last(one.all[3]);
  one.all[3].started = true;
  int switches = 0;
  for (std::size_t next = 1;; next = 3 - next) {
    one.queue.put_next(one.all[next]);
    ++switches;
    if (one.take() == std::size_t{3}) break;
    REQUIRE(switches < 100);
  }
  CHECK(switches == run_queue::longest_streak + 1);
}

TEST_CASE("run_queue: neither new nor ready fibers starve the other") {
  tested one(64, 1, false);
  for (std::size_t i = 1; i <= 30; ++i) one.queue.put_surplus(one.all[i]);
  for (std::size_t i = 31; i <= 60; ++i) one.queue.put_last(one.all[i]);
  int fresh = 0;
  for (int i = 0; i < 30; ++i) fresh += *one.take() <= 30 ? 1 : 0;
  CHECK(fresh == 15);
}

TEST_CASE(
    "run_queue: a prompted owner takes a special fiber at its next switch, others wait a period") {
  for (const bool prompted : {false, true}) {
    tested one(8, 1, false);
    for (std::size_t i = 1; i <= 3; ++i) one.queue.put_last(one.all[i]);
    (void)one.take();
    one.common.lane(priority::high).push(one.all[7]);
    if (prompted) one.queue.prompt();
    std::uint32_t switches = 0;
    while (true) {
      ++switches;
      const auto taken = one.take();
      if (taken == std::size_t{7}) break;
      one.queue.put_last(one.all[*taken]);
      REQUIRE(switches <= 2 * run_queue::poll_period);
    }
    CHECK(switches <= (prompted ? 1 : run_queue::poll_period));
  }
}

TEST_CASE("run_queue: a fiber of idle priority has its turn in 512 switches") {
  tested one(8, 1, false);
  for (std::size_t i = 1; i <= 3; ++i) one.queue.put_last(one.all[i]);
  one.common.lane(priority::idle).push(one.all[7]);
  for (int turn = 0; turn < 5; ++turn) {
    int switches = 0;
    while (true) {
      ++switches;
      const auto taken = one.take();
      if (taken == std::size_t{7}) break;
      one.queue.put_last(one.all[*taken]);
      REQUIRE(switches <= 512);
    }
    one.common.lane(priority::idle).push(one.all[7]);
  }
}

TEST_CASE(
    "run_queue: a worker that takes a place has all fibers of the one before, in their order") {
  tested from(16, 2, true);
  run_queue to(from.common, true);
  for (std::size_t i = 1; i <= 4; ++i) from.queue.put_surplus(from.all[i]);
  for (std::size_t i = 5; i <= 8; ++i) from.queue.put_last(from.all[i]);
  from.queue.put_next(from.all[9]);
  to.take_over(from.queue);
  CHECK_FALSE(from.queue.slot_filled());
  CHECK_FALSE(from.queue.some_behind(false));
  CHECK_FALSE(from.queue.has_surplus());
  std::vector<std::size_t> order;
  while (fiber* const next = to.take_own(to.next_tick())) {
    order.push_back(*from.begin(next));
  }
  CHECK(order == std::vector<std::size_t>{9, 5, 4, 6, 3, 7, 2, 8, 1});
}
