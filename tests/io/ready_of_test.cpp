// Descriptors as cases of a select, on both drivers.
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::result;
using hilo::status;
using hilo::io::ready_of;
using hilo::test::on_each_driver;
using hilo::test::stream_pair;

void put(int fd) {
  const char byte = 'x';
  REQUIRE(::send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
}

// How many wait for a descriptor, or for them to leave.
int count_waiting(int fd) {
  hilo::io::slot* const its = hilo::io::slot_of(fd);
  REQUIRE(its != nullptr);
  const std::scoped_lock guard(its->lock);
  int count = its->closers.empty() ? 0 : 1;
  for (const hilo::io::pending* one = its->first; one != nullptr; one = one->next) ++count;
  return count;
}

bool forgotten(int fd) {
  return count_waiting(fd) == 0;
}

// Lets others run until so many wait for it.
void until_waited_for(int fd, int many = 1) {
  while (count_waiting(fd) < many) hilo::yield();
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Waits for bytes, numbers, and not for long, until both have ended; counts what came.
struct tally {
  std::atomic<int> bytes{0};
  std::atomic<int> numbers{0};
  std::atomic<int> late{0};
};

void consume(int fd, hilo::channel<int>& numbers, tally& came, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  bool more_bytes = true;
  bool more_numbers = true;
  while (more_bytes || more_numbers) {
    std::optional<int> number;
    result<short> ready = 0;
    const auto patience = std::chrono::microseconds(random() % 40);
    switch (hilo::select{ready_of(fd, POLLIN, ready, more_bytes),
                         receive_from(numbers, number, more_numbers), hilo::after(patience)}) {
      case 0: {
        REQUIRE(ready);
        char byte = 0;
        const ssize_t size = ::recv(fd, &byte, 1, MSG_DONTWAIT);
        if (size == 1) came.bytes.fetch_add(1, std::memory_order_relaxed);
        if (size < 0) REQUIRE(errno == EAGAIN);  // another was faster
        more_bytes = size != 0;
        break;
      }
      case 1:
        if (number) came.numbers.fetch_add(1, std::memory_order_relaxed);
        more_numbers = number.has_value();
        break;
      default:
        came.late.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace

TEST_CASE("ready_of: what is ready is taken without waiting") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::channel<int> never;
    std::optional<int> none;
    result<short> readable = 0;
    result<short> writable = 0;
    put(pair.right());
    const hilo::select first{receive_from(never, none), ready_of(pair.left(), POLLIN, readable)};
    CHECK(first.index == 1);
    CHECK(first.end == status::ok);
    REQUIRE(readable);
    CHECK(*readable == POLLIN);
    CHECK(hilo::select_first{ready_of(pair.left(), POLLOUT, writable),
                             ready_of(pair.left(), POLLIN, readable), hilo::otherwise} == 0);
    REQUIRE(writable);
    CHECK(*writable == POLLOUT);
    CHECK(*readable == POLLIN);  // as it was, since its case was not taken
    CHECK(hilo::select{ready_of(pair.left(), POLLIN, readable, false), hilo::otherwise} == 1);
    // All of that without a driver.
    CHECK(hilo::sched::current_worker()->io() == nullptr);
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(hilo::select{ready_of(file, POLLIN, readable)} == 0);  // files always are
    CHECK(readable);
    REQUIRE(::close(file) == 0);
  });
}

TEST_CASE("ready_of: waits beside every other kind of case, and each may win") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::channel<int> numbers;
    hilo::channel<int> others;
    hilo::event event;
    hilo::event hold;
    std::stop_source stop;
    auto child = hilo::spawn([&] { (void)hold.wait(hilo::interruptible); });
    std::optional<int> got;
    result<short> ready = 0;
    const auto wait = [&](auto then) {
      ready = {status::would_block, EAGAIN};
      auto other = hilo::spawn([&, then] {
        until_waited_for(pair.left());
        then();
      });
      const hilo::select taken{
          receive_from(numbers, got),          send_to(others, 5),  hilo::set_of(event),
          hilo::stop_of(stop.get_token()),     hilo::end_of(child), hilo::after(1h),
          ready_of(pair.left(), POLLIN, ready)};
      other.join();
      CHECK(forgotten(pair.left()));
      if (taken.index != 6) CHECK(ready.status() == status::would_block);
      return taken.index;
    };
    CHECK(wait([&] { put(pair.right()); }) == 6);
    REQUIRE(ready);
    CHECK(*ready == POLLIN);
    char byte = 0;
    REQUIRE(::recv(pair.left(), &byte, 1, MSG_DONTWAIT) == 1);
    CHECK(wait([&] { CHECK(numbers.send(4) == status::ok); }) == 0);
    CHECK(wait([&] { CHECK(others.receive() == 5); }) == 1);
    CHECK(wait([&] { event.set(); }) == 2);
    event.reset();
    CHECK(wait([&] { hold.set(); }) == 4);
    child.join();
    CHECK(wait([&] { std::thread([&] { stop.request_stop(); }).join(); }) == 3);
    // The descriptor is as it was.
    auto reader = hilo::spawn([&] { return hilo::io::recv(pair.left(), &byte, 1, 0, 1h); });
    until_waited_for(pair.left());
    put(pair.right());
    CHECK(reader.join());
  });
}

