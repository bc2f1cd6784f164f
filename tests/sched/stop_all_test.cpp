// Runtimes that end in a bounded time, by stopping the fibers that are left.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

using hilo::status;
using namespace std::chrono_literals;

namespace {

template <class F>
void on_runtimes(F body) {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    hilo::runtime one({.carriers = carriers});
    body(one);
  }
}

// Waits in the calling kernel thread until `count` is reached.
void wait_for(const std::atomic<int>& value, int count) {
  while (value.load(std::memory_order_acquire) < count) std::this_thread::yield();
}

}  // namespace

TEST_CASE("runtime: stop() ends fibers wherever they wait, detached ones too") {
  on_runtimes([](hilo::runtime& one) {
    CHECK(one.stop(0s) == 0);
    hilo::channel<int> none;
    hilo::event never;
    hilo::semaphore no_slot(0);
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    std::atomic<int> begun{0};
    std::atomic<int> stopped{0};
    const auto with = [&](auto wait) {
      return [&, wait](std::stop_token stop) {
        begun.fetch_add(1, std::memory_order_release);
        wait();
        if (stop.stop_requested()) stopped.fetch_add(1, std::memory_order_relaxed);
      };
    };
    for (int i = 0; i < 10; ++i) {
      one.spawn(with([&] { (void)none.receive(); })).detach();
      one.spawn(with([&] { (void)never.wait(hilo::interruptible); })).detach();
      one.spawn(with([&] { (void)no_slot.acquire(hilo::interruptible); })).detach();
      one.spawn(with([&] { (void)hilo::sleep_for(1h); })).detach();
      one.spawn({.pinned = true}, with([&] { (void)none.receive(); })).detach();
      one.spawn({.urgency = hilo::priority::idle}, with([&] { (void)none.receive(); })).detach();
      one.spawn(with([&] { (void)hilo::io::poll(pipe_ends[0], POLLIN); })).detach();
      one.spawn(with([&] {
           hilo::scope<> children;
           (void)children.spawn([&] { (void)none.receive(); });
           (void)children.spawn([&] { (void)never.wait(hilo::interruptible); });
           children.join();
           // The children may be asked before this fiber, and have ended.
           while (hilo::this_fiber::limit_reached() == status::ok) hilo::yield();
         }))
          .detach();
      one.spawn(with([&] {
           while (hilo::this_fiber::limit_reached() == status::ok) hilo::yield();
         }))
          .detach();
    }
    wait_for(begun, 90);
    CHECK(one.stop(1h) == 0);
    CHECK(stopped.load(std::memory_order_relaxed) == 90);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
    CHECK(one.run([] { return 3; }) == 3);  // it goes on
  });
}

// A fiber that begins a wait sits out its interrupts under the channel's lock, and the stop takes
// that lock for the fibers that wait already.
TEST_CASE("runtime: stop() ends waits for a channel while other fibers begin waits for it") {
  on_runtimes([](hilo::runtime& one) {
    for (int round = 0; round < 50; ++round) {
      hilo::channel<int> none;
      std::atomic<int> begun{0};
      for (int i = 0; i < 30; ++i) {
        one.spawn([&] {
             begun.fetch_add(1, std::memory_order_release);
             (void)none.receive();
           })
            .detach();
        one.spawn([&] {
             begun.fetch_add(1, std::memory_order_release);
             std::optional<int> value;
             while (none.receive_for(value, 1us) != status::cancelled) {
             }
           })
            .detach();
      }
      wait_for(begun, 60);
      CHECK(one.stop(1h) == 0);
    }
  });
}

TEST_CASE("runtime: stop() tells how many fibers live on, and its time bounds it") {
  on_runtimes([](hilo::runtime& one) {
    hilo::event go;
    std::atomic<int> begun{0};
    for (int i = 0; i < 3; ++i) {
      one.spawn([&] {
           begun.fetch_add(1, std::memory_order_release);
           hilo::shielded([&] { (void)go.wait(hilo::interruptible); });
         })
          .detach();
    }
    auto joined = one.spawn([&] {
      begun.fetch_add(1, std::memory_order_release);
      (void)go.wait(hilo::interruptible);
    });
    wait_for(begun, 4);
    CHECK(one.stop(20ms) == 3);
    CHECK(one.stop(0s) == 3);
    CHECK(one.stop(-1s) == 3);
    go.set();
    CHECK(one.stop(1h) == 0);
    joined.join();
  });
}

