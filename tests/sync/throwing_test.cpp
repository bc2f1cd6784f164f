// Elements whose moves throw: the value stays with its sender, who tries again or is told, and the
// channel goes on.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "hilo/channel.hpp"
#include "hilo/ends.hpp"
#include "hilo/fiber.hpp"
#include "hilo/select.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::channel;
using hilo::receive_from;
using hilo::send_to;
using hilo::status;
using hilo::test::on_each_runtime;

namespace {

// Throws at the move after which `left` would be below 0, and then moves again.
struct fragile {
  fragile(int which, int moves) : number(which), left(moves) {}
  fragile(fragile&& other) : number(other.number), left(other.left) {
    if (left-- == 0) {
      other.left = sturdy;
      throw std::runtime_error("fragile");
    }
    other.number = -1;
  }
  static constexpr int sturdy = 1000;
  int number;
  int left;
};

// On one carrier a fiber that was spawned has parked, or ended, when yield() returns.
template <class F>
void on_one_carrier(F body) {
  hilo::run({.carriers = 1}, body);
}

}  // namespace

TEST_CASE("channel: a receiver whose taking from a waiting sender throws leaves the value to it") {
  on_one_carrier([] {
    channel<fragile> direct;
    auto sender = hilo::spawn([&] {
      fragile mine(3, 0);
      const status end = direct.send(std::move(mine));
      CHECK(mine.number == -1);
      return end;
    });
    hilo::yield();
    CHECK_THROWS_AS((void)direct.receive(), std::runtime_error);
    CHECK(direct.receive()->number == 3);
    CHECK(sender.join() == status::ok);
  });
}

TEST_CASE(
    "channel: a move that throws while room is filled up is the sender's, not the receiver's") {
  on_one_carrier([] {
    channel<fragile> one(1);
    CHECK(one.send(fragile(1, fragile::sturdy)) == status::ok);
    auto sender = hilo::spawn([&] {
      fragile mine(2, 0);
      const status end = one.send(std::move(mine));  // the second attempt succeeds
      CHECK(mine.number == -1);
      return end;
    });
    hilo::yield();
    CHECK(one.receive()->number == 1);
    CHECK(one.receive()->number == 2);
    CHECK(sender.join() == status::ok);
    CHECK(one.size() == 0);
  });
}

TEST_CASE("select: a move that throws ends it, and the partner goes on") {
  on_one_carrier([] {
    channel<fragile> direct;
    channel<fragile> never;
    std::optional<fragile> got;
    std::optional<fragile> none;
    // Taking from a sender that waits.
    auto sender = hilo::spawn([&] { return direct.send(fragile(4, 0)); });
    hilo::yield();
    const auto receive = [&] {
      return hilo::select{receive_from(direct, got), receive_from(never, none)}.index;
    };
    CHECK_THROWS_AS((void)receive(), std::runtime_error);
    CHECK_FALSE(got.has_value());
    CHECK(receive() == 0);
    CHECK(got->number == 4);
    CHECK(sender.join() == status::ok);
    // Giving to a select that waits: it waits on.
    auto selecting = hilo::spawn([&] {
      std::optional<fragile> its;
      const std::size_t which =
          hilo::select{receive_from(never, none), receive_from(direct, its)}.index;
      CHECK(its->number == 6);
      return which;
    });
    hilo::yield();
    CHECK_THROWS_AS((void)direct.send(fragile(5, 0)), std::runtime_error);
    CHECK(direct.send(fragile(6, fragile::sturdy)) == status::ok);
    CHECK(selecting.join() == 1);
    // Sending by a select.
    auto receiver = hilo::spawn([&] { return direct.receive()->number; });
    hilo::yield();
    fragile mine(7, 0);
    const auto send = [&] {
      return hilo::select{send_to(direct, std::move(mine)), receive_from(never, none)}.index;
    };
    CHECK_THROWS_AS((void)send(), std::runtime_error);
    CHECK(mine.number == 7);
    CHECK(send() == 0);
    CHECK(receiver.join() == 7);
  });
}

