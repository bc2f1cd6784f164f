// What the headers of channels and their kin say about order, ends and looks that never park. One
// carrier: a fiber that was spawned has parked, or ended, when yield() returns.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"

using hilo::status;
using namespace std::chrono_literals;

namespace {

template <class F>
void on_the_only_carrier(F body) {
  hilo::run({.carriers = 1}, body);
}

}  // namespace

TEST_CASE(
    "channel order: waiting receivers are served first in, first out, whatever call they wait in") {
  on_the_only_carrier([] {
    for (const std::size_t capacity : {0U, 4U}) {
      hilo::channel<int> numbers(capacity);
      std::vector<hilo::fiber<int>> all;
      for (int i = 0; i < 9; ++i) {
        all.push_back(hilo::spawn([&, i] {
          std::optional<int> got;
          std::vector<int> some;
          switch (i % 3) {
            case 0:
              (void)numbers.receive(got);
              return *got;
            case 1:
              (void)hilo::select{hilo::receive_from(numbers, got)};
              return *got;
            default:
              (void)numbers.receive_some(some, 1);
              return some.front();
          }
        }));
        hilo::yield();
      }
      for (int i = 0; i < 9; ++i) CHECK(numbers.send(i) == status::ok);
      for (int i = 0; i < 9; ++i) CHECK(all[static_cast<std::size_t>(i)].join() == i);
    }
  });
}

TEST_CASE(
    "channel order: waiting senders are served first in, first out, behind what is buffered") {
  on_the_only_carrier([] {
    for (const std::size_t capacity : {0U, 1U, 3U}) {
      hilo::channel<int> numbers(capacity);
      int next = 0;
      for (std::size_t i = 0; i < capacity; ++i) CHECK(numbers.send(next++) == status::ok);
      std::vector<hilo::fiber<status>> all;
      for (int i = 0; i < 9; ++i) {
        all.push_back(hilo::spawn([&, value = next++, i]() mutable {
          switch (i % 3) {
            case 0:
              return numbers.send(value);
            case 1:
              return hilo::select{hilo::send_to(numbers, value)}.end;
            default: {
              std::size_t sent = 0;
              return numbers.send_all({&value, 1}, sent);
            }
          }
        }));
        hilo::yield();
      }
      for (int i = 0; i < next; ++i) CHECK(numbers.receive() == i);
      for (auto& one : all) CHECK(one.join() == status::ok);
      CHECK(numbers.size() == 0);
    }
  });
}

TEST_CASE("channel order: a waiter that gave up is passed over, and the next one keeps its place") {
  on_the_only_carrier([] {
    hilo::channel<int> numbers;
    std::vector<hilo::fiber<std::optional<int>>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(hilo::spawn([&] { return numbers.receive(); }));
      hilo::yield();
    }
    all[1].request_stop();
    CHECK(all[1].join() == std::nullopt);
    CHECK(numbers.send(0) == status::ok);
    CHECK(numbers.send(2) == status::ok);
    CHECK(all[0].join() == 0);
    CHECK(all[2].join() == 2);
    CHECK(numbers.try_send(3) == status::would_block);  // nobody is left
  });
}

TEST_CASE("channel order: unbuffered, try_send needs a receiver that waits, try_receive a sender") {
  on_the_only_carrier([] {
    hilo::channel<int> numbers;
    std::optional<int> got;
    CHECK(numbers.try_send(1) == status::would_block);
    CHECK(numbers.try_receive(got) == status::would_block);
    auto receiver = hilo::spawn([&] { return numbers.receive(); });
    hilo::yield();
    CHECK(numbers.try_send(2) == status::ok);
    CHECK(receiver.join() == 2);
    auto sender = hilo::spawn([&] { return numbers.send(3); });
    hilo::yield();
    CHECK(numbers.size() == 0);  // nothing is ever buffered
    CHECK(numbers.try_receive(got) == status::ok);
    CHECK(got == 3);
    CHECK(sender.join() == status::ok);
  });
}

TEST_CASE("channel order: close wakes all that wait, in every call; what is buffered comes first") {
  on_the_only_carrier([] {
    hilo::channel<int> empty;
    hilo::channel<int> full(1);
    CHECK(full.send(1) == status::ok);
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(hilo::spawn([&, i] {
        std::optional<int> got = 5;
        std::vector<int> some{6};
        std::size_t sent = 9;
        switch (i) {
          case 0:
            return empty.receive(got);
          case 1:
            return empty.receive_for(got, 1h);
          case 2:
            return empty.receive_some(some, 2);
          case 3:
            return hilo::select{hilo::receive_from(empty, got), hilo::after(1h)}.end;
          case 4:
            return full.send(i);
          case 5:
            return full.send_for(i, 1h);
          case 6:
            return full.send_all(some, sent);
          default:
            return hilo::select{hilo::send_to(full, i), hilo::after(1h)}.end;
        }
      }));
      hilo::yield();
    }
    empty.close();
    full.close();
    for (auto& one : all) CHECK(one.join() == status::closed);
    std::optional<int> got;
    CHECK(full.receive(got) == status::ok);
    CHECK(got == 1);
    CHECK(full.receive(got) == status::closed);
    CHECK(hilo::select{hilo::receive_from(full, got), hilo::otherwise}.end == status::closed);
    CHECK(hilo::select{hilo::send_to(full, 1), hilo::otherwise}.end == status::closed);
  });
}

TEST_CASE("channel order: looks that never park let others run, on one carrier") {
  on_the_only_carrier([] {
    // Each loop ends only when a fiber that it does not wait for has run.
    const auto poll = [](auto look, auto act) {
      auto other = hilo::spawn(act);
      while (!look()) {
      }
      other.join();
    };
    hilo::channel<int> numbers(1);
    std::optional<int> got;
    std::shared_ptr<const int> message;
    poll([&] { return numbers.size() == 1; }, [&] { (void)numbers.send(1); });
    poll([&] { return numbers.size() == 0; }, [&] { (void)numbers.receive(); });
    poll([&] { return numbers.try_receive(got) == status::ok; }, [&] { (void)numbers.send(1); });
    CHECK(numbers.send(1) == status::ok);
    poll([&] { return numbers.try_send(2) == status::ok; }, [&] { (void)numbers.receive(); });
    poll([&] { return numbers.closed(); }, [&] { numbers.close(); });
    (void)numbers.receive();
    bool ran = false;
    poll([&] { return numbers.try_receive(got) == status::closed && ran; }, [&] { ran = true; });
    ran = false;
    poll([&] { return numbers.try_send(1) == status::closed && ran; }, [&] { ran = true; });
    auto ends = hilo::make_oneshot<int>();
    poll([&] { return ends.in.try_receive(got) == status::ok; }, [&] { (void)ends.out.send(1); });
    auto dropped = hilo::make_oneshot<int>();
    poll([&] { return dropped.out.closed(); }, [&] { dropped.in = {}; });
    auto setting = hilo::make_watch(0);
    poll([&] { return setting.in.has_changed(); }, [&] { (void)setting.out.send(1); });
    poll([&] { return *setting.in.borrow() == 2; }, [&] { (void)setting.out.send(2); });
    poll([&] { return setting.in.closed(); }, [&] { setting.out = {}; });
    auto news = hilo::make_broadcast<int>(1);
    poll([&] { return news.in.try_receive(message) == status::ok; },
         [&] { (void)news.out.send(1); });
    poll([&] { return news.in.size() == 1; }, [&] { (void)news.out.send(1); });
    poll([&] { return news.in.closed(); }, [&] { news.out = {}; });
  });
}