TEST_CASE("runtime: stop() reaches fibers that are spawned while it waits") {
  on_runtimes([](hilo::runtime& one) {
    hilo::channel<int> none;
    std::atomic<int> begun{0};
    one.spawn([&] {
         begun.fetch_add(1, std::memory_order_release);
         (void)none.receive();
         for (int i = 0; i < 5; ++i) hilo::spawn([&] { (void)none.receive(); }).detach();
       })
        .detach();
    wait_for(begun, 1);
    CHECK(one.stop(1h) == 0);
  });
}

TEST_CASE(
    "runtime: request_stop() asks all fibers once, the caller too, and runs their callbacks") {
  on_runtimes([](hilo::runtime& one) {
    hilo::channel<int> none;
    std::atomic<int> called{0};
    one.run([&] {
      std::vector<hilo::fiber<status>> all;
      std::atomic<int> begun{0};
      for (int i = 0; i < 200; ++i) {
        all.push_back(hilo::spawn([&](std::stop_token stop) {
          const std::stop_callback note(stop, [&] {
            called.fetch_add(1, std::memory_order_relaxed);
            hilo::yield();  // may park
          });
          begun.fetch_add(1, std::memory_order_release);
          std::optional<int> to;
          return none.receive(to);
        }));
      }
      while (begun.load(std::memory_order_acquire) != 200) hilo::yield();
      one.request_stop();
      for (auto& each : all) CHECK(each.join() == status::cancelled);
      CHECK(hilo::this_fiber::stop_token().stop_requested());
      CHECK(hilo::spawn([] { return hilo::this_fiber::limit_reached(); }).join() == status::ok);
    });
    CHECK(called.load(std::memory_order_relaxed) == 200);
  });
}

TEST_CASE("runtime: fibers that begin and end while all are asked to stop lose nothing") {
  on_runtimes([](hilo::runtime& one) {
    std::atomic<bool> over{false};
    std::atomic<int> begun{0};
    const auto spawner = [&] {
      begun.fetch_add(1, std::memory_order_release);
      while (!over.load(std::memory_order_acquire)) {
        CHECK(hilo::spawn([] { return 1; }).join() == 1);
        hilo::spawn([] { hilo::yield(); }).detach();
        hilo::scope<> two;
        (void)two.spawn([] { hilo::yield(); });
        (void)two.spawn([] { (void)hilo::sleep_for(1us); });
        two.join();
      }
    };
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) all.push_back(one.spawn(spawner));
    wait_for(begun, 4);
    for (int i = 0; i < 300; ++i) one.request_stop();
    over.store(true, std::memory_order_release);
    for (auto& each : all) each.join();
    CHECK(one.stop(1h) == 0);
  });
}

TEST_CASE("runtime: request_stop() does not reach fibers that begin after it, wherever they lie") {
  on_runtimes([](hilo::runtime& one) {
    // Some end before they are detached, and some after.
    one.run([] {
      std::vector<hilo::fiber<void>> all;
      for (int i = 0; i < 20; ++i) {
        all.push_back(hilo::spawn([i] {
          if (i % 2 != 0) hilo::yield();
        }));
      }
      hilo::yield();
      for (auto& each : all) each.detach();
    });
    for (int i = 0; i < 50; ++i) one.request_stop();  // nobody lives, or for a moment only
    one.run([] {
      std::vector<hilo::fiber<bool>> all;
      for (int i = 0; i < 40; ++i) {
        all.push_back(hilo::spawn([] {
          return hilo::this_fiber::limit_reached() == status::ok &&
                 !hilo::this_fiber::stop_token().stop_requested();
        }));
      }
      for (auto& each : all) CHECK(each.join());
    });
  });
}

