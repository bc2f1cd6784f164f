// Fibers that own their thread-local storage (spawn_options.tls): variables, exceptions and memory
// stay with such a fiber while it parks and migrates.

#include "tests/sched/own_tls.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <pthread.h>
#include <sched.h>

using namespace own_tls;

namespace {

thread_local int counter = 7;
thread_local int zeroed;

std::atomic<int> made{0};
std::atomic<int> destroyed{0};
struct counted {
  counted() { made.fetch_add(1, std::memory_order_relaxed); }
  ~counted() {
    hilo::yield();  // a destructor may park: the block is still the fiber's
    destroyed.fetch_add(1, std::memory_order_relaxed);
  }
  int value = 0;
};
thread_local counted object;

[[gnu::noinline]] int& errno_here() {
  return errno;
}

}  // namespace

TEST_CASE("own tls: errno stays with its fiber") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    run_crowd([](int i) {
      int& mine = errno_here();  // the address may be kept: the block is the fiber's
      bool right = true;
      for (int round = 0; round < 20; ++round) {
        mine = 1000 + i;
        round == 10 ? move() : wander(3);
        right = right && errno == 1000 + i && &errno_here() == &mine;
      }
      return right;
    });
  });
}

TEST_CASE("own tls: thread_local variables go along with their fiber") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    run_crowd([](int i) {
      bool right = counter == 7 && zeroed == 0;
      counter = i;
      zeroed = -i;
      wander(20);
      if (i % 4 == 0) move();
      return right && counter == i && zeroed == -i;
    });
  });
  CHECK(counter == 7);  // this thread's
}

TEST_CASE("own tls: thread_local objects are made at first use and destroyed at the fiber's end") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    made.store(0, std::memory_order_relaxed);
    destroyed.store(0, std::memory_order_relaxed);
    for (int round = 0; round < 3; ++round) {
      std::vector<hilo::fiber<bool>> all;
      for (int i = 0; i < 20; ++i) {
        all.push_back(hilo::spawn(own, [i] {
          wander(2);
          if (i % 2 == 0) return true;  // never uses it
          const bool fresh = object.value == 0;
          object.value = i;
          wander(10);
          return fresh && object.value == i;
        }));
      }
      for (auto& one : all) CHECK(one.join());
      CHECK(made.load(std::memory_order_relaxed) == 10 * (round + 1));
      CHECK(destroyed.load(std::memory_order_relaxed) == 10 * (round + 1));
    }
  });
}

TEST_CASE("own tls: exceptions in flight, nested and while unwinding, are the fiber's") {
  NEEDS_OWN_TLS();
  struct parks_when_destroyed {
    int expected;
    ~parks_when_destroyed() {
      CHECK(std::uncaught_exceptions() == expected);
      move();
      CHECK(std::uncaught_exceptions() == expected);
    }
  };
  on_each_own_runtime([] {
    run_crowd([](int i) {
      int seen = 0;
      try {
        const parks_when_destroyed guard{1};
        throw std::runtime_error(std::to_string(i));
      } catch (const std::runtime_error&) {
        wander(3);
        try {
          throw i;
        } catch (int inner) {
          wander(3);
          seen += inner == i;
        }
        try {
          throw;
        } catch (const std::exception& again) {
          seen += again.what() == std::to_string(i);
        }
      }
      return seen == 2 && std::uncaught_exceptions() == 0 && std::current_exception() == nullptr;
    });
  });
}

TEST_CASE("own tls: malloc's cache is the fiber's, and its memory may end elsewhere") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    hilo::channel<char*> handed(64);
    std::vector<hilo::fiber<bool>> all;
    auto sink = hilo::spawn(own, [&] {
      while (auto block = handed.receive()) std::free(*block);
    });
    for (int i = 0; i < 16; ++i) {
      all.push_back(hilo::spawn(own, [&, i] {
        bool right = true;
        for (int round = 0; round < 100; ++round) {
          const std::size_t size = 16 + std::size_t(round) * 13 % 600;
          auto* const block = static_cast<char*>(std::malloc(size));
          std::memset(block, i, size);
          wander(1);
          for (std::size_t b = 0; b < size; ++b) right = right && block[b] == char(i);
          (void)handed.send(block);
        }
        return right;
      }));
    }
    for (auto& one : all) CHECK(one.join());
    handed.close();
    sink.join();
  });
}