TEST_CASE("ready_of: one descriptor in several cases and in several fibers") {
  on_each_driver([] {
    const stream_pair pair;
    const auto wait_twice = [&] {
      result<short> in = 0;
      result<short> urgent{status::would_block, EAGAIN};
      const hilo::select taken{ready_of(pair.left(), POLLPRI, urgent),
                               ready_of(pair.left(), POLLIN, in),
                               ready_of(pair.left(), POLLIN, in)};
      CHECK(!urgent);
      CHECK(taken >= 1);
      CHECK(taken <= 2);
    };
    auto one = hilo::spawn(wait_twice);
    auto two = hilo::spawn(wait_twice);
    auto three = hilo::spawn([&] { return hilo::io::poll(pair.left(), POLLIN, 1h); });
    until_waited_for(pair.left());
    // They who want something else go on waiting.
    auto four = hilo::spawn([&] {
      result<short> end = 0;
      CHECK(hilo::select{ready_of(pair.left(), POLLRDHUP, end)} == 0);
      return end;
    });
    hilo::yield();
    put(pair.right());
    one.join();
    two.join();
    CHECK(three.join());
    CHECK(four.wait_for(0ms) == status::timed_out);
    REQUIRE(hilo::io::shutdown(pair.right(), SHUT_WR));
    const result<short> end = four.join();
    REQUIRE(end);
    CHECK((*end & POLLRDHUP) != 0);
    CHECK(forgotten(pair.left()));
  });
}

TEST_CASE("ready_of: a list of 64 descriptors is waited for again and again") {
  on_each_driver([] {
    constexpr std::size_t many = 64;
    std::vector<stream_pair> pairs(many);
    const result<short> unasked{status::would_block, EAGAIN};
    std::vector<result<short>> ready(many, unasked);
    hilo::select_list list;
    for (std::size_t i = 0; i < many; ++i) {
      CHECK(list.add([&] { return ready_of(pairs[i].left(), POLLIN, ready[i]); }) == i);
    }
    CHECK(list.try_now().end == status::would_block);
    for (std::size_t i = 0; i < many; i += 7) {
      auto writer = hilo::spawn([&] {
        until_waited_for(pairs[many - 1].left());
        put(pairs[i].right());
      });
      CHECK(list.wait() == i);
      writer.join();
      CHECK(list.try_now() == i);
      for (std::size_t j = 0; j < many; ++j) {
        CHECK(forgotten(pairs[j].left()));
        CHECK((ready[j].status() == status::ok) == (i == j));
      }
      char byte = 0;
      ready[i] = unasked;
      REQUIRE(::recv(pairs[i].left(), &byte, 1, MSG_DONTWAIT) == 1);
    }
  });
}

TEST_CASE("ready_of: what cannot be waited for is ready with its error") {
  on_each_driver([] {
    result<short> ready = 0;
    const hilo::select negative{ready_of(-1, POLLIN, ready)};
    CHECK(negative == 0);
    CHECK(negative.end == status::failed);
    CHECK(ready.error().value() == EBADF);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    REQUIRE(::close(ends[0]) == 0);
    // A number that no driver gets for itself meanwhile.
    const int closed = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 900);
    REQUIRE(::close(closed) == 0);
    CHECK(hilo::select{ready_of(closed, POLLIN, ready), hilo::otherwise} == 0);
    CHECK(ready.error().value() == EBADF);
    CHECK(hilo::io::poll(closed, POLLIN).error().value() == EBADF);
    CHECK(hilo::select{ready_of(ends[1], POLLOUT, ready)} == 0);  // its reader is gone
    REQUIRE(ready);
    CHECK((*ready & POLLERR) != 0);
    REQUIRE(::close(ends[1]) == 0);
    // Neither poll nor epoll ever tells this of a file.
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(hilo::select{ready_of(file, POLLPRI, ready)}.end == status::failed);
    CHECK(forgotten(file));
    REQUIRE(::close(file) == 0);
  });
}

