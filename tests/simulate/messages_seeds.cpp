// Broadcast and watch.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::require;

constexpr int senders = 2;
constexpr int values_each = 3;
constexpr int values = senders * values_each;

// --- broadcast ----------------------------------------------------------------------------------

HILO_SEEDED("broadcast: each message comes to every receiver once, in one order for all") {
  auto ends = hilo::make_broadcast<int>(values);
  std::vector<int> got[2];
  std::vector<hilo::fiber<void>> all;
  for (std::vector<int>& mine : got) {
    all.push_back(hilo::spawn([&mine, in = ends.out.subscribe()]() mutable {
      for (const int value : in) mine.push_back(value);
      require(in.lost() == 0, "a receiver loses what there is room for");
    }));
  }
  ends.in = {};
  for (int s = 0; s < senders; ++s) {
    all.push_back(hilo::spawn([s, out = ends.out] {
      for (int i = 0; i < values_each; ++i) {
        require(out.send(s * values_each + i) == status::ok, "a send fails");
      }
    }));
  }
  ends.out = {};
  for (auto& one : all) one.join();
  require(got[0] == got[1], "two receivers see two orders");
  // Each sender's values as they came, one sender after the other: now they are all in order.
  std::ranges::stable_sort(got[0], {}, [](int value) { return value / values_each; });
  std::vector<int> whole(values);
  std::iota(whole.begin(), whole.end(), 0);
  require(got[0] == whole, "a message is lost or doubled, or overtakes another of its sender");
}

HILO_SEEDED("broadcast: one that lags is told how many it lost, which are no more than must be") {
  constexpr std::uint64_t capacity = 2;
  constexpr std::uint64_t count = 9;
  auto ends = hilo::make_broadcast<std::uint64_t>(capacity);
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  auto sender = hilo::spawn([&begun, &ended, out = std::move(ends.out)] {
    while (begun < count) {
      require(out.send(begun++) == status::ok, "a send fails");
      if (++ended % 3 == 0) hilo::sleep_for(50us);
    }
  });
  std::shared_ptr<const std::uint64_t> message;
  std::uint64_t next = 0;  // all before were taken, or counted as lost
  while (true) {
    const std::uint64_t there = ended;
    const std::uint64_t lost = ends.in.lost();
    const status end = ends.in.receive(message);
    require((message != nullptr) == (end == status::ok), "a message without ok, or ok without one");
    if (end == status::closed) break;
    next += ends.in.lost() - lost;
    if (end == status::lagged) {
      require(ends.in.lost() > lost, "a receiver lags, and has lost nothing");
      require(next + capacity <= begun, "a receiver loses what there is room for");
    } else {
      require(end == status::ok && *message == next, "the number of lost messages is wrong");
      require(next + capacity >= there, "a receiver gets what there was no room for");
      ++next;
    }
  }
  require(next == count, "the end comes before the last message");
  sender.join();
}

HILO_SEEDED("broadcast: it ends with the last sender, for those that wait too") {
  auto ends = hilo::make_broadcast<int>(senders);
  int going = 0;
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(hilo::spawn([&going, in = ends.out.subscribe()]() mutable {
      std::shared_ptr<const int> message;
      int got = 0;
      status end = status::ok;
      for (; (end = in.receive(message)) == status::ok; ++got) {
      }
      require(end == status::closed && going == senders, "it ends before the last sender goes");
      require(got == senders, "the end comes before the last message");
      require(in.closed() && in.size() == 0, "an end that is none");
    }));
  }
  for (int s = 0; s < senders; ++s) {
    all.push_back(hilo::spawn([&going, s, out = ends.out] {
      require(out.send(s) == status::ok, "a send fails");
      ++going;
    }));
  }
  ends.out = {};
  for (auto& one : all) one.join();
}

HILO_SEEDED("broadcast: a receiver that gives up takes no message along") {
  auto ends = hilo::make_broadcast<int>(values);
  auto sender = hilo::spawn([out = std::move(ends.out)] {
    for (int i = 0; i < values; ++i) {
      require(out.send(i) == status::ok, "a send fails");
      if (i % 2 == 0) hilo::sleep_for(60us);
    }
  });
  std::shared_ptr<const int> message;
  int next = 0;
  const auto check = [&](status end) {
    require((message != nullptr) == (end == status::ok), "a message without ok, or ok without one");
    if (message != nullptr) require(*message == next++, "a message is lost or doubled");
    return end;
  };
  auto stopped = hilo::spawn([&] {
    while (check(ends.in.receive(message)) == status::ok) {
    }
  });
  hilo::yield();
  stopped.request_stop();
  stopped.join();
  status end = status::ok;
  while (end == status::ok || end == status::timed_out) {
    end = check(ends.in.receive_for(message, 50us));
  }
  require(end == status::closed && next == values && ends.in.lost() == 0, "a message is lost");
  sender.join();
}