TEST_CASE("runtime: stop() by one of its own fibers is refused") {
  const auto end = hilo::test::run_in_child([] {
    hilo::runtime one({.carriers = 1});
    one.run([&] { (void)one.stop(1s); });
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("a runtime is stopped by one of its own fibers"));
}

TEST_CASE("runtime: request_stop() misses no fiber on a user's stack while another one ends") {
  hilo::runtime one({.carriers = 1});
  constexpr std::size_t many = 200;  // more than are asked at a time
  constexpr std::size_t bytes = 64 * 1024;
  std::vector<std::byte> memory(many * bytes);
  const auto stack = [&](std::size_t i) { return std::span(memory).subspan(i * bytes, bytes); };
  hilo::event never;
  hilo::event go;
  std::vector<hilo::fiber<status>> all;
  // These end during the stop: each callback runs in this thread and joins one of them.
  std::vector<hilo::fiber<void>> brief;
  for (std::size_t i = 0; i < many / 2; ++i) {
    brief.push_back(one.spawn({.stack = stack(2 * i)}, [&] { go.wait(); }));
    all.push_back(one.spawn({.stack = stack(2 * i + 1)}, [&](std::stop_token stop) {
      const std::stop_callback note(stop, [&] {
        go.set();
        if (brief.empty()) return;
        brief.front().join();
        brief.erase(brief.begin());
      });
      return never.wait(hilo::interruptible);
    }));
  }
  one.run([] { hilo::yield(); });  // all wait now
  one.request_stop();
  for (auto& each : all) {
    CHECK(each.wait_for(5s) == status::ok);
    each.request_stop();
    CHECK(each.join() == status::cancelled);
  }
}

TEST_CASE("user stacks: a fiber runs on the memory it was given, again and again") {
  on_runtimes([](hilo::runtime& one) {
    alignas(64) static std::array<std::byte, 64 * 1024> memory;
    one.run([&] {
      const auto inside = [&](const void* at) {
        return at >= memory.data() && at < memory.data() + memory.size();
      };
      for (int i = 0; i < 50; ++i) {
        auto there = hilo::spawn({.stack = memory}, [&, i] {
          int here = i;
          hilo::yield();
          CHECK(inside(static_cast<void*>(&here)));
          (void)hilo::sleep_for(1us);
          return here;
        });
        CHECK(there.join() == i);
      }
      // Any place and size, dropped, stopped, waited for.
      for (std::size_t skip : {0, 1, 7, 100}) {
        const std::span<std::byte> odd(memory.data() + skip, memory.size() - 2 * skip - 3);
        hilo::channel<int> none;
        {
          auto dropped =
              hilo::spawn({.paint_stack = true, .stack = odd}, [&] { (void)none.receive(); });
          CHECK(dropped.wait_for(1us) == status::timed_out);
          const auto used = hilo::stack_usage(dropped);
          CHECK(used.size <= odd.size());
          CHECK(used.size > odd.size() - 128);
          CHECK(used.used <= used.size);
          CHECK(used.used > 0);
        }
        CHECK_THROWS_AS(hilo::spawn({.stack = odd}, []() -> int { throw 5; }).join(), int);
      }
    });
    // A detached fiber may still be leaving its stack when stop() returns, until the runtime ends.
    static std::vector<std::byte> large(256 * 1024);
    hilo::channel<int> none;
    one.spawn({.stack = large}, [&] { (void)none.receive(); }).detach();
    CHECK(one.stop(1h) == 0);
  });
}

TEST_CASE("user stacks: too small ones are refused in words, and nothing is left") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    std::vector<std::byte> memory(hilo::stack_least);
    const auto error_of = [](std::span<std::byte> stack, auto f) -> std::string {
      try {
        hilo::spawn({.stack = stack}, f).join();
      } catch (const std::system_error& error) {
        return error.what();
      }
      return "";
    };
    CHECK(error_of(memory, [] {}) == "");
    const std::string small = error_of(std::span(memory).first(hilo::stack_least - 1), [] {});
    CHECK(small.find("hilo: cannot spawn a fiber: EINVAL") != std::string::npos);
    CHECK(small.find("spawn_options.stack") != std::string::npos);
    std::array<char, 4096> big{};
    const std::string full = error_of(memory, [big] { (void)big; });
    CHECK(full.find("too many for a stack") != std::string::npos);
    std::error_code code;
    CHECK(!hilo::spawn(code, {.stack = std::span(memory).first(10)}, [] {}).joinable());
    CHECK(code == std::errc::invalid_argument);
    CHECK_THROWS_AS(hilo::scope<>({.fibers = {.stack = memory}}), std::system_error);
  });
}
