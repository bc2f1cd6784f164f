// The ends of the number line: every timed call, with durations and times at the ends of their
// types. The calls run in a simulation, where a wait that should not be one is a deadlock, and a
// wait that ends too early is seen at once.
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/timed_waits.hpp"

using hilo::status;
using hilo::detail::int128;
using hilo::detail::nanoseconds_between;
using hilo::detail::nanoseconds_later;
using hilo::detail::nanoseconds_of;
using namespace std::chrono_literals;
using namespace hilo::test;  // NOLINT(google-build-using-namespace)

// --- The conversion ------------------------------------------------------------------------------

namespace {

constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t first = -last;
template <class R, class P = std::ratio<1>>
using span = std::chrono::duration<R, P>;
using thirds = std::ratio<1, 3>;

static_assert(nanoseconds_of(0ns) == 0 && nanoseconds_of(-7ns) == -7 &&
              nanoseconds_of(5ms) == 5'000'000);
static_assert(nanoseconds_of(std::chrono::nanoseconds::max()) == last);
static_assert(nanoseconds_of(std::chrono::nanoseconds::max() - 1ns) == last - 1);
static_assert(nanoseconds_of(std::chrono::nanoseconds::min()) <= first);
static_assert(nanoseconds_of(std::chrono::hours::max()) == last);
static_assert(nanoseconds_of(std::chrono::hours::min()) == first);
// The last whole second that fits, and the first that does not.
static_assert(nanoseconds_of(9'223'372'036s) == 9'223'372'036'000'000'000);
static_assert(nanoseconds_of(9'223'372'037s) == last);
static_assert(nanoseconds_of(-9'223'372'037s) == first);
// Finer than a nanosecond: up.
static_assert(nanoseconds_of(span<int, std::pico>(1)) == 1);
static_assert(nanoseconds_of(span<int, std::pico>(1000)) == 1);
static_assert(nanoseconds_of(span<int, std::pico>(-1999)) == -1);
static_assert(nanoseconds_of(span<std::int64_t, std::atto>::max()) == 9'223'372'037);
static_assert(nanoseconds_of(span<std::uint64_t, std::pico>::max()) == 18'446'744'073'709'552);
static_assert(nanoseconds_of(span<std::int8_t, std::atto>::max()) == 1);
static_assert(nanoseconds_of(span<std::int8_t>::min()) == -128'000'000'000);
static_assert(nanoseconds_of(span<std::int64_t, thirds>(1)) == 333'333'334);
static_assert(nanoseconds_of(span<std::int64_t, thirds>(-1)) == -333'333'333);
static_assert(nanoseconds_of(span<std::int64_t, thirds>(27'670'116'110)) ==
              9'223'372'036'666'666'667);
static_assert(nanoseconds_of(span<std::int64_t, thirds>(27'670'116'111)) == last);
static_assert(nanoseconds_of(span<std::uint64_t>::max()) == last);
static_assert(nanoseconds_of(span<std::uint32_t, std::milli>::max()) == 4'294'967'295'000'000);
static_assert(nanoseconds_of(span<int128, std::atto>(int128{1} << 100)) == last);
static_assert(nanoseconds_of(span<int, std::exa>(1)) == last &&
              nanoseconds_of(span<int, std::exa>(0)) == 0);
static_assert(nanoseconds_of(span<int, std::exa>(-1)) == first);
// Floating reps.
static_assert(nanoseconds_of(real_seconds(0.1)) == 100'000'000);
static_assert(nanoseconds_of(real_seconds(1e-12)) == 1 &&
              nanoseconds_of(real_seconds(-0.1)) == -100'000'000);
static_assert(nanoseconds_of(real_seconds(endless)) == last &&
              nanoseconds_of(real_seconds(-endless)) == first);
static_assert(nanoseconds_of(real_seconds(no_number)) == first);
static_assert(nanoseconds_of(span<float, std::milli>(1.5F)) == 1'500'000);
static_assert(nanoseconds_of(span<double, std::nano>(0x1p63)) == last);
static_assert(nanoseconds_of(span<double, std::atto>(std::numeric_limits<double>::denorm_min())) ==
              1);
static_assert(nanoseconds_of(span<long double, std::exa>(1e-18L)) == 1'000'000'000);
// Sums and differences.
static_assert(nanoseconds_later(last, 0) == last && nanoseconds_later(last - 1, 1) == last);
static_assert(nanoseconds_later(1, last) == last && nanoseconds_later(5, 6) == 11);
static_assert(nanoseconds_between(-5ns, 7ns) == 12 && nanoseconds_between(7ns, 7ns) == 0);
static_assert(nanoseconds_between(std::chrono::hours::min(), std::chrono::hours::max()) == last);
static_assert(nanoseconds_between(0ns, std::chrono::nanoseconds::min()) < 0);
static_assert(nanoseconds_between(span<std::uint64_t>(9), span<std::uint64_t>(8)) < 0);
static_assert(nanoseconds_between(span<std::uint64_t>(20'000'000'000), 20'000'000'001s) ==
              1'000'000'000);
static_assert(nanoseconds_between(0ns, real_seconds(no_number)) < 0);

// --- The calls -----------------------------------------------------------------------------------

// Calls of a condition_variable that a stop request or a limit may end too.
template <class V>
void each_ended_condition_wait(V value, const timed_check& check) {
  hilo::mutex m;
  hilo::condition_variable c;
  bool ready = false;
  const auto is_ready = [&] { return ready; };
  const auto notify = [&] {
    const std::scoped_lock lock(m);
    ready = true;
    c.notify_one();
  };
  std::unique_lock lock(m);
  const auto wait = [&](auto... more) {
    if constexpr (is_duration<V>) {
      return c.wait_for(lock, value, more...);
    } else {
      return c.wait_until(lock, value, more...);
    }
  };
  check(
      "condition_variable, interruptible", [&] { return wait(hilo::interruptible) == status::ok; },
      notify);
  ready = false;
  check(
      "condition_variable, interruptible, with a condition",
      [&] { return wait(is_ready, hilo::interruptible) == status::ok; }, notify);
  ready = false;
  const std::stop_source never;
  check(
      "condition_variable, with a stop_token",
      [&] {
        if constexpr (is_duration<V>) {
          return c.wait_for(lock, never.get_token(), value, is_ready);
        } else {
          return c.wait_until(lock, never.get_token(), value, is_ready);
        }
      },
      notify);
}

// Checks the wait for a lock that another fiber holds.
template <class M>
void check_lock(const char* name, M& lock, timed_wait wait, const timed_check& check) {
  hilo::event held;
  hilo::event enough;
  auto holder = hilo::spawn([&] {
    lock.lock();
    held.set();
    while (!enough.wait_for(1h)) {
    }
    lock.unlock();
  });
  while (!held.wait_for(1h)) {
  }
  check(name, wait, [&] { enough.set(); });
  enough.set();
  holder.join();
}

template <class V>
void each_call_but_channels(V value, const timed_check& check) {
  {
    hilo::mutex m;
    check_lock(
        "mutex", m, [&] { return HILO_TIMED(m.try_lock, value) && (m.unlock(), true); }, check);
    hilo::recursive_mutex r;
    check_lock(
        "recursive_mutex", r, [&] { return HILO_TIMED(r.try_lock, value) && (r.unlock(), true); },
        check);
    hilo::shared_mutex s;
    check_lock(
        "shared_mutex", s, [&] { return HILO_TIMED(s.try_lock, value) && (s.unlock(), true); },
        check);
    check_lock(
        "shared_mutex, shared", s,
        [&] { return HILO_TIMED(s.try_lock_shared, value) && (s.unlock_shared(), true); }, check);
  }
  {
    hilo::wait_group jobs;
    jobs.add();
    check(
        "wait_group", [&] { return HILO_TIMED(jobs.wait, value); }, [&] { jobs.done(); });
    if (!jobs.wait_for(0ns)) jobs.done();
  }
  each_gate<hilo::event, hilo::latch, hilo::semaphore>(value, check);
  each_condition_wait<hilo::mutex, hilo::condition_variable>(value, status::ok, check);
  each_ended_condition_wait(value, check);
  {
    hilo::auto_reset_event turn;
    check(
        "auto_reset_event", [&] { return HILO_TIMED(turn.wait, value); }, [&] { turn.set(); });
    hilo::scope<> children;
    hilo::event enough;
    CHECK(children.spawn([&] { enough.wait(); }) == status::ok);
    check(
        "scope", [&] { return HILO_TIMED(children.wait, value) == status::ok; },
        [&] { enough.set(); });
    enough.set();
    children.join();
  }
  {
    auto outcome = hilo::make_oneshot<int>();
    const hilo::shared_result<int> result = std::move(outcome.in);
    std::shared_ptr<const int> shared;
    check(
        "shared_result", [&] { return HILO_TIMED(result.receive, value, shared) == status::ok; },
        [&] { (void)outcome.out.send(1); });
    auto [its_sender, its_receiver] = hilo::make_oneshot<int>();
    auto& out = its_sender;  // clang 14 captures no bindings
    auto& in = its_receiver;
    std::optional<int> got;
    check(
        "oneshot", [&] { return HILO_TIMED(in.receive, value, got) == status::ok; },
        [&] { (void)out.send(1); });
    auto [watch_out, watch_in] = hilo::make_watch<int>(0);
    auto& set = watch_out;
    auto& seen = watch_in;
    check(
        "watch", [&] { return HILO_TIMED(seen.changed, value) == status::ok; },
        [&] { (void)set.send(1); });
    auto [broadcast_out, broadcast_in] = hilo::make_broadcast<int>(4);
    auto& say = broadcast_out;
    auto& hear = broadcast_in;
    std::shared_ptr<const int> heard;
    check(
        "broadcast", [&] { return HILO_TIMED(hear.receive, value, heard) == status::ok; },
        [&] { (void)say.send(1); });
  }
  {
    hilo::event end;
    auto other = hilo::spawn([&] {
      while (!end.wait_for(1h)) {
      }
    });
    check(
        "fiber", [&] { return HILO_TIMED(other.wait, value) == status::ok; }, [&] { end.set(); });
    end.set();
    other.join();
    hilo::timer alarm(value);
    const bool fired = alarm.has_fired();
    check(
        "timer", [&] { return !fired && alarm.wait() == status::ok; },
        [&] { CHECK(alarm.fire_after(0ns)); });
    CHECK(alarm.has_fired());
    hilo::timer again;
    if constexpr (is_duration<V>) {
      CHECK_FALSE(again.fire_after(value));
    } else {
      CHECK_FALSE(again.fire_at(value));
    }
    const bool at_once = again.has_fired();
    check(
        "timer, set later", [&] { return !at_once && again.wait() == status::ok; },
        [&] { CHECK(again.fire_after(0ns)); });
    if constexpr (!is_duration<V>) {
      hilo::ticker beat(1h);
      CHECK(beat.reset(2h, value));
      check(
          "ticker", [&] { return beat.next_tick() > hilo::now() && beat.wait() == status::ok; },
          [&] { CHECK(beat.reset(1h, hilo::now())); });
    }
  }
}

// check(name, wait, end): as in tests/timed_waits.hpp.
template <class V>
void each_call(V value, const timed_check& check) {
  hilo::channel<int> c;
  std::optional<int> got;
  const auto send = [&] { (void)c.send(1); };
  check(
      "channel receive", [&] { return HILO_TIMED(c.receive, value, got) == status::ok; }, send);
  check(
      "channel send", [&] { return HILO_TIMED(c.send, value, 1) == status::ok; },
      [&] { (void)c.receive(got); });
  check(
      "limit",
      [&] {
        const auto receive = [&] { return c.receive(got) == status::ok; };
        if constexpr (is_duration<V>) {
          return hilo::with_timeout(value, receive);
        } else {
          return hilo::with_deadline(value, receive);
        }
      },
      send);
  check(
      "select",
      [&] {
        if constexpr (is_duration<V>) {
          return hilo::select{hilo::after(value), hilo::receive_from(c, got)} == 1;
        } else {
          return hilo::select{hilo::at(value), hilo::receive_from(c, got)} == 1;
        }
      },
      send);
  hilo::select_list list;
  if constexpr (!is_duration<V>) {
    list.at(value);
    list.receive_from(c, got);
    check(
        "select_list", [&] { return list.wait() == 1; }, send);
  }
  if constexpr (for_every_call<V>) each_call_but_channels(value, check);
}

// A check: the wait goes on until end() ends it.
void ends(const char* name, timed_wait wait, end_of_wait end) {
  CAPTURE(name);
  bool ended = false;
  auto partner = hilo::spawn([&] {
    for (int i = 0; i < 3; ++i) hilo::yield();
    ended = true;
    end();
  });
  const bool ok = wait();
  CHECK(ok);
  CHECK(ended);
  partner.join();
}

}  // namespace

TEST_CASE("number line: a time that never comes ends no wait") {
  each_endless([](auto value) {
    hilo::simulate(7, [&] {
      each_call(value, ends);
      auto sleeper = hilo::spawn([&] {
        if constexpr (is_duration<decltype(value)>) {
          return hilo::sleep_for(value);
        } else {
          return hilo::sleep_until(value);
        }
      });
      hilo::sleep_for(1h);
      sleeper.request_stop();
      CHECK(sleeper.join() == status::cancelled);
      if constexpr (is_duration<decltype(value)>) {
        hilo::scope<status> endless_scope({.deadline = value});
        CHECK(endless_scope.spawn([] { return hilo::sleep_for(1h); }) == status::ok);
        CHECK(endless_scope.join() == std::vector{status::ok});
      }
    });
  });
}

TEST_CASE("number line: a time that has passed ends each wait at once") {
  each_passed([](auto value) {
    hilo::simulate(7, [&] {
      const auto start = hilo::now();
      each_call(value, ends_at_once);
      if constexpr (is_duration<decltype(value)>) {
        CHECK(hilo::sleep_for(value) == status::ok);
      } else {
        CHECK(hilo::sleep_until(value) == status::ok);
      }
      CHECK(hilo::now() - start < 1s);
      if constexpr (is_duration<decltype(value)>) {
        hilo::scope<status> limited({.deadline = value});
        hilo::semaphore never(0);
        CHECK(limited.spawn([&] { return never.acquire(hilo::interruptible); }) == status::ok);
        CHECK(limited.join() == std::vector{status::timed_out});
      }
    });
  });
}

TEST_CASE("number line: a ticker of any period ticks, or never does") {
  hilo::simulate(7, [] {
    const auto never = [](auto period) {
      hilo::ticker beat(period);
      CHECK(hilo::with_timeout(1h, [&] { return beat.wait(); }) == status::timed_out);
      CHECK(hilo::select{hilo::tick_of(beat), hilo::after(1h)} == 1);
      CHECK(beat.next_tick() == std::chrono::steady_clock::time_point::max());
      CHECK(beat.reset(1s));
      CHECK(beat.wait() == status::ok);
      CHECK(beat.reset(period));
      CHECK(hilo::with_timeout(1h, [&] { return beat.wait(); }) == status::timed_out);
    };
    never(std::chrono::nanoseconds::max());
    never(std::chrono::hours::max());
    never(real_seconds(endless));
    never(span<std::uint64_t>::max());
    hilo::ticker fine(span<int, std::pico>(1));
    CHECK(fine.wait() == status::ok);
    const auto start = hilo::now();
    hilo::ticker often(1h, hilo::missed_ticks::catch_up);
    CHECK(often.reset(real_seconds(0.5), std::chrono::steady_clock::time_point::min()));
    for (int i = 0; i < 3; ++i) CHECK(often.wait() == status::ok);
    CHECK(hilo::now() - start >= 1s);
    CHECK(hilo::now() - start < 2s);
  });
}

TEST_CASE("number line: a wait lasts until the time has come by its own clock") {
  hilo::run({.carriers = 1}, [] {
    const auto lasts = [](auto soon, auto wait) {
      wait(soon);
      CHECK(decltype(soon)::clock::now() >= soon);
    };
    hilo::channel<int> nothing;
    std::optional<int> none;
    hilo::latch shut(1);
    // This clock goes half as fast: the first deadline is too early.
    const auto soon = [] { return other_clock<2>::now() + std::chrono::milliseconds(3); };
    lasts(soon(), [&](auto when) { CHECK(hilo::sleep_until(when) == status::ok); });
    lasts(soon(),
          [&](auto when) { CHECK(nothing.receive_until(none, when) == status::timed_out); });
    lasts(soon(), [&](auto when) { CHECK_FALSE(shut.wait_until(when)); });
    hilo::auto_reset_event unset;
    lasts(soon(), [&](auto when) { CHECK_FALSE(unset.wait_until(when)); });
    // A limit still ends such a wait.
    CHECK(hilo::with_timeout(2ms, [&] {
            return nothing.receive_until(none, other_clock<2>::now() + std::chrono::hours(1));
          }) == status::timed_out);
    // Clocks with an end or a beginning elsewhere.
    using files = std::filesystem::file_time_type;
    CHECK(hilo::sleep_until(files::min()) == status::ok);
    lasts(files::clock::now() + 2ms, [&](auto when) { (void)hilo::sleep_until(when); });
    lasts(std::chrono::system_clock::now() + 2ms,
          [&](auto when) { (void)hilo::sleep_until(when); });
  });
}
