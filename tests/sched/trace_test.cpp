#include "hilo/trace.hpp"

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/runtime.hpp"
#include "hilo/timer.hpp"

#include "tests/doctest.hpp"

namespace {

using namespace std::chrono_literals;

class trace_text {
 public:
  trace_text() : fd_(::memfd_create("trace", MFD_CLOEXEC)) { REQUIRE(fd_ >= 0); }
  ~trace_text() { ::close(fd_); }
  trace_text(const trace_text&) = delete;
  trace_text& operator=(const trace_text&) = delete;

  hilo::trace::summary stop() {
    const hilo::trace::summary said = hilo::trace::stop(fd_);
    text_.resize(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)));
    CHECK(::pread(fd_, text_.data(), text_.size(), 0) == static_cast<ssize_t>(text_.size()));
    return said;
  }
  std::size_t count(const std::string& part) const {
    std::size_t found = 0;
    for (std::size_t at = text_.find(part); at != text_.npos; at = text_.find(part, at + 1)) {
      ++found;
    }
    return found;
  }
  bool has(const std::string& part) const { return count(part) != 0; }

 private:
  int fd_;
  std::string text_;
};

int error_of_trace(const auto& f) {
  try {
    f();
    return 0;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}

// The first switches of a worker may come before it looks.
void switch_often() {
  for (int i = 0; i < 200; ++i) {
    hilo::spawn([] { hilo::yield(); }).join();
  }
}

}  // namespace

TEST_CASE("trace: runs, spawns, reasons of waits and wakes are recorded") {
  trace_text said;
  hilo::trace::start();
  hilo::run({.carriers = 1}, [] {
    switch_often();
    hilo::channel<int> numbers;
    auto taker = hilo::spawn({.name = "taker"}, [&] {
      for (int i = 0; i < 10; ++i) (void)numbers.receive();
    });
    for (int i = 0; i < 10; ++i) (void)numbers.send(i);
    taker.join();
    hilo::sleep_for(1ms);
    hilo::blocking([] {});
  });
  const hilo::trace::summary sum = said.stop();
  CHECK(sum.events > 600);
  CHECK(sum.lost == 0);
  CHECK(said.has("\"name\":\"fiber #1 \\\"main\\\"\""));
  CHECK(said.has("\\\"taker\\\""));
  CHECK(said.has("\"name\":\"parked: channel receive\""));
  CHECK(said.has("\"name\":\"parked: sleep\""));
  CHECK(said.has("\"name\":\"timers\""));
  CHECK(said.has("\"name\":\"hand-over\""));
  CHECK(said.count("\"name\":\"spawn\"") >= 200);
  // Nearly all lives are spawned, run, yield once and end; each is an arrow from the spawner.
  CHECK(said.count("\"end\":\"ended\"") >= 2 * 199);
  CHECK(said.count("\"end\":\"yielded\"") >= 2 * 199);
  CHECK(said.count("\"ph\":\"s\"") >= 199);
  CHECK(said.count("\"ph\":\"s\"") == said.count("\"ph\":\"f\""));
}

TEST_CASE("trace: a second trace has only what happened since its begin") {
  hilo::run({.carriers = 1}, [] {
    trace_text first;
    hilo::trace::start();
    switch_often();
    hilo::spawn({.name = "early"}, [] {}).join();
    CHECK(first.stop().events != 0);
    CHECK(first.has("early"));
    switch_often();
    hilo::spawn({.name = "between"}, [] {}).join();
    trace_text second;
    hilo::trace::start();
    switch_often();
    hilo::spawn({.name = "late"}, [] {}).join();
    CHECK(second.stop().events != 0);
    CHECK_FALSE(second.has("early"));
    CHECK_FALSE(second.has("between"));
    CHECK(second.has("late"));
  });
}

TEST_CASE("trace: a ring without room for all keeps the newest and counts the others") {
  trace_text said;
  hilo::trace::start({.events = 64});
  hilo::run({.carriers = 1}, [] {
    switch_often();
    hilo::spawn({.name = "last"}, [] {}).join();
  });
  const hilo::trace::summary sum = said.stop();
  CHECK(sum.events == 63);
  CHECK(sum.lost > 500);
  CHECK(said.has("\\\"last\\\""));
  CHECK(said.has("\"events lost\":" + std::to_string(sum.lost)));
}

TEST_CASE("trace: numbers of fibers stay unique when a trace begins and ends") {
  hilo::run({.carriers = 1}, [] {
    std::vector<std::uint64_t> seen;
    for (int round = 0; round < 6; ++round) {
      trace_text said;
      if (round % 2 == 0) hilo::trace::start();
      for (int i = 0; i < 1500; ++i) {
        auto one = hilo::spawn([] { hilo::yield(); });
        seen.push_back(one.id().value);
        one.join();
      }
      if (round % 2 == 0) (void)said.stop();
    }
    for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i] > seen[i - 1]);
  });
}

TEST_CASE("trace: pinned fibers stay on their carriers while traces begin and end") {
  hilo::run({.carriers = 2}, [] {
    std::vector<hilo::fiber<void>> all;
    for (int i = 0; i < 4; ++i) {
      const bool at_spawn = i % 2 == 0;
      all.push_back(hilo::spawn({.pinned = at_spawn}, [at_spawn] {
        for (int round = 0; round < 20; ++round) {
          if (!at_spawn) hilo::this_fiber::pin();
          const int mine = ::gettid();
          for (int j = 0; j < 50; ++j) {
            hilo::yield();
            if (j % 10 == 0) hilo::sleep_for(10us);
            CHECK(::gettid() == mine);
          }
          if (!at_spawn) hilo::this_fiber::unpin();
          hilo::yield();
        }
      }));
    }
    for (int i = 0; i < 20; ++i) {
      hilo::trace::start();
      hilo::sleep_for(200us);
      (void)hilo::trace::stop("/dev/null");
      hilo::sleep_for(200us);
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("trace: misuse and files that cannot be written are std::system_error") {
  CHECK(error_of_trace([] { hilo::trace::stop("/dev/null"); }) == EINVAL);
  CHECK(error_of_trace([] { hilo::trace::start({.events = 63}); }) == EINVAL);
  CHECK(error_of_trace([] { hilo::trace::start({.events = std::size_t{1} << 25}); }) == EINVAL);
  hilo::trace::start();
  CHECK(error_of_trace([] { hilo::trace::start(); }) == EALREADY);
  CHECK(error_of_trace([] { hilo::trace::stop("/no such folder/trace"); }) == ENOENT);
  hilo::trace::start();  // the one before has ended all the same
  CHECK(error_of_trace([] { hilo::trace::stop("/dev/full"); }) == ENOSPC);
  hilo::trace::start();
  CHECK(error_of_trace([] { hilo::trace::stop(-1); }) == EBADF);
  CHECK(error_of_trace([] { hilo::trace::stop("/dev/null"); }) == EINVAL);
}