TEST_CASE("channel: a batch ends at a move that throws, and tells how far it came") {
  on_one_carrier([] {
    channel<fragile> some(8);
    std::vector<fragile> values;
    values.reserve(4);
    for (int i = 0; i < 4; ++i) values.emplace_back(i, i == 2 ? 0 : fragile::sturdy);
    std::size_t sent = 0;
    CHECK_THROWS_AS((void)some.send_all(values, sent), std::runtime_error);
    CHECK(sent == 2);
    CHECK(some.size() == 2);
    std::size_t rest = 0;
    CHECK(some.send_all(std::span(values).subspan(sent), rest) == status::ok);
    for (int i = 0; i < 4; ++i) CHECK(some.receive()->number == i);
  });
}

TEST_CASE("channel: of the ends of channels, which live on their way") {
  on_one_carrier([] {
    channel<hilo::receiver<int>> streams(4);
    for (int i = 0; i < 3; ++i) {
      auto [out, in] = hilo::make_channel<int>(2);
      CHECK(streams.send(std::move(in)) == status::ok);
      CHECK(out.send(i) == status::ok);
      CHECK(out.send(i * 10) == status::ok);
    }
    streams.close();
    int sum = 0;
    for (auto& stream : streams) {
      for (const int n : stream) sum += n;
    }
    CHECK(sum == 33);
    // One that is never received closes its channel.
    hilo::sender<int> orphan;
    {
      channel<hilo::receiver<int>> lost(1);
      auto [out, in] = hilo::make_channel<int>();
      CHECK(lost.send(std::move(in)) == status::ok);
      orphan = std::move(out);
    }
    CHECK(orphan.send(1) == status::closed);
  });
}

TEST_CASE("channel: with moves that throw now and then, each value arrives exactly once") {
  // Throws in one move of 16, before it has done anything.
  struct moody {
    explicit moody(std::uint32_t which) : number(which) {}
    moody(moody&& other) : number(other.number) {
      static std::atomic<std::uint32_t> moves{0};
      if (moves.fetch_add(1, std::memory_order_relaxed) % 16 == 7) {
        throw std::runtime_error("moody");
      }
    }
    std::uint32_t number;
  };
  on_each_runtime([] {
    for (const std::size_t capacity : {0U, 3U}) {
      constexpr std::uint32_t each = 500;
      constexpr std::uint32_t senders = 4;
      channel<moody> values(capacity);
      channel<moody> never;
      std::vector<std::atomic<int>> seen(each * senders);
      std::atomic<std::uint32_t> thrown{0};  // at receivers
      const auto patience = [](std::uint32_t i) { return std::chrono::microseconds(i % 50); };
      std::vector<hilo::fiber<void>> sending;
      std::vector<hilo::fiber<void>> receiving;
      for (std::uint32_t s = 0; s < senders; ++s) {
        sending.push_back(hilo::spawn([&, s] {
          for (std::uint32_t i = 0; i < each;) {
            moody mine(s * each + i);
            try {
              const bool sent = i % 2 == 0
                                    ? values.send_for(std::move(mine), patience(i)) == status::ok
                                    : hilo::select{send_to(values, std::move(mine)),
                                                   hilo::after(patience(i))} == 0;
              if (sent) ++i;
            } catch (const std::runtime_error&) {
              continue;  // it was not sent
            }
          }
        }));
        receiving.push_back(hilo::spawn([&, s] {
          for (std::uint32_t turn = s;; ++turn) {
            std::optional<moody> got;
            try {
              if (turn % 2 == 0) {
                const status end = values.receive_for(got, patience(turn));
                if (end == status::closed) return;
              } else {
                std::optional<moody> none;
                const hilo::selection which =
                    hilo::select{receive_from(values, got), receive_from(never, none),
                                 hilo::after(patience(turn))};
                if (which == 0 && which.end == status::closed) return;
              }
            } catch (const std::runtime_error&) {
              thrown.fetch_add(1, std::memory_order_relaxed);
              continue;  // it was not received
            }
            if (got.has_value()) seen[got->number].fetch_add(1, std::memory_order_relaxed);
          }
        }));
      }
      for (auto& one : sending) one.join();
      values.close();
      for (auto& one : receiving) one.join();
      CHECK(thrown.load(std::memory_order_relaxed) > 0);
      for (auto& one : seen) REQUIRE(one.load(std::memory_order_relaxed) == 1);
    }
  });
}
