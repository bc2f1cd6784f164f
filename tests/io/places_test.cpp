// What waits for a descriptor is woken whichever worker holds the place from which it began to
// wait. The monitor, which would look after it in the end, is off.
#include <atomic>
#include <chrono>
#include <thread>

#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"

#include "tests/io/drivers.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::io_driver;
using hilo::runtime_options;
using hilo::test::stream_pair;

template <class F>
void on_unwatched_carriers(F&& body) {
  for (const io_driver driver : {io_driver::uring, io_driver::epoll}) {
    if (driver == io_driver::uring && !hilo::test::has_uring()) continue;
    for (const unsigned carriers : {1U, 2U}) {
      CAPTURE(static_cast<int>(driver));
      CAPTURE(carriers);
      hilo::run(
          runtime_options{
              .carriers = carriers, .io = driver, .stuck_after = 0ms, .report_busy_after = 0ms},
          body);
    }
  }
}

bool reads_one(const stream_pair& ends) {
  char got = 0;
  const auto count = hilo::io::read(ends.left(), &got, 1);
  return count && *count == 1 && got == 'x';
}

void write_one(const stream_pair& ends) {
  REQUIRE(::write(ends.right(), "x", 1) == 1);
}

}  // namespace

TEST_CASE("places: a spare that takes one over waits for what was begun there") {
  on_unwatched_carriers([] {
    for (const auto asleep_first : {0ms, 20ms}) {
      const stream_pair ends;
      auto reader = hilo::spawn([&] { return reads_one(ends); });
      for (int i = 0; i < 10; ++i) hilo::yield();  // with one carrier it waits by then
      hilo::blocking([&] {
        std::this_thread::sleep_for(asleep_first);
        write_one(ends);
        CHECK(reader.join());
      });
    }
  });
}

TEST_CASE("places: what waits is not forgotten when an extra one is left") {
  on_unwatched_carriers([] {
    hilo::spawn(hilo::spawn_options{.pinned = true}, [] {
      const stream_pair ends;
      hilo::latch begun(1);
      std::atomic<bool> back{false};
      auto reader = hilo::spawn([&] {
        begun.count_down();
        // Meanwhile the pinned fiber's worker comes back and falls asleep.
        while (!back.load(std::memory_order_relaxed)) {
        }
        std::this_thread::sleep_for(20ms);
        return reads_one(ends);
      });
      hilo::blocking([&] { begun.wait(); });
      std::thread writer([&] {
        std::this_thread::sleep_for(60ms);
        write_one(ends);
      });
      back.store(true, std::memory_order_relaxed);
      CHECK(reader.join());
      hilo::blocking([&] { writer.join(); });
    }).join();
  });
}
