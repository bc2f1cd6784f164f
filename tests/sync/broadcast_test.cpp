// broadcast: every receiver gets every message in order, or is told how many it lost.

#include "hilo/broadcast.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::make_broadcast;
using hilo::selection;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

// Counts its live objects, so that a test sees when a message ends.
struct counted {
  explicit counted(std::atomic<int>& count) noexcept : live(&count) {
    live->fetch_add(1, std::memory_order_relaxed);
  }
  counted(counted&& other) noexcept : counted(*other.live) {}
  ~counted() { live->fetch_sub(1, std::memory_order_relaxed); }
  std::atomic<int>* live;
};

}  // namespace

TEST_CASE("broadcast: each receiver takes each message in order, from its making on") {
  on_each_runtime([] {
    auto [out, early] = make_broadcast<int>(8);
    CHECK(out.send(1) == status::ok);
    auto late = out.subscribe();
    CHECK(out.count_receivers() == 2);
    CHECK(out.send(2) == status::ok);
    CHECK(early.size() == 2);
    CHECK(*early.receive() == 1);
    CHECK(*early.receive() == 2);
    CHECK(*late.receive() == 2);
    auto later = early.resubscribe();
    std::shared_ptr<const int> none;
    CHECK(later.try_receive(none) == status::would_block);
    CHECK(early.receive_for(none, 1ms) == status::timed_out);
    CHECK(none == nullptr);
    CHECK_FALSE(early.closed());
  });
}

TEST_CASE("broadcast: a receiver that lags is told how many it lost, and goes on with the rest") {
  auto [out, in] = make_broadcast<int>(3);
  for (int i = 0; i < 10; ++i) CHECK(out.send(i) == status::ok);
  CHECK(in.size() == 3);
  std::shared_ptr<const int> got;
  CHECK(in.receive(got) == status::lagged);
  CHECK(got == nullptr);
  CHECK(in.lost() == 7);
  CHECK(in.receive(got) == status::ok);
  CHECK(*got == 7);
  for (int i = 10; i < 14; ++i) CHECK(out.send(i) == status::ok);
  CHECK(*in.receive() == 11);  // skips the gap of 8 to 10
  CHECK(in.lost() == 10);
  { const auto last = std::move(out); }
  CHECK(in.closed());
  int expected = 12;
  for (const int n : in) CHECK(n == expected++);
  CHECK(expected == 14);
  CHECK(in.receive(got) == status::closed);
}

TEST_CASE("broadcast: a message ends with its last receiver, is not copied, and may be move-only") {
  std::atomic<int> live{0};
  const auto alive = [&] { return live.load(std::memory_order_relaxed); };
  auto [out, one] = make_broadcast<counted>(4);
  auto two = out.subscribe();
  CHECK(out.send(counted(live)) == status::ok);
  CHECK(alive() == 1);
  { const auto message = one.receive(); }
  CHECK(alive() == 1);  // two has not had it
  { const auto message = two.receive(); }
  CHECK(alive() == 0);
  // A receiver that goes has taken all.
  for (int i = 0; i < 3; ++i) CHECK(out.send(counted(live)) == status::ok);
  for (int i = 0; i < 3; ++i) (void)one.receive();
  CHECK(alive() == 3);
  { const auto gone = std::move(two); }
  CHECK(alive() == 0);
  // So has one that lags.
  for (int i = 0; i < 9; ++i) CHECK(out.send(counted(live)) == status::ok);
  CHECK(alive() == 4);
  { const auto gone = std::move(one); }
  CHECK(alive() == 0);
  // To nobody: refused, and not moved from.
  auto [boxes, taker] = make_broadcast<std::unique_ptr<int>>(1);
  auto box = std::make_unique<int>(5);
  { const auto gone = std::move(taker); }
  CHECK(boxes.send(std::move(box)) == status::closed);
  CHECK(box != nullptr);
  auto again = boxes.subscribe();
  CHECK(boxes.send(std::move(box)) == status::ok);
  CHECK(**again.receive() == 5);
}

