// Channels, select, scopes.
#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::require;

constexpr int producers = 2;
constexpr int values_each = 4;

struct census {
  std::vector<int> seen = std::vector<int>(producers * values_each, 0);
  std::vector<int> newest = std::vector<int>(producers, -1);

  void count(int value) { ++seen[static_cast<std::size_t>(value)]; }
  // For the only receiver: the values of each producer come in its order.
  void count_in_order(int value) {
    count(value);
    int& last = newest[static_cast<std::size_t>(value / values_each)];
    require(value > last, "a channel overtakes itself");
    last = value;
  }
  void check() const {
    for (const int times : seen) require(times == 1, "a value is lost or doubled");
  }
};

// Producers send all values, the last of them closes; receivers drain.
void pass_all(hilo::channel<int>& through, int receivers) {
  census all;
  int left = producers;
  std::vector<hilo::fiber<void>> fibers;
  for (int p = 0; p < producers; ++p) {
    fibers.push_back(hilo::spawn([&, p] {
      for (int i = 0; i < values_each; ++i) {
        require(through.send(p * values_each + i) == status::ok, "a send fails");
      }
      if (--left == 0) through.close();
    }));
  }
  for (int r = 0; r < receivers; ++r) {
    fibers.push_back(hilo::spawn([&] {
      for (const int value : through) receivers == 1 ? all.count_in_order(value) : all.count(value);
    }));
  }
  for (auto& one : fibers) one.join();
  all.check();
  require(through.send(0) == status::closed, "a closed channel takes a value");
  require(!through.receive().has_value() && through.size() == 0, "a drained channel has values");
}

HILO_SEEDED("channel: unbuffered, each value arrives once, in order") {
  hilo::channel<int> through;
  pass_all(through, 1);
}
HILO_SEEDED("channel: unbuffered, two receivers") {
  hilo::channel<int> through;
  pass_all(through, 2);
}
HILO_SEEDED("channel: bounded, each value arrives once, in order") {
  hilo::channel<int> through(2);
  pass_all(through, 1);
}
HILO_SEEDED("channel: bounded, two receivers") {
  hilo::channel<int> through(1);
  pass_all(through, 2);
}
HILO_SEEDED("channel: unbounded, each value arrives once, in order") {
  hilo::channel<int> through(hilo::unbounded);
  pass_all(through, 1);
}

HILO_SEEDED("channel: never holds more than its capacity, and a rendezvous is one") {
  hilo::channel<int> held(2);
  hilo::channel<int> met;
  int sent = 0;
  int taken = 0;
  auto sender = hilo::spawn([&] {
    for (int i = 0; i < 5; ++i) {
      require(held.send(i) == status::ok, "a send fails");
      ++sent;
      require(sent - taken <= 2 + 1, "a channel holds too much");  // one is on its way to `taken`
    }
    require(met.send(7) == status::ok, "a send fails");
    ++sent;
  });
  for (int i = 0; i < 5; ++i) {
    require(held.receive() == i, "values out of order");
    ++taken;
    hilo::yield();
  }
  hilo::sleep_for(1s);
  require(sent == 5, "a rendezvous does not wait");
  require(met.receive() == 7, "a value is lost");
  sender.join();
}

HILO_SEEDED("channel: room that is made lets the next sender go on") {
  hilo::channel<int> through(1);
  hilo::event both_sent;
  auto sender = hilo::spawn([&] {
    for (int i = 0; i < 2; ++i) require(through.send(i) == status::ok, "a send fails");
    both_sent.set();
  });
  require(through.receive() == 0, "values out of order");
  both_sent.wait();
  require(through.receive() == 1, "values out of order");
  sender.join();
}

HILO_SEEDED("channel: timed calls give the value back or deliver it") {
  hilo::channel<int> through;
  int sent = 0;
  int received = 0;
  auto sender = hilo::spawn([&] {
    for (int i = 0; i < 4; ++i) {
      const status end = through.send_for(int(i), 100us);
      require(end == status::ok || end == status::timed_out, "a timed send ends otherwise");
      sent += end == status::ok;
    }
    through.close();
  });
  std::optional<int> value = -1;
  while (true) {
    const status end = through.receive_for(value, 70us);
    require(value.has_value() == (end == status::ok), "a value without ok, or ok without one");
    if (end == status::closed) break;
    received += end == status::ok;
    if (end == status::ok) hilo::sleep_for(90us);
  }
  sender.join();
  require(sent == received, "a value is lost or doubled");
}

HILO_SEEDED("channel: close ends waits on both sides, and loses nothing") {
  hilo::channel<int> through(1);
  int sent = 0;
  int received = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back(hilo::spawn([&] {
      while (through.send(1) == status::ok) ++sent;
    }));
  }
  all.push_back(hilo::spawn([&] {
    for (int i = 0; i < 3 && through.receive().has_value(); ++i) ++received;
  }));
  hilo::yield();
  through.close();
  for (auto& one : all) one.join();
  while (through.receive().has_value()) ++received;
  require(sent == received, "a value is lost or doubled");
}

