// Calls and destructors that cannot fail, where memory is used up: `new` throws in all threads, or
// in one, while a guard lives. A program of its own, because it replaces operator new.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <shared_mutex>
#include <stop_token>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>

#include "hilo/c/fiber.h"
#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using namespace std::chrono_literals;
using hilo::status;

namespace {

std::atomic<bool> used_up{false};
thread_local bool used_up_here = false;

void* allocate(std::size_t size, std::size_t alignment) {
  if (used_up.load(std::memory_order_seq_cst) || used_up_here) return nullptr;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(size)
             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* or_throw(void* got) {
  if (got == nullptr) throw std::bad_alloc();
  return got;
}

// CHECK needs memory, so answers are kept until the guard is gone.
struct no_memory {
  no_memory() { used_up.store(true, std::memory_order_seq_cst); }
  ~no_memory() { used_up.store(false, std::memory_order_seq_cst); }
};
struct no_memory_here {  // the caller must not park
  no_memory_here() { used_up_here = true; }
  ~no_memory_here() { used_up_here = false; }
};

// Each kind of wait.
using wait = status (*)();
const wait waits[] = {
    [] { return hilo::sleep_for(1h); },
    [] {
      hilo::event never;
      return never.wait(hilo::interruptible);
    },
    [] {
      hilo::channel<int> empty;
      std::optional<int> none;
      return empty.receive(none);
    },
    [] {
      hilo::channel<int> one, other;
      std::optional<int> none;
      return hilo::select{hilo::receive_from(one, none), hilo::receive_from(other, none)}.end;
    },
    [] {
      hilo::timer never(1h);
      return never.wait();
    },
};

}  // namespace

TEST_CASE("no memory: a stop request ends every kind of wait, and tokens taken later know of it") {
  hilo::test::on_each_runtime([] {
    for (const wait each : waits) {
      for (int yields = 0; yields < 3; ++yields) {
        struct answer {
          status end = status::ok;
          bool told = false, told_in_c = false, later = false;
        };
        hilo::event told;
        auto asked = hilo::spawn([&] {
          answer got;
          got.end = each();
          got.told_in_c = hilo_stop_requested();
          (void)hilo::shielded([&] { return told.wait(hilo::interruptible); });
          got.told = hilo::this_fiber::stop_token().stop_requested();
          got.later = hilo::sleep_for(1h) == status::cancelled;
          return got;
        });
        for (int i = 0; i < yields; ++i) hilo::yield();
        {
          const no_memory guard;
          asked.request_stop();
          asked.request_stop();
        }
        told.set();
        const answer got = asked.join();
        CHECK(got.end == status::cancelled);
        CHECK(got.told);
        CHECK(got.told_in_c);
        CHECK(got.later);
      }
    }
  });
}

TEST_CASE("no memory: a handle and a scope end their fibers") {
  hilo::test::on_each_runtime([] {
    for (const wait each : waits) {
      std::atomic<int> ended{0};
      const auto run = [&] {
        (void)each();
        ended.fetch_add(1, std::memory_order_relaxed);
      };
      std::optional<hilo::fiber<void>> handle(hilo::spawn(run));
      std::optional<hilo::fiber<void>> other(hilo::spawn(run));
      std::optional<hilo::scope<void>> children(std::in_place);
      (void)children->spawn(run);
      hilo::yield();
      {
        const no_memory guard;
        handle.reset();
        *other = hilo::fiber<void>();
        children->request_stop();
        children.reset();
      }
      CHECK(ended.load(std::memory_order_relaxed) == 3);
    }
  });
}

// The request finds no memory, and the fiber makes its stop state at the same moment.
TEST_CASE("no memory: a stop request meets a fiber that takes its token") {
  hilo::run({.carriers = 2}, [] {
    int lost = 0;
    for (int round = 0; round < 2000; ++round) {
      std::atomic<bool> running{false};
      auto asked = hilo::spawn([&] {
        running.store(true, std::memory_order_relaxed);
        const std::stop_token mine = hilo::this_fiber::stop_token();
        for (int i = 0; i < 5000 && !mine.stop_requested(); ++i) hilo::yield();
        const auto patience = std::chrono::steady_clock::now() + 20s;
        while (!mine.stop_requested() && std::chrono::steady_clock::now() < patience) hilo::yield();
        return mine.stop_requested();
      });
      for (int spins = 1; !running.load(std::memory_order_relaxed); ++spins) {
        if (spins % 10'000 == 0) hilo::yield();
      }
      for (volatile int delay = round % 100; delay > 0;) delay = delay - 1;
      {
        const no_memory_here guard;
        asked.request_stop();
      }
      lost += asked.join() ? 0 : 1;
    }
    CHECK(lost == 0);
  });
}

TEST_CASE("no memory: what cannot fail does not") {
  hilo::test::on_each_runtime([] {
    hilo::event go;
    hilo::mutex lock;
    hilo::condition_variable changed;
    hilo::shared_mutex shared;
    hilo::semaphore places(1);
    hilo::channel<int> there, back(1);
    hilo::latch all_done(4);
    hilo::barrier round(2);
    hilo::timer soon;
    int held = 0, sum = 0;
    std::vector<hilo::fiber<void>> fibers;
    for (int i = 0; i < 2; ++i) {
      fibers.push_back(hilo::spawn([&] {
        go.wait();
        for (int j = 0; j < 100; ++j) {
          {
            const std::scoped_lock guard(lock);
            ++held;
            hilo::yield();
          }
          places.acquire();
          places.release();
          {
            const std::shared_lock guard(shared);
            hilo::yield();
          }
          round.arrive_and_wait();
        }
        (void)hilo::sleep_for(1ms);
        {
          const std::scoped_lock guard(lock);
          ++held;
          changed.notify_all();
        }
        all_done.count_down();
      }));
    }
    fibers.push_back(hilo::spawn([&] {
      go.wait();
      for (int j = 0; j < 100; ++j) {
        (void)there.send(j);
        if (const auto got = back.receive()) sum += *got;
      }
      there.close();
      all_done.count_down();
    }));
    fibers.push_back(hilo::spawn([&] {
      go.wait();
      std::optional<int> got;
      while (hilo::select{hilo::receive_from(there, got), hilo::after(1h)} == 0 && got) {
        (void)back.send(*got);
      }
      all_done.count_down();
    }));
    status fired = status::would_block;
    {
      const no_memory guard;
      go.set();
      std::unique_lock waiting(lock);
      changed.wait(waiting, [&] { return held == 202; });
      waiting.unlock();
      (void)soon.fire_after(1ms);
      fired = soon.wait();
      all_done.wait();
      for (auto& one : fibers) one.join();
    }
    CHECK(fired == status::ok);
    CHECK(sum == 4950);
  });
}

// The first call of a carrier makes its ring, or its epoll instance. Later calls need no memory.
TEST_CASE("no memory: calls on descriptors work, or return the error") {
  for (const hilo::io_driver driver : {hilo::io_driver::any, hilo::io_driver::epoll}) {
    for (const bool used_before : {false, true}) {
      hilo::run({.carriers = 2, .io = driver}, [&] {
        auto pipe = hilo::io::pipe();
        REQUIRE(pipe);
        const int from = pipe->reader.fd(), to = pipe->writer.fd();
        char text = 0;
        if (used_before) REQUIRE(hilo::io::poll(to, POLLOUT));
        hilo::event done;
        hilo::result<std::size_t> got = 0, sent = 0;
        auto reader = hilo::spawn([&] {
          got = hilo::io::read(from, &text, 1, 100ms);
          done.set();
        });
        hilo::result<short> ready = short{0};
        {
          const no_memory guard;
          hilo::yield();
          ready = hilo::io::poll(from, POLLIN, 1ms);
          sent = hilo::io::write(to, "x", 1);
          done.wait();
        }
        reader.join();
        const auto no_memory_for = [](const auto& call) {
          return !call && call.error() == std::errc::not_enough_memory;
        };
        CHECK((sent || no_memory_for(sent)));
        CHECK((got ? text == 'x' : no_memory_for(got) || !sent));
        CHECK((ready || no_memory_for(ready) || ready.status() == status::timed_out));
      });
    }
  }
}

void* operator new(std::size_t size) {
  return or_throw(allocate(size, 1));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return or_throw(allocate(size, static_cast<std::size_t>(alignment)));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::align_val_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t, std::align_val_t) noexcept {
  std::free(at);
}