TEST_CASE("own tls: as the runtime's default, for all that do not say otherwise") {
  NEEDS_OWN_TLS();
  for (const unsigned carriers : {1U, 2U, 4U, 8U}) {
    hilo::run({.carriers = carriers, .tls = hilo::tls::own}, [] {
      counter = 1;
      const pthread_t self = ::pthread_self();
      CHECK(hilo::spawn([] { return counter; }).join() == 7);
      CHECK(hilo::spawn({.name = "named"}, [] { return counter; }).join() == 7);
      hilo::spawn({.tls = hilo::tls::carrier}, [] { wander(3); }).join();
      hilo::fork_join([] { wander(5); }, [] { wander(5); });
      CHECK(counter == 1);
      CHECK(::pthread_equal(self, ::pthread_self()) != 0);
    });
  }
}

TEST_CASE("own tls: stays with a fiber that blocks while another carrier takes its place") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    hilo::spawn(own, [] {
      counter = 5;
      int& mine = errno_here();
      mine = 55;
      std::atomic<bool> ran{false};
      auto other = hilo::spawn(own, [&] {
        counter = 6;
        errno = 66;
        ran.store(true, std::memory_order_release);
      });
      // Returns only if the other fiber runs meanwhile.
      const bool right = hilo::blocking([&] {
        while (!ran.load(std::memory_order_acquire)) ::sched_yield();
        return counter == 5 && errno == 55;
      });
      CHECK(right);
      wander(3);
      CHECK(counter == 5);
      CHECK(mine == 55);
      CHECK(&errno_here() == &mine);
      other.join();
    }).join();
  });
}

TEST_CASE("own tls: blocks serve again, so memory does not grow with the number of fibers") {
  NEEDS_OWN_TLS();
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    std::set<pthread_t> blocks;
    for (int i = 0; i < 2000; ++i) {
      blocks.insert(hilo::spawn(own, [] {
                      std::free(std::malloc(1000));
                      return ::pthread_self();
                    }).join());
    }
    CHECK(blocks.size() <= 4);
  });
}

TEST_CASE("own tls: a callable that throws when it is moved in leaves no block behind") {
  NEEDS_OWN_TLS();
  struct throws_when_copied {
    throws_when_copied() = default;
    throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copy"); }
    void operator()() const {}
  };
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    const throws_when_copied callable;
    for (int i = 0; i < 100; ++i)
      CHECK_THROWS_AS((void)hilo::spawn(own, callable), std::runtime_error);
    CHECK(hilo::spawn(own, [] { return counter; }).join() == 7);
  });
}

TEST_CASE("own tls: refused with the reason where a part of it is missing") {
  using hilo::context::refuse_tls;
  const hilo::thread_backend_report clone{hilo::thread_backend_kind::clone, "clone", "it works"};
  const hilo::thread_backend_report pthread{hilo::thread_backend_kind::pthread, "pthread",
                                            "HILO_THREADS=pthread"};
#if !HILO_ASAN && !HILO_TSAN
  CHECK(refuse_tls(clone, ~0UL).empty());
  CHECK(refuse_tls(pthread, ~0UL).find("the thread backend is pthread, because HILO_THREADS") == 0);
#if defined(__x86_64__)
  CHECK(refuse_tls(clone, 0).find("FSGSBASE") != std::string::npos);
#endif
#else
  CHECK(refuse_tls(clone, ~0UL).find("sanitizer") != std::string::npos);
#endif
  if (hilo::context::tls_refusal().empty()) return;
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    CHECK_THROWS_AS((void)hilo::spawn(own, [] {}), std::system_error);
    std::error_code error;
    CHECK_FALSE(hilo::spawn(error, own, [] {}).joinable());
    CHECK(error == std::errc::not_supported);
  });
  CHECK_THROWS_AS(hilo::runtime({.carriers = 1, .tls = hilo::tls::own}), std::system_error);
}
