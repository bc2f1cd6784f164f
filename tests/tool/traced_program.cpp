// Fibers that do a little of everything, for tests of traces: traced_program inside FILE | once |
// forever. `inside` traces itself by hilo::trace. `once` does a fixed amount and ends in order.
// `forever` prints "ready" and goes on until its standard input ends.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;

namespace {

std::atomic<bool> over{false};

bool goes_on(int round, int rounds) {
  return rounds != 0 ? round < rounds : !over.load(std::memory_order_relaxed);
}

void pass_values(int rounds) {
  hilo::channel<int> numbers;
  auto taker = hilo::spawn({.name = "taker"}, [&] {
    while (numbers.receive()) {
    }
  });
  for (int i = 0; goes_on(i, rounds); ++i) {
    (void)numbers.send(i);
    if (i % 10 == 0) hilo::sleep_for(100us);
  }
  numbers.close();
  taker.join();
}

// Not inline, so that the places of its spawns are in it.
[[gnu::noinline]] void spawn_children(int rounds) {
  for (int i = 0; goes_on(i, rounds); ++i) {
    hilo::spawn({.name = "child"}, [] { hilo::yield(); }).join();
    hilo::sleep_for(100us);
  }
}

void pass_bytes(int rounds) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  auto reader = hilo::spawn({.name = "reader"}, [&] {
    char byte;
    for (auto got = hilo::io::read(ends[0], &byte, 1); got && *got == 1;) {
      got = hilo::io::read(ends[0], &byte, 1);
    }
  });
  for (int i = 0; goes_on(i, rounds); ++i) {
    hilo::sleep_for(200us);
    (void)hilo::io::write(ends[1], "x", 1);
  }
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
}

void block(int rounds) {
  for (int i = 0; goes_on(i, rounds); ++i) {
    hilo::blocking([] { std::this_thread::sleep_for(50us); });
    hilo::sleep_for(500us);
  }
}

void do_everything(int rounds) {
  hilo::run({.carriers = 2}, [rounds] {
    auto values = hilo::spawn({.name = "sender"}, [=] { pass_values(10 * rounds); });
    auto bytes = hilo::spawn({.name = "writer"}, [=] { pass_bytes(rounds); });
    auto blocks = hilo::spawn({.name = "blocker"}, [=] { block(rounds); });
    spawn_children(rounds);
    values.join();
    bytes.join();
    blocks.join();
  });
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view how = count > 1 ? arguments[1] : "once";
  try {
    if (how == "inside" && count > 2) {
      hilo::trace::start();
      do_everything(300);
      const hilo::trace::summary said = hilo::trace::stop(arguments[2]);
      std::printf("%llu %llu\n", static_cast<unsigned long long>(said.events),
                  static_cast<unsigned long long>(said.lost));
    } else if (how == "once") {
      do_everything(300);
      do_everything(20);  // in a second runtime
      std::puts("done");
    } else {
      std::thread waiter([] {
        std::puts("ready");
        std::fflush(stdout);
        char byte;
        while (::read(STDIN_FILENO, &byte, 1) > 0) {
        }
        over.store(true, std::memory_order_relaxed);
      });
      do_everything(0);
      waiter.join();
      std::puts("done");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
