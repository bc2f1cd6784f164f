// hilo::blocking, and carriers that are held up without it.

#include "hilo/blocking.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fork_join.hpp"
#include "hilo/latch.hpp"
#include "hilo/mutex.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/cpu.hpp"
#include "runtime/base/libc.hpp"
#include "runtime/base/sanitizers.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

using namespace std::chrono_literals;
using hilo::runtime_options;

namespace {

// A pipe: reading it blocks the kernel thread until somebody writes.
struct blocking_pipe {
  blocking_pipe() { REQUIRE(::pipe(ends) == 0); }
  ~blocking_pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  char read() const {
    char one = 0;
    REQUIRE(::read(ends[0], &one, 1) == 1);
    return one;
  }
  void write(char one) const { REQUIRE(::write(ends[1], &one, 1) == 1); }
  int ends[2];
};

}  // namespace

TEST_CASE("blocking: returns the callable's value or rethrows its exception") {
  const auto check = [] {
    CHECK(hilo::blocking([] { return 7; }) == 7);
    int n = 1;
    CHECK(&hilo::blocking([&n]() -> int& { return n; }) == &n);
    CHECK(*hilo::blocking([] { return std::make_unique<int>(3); }) == 3);
    hilo::blocking([&n] { n = 2; });
    CHECK(n == 2);
    CHECK_THROWS_WITH_AS(hilo::blocking([]() -> int { throw std::runtime_error("refused"); }),
                         "refused", std::runtime_error);
    CHECK(hilo::blocking([] { return hilo::blocking([] { return 5; }); }) == 5);
  };
  check();
  hilo::test::on_each_runtime(check);
}

TEST_CASE("blocking: the callable is in a kernel thread, and its fiber goes on as that fiber") {
  hilo::test::on_each_runtime([] {
    const hilo::fiber_id mine = hilo::this_fiber::id();
    for (int i = 0; i < 50; ++i) {
      hilo::blocking([] {
        CHECK(hilo::this_fiber::id() == hilo::fiber_id{});
        std::this_thread::sleep_for(100us);
      });
      CHECK(hilo::this_fiber::id() == mine);
      CHECK(hilo::spawn([] { return 1; }).join() == 1);
    }
  });
}

TEST_CASE("blocking: the other fibers run on, what was queued and what a timer wakes") {
  hilo::test::on_each_runtime([] {
    blocking_pipe pipe;
    constexpr int many = 300;  // more than a ring holds
    std::atomic<int> ran{0};
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < many; ++i) {
      all.push_back(hilo::spawn([&, i] {
        if (i % 3 == 0) hilo::sleep_for(1ms);
        hilo::yield();
        if (ran.fetch_add(1, std::memory_order_relaxed) == many - 1) pipe.write('x');
      }));
    }
    // Every carrier blocks until all those fibers ran.
    std::vector<hilo::fiber<char>> blocked;
    for (int i = 0; i < 12; ++i) {
      blocked.push_back(hilo::spawn([&] {
        return hilo::blocking([&] {
          const char one = pipe.read();
          pipe.write(one);
          return one;
        });
      }));
    }
    CHECK(hilo::blocking([&] {
            const char one = pipe.read();
            pipe.write(one);
            return one;
          }) == 'x');
    for (auto& one : all) one.join();
    for (auto& one : blocked) CHECK(one.join() == 'x');
    CHECK(ran.load(std::memory_order_relaxed) == many);
  });
}

