// Programs for the test of the warnings about locks: warned_program SHAPE. All end by themselves.
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include <unistd.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;

namespace {

const hilo::runtime_options warns{.carriers = 2, .warn_about_locks = true};

// A cycle lasts, so these programs end without the fibers in it.
[[noreturn]] void end_at_once() {
  std::puts("went on");
  std::fflush(stdout);
  ::_exit(0);
}

// While another fiber runs now and then, or all the time.
void two_mutexes(bool all_the_time) {
  hilo::run(warns, [&] {
    hilo::mutex accounts;
    hilo::mutex journal;
    hilo::barrier both(2);
    auto teller = hilo::spawn({.name = "teller"}, [&] {
      const std::scoped_lock first(accounts);
      both.arrive_and_wait();
      const std::scoped_lock second(journal);
    });
    auto auditor = hilo::spawn({.name = "auditor"}, [&] {
      const std::scoped_lock first(journal);
      both.arrive_and_wait();
      const std::scoped_lock second(accounts);
    });
    const auto until = std::chrono::steady_clock::now() + 2500ms;
    while (std::chrono::steady_clock::now() < until) {
      if (all_the_time) {
        hilo::yield();
      } else {
        hilo::sleep_for(10ms);
      }
    }
    end_at_once();
  });
}

// All others sleep, for a timer of the far future.
void cycle_beside_a_timer() {
  hilo::run(warns, [&] {
    hilo::fiber<void> hen;
    hilo::mutex nest;
    auto egg = hilo::spawn({.name = "egg"}, [&] {
      const std::scoped_lock lock(nest);
      hilo::sleep_for(20ms);
      hen.join();
    });
    hen = hilo::spawn({.name = "hen"}, [&] {
      hilo::sleep_for(10ms);
      const std::scoped_lock lock(nest);
    });
    hilo::sleep_for(2500ms);
    end_at_once();
  });
}

// The same cycle, but one of the waits ends by itself, again and again.
void cycle_with_a_deadline() {
  hilo::run(warns, [&] {
    hilo::mutex accounts;
    hilo::mutex journal;
    hilo::event over;
    hilo::barrier both(2);
    auto teller = hilo::spawn([&] {
      const std::scoped_lock first(accounts);
      both.arrive_and_wait();
      while (!over.is_set()) {
        if (journal.try_lock_for(300ms)) journal.unlock();
      }
    });
    auto auditor = hilo::spawn([&] {
      const std::scoped_lock first(journal);
      both.arrive_and_wait();
      const std::scoped_lock second(accounts);
    });
    hilo::sleep_for(1500ms);
    over.set();
    teller.join();
    auditor.join();
  });
}

// Mutexes in order, with many waiters and no cycle.
void much_contention() {
  hilo::run(warns, [&] {
    hilo::mutex first;
    hilo::mutex second;
    hilo::scope all;
    for (int i = 0; i < 50; ++i) {
      (void)all.spawn([&] {
        const auto until = std::chrono::steady_clock::now() + 1500ms;
        while (std::chrono::steady_clock::now() < until) {
          const std::scoped_lock one(first);
          const std::scoped_lock other(second);
          hilo::yield();
        }
      });
    }
    (void)all.join();
  });
}

void parks_under_pthread_mutex() {
  hilo::run(warns, [] {
    std::mutex books;
    hilo::channel<int> orders;
    auto clerk = hilo::spawn({.name = "clerk"}, [&] {
      for (int i = 0; i < 100; ++i) {  // one warning for all
        const std::scoped_lock lock(books);
        (void)orders.receive();
      }
    });
    for (int i = 0; i < 100; ++i) (void)orders.send(i);
    clerk.join();
  });
}

void yields_under_pthread_mutex() {
  hilo::run({.carriers = 1, .warn_about_locks = true}, [] {
    pthread_mutex_t books = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&books);
    hilo::yield();
    pthread_mutex_unlock(&books);
  });
}

// Others park meanwhile, and the holder parks before and after.
void unlocks_before_it_parks() {
  hilo::run(warns, [] {
    std::mutex books;
    hilo::scope all;
    for (int i = 0; i < 8; ++i) {
      (void)all.spawn([&] {
        for (int n = 0; n < 1000; ++n) {
          { const std::scoped_lock lock(books); }
          if (n % 100 == 0) {
            hilo::sleep_for(1ms);
          } else {
            hilo::yield();
          }
        }
      });
    }
    (void)all.join();
  });
}

}  // namespace

int main(int count, char** words) {
  const std::map<std::string, std::function<void()>> shapes = {
      {"cycle_while_one_runs", [] { two_mutexes(true); }},
      {"cycle_while_one_naps", [] { two_mutexes(false); }},
      {"cycle_beside_a_timer", cycle_beside_a_timer},
      {"cycle_with_a_deadline", cycle_with_a_deadline},
      {"much_contention", much_contention},
      {"parks_under_pthread_mutex", parks_under_pthread_mutex},
      {"yields_under_pthread_mutex", yields_under_pthread_mutex},
      {"unlocks_before_it_parks", unlocks_before_it_parks},
  };
  const auto shape = shapes.find(count == 2 ? words[1] : "");
  if (shape == shapes.end()) return 2;
  shape->second();
  std::puts("went on");
  return 0;
}
