#include "hilo/runtime.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <dlfcn.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/mutex.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

using hilo::runtime_options;
using hilo::test::run_in_child;

namespace {

// The text of the std::system_error that body throws; empty when it throws none.
template <class F>
std::string error_of(F body) {
  try {
    body();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("run: returns the first fiber's value or rethrows its exception") {
  CHECK(hilo::run([] { return 3; }) == 3);
  CHECK_THROWS_AS(hilo::run([]() -> int { throw std::logic_error("x"); }), std::logic_error);
  hilo::run([] {});
  CHECK(hilo::run(runtime_options{.carriers = 3}, [] { return std::string("text"); }) == "text");
}

TEST_CASE("run: a runtime inside a fiber of another one works") {
  CHECK(hilo::run([] { return hilo::run(runtime_options{.carriers = 2}, [] { return 5; }); }) == 5);
}

TEST_CASE("run: waits for the fibers that were left behind, also after an exception") {
  for (const unsigned carriers : {1U, 4U}) {
    std::atomic<int> ended{0};
    CHECK_THROWS_AS(hilo::run(runtime_options{.carriers = carriers},
                              [&] {
                                for (int i = 0; i < 10; ++i) {
                                  hilo::spawn([&] {
                                    hilo::sleep_for(std::chrono::milliseconds(1));
                                    ended.fetch_add(1, std::memory_order_relaxed);
                                  }).detach();
                                }
                                throw std::logic_error("x");
                              }),
                    std::logic_error);
    CHECK(ended.load(std::memory_order_relaxed) == 10);
  }
}

TEST_CASE("runtime: has the carriers it was asked for, by default as many as CPUs are available") {
  CHECK(hilo::runtime({.carriers = 3}).carriers() == 3);
  CHECK(hilo::runtime().carriers() == hilo::available_cpus());
}

TEST_CASE("to_string: names every driver and every status") {
  using hilo::io_driver;
  using hilo::status;
  const auto name = [](auto value) { return std::string(to_string(value)); };
  CHECK(name(io_driver::any) + " " + name(io_driver::uring) + " " + name(io_driver::epoll) ==
        "any uring epoll");
  std::string all;
  for (auto one = status::ok; one <= status::failed;
       one = static_cast<status>(static_cast<unsigned>(one) + 1)) {
    all += name(one) + " ";
  }
  CHECK(all == "ok closed would_block timed_out cancelled lagged failed ");
}

TEST_CASE("runtime: options out of range are refused in words, and the next one starts") {
  const auto try_carriers = [](unsigned n) {
    return error_of([n] { hilo::runtime made({.carriers = n}); });
  };
  CHECK(contains(try_carriers(0), "carriers is 0; it must be from 1 to 1024"));
  CHECK(contains(try_carriers(1025), "carriers is 1025"));
  CHECK(contains(try_carriers(100'000), "carriers is 100000"));
  const auto try_spares = [](unsigned n) {
    return error_of([n] { hilo::runtime made({.carriers = 1, .spare_carriers = n}); });
  };
  CHECK(contains(try_spares(0), "spare_carriers is 0; it must be from 1 to 32768"));
  CHECK(contains(try_spares(32'769), "spare_carriers is 32769"));
  const std::string guard = error_of(
      [] { hilo::runtime made({.carriers = 1, .guard_size = (std::size_t{1} << 30) + 1}); });
  CHECK(contains(guard, "it must be at most 1 GiB"));
  const auto try_stack = [](std::size_t bytes) {
    return error_of([bytes] { hilo::runtime made({.stack_size = bytes}); });
  };
  CHECK(contains(try_stack(0), "hilo: cannot make fiber stacks of 0 bytes: EINVAL"));
  CHECK(contains(try_stack((std::size_t{1} << 30) + 1), "a stack is from 1 byte to 1 GiB"));
  CHECK(contains(try_stack(std::size_t{1} << 40), "1 TiB"));
  const std::string reserve =
      error_of([] { hilo::runtime made({.stack_reserve = std::size_t{1} << 60}); });
  CHECK(contains(reserve, "cannot reserve"));
  CHECK(contains(reserve, "stack_reserve"));
  CHECK(hilo::run([] { return 1; }) == 1);
}

TEST_CASE("runtime: spawn options out of range are refused, and the runtime stays usable") {
  hilo::run(runtime_options{.carriers = 1}, [] {
    const std::string size = error_of(
        [] { hilo::spawn(hilo::spawn_options{.stack_size = std::size_t{1} << 50}, [] {}).join(); });
    CHECK(contains(size, "set stack_size"));
    struct large {
      char bytes[300 * 1024];
    };
    auto arguments = std::make_unique<large>();
    const std::string argument =
        error_of([&] { hilo::spawn([](const large&) {}, *arguments).join(); });
    CHECK(contains(argument, "pass a pointer"));
    std::error_code code;
    auto none = hilo::spawn(code, hilo::spawn_options{.stack_size = std::size_t{1} << 50}, [] {});
    CHECK(code == std::errc::invalid_argument);
    CHECK_FALSE(none.joinable());
    CHECK(hilo::spawn(hilo::spawn_options{.stack_size = 1 << 20}, [] {
            volatile char deep[900 * 1024];
            deep[0] = 1;
            return deep[0] + 0;
          }).join() == 1);
  });
}

TEST_CASE("runtime: a throwing copy of the callable leaves nothing behind") {
  struct throwing {
    throwing() = default;
    throwing(const throwing&) { throw std::runtime_error("copy"); }
    void operator()() const {}
  };
  hilo::run(runtime_options{.carriers = 1}, [] {
    const throwing callable;
    CHECK_THROWS_AS(hilo::spawn(callable).join(), std::runtime_error);
  });
}

TEST_CASE("runtime: when all stacks are in use spawn says so, and works again after one ended") {
  // Room for two stacks of 256 KiB: the first fiber's and one more.
  hilo::run(runtime_options{.carriers = 1, .stack_reserve = 2 * 260 * 1024}, [] {
    auto parked = hilo::spawn([] { hilo::sleep_for(std::chrono::milliseconds(5)); });
    const std::string error = error_of([] { hilo::spawn([] {}).join(); });
    CHECK(
        contains(error, "hilo: cannot spawn a fiber: EAGAIN (all 2 stacks of 256 KiB are in use"));
    parked.join();
    CHECK(hilo::spawn([] { return 8; }).join() == 8);
  });
}

TEST_CASE("runtime: a daemon that gives up root in a fiber gives it up on every carrier") {
  if (::geteuid() != 0) HILO_SKIP("changes to another user, which only root can");
  const auto end = run_in_child([] {
    constexpr unsigned carriers = 4;
    std::atomic<unsigned> changed{0};
    hilo::run(runtime_options{.carriers = carriers}, [&] {
      hilo::spawn([] { return ::setuid(64123); }).join();
      // Each keeps its carrier until all have one.
      std::atomic<unsigned> here{0};
      std::vector<hilo::fiber<void>> all;
      for (unsigned i = 0; i < carriers; ++i) {
        all.push_back(hilo::spawn([&] {
          here.fetch_add(1, std::memory_order_relaxed);  // a count
          while (here.load(std::memory_order_relaxed) < carriers) ::sched_yield();
          if (::syscall(SYS_getuid) == 64123) changed.fetch_add(1, std::memory_order_relaxed);
        }));
      }
    });
    std::_Exit(static_cast<int>(changed.load(std::memory_order_relaxed)));
  });
  CAPTURE(end.describe());
  CHECK((end.exited && end.code == 4));
}

TEST_CASE("runtime: refused threads end in an error that names the carrier") {
  if (::geteuid() != 0) HILO_SKIP("changes to another user, which only root can");
  const auto end = run_in_child([] {
    // Another user than root, for whom RLIMIT_NPROC counts.
    if (::setuid(64123) != 0) std::_Exit(3);
    const rlimit few{.rlim_cur = 3, .rlim_max = 3};
    ::setrlimit(RLIMIT_NPROC, &few);
    const std::string error = error_of([] { hilo::runtime made({.carriers = 16}); });
    if (!contains(error, "hilo: cannot start carrier ")) std::_Exit(4);
    if (!contains(error, " of 16: EAGAIN")) std::_Exit(5);
    if (!contains(error, "set fewer runtime_options.carriers")) std::_Exit(6);
    std::_Exit(hilo::run(runtime_options{.carriers = 1}, [] { return 0; }));
  });
  CAPTURE(end.describe());
  CHECK((end.exited && end.code == 0));
}

TEST_CASE("runtime: an address-space limit shrinks the reservation, or is named") {
  HILO_NEEDS(memory_limits);
  const auto end = run_in_child([] {
    const rlimit limit{.rlim_cur = std::size_t{8} << 30, .rlim_max = std::size_t{8} << 30};
    ::setrlimit(RLIMIT_AS, &limit);
    const std::string error =
        error_of([] { hilo::runtime made({.stack_reserve = std::size_t{64} << 30}); });
    std::fprintf(stderr, "%s\n", error.c_str());
    std::_Exit(hilo::run([] { return hilo::spawn([] { return 0; }).join(); }));
  });
  CAPTURE(end.describe());
#if !HILO_ASAN && !HILO_TSAN
  CHECK((end.exited && end.code == 0));
  CHECK(
      end.says("hilo: cannot reserve 64 GiB for fiber stacks: ENOMEM (RLIMIT_AS is 8 GiB; raise it "
               "or set a smaller runtime_options.stack_reserve)"));
#endif
}

TEST_CASE("runtime: outside of one, channel and mutex work and spawn says what to do") {
  hilo::channel<int> numbers(2);
  CHECK(numbers.send(1) == hilo::status::ok);
  CHECK(numbers.receive() == 1);
  hilo::mutex guard;
  guard.lock();
  guard.unlock();
  hilo::yield();
  hilo::sleep_for(std::chrono::microseconds(1));
  CHECK(contains(error_of([] { hilo::spawn([] {}).join(); }), "call spawn inside hilo::run"));
}

namespace {

// The spawn site of the report: an address in here.
[[gnu::noinline]] void spawn_deep_one() {
  hilo::spawn(hilo::spawn_options{.name = "deep one", .stack_size = 64 * 1024}, [] {
    struct recursion {
      static int go(volatile int* depth) {
        volatile int frame[256];
        frame[0] = *depth + 1;
        if (frame[0] < 0) return 0;  // never, but no compiler can tell
        return go(frame) + frame[0];
      }
    };
    volatile int zero = 0;
    return recursion::go(&zero);
  }).join();
}

}  // namespace

TEST_CASE("runtime: a stack overflow is reported with the fiber, where it was spawned, its size") {
  const auto end =
      run_in_child([] { hilo::run(runtime_options{.carriers = 2}, [] { spawn_deep_one(); }); });
  CAPTURE(end.describe());
  CHECK_FALSE(end.exited);
  CHECK(end.says("hilo: stack overflow in fiber #"));
  CHECK(end.says("\"deep one\", spawned at /"));
  CHECK(end.says(": its stack of 64 KiB is full"));
  CHECK(end.says("addr2line -i"));
  // "spawned at module+0xoffset"; the child was a copy, so its addresses are ours.
  Dl_info module{};
  if (::dladdr(reinterpret_cast<void*>(&spawn_deep_one), &module) == 0) {
    HILO_SKIP("this libc does not know where a static program lies, so a number stands there");
  }
  const std::size_t plus = end.output.find("+0x");
  REQUIRE(plus != std::string::npos);
  const auto site = reinterpret_cast<std::uintptr_t>(module.dli_fbase) +
                    std::stoull(end.output.substr(plus + 3), nullptr, 16);
  const auto spawner = reinterpret_cast<std::uintptr_t>(&spawn_deep_one);
  CHECK(site > spawner);
  CHECK(site < spawner + 2048);
}

TEST_CASE("runtime: a fault that is no overflow stays what it was") {
  const auto end = run_in_child([] {
    hilo::run(runtime_options{.carriers = 1}, [] {
      volatile int* nowhere = nullptr;
      *nowhere = 1;
    });
  });
  CAPTURE(end.describe());
  CHECK(!(end.exited && end.code == 0));
  CHECK_FALSE(end.says("stack overflow in fiber"));
}

TEST_CASE("runtime: an exception out of a detached fiber ends the program with its message") {
  for (const bool early : {true, false}) {
    const auto end = run_in_child([early] {
      hilo::run(runtime_options{.carriers = 1}, [early] {
        auto failing = hilo::spawn(hilo::spawn_options{.name = "careless"},
                                   []() -> int { throw std::runtime_error("the disk is full"); });
        if (early) hilo::yield();  // it ended before it is detached
        failing.detach();
        hilo::sleep_for(std::chrono::seconds(5));
      });
    });
    CAPTURE(end.describe());
    CHECK(end.aborted_with("\"careless\": the disk is full"));
    CHECK(end.says("hilo: an exception left detached fiber #"));
  }
}

TEST_CASE("runtime: misuse that cannot be reported aborts with one line") {
  CHECK(run_in_child([] {
          hilo::run([] {
            auto one = hilo::spawn([] {});
            one.join();
            one.join();
          });
        }).aborted_with("hilo: join of an empty fiber handle"));
  CHECK(run_in_child([] {
          hilo::fiber<int> kept;
          hilo::run([&] { kept = hilo::spawn([] { return 1; }); });
        }).aborted_with("1 fiber handles are neither joined nor detached"));
}
