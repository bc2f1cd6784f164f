// Mutexes, condition variables, semaphores, once.
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "tests/simulate/seeds.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::test::require;

constexpr int crew = 3;
constexpr int rounds = 4;

template <class F>
void in_crew(F&& work) {
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) all.push_back(hilo::spawn([&work, i] { work(i); }));
  for (auto& one : all) one.join();
}

HILO_SEEDED("mutex: one at a time, and every round is counted") {
  hilo::mutex guard;
  int inside = 0;
  int total = 0;
  in_crew([&](int) {
    for (int i = 0; i < rounds; ++i) {
      const std::scoped_lock lock(guard);
      require(++inside == 1, "two hold a mutex");
      hilo::simulation_point();
      ++total;
      --inside;
    }
  });
  require(total == crew * rounds, "a round is lost");
}

HILO_SEEDED("mutex: try_lock and timed locks take it or do not") {
  hilo::mutex guard;
  int inside = 0;
  int taken = 0;
  int told = 0;
  in_crew([&](int i) {
    for (int round = 0; round < rounds; ++round) {
      const bool mine = i == 0   ? guard.try_lock()
                        : i == 1 ? guard.try_lock_for(200us)
                                 : (guard.lock(), true);
      if (!mine) continue;
      ++told;
      require(++inside == 1, "two hold a mutex");
      hilo::sleep_for(150us);
      ++taken;
      --inside;
      guard.unlock();
    }
  });
  require(taken == told, "a holder is lost");
  require(guard.try_lock(), "a mutex that nobody holds is taken");
  guard.unlock();
}

HILO_SEEDED("mutex: the last fiber that locks it may destroy it") {
  auto* const guard = new hilo::mutex;
  int left = 2;
  const auto leave = [&] {
    guard->lock();
    const bool last = --left == 0;
    guard->unlock();
    if (last) delete guard;
  };
  auto other = hilo::spawn(leave);
  leave();
  other.join();
}

HILO_SEEDED("mutex: waiters get it in the order in which they came, though they lose at times") {
  hilo::mutex guard;
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  guard.lock();
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&, i] {
      guard.lock();
      order.push_back(i);
      hilo::simulation_point();
      guard.unlock();
    }));
    hilo::sleep_for(1s);  // it waits by now
  }
  for (int i = 0; i < rounds; ++i) {
    guard.unlock();
    guard.lock();
    hilo::simulation_point();
  }
  guard.unlock();
  for (auto& one : all) one.join();
  require(order == std::vector<int>{0, 1, 2}, "a mutex is handed over out of order");
}

HILO_SEEDED("recursive_mutex: its holder takes it again, nobody else does") {
  hilo::recursive_mutex guard;
  int inside = 0;
  in_crew([&](int) {
    const std::scoped_lock outer(guard);
    ++inside;
    const std::scoped_lock inner(guard);
    hilo::yield();
    require(inside == 1, "two hold a recursive_mutex");
    --inside;
  });
}

HILO_SEEDED("shared_mutex: writers alone, readers together") {
  hilo::shared_mutex guard;
  int readers = 0;
  int writers = 0;
  int written = 0;
  in_crew([&](int i) {
    for (int round = 0; round < rounds; ++round) {
      if ((i + round) % 2 == 0) {
        const std::scoped_lock lock(guard);
        require(++writers == 1 && readers == 0, "a writer is not alone");
        hilo::yield();
        ++written;
        --writers;
      } else {
        const std::shared_lock lock(guard);
        ++readers;
        hilo::yield();
        require(writers == 0, "a reader beside a writer");
        --readers;
      }
    }
  });
  require(written == crew * rounds / 2, "a write is lost");
  require(guard.try_lock(), "a shared_mutex that nobody holds is taken");
  guard.unlock();
}