HILO_SEEDED("broadcast: a message ends when the last receiver has taken it, or goes") {
  const auto token = std::make_shared<int>();  // each message that is left holds it
  auto ends = hilo::make_broadcast<std::shared_ptr<int>>(values);
  std::vector<hilo::fiber<void>> all;
  for (const int taken : {1, values / 2, values}) {
    all.push_back(hilo::spawn([taken, in = ends.out.subscribe()]() mutable {
      for (int i = 0; i < taken; ++i) {
        require(in.receive() != nullptr, "a message ends before a receiver has taken it");
      }
    }));
  }
  for (int i = 0; i < values; ++i) require(ends.out.send(token) == status::ok, "a send fails");
  for (auto& one : all) one.join();
  for (int i = 1; i <= values / 2; ++i) {
    require(ends.in.receive() != nullptr, "a message ends before a receiver has taken it");
    require(token.use_count() == 1 + values - i, "a message outlives its last receiver");
  }
  ends.in = {};
  require(token.use_count() == 1, "a message outlives the receiver that has not taken it");
  require(ends.out.send(token) == status::closed, "a message is sent to nobody");
}

HILO_SEEDED("broadcast: a new receiver gets all from its making on, and nothing before") {
  auto ends = hilo::make_broadcast<int>(values);
  int begun = 0;
  int ended = 0;
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(hilo::spawn([&, out = ends.out]() mutable {
      const int before = ended;
      auto in = out.subscribe();
      const int after = begun;
      out = {};
      std::vector<int> got;
      for (const int value : in) got.push_back(value);
      const int first = values - static_cast<int>(got.size());
      require(before <= first && first <= after, "a new receiver begins early or late");
      std::vector<int> expected(got.size());
      std::iota(expected.begin(), expected.end(), first);
      require(got == expected, "a message is lost or doubled");
    }));
  }
  while (begun < values) {
    require(ends.out.send(begun++) == status::ok, "a send fails");
    ++ended;
  }
  ends.out = {};
  for (auto& one : all) one.join();
}

HILO_SEEDED("broadcast: in select, a message that is handed over is taken, others are not") {
  hilo::broadcast_ends<int> both[] = {hilo::make_broadcast<int>(values_each),
                                      hilo::make_broadcast<int>(values_each)};
  std::vector<hilo::fiber<void>> all;
  for (auto& ends : both) {
    all.push_back(hilo::spawn([out = std::move(ends.out)] {
      for (int i = 0; i < values_each; ++i) {
        require(out.send(i) == status::ok, "a send fails");
        hilo::sleep_for(20us);
      }
    }));
  }
  int next[] = {0, 0};
  bool open[] = {true, true};
  while (open[0] || open[1]) {
    std::shared_ptr<const int> got[2];
    const auto choice = hilo::select{receive_from(both[0].in, got[0], open[0]),
                                     receive_from(both[1].in, got[1], open[1]), hilo::after(30us)};
    require(got[0] == nullptr || got[1] == nullptr, "two cases fire");
    if (choice.index == 2) {
      require(got[0] == nullptr && got[1] == nullptr, "a case that lost takes a message");
      continue;
    }
    const auto& message = got[choice.index];
    require((message != nullptr) == (choice.end == status::ok), "a case fires without its message");
    if (message == nullptr) {
      require(choice.end == status::closed, "a select fails");
      open[choice.index] = false;
    } else {
      require(*message == next[choice.index]++, "a message is lost or doubled");
    }
  }
  require(next[0] == values_each && next[1] == values_each, "the end comes before the last one");
  for (auto& one : all) one.join();
}

// --- watch --------------------------------------------------------------------------------------

HILO_SEEDED("watch: nobody goes back, and each comes to the last value") {
  auto ends = hilo::make_watch(0);
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(hilo::spawn([r, in = ends.in]() mutable {
      int seen = *in.borrow_and_update();
      while ((r == 0 ? in.changed() : in.changed_for(1h)) == status::ok) {
        const int now = *in.borrow_and_update();
        require(now > seen, "a receiver is told of a change, and sees none");
        seen = now;
      }
      require(in.closed() && seen == values, "the end comes before the last value");
    }));
  }
  for (int i = 1; i <= values; ++i) require(ends.out.send(i) == status::ok, "a send fails");
  ends.out = {};
  for (auto& one : all) one.join();
}

HILO_SEEDED("watch: a change is told once") {
  auto ends = hilo::make_watch(0);
  hilo::channel<int> told;
  auto receiver = hilo::spawn([&told, in = std::move(ends.in)]() mutable {
    while (in.changed() == status::ok) {
      require(!in.has_changed(), "a change that was told is not seen");
      require(told.send(*in.borrow()) == status::ok, "a send fails");
    }
    told.close();
  });
  for (int i = 1; i <= values_each; ++i) {
    require(ends.out.send(i) == status::ok, "a send fails");
    require(told.receive() == i, "a change is told twice, or is another's");
  }
  ends.out = {};
  require(!told.receive().has_value(), "a change is told twice");
  receiver.join();
}

