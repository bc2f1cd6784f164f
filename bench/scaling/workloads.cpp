#include "bench/scaling/workloads.hpp"

#include <algorithm>
#include <functional>

#include "bench/scaling/channel.hpp"
#include "bench/scaling/combining.hpp"
#include "bench/scaling/forks.hpp"
#include "bench/scaling/life.hpp"
#include "bench/scaling/mutex.hpp"

namespace scaling {
namespace {

// What a run of a workload needs: its size, and what its fibers share.
struct world {
  runtime& home;
  std::uint64_t operations;
  unsigned fibers;
  picoseconds work;
  unsigned batch;
  std::vector<std::uint32_t> runs{};  // how often each task ran
  line counter{part::data};           // what all tasks count down
  std::uint64_t left = 0;
  std::uint64_t answer = 0, expected = 0;
};

void compute(fiber& me, picoseconds time) {
  me.at->on().spend(me.at->its_thread(), time);
}

// --- spawn_many: one fiber spawns, all others count themselves down -----------------------------

step<void> leaf(world& w, channel& done, fiber& me, std::uint64_t number) {
  compute(me, w.work);
  ++w.runs[number];
  co_await w.home.on().update(me.at->its_thread(), w.counter);
  if (--w.left == 0) co_await done.send(me, 1);
}

step<void> spawn_many(world& w, fiber& me) {
  channel done(1);
  w.left = w.operations;
  w.runs.assign(w.operations, 0);
  for (std::uint64_t i = 0; i < w.operations; ++i) {
    const maker make = [&w, &done, i](fiber& child) { return leaf(w, done, child, i); };
    fiber* const child = co_await spawn(me, make);
    co_await detach(me, *child);
  }
  (void)co_await done.receive(me, w.answer);
  w.expected = 1;
}

// --- fib_spawn: a fiber for each fork -----------------------------------------------------------

constexpr std::uint64_t fib_of(unsigned n) {
  std::uint64_t a = 0, b = 1;
  for (; n != 0; --n) b = std::exchange(a, b) + b;
  return a;
}

step<std::uint64_t> fib(world& w, fiber& me, unsigned n);

step<void> fib_child(world& w, fiber& me, unsigned n, std::uint64_t& into) {
  into = co_await fib(w, me, n);
}

step<std::uint64_t> fib(world& w, fiber& me, unsigned n) {
  if (n < 2) co_return n;
  compute(me, w.work);
  std::uint64_t first = 0;
  const maker make = [&w, &first, n](fiber& child) { return fib_child(w, child, n - 1, first); };
  fiber* const child = co_await spawn(me, make);
  const std::uint64_t second = co_await fib(w, me, n - 2);
  co_await join(me, *child);
  co_return first + second;
}

// The largest tree of at most so many forks.
unsigned fib_with(std::uint64_t forks) {
  unsigned n = 2;
  while (n < 60 && fib_of(n + 2) - 1 <= forks) ++n;
  return n;
}

step<void> fib_spawn(world& w, fiber& me) {
  const unsigned n = fib_with(w.operations);
  w.operations = fib_of(n + 1) - 1;
  w.expected = fib_of(n);
  w.answer = co_await fib(w, me, n);
}

step<void> fib_fork_join(world& w, fiber& me) {
  const unsigned n = fib_with(w.operations);
  w.operations = fib_of(n + 1) - 1;
  w.expected = fib_of(n);
  fork_tree tree(w.home, w.work);
  w.answer = co_await tree.visit(me, n);
}

// --- pingpong: pairs of fibers, two unbuffered channels each ------------------------------------

struct table {
  channel to_pong{0}, to_ping{0};
};

step<void> pong(table& t, fiber& me) {
  std::uint64_t ball = 0;
  while (true) {
    const bool open = co_await t.to_pong.receive(me, ball);
    if (!open) break;
    co_await t.to_ping.send(me, ball + 1);
  }
}

step<void> play(world& w, fiber& me, std::uint64_t rounds) {
  table t;
  const maker make = [&t](fiber& child) { return pong(t, child); };
  fiber* const other = co_await spawn(me, make);
  std::uint64_t ball = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    compute(me, w.work);
    co_await t.to_pong.send(me, ball);
    (void)co_await t.to_ping.receive(me, ball);
  }
  co_await t.to_pong.close(me);
  co_await join(me, *other);
  w.answer += ball;
}

step<void> pingpong(world& w, fiber& me) {
  const std::uint64_t rounds = std::max<std::uint64_t>(w.operations / w.fibers, 1);
  w.operations = rounds * w.fibers;
  w.expected = w.operations;
  if (w.fibers == 1) {
    co_await play(w, me, rounds);
    co_return;
  }
  std::vector<fiber*> players;
  const maker make = [&w, rounds](fiber& child) { return play(w, child, rounds); };
  for (unsigned i = 0; i < w.fibers; ++i) players.push_back(co_await spawn(me, make));
  for (fiber* const each : players) co_await join(me, *each);
}

// --- channel: senders and receivers of one buffered channel -------------------------------------

step<void> sender(world& w, channel& c, fiber& me, std::uint64_t first) {
  for (std::uint64_t value = first; value < w.operations; value += w.fibers) {
    compute(me, w.work);
    co_await c.send(me, value);
  }
}

step<void> receiver(world& w, channel& c, fiber& me) {
  std::uint64_t value = 0;
  while (true) {
    const bool open = co_await c.receive(me, value);
    if (!open) break;
    compute(me, w.work);
    ++w.runs[value];
    w.answer += value;
  }
}

step<void> through_channel(world& w, fiber& me) {
  channel c(128);
  w.runs.assign(w.operations, 0);
  w.expected = w.operations * (w.operations - 1) / 2;
  std::vector<fiber*> senders, receivers;
  const maker receive = [&w, &c](fiber& child) { return receiver(w, c, child); };
  for (unsigned i = 0; i < w.fibers; ++i) receivers.push_back(co_await spawn(me, receive));
  for (unsigned i = 0; i < w.fibers; ++i) {
    const maker send = [&w, &c, i](fiber& child) { return sender(w, c, child, i); };
    senders.push_back(co_await spawn(me, send));
  }
  for (fiber* const each : senders) co_await join(me, *each);
  co_await c.close(me);
  for (fiber* const each : receivers) co_await join(me, *each);
}

// --- mutex: fibers that increment a number under one mutex --------------------------------------

step<void> locker(world& w, mutex& one, fiber& me, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    co_await one.lock(me);
    compute(me, w.work);
    co_await w.home.on().write(me.at->its_thread(), one.guarded);
    ++w.answer;
    co_await one.unlock(me);
  }
}