TEST_CASE("ready_of: closing the descriptor ends the select with closed") {
  on_each_driver([] {
    const stream_pair other;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const auto wait = [&] {
      result<short> ready = 0;
      result<short> open = 0;
      const hilo::select taken{ready_of(other.left(), POLLIN, open),
                               ready_of(ends[0], POLLIN, ready), hilo::after(1h)};
      CHECK(taken == 1);
      CHECK(taken.end == status::closed);
      CHECK(ready.status() == status::closed);
      CHECK(ready.error().value() == EBADF);
    };
    auto one = hilo::spawn(wait);
    auto two = hilo::spawn(wait);
    until_waited_for(ends[0], 2);
    REQUIRE(hilo::io::close(ends[0]));
    one.join();
    two.join();
    CHECK(forgotten(ends[0]));
    CHECK(forgotten(other.left()));
    REQUIRE(::close(ends[1]) == 0);
  });
}

TEST_CASE("ready_of: stop requests and limits end the select and leave nothing") {
  on_each_driver([] {
    const stream_pair pair;
    result<short> ready{status::would_block, EAGAIN};
    CHECK(hilo::select{ready_of(pair.left(), POLLIN, ready), hilo::after(1ms)} == 1);
    CHECK(forgotten(pair.left()));
    hilo::with_timeout(1ms, [&] {
      const hilo::select late{ready_of(pair.left(), POLLIN, ready)};
      CHECK(late == hilo::select::none);
      CHECK(late.end == status::timed_out);
    });
    CHECK(forgotten(pair.left()));
    auto fiber = hilo::spawn([&] {
      result<short> never = 0;
      const hilo::select stopped{ready_of(pair.left(), POLLIN, never), hilo::after(1h)};
      CHECK(stopped == hilo::select::none);
      CHECK(stopped.end == status::cancelled);
      CHECK(hilo::select{ready_of(pair.left(), POLLIN, never)}.end == status::cancelled);  // sticky
    });
    until_waited_for(pair.left());
    fiber.request_stop();
    fiber.join();
    CHECK(forgotten(pair.left()));
    CHECK(ready.status() == status::would_block);
  });
}