TEST_CASE("broadcast: messages of no size, and those that throw when they are made") {
  struct pulse {};
  auto [pulses, in] = make_broadcast<pulse>(2);
  CHECK(pulses.send(pulse{}) == status::ok);
  CHECK(in.receive() != nullptr);
  struct fragile {
    explicit fragile(int) {}
    fragile(fragile&&) { throw std::runtime_error("fragile"); }
  };
  auto [out, from] = make_broadcast<fragile>(2);
  CHECK_THROWS_AS((void)out.send(fragile(1)), std::runtime_error);
  CHECK(from.size() == 0);
  CHECK(out.send(1) == status::ok);  // made in place
  CHECK(from.size() == 1);
}

TEST_CASE("broadcast: a capacity of 0, or that no memory holds, is refused in words") {
  CHECK_THROWS_WITH_AS((void)make_broadcast<int>(0),
                       doctest::Contains("could keep no message for a receiver; give at least 1"),
                       std::system_error);
  CHECK_THROWS_WITH_AS((void)make_broadcast<int>(~std::size_t{0}),
                       doctest::Contains("more than the address space"), std::system_error);
  CHECK_THROWS_WITH_AS((void)make_broadcast<int>(std::size_t{1} << 55),
                       doctest::Contains("give a smaller capacity"), std::system_error);
}

TEST_CASE("broadcast: who waits is woken by a message, the last sender, a stop and a limit") {
  on_each_runtime([] {
    auto [out, in] = make_broadcast<int>(1);
    std::vector<hilo::fiber<int>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(hilo::spawn([in = out.subscribe()]() mutable {
        int sum = 0;
        for (const int n : in) sum += n;
        CHECK(in.lost() == 0);  // who waits does not lag
        return sum;
      }));
    }
    for (auto& one : all) CHECK(one.wait_for(0ms) == status::timed_out);
    hilo::sleep_for(1ms);
    std::shared_ptr<const int> got;
    CHECK(hilo::with_timeout(1ms, [&, &in = in] { return in.receive(got); }) == status::timed_out);
    auto stopped = hilo::spawn([in = out.subscribe()]() mutable {
      std::shared_ptr<const int> message;
      return in.receive(message);
    });
    hilo::yield();
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    CHECK(out.send(7) == status::ok);
    { const auto last = std::move(out); }
    for (auto& one : all) CHECK(one.join() == 7);
    CHECK(*in.receive() == 7);
    CHECK(in.receive() == nullptr);
  });
}

TEST_CASE("broadcast: in select, with other kinds of cases and in a list") {
  on_each_runtime([] {
    auto [out, in] = make_broadcast<int>(2);
    hilo::channel<int> numbers(1);
    std::shared_ptr<const int> message;
    std::optional<int> number;
    const auto wait = [&, &in = in] {
      return hilo::select{receive_from(in, message), hilo::receive_from(numbers, number),
                          hilo::after(1h)};
    };
    CHECK(hilo::select{receive_from(in, message), hilo::otherwise}.index == 1);
    CHECK(out.send(1) == status::ok);
    CHECK(wait() == 0);
    CHECK(*message == 1);
    CHECK(numbers.send(5) == status::ok);
    CHECK(wait() == 1);
    CHECK(*message == 1);  // as it was: that case was not taken
    // It waits, and is handed the message.
    auto sender = hilo::spawn([&out = out] {
      for (int i = 0; i < 5; ++i) hilo::yield();
      CHECK(out.send(2) == status::ok);
    });
    CHECK(wait() == 0);
    CHECK(*message == 2);
    sender.join();
    CHECK(in.size() == 0);  // it counts as taken
    for (int i = 0; i < 5; ++i) CHECK(out.send(i) == status::ok);
    const selection behind = wait();
    CHECK(behind.index == 0);
    CHECK(behind.end == status::lagged);
    CHECK(message == nullptr);
    CHECK(in.lost() == 3);
    hilo::select_list cases;
    CHECK(cases.add([&, &in = in] { return receive_from(in, message); }) == 0);
    CHECK(cases.receive_from(numbers, number) == 1);
    CHECK(cases.wait().index == 0);
    CHECK(*message == 3);
    CHECK(cases.wait().index == 0);
    CHECK(*message == 4);
    CHECK(cases.try_now().end == status::would_block);
    CHECK(*message == 4);  // as it was
    auto closer = hilo::spawn([out = std::move(out)]() mutable {
      for (int i = 0; i < 5; ++i) hilo::yield();
      { const auto last = std::move(out); }
    });
    const selection end = wait();
    CHECK(end.index == 0);
    CHECK(end.end == status::closed);
    CHECK(message == nullptr);
    closer.join();
  });
}

