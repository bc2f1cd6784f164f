#include "hilo/channel.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::channel;
using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

TEST_CASE("channel: unbuffered, send returns after its value was taken") {
  on_each_runtime([] {
    channel<int> numbers;
    std::atomic<bool> sent{false};
    auto sender = hilo::spawn([&] {
      CHECK(numbers.send(1) == status::ok);
      sent.store(true, std::memory_order_relaxed);
    });
    for (int i = 0; i < 20; ++i) hilo::yield();
    hilo::sleep_for(1ms);
    CHECK_FALSE(sent.load(std::memory_order_relaxed));
    CHECK(numbers.receive() == 1);
    sender.join();
    CHECK(sent.load(std::memory_order_relaxed));
  });
}

TEST_CASE("channel: bounded, keeps order, and blocks only when full or empty") {
  on_each_runtime([] {
    for (const std::size_t capacity : {1U, 2U, 7U, 128U}) {
      channel<int> numbers(capacity);
      CHECK(numbers.capacity() == capacity);
      for (std::size_t i = 0; i < capacity; ++i) CHECK(numbers.try_send(0) == status::ok);
      CHECK(numbers.try_send(0) == status::would_block);
      CHECK(numbers.size() == capacity);
      for (std::size_t i = 0; i < capacity; ++i) CHECK(numbers.receive() == 0);
      auto sender = hilo::spawn([&] {
        for (int i = 0; i < 1000; ++i) CHECK(numbers.send(i) == status::ok);
        numbers.close();
      });
      int expected = 0;
      for (const int n : numbers) CHECK(n == expected++);
      CHECK(expected == 1000);
      sender.join();
    }
  });
}

TEST_CASE("channel: close drains, then ends; parked and later senders keep their values") {
  on_each_runtime([] {
    channel<std::unique_ptr<int>> boxes(1);
    CHECK(boxes.send(std::make_unique<int>(1)) == status::ok);
    auto parked = hilo::spawn([&] {
      auto mine = std::make_unique<int>(2);
      CHECK(boxes.send(std::move(mine)) == status::closed);
      return *mine;  // not moved from
    });
    for (int i = 0; i < 20; ++i) hilo::yield();
    hilo::sleep_for(1ms);
    boxes.close();
    boxes.close();
    CHECK(boxes.closed());
    CHECK(parked.join() == 2);
    auto late = std::make_unique<int>(3);
    CHECK(boxes.send(std::move(late)) == status::closed);
    CHECK(boxes.try_send(std::move(late)) == status::closed);
    CHECK(*late == 3);
    CHECK(**boxes.receive() == 1);
    CHECK_FALSE(boxes.receive().has_value());
    std::optional<std::unique_ptr<int>> none;
    CHECK(boxes.try_receive(none) == status::closed);
  });
}

TEST_CASE("channel: close wakes every parked receiver") {
  on_each_runtime([] {
    channel<int> nothing;
    std::vector<hilo::fiber<bool>> all;
    for (int i = 0; i < 50; ++i) {
      all.push_back(hilo::spawn([&] { return nothing.receive().has_value(); }));
    }
    hilo::sleep_for(1ms);
    nothing.close();
    for (auto& one : all) CHECK_FALSE(one.join());
  });
}

TEST_CASE("channel: what was never received is destroyed with it") {
  auto value = std::make_shared<int>(1);
  {
    channel<std::shared_ptr<int>> some(8);
    for (int i = 0; i < 5; ++i) CHECK(some.send(value) == status::ok);
    CHECK(some.receive().has_value());
    CHECK(value.use_count() == 5);
  }
  CHECK(value.use_count() == 1);
}

TEST_CASE("channel: an element whose move throws is not sent, and the channel goes on") {
  struct fragile {
    explicit fragile(int which) : number(which) {}
    fragile(fragile&& other) : number(other.number) {
      if (number < 0) throw std::runtime_error("fragile");
    }
    int number;
  };
  on_each_runtime([] {
    channel<fragile> some(2);
    CHECK_THROWS_AS((void)some.send(fragile(-1)), std::runtime_error);
    CHECK(some.send(fragile(1)) == status::ok);
    CHECK(some.receive()->number == 1);
    channel<fragile> direct;
    auto receiver = hilo::spawn([&] { return direct.receive()->number; });
    hilo::sleep_for(1ms);
    CHECK_THROWS_AS((void)direct.send(fragile(-2)), std::runtime_error);
    CHECK(direct.send(fragile(2)) == status::ok);
    CHECK(receiver.join() == 2);
  });
}

TEST_CASE("channel: of channels, and of empty types") {
  hilo::run([] {
    channel<channel<int>*> replies(1);
    auto server = hilo::spawn([&] {
      for (channel<int>* reply : replies) CHECK(reply->send(7) == status::ok);
    });
    channel<int> mine;
    CHECK(replies.send(&mine) == status::ok);
    CHECK(mine.receive() == 7);
    replies.close();
    server.join();
    struct nothing {};
    channel<nothing> pulses(3);
    CHECK(pulses.send(nothing{}) == status::ok);
    CHECK(pulses.receive().has_value());
  });
}