HILO_SEEDED("shared_mutex: one that gives up leaves the way free") {
  hilo::shared_mutex guard;
  int readers = 0;
  int writers = 0;
  in_crew([&](int i) {
    for (int round = 0; round < rounds; ++round) {
      if (i == 0) {
        if (!guard.try_lock_for(100us)) continue;
        require(++writers == 1 && readers == 0, "a writer is not alone");
        hilo::sleep_for(80us);
        --writers;
        guard.unlock();
      } else {
        if (i == 1) {
          guard.lock_shared();
        } else if (!guard.try_lock_shared_for(100us)) {
          continue;
        }
        ++readers;
        hilo::sleep_for(80us);
        require(writers == 0, "a reader beside a writer");
        --readers;
        guard.unlock_shared();
      }
    }
  });
}

HILO_SEEDED("shared_mutex: readers behind a writer that gives up get in at once") {
  hilo::shared_mutex guard;
  hilo::event read;
  guard.lock_shared();
  auto writer = hilo::spawn([&] {
    if (guard.try_lock_for(100us)) guard.unlock();
  });
  auto reader = hilo::spawn([&] {
    hilo::sleep_for(50us);
    const std::shared_lock lock(guard);
    read.set();
  });
  read.wait();
  guard.unlock_shared();
  writer.join();
  reader.join();
}

HILO_SEEDED("condition_variable: a queue loses nothing and nobody") {
  hilo::mutex guard;
  hilo::condition_variable filled;
  hilo::condition_variable emptied;
  std::vector<int> queue;
  std::vector<int> seen(crew * rounds, 0);
  auto consumer = hilo::spawn([&] {
    for (int i = 0; i < crew * rounds; ++i) {
      std::unique_lock lock(guard);
      filled.wait(lock, [&] { return !queue.empty(); });
      ++seen[static_cast<std::size_t>(queue.back())];
      queue.pop_back();
      emptied.notify_one();
    }
  });
  in_crew([&](int i) {
    for (int round = 0; round < rounds; ++round) {
      std::unique_lock lock(guard);
      emptied.wait(lock, [&] { return queue.empty(); });
      queue.push_back(i * rounds + round);
      lock.unlock();
      filled.notify_one();
    }
  });
  consumer.join();
  for (const int times : seen) require(times == 1, "a value is lost or doubled");
}

HILO_SEEDED("condition_variable: each notify_one ends one wait, in order; notify_all ends all") {
  hilo::mutex guard;
  hilo::condition_variable changed;
  int waiting = 0;
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&] {
      std::unique_lock lock(guard);
      const int turn = waiting++;
      changed.wait(lock);
      order.push_back(turn);
    }));
  }
  const auto count = [&] {
    const std::scoped_lock lock(guard);
    return waiting;
  };
  while (count() != crew) hilo::yield();
  changed.notify_one();
  while (true) {
    const std::scoped_lock lock(guard);
    if (!order.empty()) break;
    hilo::yield();
  }
  hilo::sleep_for(1s);  // any other fiber that was woken has come
  require(order == std::vector<int>{0}, "a notification wakes another than the first, or two");
  changed.notify_all();
  for (auto& one : all) one.join();
  require(order.size() == crew, "notify_all forgets one");
}

HILO_SEEDED("condition_variable: a timed wait is notified or times out, and no wake is lost") {
  hilo::mutex guard;
  hilo::condition_variable changed;
  int tokens = 0;
  int got = 0;
  const auto take = [&](bool timed) {
    std::unique_lock lock(guard);
    const auto there = [&] { return tokens != 0; };
    const bool mine =
        timed ? changed.wait_for(lock, 100us, there) : (changed.wait(lock, there), true);
    if (!mine) return;
    --tokens;
    ++got;
  };
  auto timed = hilo::spawn(take, true);
  auto patient = hilo::spawn(take, false);
  hilo::sleep_for(100us);
  for (int i = 0; i < 2; ++i) {
    {
      const std::scoped_lock lock(guard);
      ++tokens;
    }
    changed.notify_one();
  }
  timed.join();
  patient.join();
  require(got + tokens == 2 && got >= 1, "a token is lost");
}