TEST_CASE("ready_of: 10,000 selects that lost leave nothing in flight and no memory") {
  HILO_NEEDS(memory_figures);
  on_each_driver(
      [] {
        const stream_pair pair;
        hilo::channel<int> numbers;
        const int rounds = hilo::test::repetitions(10'000);
        auto sender = hilo::spawn([&] {
          for (int i = 0; i < 2 * rounds; ++i) {
            until_waited_for(pair.left());
            REQUIRE(numbers.send(1) == status::ok);
          }
        });
        [[maybe_unused]] std::size_t before = 0;
        for (int i = 0; i < 2 * rounds; ++i) {
          if (i == rounds) before = resident_bytes();
          std::optional<int> got;
          result<short> ready = 0;
          const hilo::select taken{ready_of(pair.left(), POLLIN, ready),
                                   receive_from(numbers, got)};
          REQUIRE(taken == 1);
          REQUIRE(got == 1);
          REQUIRE(forgotten(pair.left()));
        }
        [[maybe_unused]] const std::size_t after = resident_bytes();
        sender.join();
#if !HILO_ASAN && !HILO_TSAN
        CHECK(after < before + (512U << 10));  // 50 bytes a select
#endif
        hilo::sched::port* const io = hilo::sched::current_worker()->io();
        REQUIRE(io != nullptr);
        CHECK(!io->bound());
        CHECK(!io->may_wait());
      },
      {1U});
}

TEST_CASE("ready_of: bytes, numbers and timeouts race for many selects, and nothing is lost") {
  const std::uint64_t seed = hilo::test::stress_seed();
  INFO("HILO_SEED=", seed);
  const int each = hilo::test::repetitions(HILO_TSAN ? 500 : 5000);
  on_each_driver([&] {
    const stream_pair pair;
    hilo::channel<int> numbers(2);
    tally came;
    std::vector<hilo::fiber<void>> consumers;
    for (std::uint64_t i = 0; i < 6; ++i) {
      consumers.push_back(hilo::spawn([&, i] { consume(pair.left(), numbers, came, seed + i); }));
    }
    auto sender = hilo::spawn([&] {
      for (int i = 0; i < each; ++i) REQUIRE(numbers.send(i) == status::ok);
      numbers.close();
    });
    std::mt19937_64 random(seed + 100);
    for (int i = 0; i < each; ++i) {
      REQUIRE(hilo::io::send(pair.right(), "x", 1));
      if (random() % 4 == 0) hilo::sleep_for(std::chrono::microseconds(random() % 50));
      if (random() % 512 == 0) hilo::blocking([] {});  // the worker may go elsewhere
    }
    REQUIRE(hilo::io::shutdown(pair.right(), SHUT_WR));
    sender.join();
    for (auto& one : consumers) one.join();
    CHECK(came.bytes.load(std::memory_order_relaxed) == each);
    CHECK(came.numbers.load(std::memory_order_relaxed) == each);
    CHECK(forgotten(pair.left()));
  });
}

TEST_CASE("ready_of: a descriptor is closed under selects that come and go") {
  on_each_driver([] {
    const int rounds = hilo::test::repetitions(HILO_TSAN ? 60 : 300);
    for (int round = 0; round < rounds; ++round) {
      std::array<int, 2> ends{};
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
      const int fd = ::fcntl(ends[0], F_DUPFD_CLOEXEC, 900);  // which no driver gets afterwards
      REQUIRE(::close(ends[0]) == 0);
      std::vector<hilo::fiber<void>> fibers;
      for (int i = 0; i < 4; ++i) {
        fibers.push_back(hilo::spawn([&] {
          while (true) {
            result<short> ready = 0;
            result<short> same = 0;
            const hilo::select taken{ready_of(fd, POLLIN, ready), ready_of(fd, POLLPRI, same),
                                     hilo::after(50us)};
            if (taken == 2) continue;
            REQUIRE((taken.end == status::closed || taken.end == status::failed));
            return;
          }
        }));
      }
      hilo::sleep_for(std::chrono::microseconds(round % 7 * 30));
      REQUIRE(hilo::io::close(fd));
      for (auto& one : fibers) one.join();
      CHECK(forgotten(fd));
      REQUIRE(hilo::io::close(ends[1]));
    }
  });
}

TEST_CASE("ready_of: works while the carrier is held in hilo::blocking") {
  on_each_driver([] {
    const stream_pair pair;
    auto echo = hilo::spawn([&] {
      result<short> ready = 0;
      CHECK(hilo::select{hilo::after(1h), ready_of(pair.left(), POLLIN, ready)} == 1);
      put(pair.left());
    });
    until_waited_for(pair.left());
    hilo::blocking([&] {
      char byte = 0;
      put(pair.right());
      REQUIRE(::recv(pair.right(), &byte, 1, 0) == 1);
    });
    echo.join();
  });
}

TEST_CASE("ready_of: kernel threads wait in the same way") {
  const stream_pair pair;
  hilo::event event;
  result<short> ready = 0;
  CHECK(hilo::select{ready_of(pair.left(), POLLIN, ready), hilo::otherwise} == 1);
  CHECK(hilo::select{ready_of(pair.left(), POLLIN, ready), hilo::after(1ms)} == 1);
  hilo::with_timeout(1ms, [&] {
    CHECK(hilo::select{ready_of(pair.left(), POLLIN, ready)}.end == status::timed_out);
  });
  CHECK(hilo::select{ready_of(-1, POLLIN, ready), hilo::set_of(event)}.end == status::failed);
  CHECK(hilo::io::poll(-1, POLLIN).error().value() == EBADF);
  std::thread setter([&] { event.set(); });
  CHECK(hilo::select{ready_of(pair.left(), POLLIN, ready), hilo::set_of(event)} == 1);
  setter.join();
  event.reset();
  std::thread peer([&] { put(pair.right()); });
  result<short> urgent{status::would_block, EAGAIN};
  CHECK(hilo::select{hilo::set_of(event), ready_of(pair.left(), POLLPRI, urgent),
                     ready_of(pair.left(), POLLIN, ready)} == 2);
  peer.join();
  REQUIRE(ready);
  CHECK(*ready == POLLIN);
  CHECK(urgent.status() == status::would_block);
}
