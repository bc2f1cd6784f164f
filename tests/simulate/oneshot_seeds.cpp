// Oneshot.
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::require;

HILO_SEEDED("oneshot: the value comes once, no matter which side is there first") {
  auto ends = hilo::make_oneshot<std::unique_ptr<int>>();
  auto sender = hilo::spawn([out = std::move(ends.out)]() mutable {
    require(out.send(std::make_unique<int>(7)) == status::ok, "a send fails");
    auto second = std::make_unique<int>(8);
    require(out.send(std::move(second)) == status::closed && second != nullptr, "it is sent twice");
  });
  std::optional<std::unique_ptr<int>> got;
  require(ends.in.receive(got) == status::ok && **got == 7, "the value is another");
  require(ends.in.receive(got) == status::closed && !got.has_value(), "it is received twice");
  sender.join();
}

HILO_SEEDED("oneshot: each request has its own answer, or an exception, or learns of none") {
  constexpr int asked = 6;
  hilo::channel<std::pair<int, hilo::oneshot_sender<int>>> requests(1);
  std::vector<hilo::fiber<void>> clients;
  std::vector<hilo::fiber<void>> servers;
  for (int i = 0; i < 2; ++i) {
    servers.push_back(hilo::spawn([&] {
      for (auto& [number, reply] : requests) {
        const auto end = number % 3 == 0   ? reply.send(number)
                         : number % 3 == 1 ? reply.fail(std::make_exception_ptr(number))
                                           : (reply = {}, status::ok);
        require(end == status::ok, "an answer finds nobody");
      }
    }));
  }
  for (int i = 0; i < 2; ++i) {
    clients.push_back(hilo::spawn([&, i] {
      for (int number = i; number < asked; number += 2) {
        auto ends = hilo::make_oneshot<int>();
        require(requests.send({number, std::move(ends.out)}) == status::ok, "a send fails");
        std::optional<int> got;
        try {
          const status end = ends.in.receive(got);
          require(end == (number % 3 == 0 ? status::ok : status::closed), "an answer is lost");
          require(end != status::ok || got == number, "an answer is another's");
          require(number % 3 != 1, "an exception is lost");
        } catch (int failed) {
          require(failed == number && number % 3 == 1, "an exception is another's");
          require(ends.in.receive(got) == status::closed, "it is received twice");
        }
      }
    }));
  }
  for (auto& one : clients) one.join();
  requests.close();
  for (auto& one : servers) one.join();
}

HILO_SEEDED("oneshot: a receiver that gives up leaves the value where it is") {
  auto ends = hilo::make_oneshot<int>();
  bool mine = false;
  auto waits = hilo::spawn([&] {
    std::optional<int> got;
    mine = ends.in.receive(got) == status::ok;
    require(!mine || got == 7, "the value is another");
  });
  auto sends = hilo::spawn([&] {
    hilo::yield();
    require(ends.out.send(7) == status::ok, "a send fails");
  });
  waits.request_stop();
  waits.join();
  std::optional<int> got;
  status end = status::timed_out;
  while (end == status::timed_out) end = ends.in.receive_for(got, 1us);
  require(mine ? end == status::closed : end == status::ok && got == 7, "it is lost or doubled");
  sends.join();
}

HILO_SEEDED("oneshot: of two that take turns at its end one gets the value, the other the end") {
  auto ends = hilo::make_oneshot<int>();
  hilo::mutex turn;
  int taken = 0;
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(hilo::spawn([&] {
      std::optional<int> got;
      status end = status::timed_out;
      while (end == status::timed_out) {
        const std::scoped_lock lock(turn);
        end = ends.in.receive_for(got, 30us);
      }
      require((end == status::ok && got == 7) || end == status::closed, "a wait ends otherwise");
      taken += end == status::ok;
    }));
  }
  hilo::sleep_for(50us);
  require(ends.out.send(7) == status::ok, "a send fails");
  for (auto& one : all) one.join();
  require(taken == 1, "the value is lost or doubled");
}

HILO_SEEDED("oneshot: a value for a receiver that goes is given back, or goes too") {
  const auto token = std::make_shared<int>();
  auto ends = hilo::make_oneshot<std::shared_ptr<int>>();
  bool got = false;
  bool gone = false;
  auto receiver = hilo::spawn([&, in = std::move(ends.in)]() mutable {
    std::optional<std::shared_ptr<int>> value;
    got = in.receive_for(value, 40us) == status::ok;
    in = {};
    gone = true;
  });
  hilo::sleep_for(40us);
  const bool late = gone;
  auto value = token;
  const status end = ends.out.send(std::move(value));
  require((end == status::closed) == (value != nullptr), "a refused value is not given back");
  require(!late || end == status::closed, "a value is sent to nobody");
  receiver.join();
  require(!got || end == status::ok, "a refused value is received");
  value.reset();
  require(token.use_count() == 1, "a value outlives both ends");
}

HILO_SEEDED("shared_result: each copy gets the one value, even if others give up or end") {
  auto ends = hilo::make_oneshot<int>();
  hilo::shared_result<int> whole(std::move(ends.in));
  int got = 0;
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 3; ++r) {
    all.push_back(hilo::spawn([&got, r, mine = whole] {
      std::shared_ptr<const int> value;
      status end = status::timed_out;
      if (r == 0) {
        end = mine.receive(value);
      } else if (r == 1) {
        while (end == status::timed_out) end = mine.receive_for(value, 20us);
      } else {
        end = hilo::select{receive_from(mine, value), hilo::after(1h)}.end;
      }
      require(end == status::ok && value != nullptr && *value == 7, "a copy misses the value");
      ++got;
    }));
  }
  auto goes = hilo::spawn([mine = whole] { (void)mine; });
  whole = {};
  auto sends = hilo::spawn([out = std::move(ends.out)]() mutable {
    hilo::sleep_for(30us);
    require(!out.closed() && out.send(7) == status::ok, "a value is refused while copies wait");
  });
  for (auto& one : all) one.join();
  goes.join();
  sends.join();
  require(got == 3, "a copy is lost");
}

HILO_SEEDED("oneshot: in select, each fires with what its sender did, and no other") {
  constexpr std::size_t count = 3;
  std::vector<hilo::oneshot_ends<int>> asked(count);
  std::vector<hilo::fiber<void>> all;
  for (std::size_t i = 0; i < count; ++i) {
    asked[i] = hilo::make_oneshot<int>();
    all.push_back(hilo::spawn([i, out = std::move(asked[i].out)]() mutable {
      if (i != 1) hilo::sleep_for(20us);
      if (i != 2) require(out.send(static_cast<int>(i)) == status::ok, "a send fails");
    }));
  }
  bool open[count] = {true, true, true};
  for (std::size_t left = count; left != 0;) {
    std::optional<int> got[count];
    const auto choice = hilo::select{receive_from(asked[0].in, got[0], open[0]),
                                     receive_from(asked[1].in, got[1], open[1]),
                                     receive_from(asked[2].in, got[2], open[2]), hilo::after(30us)};
    const std::optional<int> expected =
        choice.index < 2 ? std::optional(static_cast<int>(choice.index)) : std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      require(got[i] == (i == choice.index ? expected : std::nullopt),
              "a case has another's value");
    }
    if (choice.index == count) continue;
    require(choice.end == (choice.index == 2 ? status::closed : status::ok),
            "a case ends otherwise");
    open[choice.index] = false;
    --left;
  }
  for (auto& one : all) one.join();
}

}  // namespace