TEST_CASE("channel: a capacity that no memory holds is refused in words") {
  CHECK_THROWS_AS(channel<int>(~std::size_t{0}), std::system_error);
  try {
    channel<std::array<char, 4096>> huge(std::size_t{1} << 50);
    FAIL("made");
  } catch (const std::system_error& error) {
    CHECK(std::string(error.what()).find("give a smaller capacity") != std::string::npos);
  }
}

TEST_CASE("channel: destroying one on which somebody waits aborts") {
  CHECK(hilo::test::run_in_child([] {
          hilo::run(hilo::runtime_options{.carriers = 1}, [] {
            auto gone = std::make_unique<channel<int>>();
            auto waiting = hilo::spawn([&] { return gone->receive(); });
            hilo::yield();
            gone.reset();
          });
        }).aborted_with("hilo: a channel is destroyed while somebody waits on it"));
}

namespace {

// Values carry who sent them and their number, so that each arrival is known, not only counted.
struct item {
  std::uint32_t sender = 0;
  std::uint32_t number = 0;
};

class ledger {
 public:
  ledger(std::size_t senders, std::size_t each) : seen_(senders) {
    for (auto& one : seen_) one = std::vector<std::atomic<std::uint8_t>>(each);
  }
  void take(const item& one) {
    seen_[one.sender][one.number].fetch_add(1, std::memory_order_relaxed);
  }
  bool each_once() const {
    for (const auto& sender : seen_) {
      for (const auto& number : sender) {
        if (number.load(std::memory_order_relaxed) != 1) return false;
      }
    }
    return true;
  }

 private:
  std::vector<std::vector<std::atomic<std::uint8_t>>> seen_;
};

}  // namespace

TEST_CASE(
    "channel: fibers and kernel threads on both ends; each item arrives exactly once, in order") {
  on_each_runtime([] {
    for (const std::size_t capacity : {0U, 1U, 16U}) {
      constexpr std::uint32_t each = 2000;
      constexpr std::uint32_t fiber_senders = 6;
      constexpr std::uint32_t senders = fiber_senders + 2;
      channel<item> items(capacity);
      ledger arrived(senders, each);
      std::atomic<bool> in_order{true};
      const auto send = [&](std::uint32_t who) {
        for (std::uint32_t i = 0; i < each; ++i) {
          if (items.send(item{who, i}) != status::ok)
            in_order.store(false, std::memory_order_relaxed);
        }
      };
      const auto receive = [&] {
        std::array<std::uint32_t, senders> last{};
        for (const item& one : items) {
          arrived.take(one);
          // One receiver sees each sender's items in the order they were sent.
          if (one.number + 1 <= last[one.sender]) in_order.store(false, std::memory_order_relaxed);
          last[one.sender] = one.number + 1;
        }
      };
      std::vector<hilo::fiber<void>> sending;
      std::vector<hilo::fiber<void>> receiving;
      for (std::uint32_t i = 0; i < fiber_senders; ++i) sending.push_back(hilo::spawn(send, i));
      for (int i = 0; i < 3; ++i) receiving.push_back(hilo::spawn(receive));
      std::thread foreign_sender(send, fiber_senders);
      std::thread another_sender(send, fiber_senders + 1);
      std::thread foreign_receiver(receive);
      for (auto& one : sending) one.join();
      foreign_sender.join();
      another_sender.join();
      items.close();
      for (auto& one : receiving) one.join();
      foreign_receiver.join();
      CHECK(arrived.each_once());
      CHECK(in_order.load(std::memory_order_relaxed));
    }
  });
}

TEST_CASE("channel: close in the middle of traffic loses nothing that was sent") {
  on_each_runtime([] {
    for (int round = 0; round < 20; ++round) {
      channel<item> items(static_cast<std::size_t>(round % 3));
      std::atomic<std::uint64_t> sent{0};
      std::atomic<std::uint64_t> received{0};
      std::vector<hilo::fiber<void>> all;
      for (std::uint32_t s = 0; s < 4; ++s) {
        all.push_back(hilo::spawn([&, s] {
          for (std::uint32_t i = 1; items.send(item{s, i}) == status::ok; ++i)
            sent.fetch_add(i * (s + 1), std::memory_order_relaxed);
        }));
        all.push_back(hilo::spawn([&] {
          for (const item& one : items)
            received.fetch_add(one.number * (one.sender + 1), std::memory_order_relaxed);
        }));
      }
      hilo::sleep_for(200us);
      items.close();
      for (auto& one : all) one.join();
      CHECK(sent.load(std::memory_order_relaxed) == received.load(std::memory_order_relaxed));
    }
  });
}