step<void> combiner(world& w, combining_lock& one, fiber& me, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) co_await one.run(me, w.work, w.answer);
}

// Fibers that do equal shares of the operations: part(fiber, operations).
using share = std::function<step<void>(fiber&, std::uint64_t)>;

step<void> share_out(world& w, fiber& me, const share& part) {
  const std::uint64_t times = std::max<std::uint64_t>(w.operations / w.fibers, 1);
  w.expected = w.operations = times * w.fibers;
  const maker make = [&part, times](fiber& child) { return part(child, times); };
  std::vector<fiber*> all;
  for (unsigned i = 0; i < w.fibers; ++i) all.push_back(co_await spawn(me, make));
  for (fiber* const each : all) co_await join(me, *each);
}

step<void> under_mutex(world& w, fiber& me) {
  mutex one(w.batch);
  const share part = [&](fiber& child, std::uint64_t times) {
    return locker(w, one, child, times);
  };
  co_await share_out(w, me, part);
}

step<void> by_combining(world& w, fiber& me) {
  combining_lock one(w.home);
  const share part = [&](fiber& child, std::uint64_t times) {
    return combiner(w, one, child, times);
  };
  co_await share_out(w, me, part);
}

// ------------------------------------------------------------------------------------------------

struct workload : workload_name {
  step<void> (*run)(world&, fiber&);
  unsigned fibers;  // as in the benchmark
};

const std::vector<workload>& workloads() {
  static const std::vector<workload> all = {
      {{"spawn_many", "one fiber of many that one fiber spawns", 200'000}, spawn_many, 1},
      {{"fib_spawn", "a fork of fib, with a fiber for each", 121'392}, fib_spawn, 1},
      {{"fib_fork_join", "a fork of fib", 5'702'886}, fib_fork_join, 1},
      {{"pingpong", "a round trip of a pair of fibers", 200'000}, pingpong, 1},
      {{"channel", "a message through a channel of capacity 128", 200'000}, through_channel, 4},
      {{"mutex", "an increment under a mutex", 400'000}, under_mutex, 8},
      {{"combining", "an increment under a lock that combines", 400'000}, by_combining, 8},
  };
  return all;
}

step<void> measure(world& w, const workload& which, fiber& me) {
  w.home.begin_measuring(me);
  co_await which.run(w, me);
  co_await w.home.on().turn(me.at->its_thread());
  w.home.end_measuring(me);
}

}  // namespace

const std::vector<workload_name>& workload_names() {
  static const std::vector<workload_name> all(workloads().begin(), workloads().end());
  return all;
}

outcome simulate(const costs& inputs, const request& wanted) {
  const auto which = std::find_if(workloads().begin(), workloads().end(),
                                  [&](const workload& w) { return w.name == wanted.workload; });
  runtime home(inputs, wanted.carriers, wanted.cpus, wanted.seed);
  world w{.home = home,
          .operations = wanted.operations != 0 ? wanted.operations : which->operations,
          .fibers = wanted.fibers != 0 ? wanted.fibers : which->fibers,
          .work = to_ps(wanted.work),
          .batch = wanted.batch};
  outcome result;
  if (!home.run([&](fiber& me) { return measure(w, *which, me); })) {
    result.wrong = "all carriers sleep, and the program has not ended";
    return result;
  }
  result.operations = w.operations;
  result.total_ns = double(home.took()) / 1000;
  result.ns = result.total_ns / double(w.operations);
  result.searching = home.share(doing::search);
  result.asleep = home.share(doing::sleep);
  result.without_cpu = home.share(doing::wait_for_cpu);
  result.steals = home.sum(&worker::stolen);
  result.searches = home.sum(&worker::searches);
  result.naps = home.sum(&worker::naps);
  result.switches = home.sum(&worker::switches);
  result.wakes = home.idle().wakes();
  result.transfers = home.on().transfers();
  result.fibers_begun = home.begun;
  result.fibers_ended = home.ended;
  result.tasks_run_once = static_cast<std::uint64_t>(std::count(w.runs.begin(), w.runs.end(), 1));
  if (w.answer != w.expected) {
    result.wrong =
        "the answer is " + std::to_string(w.answer) + ", and must be " + std::to_string(w.expected);
  } else if (result.tasks_run_once != w.runs.size()) {
    result.wrong =
        std::to_string(w.runs.size() - result.tasks_run_once) + " tasks did not run exactly once";
  }
  return result;
}

}  // namespace scaling