HILO_SEEDED("channel: a stopped receiver takes no value with it") {
  hilo::channel<int> through(1);
  int received = 0;
  auto stopped = hilo::spawn([&] {
    while (through.receive().has_value()) ++received;
  });
  auto sender = hilo::spawn([&] {
    for (int i = 0; i < 3; ++i) require(through.send(1) == status::ok, "a send fails");
    through.close();
  });
  hilo::yield();
  stopped.request_stop();
  stopped.join();
  while (through.receive().has_value()) ++received;
  sender.join();
  require(received == 3, "a value is lost or doubled");
}

HILO_SEEDED("channel: batches keep order and lose nothing") {
  hilo::channel<int> through(2);
  auto sender = hilo::spawn([&] {
    std::vector<int> values{0, 1, 2, 3, 4, 5, 6};
    std::size_t sent = 0;
    require(through.send_all(values, sent) == status::ok && sent == 7, "a batch is cut");
    through.close();
  });
  std::vector<int> got;
  while (through.receive_some(got, 3) == status::ok) {
  }
  require(got == std::vector<int>{0, 1, 2, 3, 4, 5, 6}, "a batch is out of order");
  sender.join();
}

HILO_SEEDED("ends: the last sender closes, the last receiver ends the senders") {
  int received = 0;
  auto [out, in] = hilo::make_channel<int>(1);
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back(hilo::spawn([mine = out] {
      for (int n = 0; n < 3 && mine.send(n) == status::ok; ++n) {
      }
    }));
  }
  out = {};
  for ([[maybe_unused]] const int value : in) ++received;
  require(received == 6, "the last sender closes early or late");
  for (auto& one : all) one.join();
}

HILO_SEEDED("ends: each question gets an answer, or its client learns that the server is gone") {
  for (const std::size_t capacity : {0U, 2U}) {
    auto [out, in] = hilo::make_channel<std::pair<int, hilo::oneshot_sender<int>>>(capacity);
    int asked = 0;
    int answered = 0;
    std::vector<hilo::fiber<void>> all;
    for (int c = 0; c < 3; ++c) {
      all.push_back(hilo::spawn([&asked, &answered, c, out = out] {
        auto answer = hilo::make_oneshot<int>();
        const status sent = out.send({c, std::move(answer.out)});
        require(sent == status::ok || sent == status::closed, "a send ends otherwise");
        asked += sent == status::ok;
        std::optional<int> got = -1;
        const status end = answer.in.receive(got);
        require(end == status::closed || (end == status::ok && got == c), "an answer is another's");
        require(got.has_value() == (end == status::ok), "a destination keeps what was in it");
        answered += end == status::ok;
      }));
    }
    auto server = hilo::spawn([in = std::move(in)] {
      std::optional<std::pair<int, hilo::oneshot_sender<int>>> question;
      require(in.receive(question) == status::ok, "a receive fails");
      require(question->second.send(question->first) == status::ok, "an answer finds nobody");
    });
    for (auto& one : all) one.join();
    server.join();
    require(answered == 1 && asked >= 1, "an answer is lost or doubled");
    require(out.closed() && out.size() == 0, "the last receiver leaves something");
  }
}

HILO_SEEDED("ends: what the last receiver leaves is destroyed once, without the lock") {
  struct counted {
    counted(int* one, const hilo::sender<counted>* to) : count(one), used(to) {}
    counted(counted&& other) noexcept
        : count(std::exchange(other.count, nullptr)), used(other.used) {}
    ~counted() {
      if (count == nullptr) return;
      ++*count;
      (void)used->size();
      hilo::yield();
    }
    int* count;
    const hilo::sender<counted>* used;
  };
  int ended = 0;
  int sent = 0;
  int kept = 0;
  auto [out, in] = hilo::make_channel<counted>(2);
  std::vector<hilo::fiber<void>> all;
  for (int s = 0; s < 2; ++s) {
    all.push_back(hilo::spawn([&, &out = out] {
      for (int i = 0; i < 3; ++i) {
        counted mine(&ended, &out);
        const status end = out.send(std::move(mine));
        require((mine.count == nullptr) == (end == status::ok), "a value that is refused is taken");
        sent += end == status::ok;
        kept += end == status::closed;
      }
    }));
  }
  all.push_back(hilo::spawn([in = std::move(in)] {
    for (int i = 0; i < 2; ++i) (void)in.receive();
  }));
  for (auto& one : all) one.join();
  require(sent + kept == 6 && ended == 6, "a value is lost, or destroyed twice");
}