HILO_SEEDED("watch: it ends with the last sender, for those that wait too") {
  auto ends = hilo::make_watch(-1);
  int going = 0;
  std::vector<hilo::fiber<void>> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(hilo::spawn([&going, in = ends.in]() mutable {
      int seen = -1;
      status end = status::ok;
      while ((end = in.changed()) == status::ok) seen = *in.borrow();
      require(end == status::closed && going == senders, "it ends before the last sender goes");
      require(seen == *in.borrow() && !in.has_changed(), "the end comes before the last value");
    }));
  }
  for (int s = 0; s < senders; ++s) {
    all.push_back(hilo::spawn([&going, s, out = ends.out] {
      require(out.send(s) == status::ok, "a send fails");
      ++going;
    }));
  }
  ends.out = {};
  for (auto& one : all) one.join();
}

HILO_SEEDED("watch: a receiver that gives up has not seen the change") {
  auto ends = hilo::make_watch(0);
  bool told = false;
  auto waits = hilo::spawn([&] { told = ends.in.changed() == status::ok; });
  auto sends = hilo::spawn([&] { require(ends.out.send(1) == status::ok, "a send fails"); });
  waits.request_stop();
  waits.join();
  sends.join();
  require(told != ends.in.has_changed(), "a change is lost, or told twice");
  require(*ends.in.borrow_and_update() == 1, "a value is lost");
  auto sends_again = hilo::spawn([&] {
    hilo::sleep_for(80us);
    require(ends.out.send(2) == status::ok, "a send fails");
  });
  status end = status::timed_out;
  while (end == status::timed_out) end = ends.in.changed_for(50us);
  require(end == status::ok && *ends.in.borrow() == 2, "a change is lost");
  require(ends.in.changed_for(50us) == status::timed_out, "a change is told twice");
  sends_again.join();
}

HILO_SEEDED("watch: each value but the last is replaced once") {
  auto ends = hilo::make_watch(-1);
  std::vector<int> replaced;
  std::vector<hilo::fiber<void>> all;
  for (int s = 0; s < senders; ++s) {
    all.push_back(hilo::spawn([&, s] {
      for (int i = 0; i < values_each; ++i) {
        replaced.push_back(*ends.out.send_replace(s * values_each + i));
      }
    }));
  }
  for (auto& one : all) one.join();
  replaced.push_back(*ends.in.borrow());
  std::ranges::sort(replaced);
  std::vector<int> expected(values + 1);
  std::iota(expected.begin(), expected.end(), -1);
  require(replaced == expected, "a value is lost or doubled");
}

HILO_SEEDED("watch: wait gives a value that will do, or nothing at the end") {
  auto ends = hilo::make_watch(0);
  std::vector<hilo::fiber<void>> all;
  for (const int least : {0, 2, values, values + 1}) {
    all.push_back(hilo::spawn([least, in = ends.in]() mutable {
      const auto got = in.wait([least](int now) { return now >= least; });
      require((got != nullptr) == (least <= values), "a value that will do is missed");
      require(got == nullptr || *got >= least, "a value will not do");
      require(got != nullptr || in.closed(), "a wait ends early");
    }));
  }
  ends.in = {};
  // The one that waits for more than there is stays until all are sent.
  for (int i = 1; i <= values; ++i) require(ends.out.send(i) == status::ok, "a send fails");
  ends.out = {};
  for (auto& one : all) one.join();
}

HILO_SEEDED("watch: in select, a change is told once, and the last value comes before the end") {
  hilo::watch_ends<int> both[] = {hilo::make_watch(0), hilo::make_watch(0)};
  std::vector<hilo::fiber<void>> all;
  for (auto& ends : both) {
    all.push_back(hilo::spawn([out = std::move(ends.out)] {
      for (int i = 1; i <= values_each; ++i) {
        require(out.send(i) == status::ok, "a send fails");
        hilo::sleep_for(20us);
      }
    }));
  }
  int seen[] = {0, 0};
  int told[] = {0, 0};
  bool open[] = {true, true};
  while (open[0] || open[1]) {
    const auto choice = hilo::select{changed_of(both[0].in, open[0]),
                                     changed_of(both[1].in, open[1]), hilo::after(30us)};
    if (choice.index == 2) continue;
    if (choice.end == status::ok) {
      const int now = *both[choice.index].in.borrow();
      require(now >= seen[choice.index], "a receiver goes back");
      require(++told[choice.index] <= now, "a change is told twice, or before it is there");
      seen[choice.index] = now;
    } else {
      require(choice.end == status::closed, "a select fails");
      open[choice.index] = false;
    }
  }
  require(seen[0] == values_each && seen[1] == values_each, "the end comes before the last value");
  for (auto& one : all) one.join();
}

}  // namespace