TEST_CASE(
    "broadcast: senders and receivers on all kinds of threads; each message arrives once or counts "
    "as lost") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  on_each_runtime([seed] {
    struct item {
      std::uint32_t sender;
      std::uint32_t number;
    };
    constexpr std::uint32_t each = 1500;
    constexpr std::uint32_t senders = 4;
    for (const std::size_t capacity : {std::size_t{4}, std::size_t{each} * senders}) {
      auto [out, in] = make_broadcast<item>(capacity);
      const auto receive = [seed](hilo::broadcast_receiver<item>& from, std::uint32_t who) {
        std::uint32_t next[senders] = {};
        std::uint64_t taken = 0;
        bool in_order = true;
        std::shared_ptr<const item> one;
        while (true) {
          status end = status::ok;
          // Every way to wait, each of which may be ended otherwise.
          switch ((seed + who + taken) % 3) {
            case 0:
              end = from.receive(one);
              break;
            case 1:
              end = from.receive_for(one, std::chrono::microseconds(taken % 40));
              break;
            default: {
              const selection which = hilo::select{
                  receive_from(from, one), hilo::after(std::chrono::microseconds(taken % 40))};
              end = which == 0 ? which.end : status::timed_out;
            }
          }
          if (end == status::closed) break;
          if (end != status::ok) continue;
          ++taken;
          if (one->number < next[one->sender]) in_order = false;
          next[one->sender] = one->number + 1;
        }
        CHECK(in_order);
        CHECK(taken + from.lost() == each * senders);
        return taken;
      };
      const auto send = [](const hilo::broadcast_sender<item>& to, std::uint32_t who) {
        for (std::uint32_t i = 0; i < each; ++i) {
          REQUIRE(to.send(item{who, i}) == status::ok);
          if (i % 64 == 0) hilo::yield();
        }
      };
      std::vector<hilo::fiber<std::uint64_t>> receiving;
      for (std::uint32_t i = 0; i < 4; ++i) {
        receiving.push_back(hilo::spawn(
            [from = out.subscribe(), receive, i]() mutable { return receive(from, i); }));
      }
      std::thread foreign([from = out.subscribe(), receive]() mutable { receive(from, 5); });
      hilo::thread own([from = out.subscribe(), receive]() mutable { receive(from, 6); });
      std::vector<hilo::fiber<void>> sending;
      for (std::uint32_t i = 0; i < senders - 1; ++i) {
        sending.push_back(hilo::spawn([to = out, send, i] { send(to, i); }));
      }
      std::thread foreign_sender([to = out, send] { send(to, senders - 1); });
      { const auto unused = std::move(in); }
      { const auto last = std::move(out); }
      for (auto& one : sending) one.join();
      foreign_sender.join();
      for (auto& one : receiving) {
        const std::uint64_t taken = one.join();
        CHECK((capacity == 4 || taken == each * senders));
      }
      foreign.join();
      own.join();
    }
  });
}