HILO_SEEDED("select: one case fires, and the others have no effect") {
  hilo::channel<int> left(1);
  hilo::channel<int> right;
  census all;
  int given = 0;
  std::vector<hilo::fiber<void>> fibers;
  fibers.push_back(hilo::spawn([&] {
    for (; given < producers * values_each; ++given) {
      const auto choice = hilo::select{hilo::send_to(left, given), hilo::send_to(right, given)};
      require(choice.end == status::ok, "a select fails");
    }
    left.close();
    right.close();
  }));
  for (int r = 0; r < 2; ++r) {
    fibers.push_back(hilo::spawn([&] {
      bool open[2] = {true, true};
      while (open[0] || open[1]) {
        std::optional<int> a;
        std::optional<int> b;
        const auto choice = hilo::select{hilo::receive_from(left, a, open[0]),
                                         hilo::receive_from(right, b, open[1])};
        require(!(a.has_value() && b.has_value()), "two cases fire");
        std::optional<int>& fired = choice.index == 0 ? a : b;
        require(fired.has_value() == (choice.end == status::ok), "a case fires without its value");
        if (fired.has_value()) {
          all.count(*fired);
        } else {
          open[choice.index] = false;
        }
      }
    }));
  }
  for (auto& one : fibers) one.join();
  all.check();
}

HILO_SEEDED("select: times, events, ends and stops fire beside channels") {
  hilo::channel<int> never;
  hilo::event opened;
  std::stop_source source;
  auto short_lived = hilo::spawn([] { hilo::sleep_for(60us); });
  auto opens = hilo::spawn([&] {
    hilo::sleep_for(30us);
    opened.set();
    hilo::sleep_for(90us);
    source.request_stop();
  });
  bool seen[4] = {};
  while (!(seen[0] && seen[1] && seen[2] && seen[3])) {
    std::optional<int> value;
    const auto choice =
        hilo::select{hilo::after(100us, !seen[0]), hilo::set_of(opened, !seen[1]),
                     hilo::end_of(short_lived, !seen[2]),
                     hilo::stop_of(source.get_token(), !seen[3]), hilo::receive_from(never, value)};
    require(choice.index < 4 && !seen[choice.index], "a select takes a case that is not ready");
    require(choice.index != 1 || opened.is_set(), "an event's case fires before it");
    require(choice.index != 3 || source.stop_requested(), "a token's case fires before it");
    seen[choice.index] = true;
  }
  short_lived.join();
  opens.join();
}

HILO_SEEDED("select: two that meet each other exchange one value") {
  hilo::channel<int> a;
  hilo::channel<int> b;
  int moved = 0;
  int told = 0;
  const auto meet = [&](hilo::channel<int>& to, hilo::channel<int>& from) {
    std::optional<int> got;
    const auto choice = hilo::select{hilo::send_to(to, 1), hilo::receive_from(from, got)};
    require(choice.end == status::ok, "a select fails");
    moved += got.has_value();
    told += choice.index == 0;
  };
  auto one = hilo::spawn([&] { meet(a, b); });
  auto other = hilo::spawn([&] { meet(b, a); });
  one.join();
  other.join();
  require(moved == 1 && told == 1, "a meeting has no two sides");
}

HILO_SEEDED("scope: ends after its children, bounds them, and returns their results") {
  int running = 0;
  bool ended[4] = {};
  hilo::scope<int> children({.limit = 2});
  for (int i = 0; i < 4; ++i) {
    const status begun = children.spawn([&, i] {
      const hilo::test::mark_at_end mark(ended[i]);
      require(++running <= 2, "a scope runs too many");
      hilo::sleep_for(std::chrono::microseconds(50 * (4 - i)));
      --running;
      return i;
    });
    require(begun == status::ok, "a child is refused");
  }
  require(children.join() == std::vector<int>{0, 1, 2, 3}, "a scope mixes its results up");
  for (const bool each : ended) require(each, "a scope ends before its children");
}

HILO_SEEDED("scope: the first exception stops the others, and is the one that join throws") {
  hilo::event never;
  bool ended[3] = {};
  bool thrown = false;
  {
    hilo::scope<> children;
    for (int i = 0; i < 3; ++i) {
      const status begun = children.spawn([&, i] {
        const hilo::test::mark_at_end mark(ended[i]);
        if (i == 1) throw std::runtime_error("meant");
        require(never.wait(hilo::interruptible) == status::cancelled, "a sibling is not stopped");
      });
      if (begun != status::ok) ended[i] = true;  // refused: the scope is stopped
    }
    try {
      children.join();
    } catch (const std::runtime_error&) {
      thrown = true;
    }
  }
  require(thrown, "a child's exception is lost");
  for (const bool each : ended) require(each, "a scope ends before its children");
}

HILO_SEEDED("scope: race and when_all have their results, and nobody is left") {
  int alive = 0;
  const auto count = [&](auto time, int result) {
    return [&alive, time, result] {
      ++alive;
      (void)hilo::sleep_for(time);
      --alive;
      return result;
    };
  };
  const auto [a, b] = hilo::when_all(count(40us, 1), count(20us, 2));
  require(a == 1 && b == 2, "when_all mixes results up");
  const int first = hilo::race(count(1h, 3), count(1us, 4));
  require(first == 4 && alive == 0, "race leaves one behind, or takes the slow one");
}

}  // namespace