HILO_SEEDED("semaphore: never more inside than its count, and none is lost") {
  hilo::semaphore slots(2);
  int inside = 0;
  in_crew([&](int i) {
    for (int round = 0; round < rounds; ++round) {
      if (i == 2) {
        if (!slots.try_acquire_for(100us)) continue;
      } else {
        slots.acquire();
      }
      require(++inside <= 2, "a semaphore lets too many in");
      hilo::sleep_for(90us);
      --inside;
      slots.release();
    }
  });
  require(slots.try_acquire() && slots.try_acquire() && !slots.try_acquire(),
          "a semaphore's count is wrong");
}

HILO_SEEDED("semaphore: first come, first served") {
  hilo::semaphore slots(0);
  int next = 0;
  std::vector<int> order;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&, i] {
      while (next != i) hilo::yield();
      ++next;
      slots.acquire();
      order.push_back(i);
      slots.release();
    }));
    while (next != i + 1) hilo::yield();
    hilo::sleep_for(1s);  // it waits by now
  }
  slots.release();
  for (auto& one : all) one.join();
  require(order == std::vector<int>{0, 1, 2}, "a semaphore serves out of order");
}

HILO_SEEDED("semaphore: one that wants many is served in its turn, and none is lost") {
  hilo::semaphore slots(2);
  std::vector<int> order;
  auto many = hilo::spawn([&] {
    slots.acquire(3);
    order.push_back(3);
    slots.release(3);
  });
  hilo::sleep_for(1s);  // it waits by now
  auto few = hilo::spawn([&] {
    slots.acquire();
    order.push_back(1);
    slots.release();
  });
  auto timed = hilo::spawn([&] {
    if (slots.try_acquire_for(100us, 2)) slots.release(2);
  });
  hilo::sleep_for(50us);
  slots.release();
  many.join();
  few.join();
  timed.join();
  require(order == std::vector<int>{3, 1}, "one that wants few overtakes one that wants many");
  require(slots.try_acquire(3) && !slots.try_acquire(), "a semaphore's count is wrong");
}

HILO_SEEDED("semaphore: one that gives up lets those behind it in") {
  hilo::semaphore slots(1);
  auto many = hilo::spawn(
      [&] { require(!slots.try_acquire_for(100us, 2), "a semaphore gives what it has not"); });
  hilo::sleep_for(50us);
  auto few = hilo::spawn([&] { slots.acquire(); });
  few.join();
  many.join();
  require(!slots.try_acquire(), "a semaphore's count is wrong");
}

HILO_SEEDED("semaphore: close ends every wait, and lets nobody in") {
  hilo::semaphore slots(0);
  int closed = 0;
  std::vector<hilo::fiber<void>> all;
  for (int i = 0; i < crew; ++i) {
    all.push_back(hilo::spawn([&] {
      const hilo::status end = slots.acquire(hilo::interruptible);
      require(end == hilo::status::closed, "a closed semaphore lets one in");
      ++closed;
    }));
  }
  auto closes = hilo::spawn([&] {
    slots.close();
    slots.release(crew);
  });
  for (auto& one : all) one.join();
  closes.join();
  require(closed == crew && !slots.try_acquire(), "a closed semaphore lets one in");
}

HILO_SEEDED("call_once: once, and again after an exception") {
  hilo::once_flag flag;
  int calls = 0;
  int done = 0;
  in_crew([&](int) {
    try {
      hilo::call_once(flag, [&] {
        hilo::yield();
        if (++calls == 1) throw 1;
        hilo::yield();
        ++done;
      });
      require(done == 1, "call_once returns before it is done, or does it twice");
    } catch (int) {
    }
  });
  require(calls == 2 && done == 1, "call_once calls again");
}

}  // namespace