TEST_CASE("blocking: no more fibers run at a time than there are carriers") {
  // Each computes in turns with blocking calls; who comes back while the carrier is in use waits.
  hilo::run(runtime_options{.carriers = 2}, [] {
    std::atomic<int> running{0};
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(hilo::spawn([&] {
        for (int round = 0; round < 20; ++round) {
          CHECK(running.fetch_add(1, std::memory_order_relaxed) < 2);
          running.fetch_sub(1, std::memory_order_relaxed);
          hilo::blocking([] { std::this_thread::sleep_for(200us); });
        }
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("blocking: at the bound of spare carriers calls wait their turn, other fibers do not") {
  hilo::run(runtime_options{.carriers = 1, .spare_carriers = 2}, [] {
    blocking_pipe pipe;
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 10; ++i) {
      all.push_back(hilo::spawn([&] {
        hilo::blocking([&] {
          const int now = inside.fetch_add(1, std::memory_order_relaxed) + 1;
          int seen = most.load(std::memory_order_relaxed);
          while (seen < now && !most.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
          }
          (void)pipe.read();
          inside.fetch_sub(1, std::memory_order_relaxed);
        });
      }));
    }
    while (inside.load(std::memory_order_relaxed) < 2) hilo::sleep_for(1ms);
    CHECK(hilo::spawn([] { return 1; }).join() == 1);
    for (int i = 0; i < 10; ++i) pipe.write('x');
    for (auto& one : all) one.join();
    CHECK(most.load(std::memory_order_relaxed) == 2);
  });
}

// The spare beside a pinned fiber that blocks falls asleep there, and is wanted elsewhere
// afterwards.
TEST_CASE("blocking: a spare that slept beside a carrier is there for the next call") {
  hilo::run(runtime_options{.carriers = 1, .spare_carriers = 1}, [] {
    for (int i = 0; i < 20; ++i) {
      hilo::spawn([] {
        hilo::this_fiber::pin();
        hilo::blocking([] { std::this_thread::sleep_for(2ms); });
        hilo::this_fiber::unpin();
      }).join();
      CHECK(hilo::blocking([] { return 7; }) == 7);
    }
  });
}

// A fiber that was pinned to such a spare may wait for one that wants to block. Several runtimes
// side by side keep carriers that end from ending soon: they are to be replaced meanwhile.
TEST_CASE("blocking: a spare on which pinned fibers stay is replaced") {
  const auto rounds = [] {
    for (int round = 0; round < 100; ++round) {
      blocking_pipe pipe;
      hilo::latch inside(1);
      hilo::latch blocked(1);
      hilo::fiber<void> first = hilo::spawn([&] {
        hilo::this_fiber::pin();
        hilo::blocking([&] {
          inside.count_down();
          (void)pipe.read();
        });
        hilo::this_fiber::unpin();
      });
      inside.wait();  // from here on the spare runs us
      hilo::fiber<void> second = hilo::spawn([&] {
        hilo::this_fiber::pin();
        pipe.write('x');
        blocked.wait();
        hilo::this_fiber::unpin();
      });
      first.join();
      CHECK(hilo::blocking([] { return 7; }) == 7);
      blocked.count_down();
      second.join();
    }
  };
  std::vector<hilo::thread> runtimes;
  for (int i = 0; i < 8; ++i) {
    runtimes.emplace_back(
        [&] { hilo::run(runtime_options{.carriers = 1, .spare_carriers = 1}, rounds); });
  }
}

TEST_CASE("blocking: exceptions in flight and locks of the fiber outlive it") {
  hilo::test::on_each_runtime([] {
    hilo::mutex guard;
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(hilo::spawn([&, i] {
        try {
          throw int{i};
        } catch (int caught) {
          const std::scoped_lock lock(guard);
          hilo::blocking([] { std::this_thread::sleep_for(200us); });
          CHECK(caught == i);
          try {
            throw;
          } catch (int again) {
            CHECK(again == i);
          }
        }
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("blocking: the callable may use channels and start fibers as a kernel thread does") {
  hilo::runtime one({.carriers = 1});
  one.run([&] {
    hilo::channel<int> numbers(1);
    auto sum = hilo::spawn([&] {
      int total = 0;
      for (int n : numbers) total += n;
      return total;
    });
    hilo::blocking([&] {
      for (int i = 1; i <= 100; ++i) CHECK(numbers.send(i) == hilo::status::ok);
      CHECK(one.spawn([] { return 4; }).join() == 4);
      numbers.close();
    });
    CHECK(sum.join() == 5050);
  });
}

TEST_CASE("blocking: inside, hilo::spawn says that the caller runs no fiber") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    hilo::blocking([] {
      CHECK_THROWS_WITH_AS(hilo::spawn([] {}).join(), doctest::Contains("use runtime::spawn"),
                           std::system_error);
    });
    CHECK(hilo::spawn([] { return 1; }).join() == 1);
  });
}

TEST_CASE("blocking: forks that wait below it are made by others") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    blocking_pipe pipe;
    hilo::fork_join([&] { CHECK(hilo::blocking([&] { return pipe.read(); }) == 'f'); },
                    [&] { pipe.write('f'); });
  });
}

TEST_CASE("monitor: a fiber in a system call of its own holds up nobody") {
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    hilo::run(runtime_options{.carriers = carriers, .stuck_after = 5ms}, [&] {
      for (int round = 0; round < 3; ++round) {
        blocking_pipe pipe;
        std::vector<hilo::fiber<void>> stuck;
        hilo::latch all_stuck(static_cast<std::ptrdiff_t>(carriers));
        for (unsigned i = 0; i < carriers; ++i) {
          stuck.push_back(hilo::spawn([&] {
            // What is behind it in the queue, and a timer of its carrier, end its wait.
            auto behind = hilo::spawn([&] {
              all_stuck.count_down();
              all_stuck.wait();
              hilo::sleep_for(2ms);
              pipe.write('x');
            });
            CHECK(pipe.read() == 'x');
            behind.join();
          }));
        }
        for (auto& one : stuck) one.join();
        // The carriers are back, and as fast as before: nothing but the queues is used again.
        std::vector<hilo::fiber<void>> many;
        for (int i = 0; i < 1000; ++i) many.push_back(hilo::spawn([] { hilo::yield(); }));
        for (auto& one : many) one.join();
      }
    });
  }
}

// A fiber in an extra place arms its timer after the carrier that was held up has come back and
// sleeps.
TEST_CASE("monitor: a timer that is armed in a place that closes is not lost") {
  hilo::run(runtime_options{.carriers = 1, .stuck_after = 5ms}, [] {
    using hilo::sched::worker;
    blocking_pipe pipe;
    worker* const held = hilo::sched::current_worker();
    auto sleeper = hilo::spawn([&] {
      const worker& here = *hilo::sched::current_worker();
      REQUIRE(&here != held);
      pipe.write('x');
      while (held->now_doing() != worker::activity::asleep || !here.its_place().closes()) {
        hilo::base::cpu_relax();
      }
      hilo::sleep_for(5ms);
    });
    CHECK(pipe.read() == 'x');
    sleeper.join();
  });
}

TEST_CASE("monitor: a fiber that computes is reported with its name and its place") {
  if (HILO_TSAN) HILO_SKIP("thread sanitizer keeps signals back from code that computes");
  std::mutex guard;
  std::vector<std::string> lines;
  std::atomic<bool> enough{false};
  runtime_options options{.carriers = 1, .report_busy_after = 20ms};
  options.report_busy = [&](std::string_view line) {
    const std::scoped_lock lock(guard);
    lines.emplace_back(line);
    // Where the fiber hardly gets a processor, the first reports may not know the place.
    enough.store(line.starts_with("fiber #"), std::memory_order_relaxed);
  };
  hilo::run(options, [&] {
    hilo::spawn(hilo::spawn_options{.name = "number cruncher"}, [&] {
      while (!enough.load(std::memory_order_relaxed)) {
      }
    }).join();
  });
  REQUIRE(!lines.empty());
  const std::string& named = lines.back();
  CAPTURE(named);
  CHECK(named.starts_with("fiber #"));
  CHECK(named.find("\"number cruncher\" has kept carrier 0 for ") != std::string::npos);
#if HILO_GLIBC(2, 0)  // musl's dladdr does not know where a static program lies
  CHECK(named.find("sched_test+0x") != std::string::npos);
#endif
}

TEST_CASE("monitor: a fiber that comes back from a long call has not computed meanwhile") {
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    std::atomic<bool> reported{false};
    runtime_options options{.carriers = carriers, .report_busy_after = 1s};
    options.report_busy = [&](std::string_view) {
      reported.store(true, std::memory_order_relaxed);
    };
    hilo::run(options, [&] {
      ::usleep(2'200'000);
      const auto end = std::chrono::steady_clock::now() + 200ms;  // the monitor looks meanwhile
      while (std::chrono::steady_clock::now() < end) hilo::base::cpu_relax();
    });
    CHECK_FALSE(reported.load(std::memory_order_relaxed));
  }
}

TEST_CASE("monitor: a fiber that makes many short calls computes") {
  std::atomic<bool> reported{false};
  runtime_options options{.carriers = 1, .report_busy_after = 30ms};
  options.report_busy = [&](std::string_view) { reported.store(true, std::memory_order_relaxed); };
  hilo::run(options, [&] {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!reported.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) {
      ::getppid();
    }
  });
  CHECK(reported.load(std::memory_order_relaxed));
}

TEST_CASE("monitor: timers of a carrier that computes fire on another") {
  hilo::run(runtime_options{.carriers = 2, .report_busy_after = 0ms}, [] {
    for (int round = 0; round < 5; ++round) {
      std::atomic<bool> woken{false};
      // Both start on this carrier: the sleeper arms its timer, then the other one computes.
      auto busy = hilo::spawn([&] {
        auto sleeper = hilo::spawn([&] {
          hilo::sleep_for(1ms);
          woken.store(true, std::memory_order_relaxed);
        });
        hilo::yield();
        while (!woken.load(std::memory_order_relaxed)) {
        }
        sleeper.join();
      });
      busy.join();
    }
  });
}
