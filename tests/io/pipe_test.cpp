// hilo/pipe.hpp, on both drivers: the ends, who closes them, and writing where nobody reads.
#include "hilo/pipe.hpp"

#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::io::pipe_ends;
using hilo::test::on_each_driver;

pipe_ends make_pipe() {
  return std::move(hilo::io::pipe().value());
}

std::string letters(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

// Fills a pipe until no byte more goes in.
std::size_t fill(hilo::io::pipe_writer& writer) {
  const std::string block(4096, 'x');
  std::size_t written = 0;
  while (true) {
    const auto done = writer.write(block.data(), block.size(), 5ms);
    if (!done) {
      REQUIRE(done.status() == status::timed_out);
      return written;
    }
    written += *done;
  }
}

bool sigpipe_is_pending() {
  sigset_t pending;
  REQUIRE(::sigpending(&pending) == 0);
  return ::sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

TEST_CASE("pipe: what is written is read, in order, and the end after it") {
  on_each_driver([] {
    pipe_ends ends = make_pipe();
    const std::string sent = letters(1 << 20);  // 16 times what a pipe holds
    hilo::fiber<void> writer = hilo::spawn([&] {
      std::size_t done = 0;
      CHECK(ends.writer.write_all(sent.data(), sent.size(), {}, &done));
      CHECK(done == sent.size());
      CHECK(ends.writer.close());
    });
    std::string got;
    while (true) {
      const auto size = ends.reader.read(got, 30000);
      REQUIRE(size);
      if (*size == 0) break;
    }
    writer.join();
    CHECK(got == sent);
  });
}

TEST_CASE("pipe: threads without a fiber use it as well") {
  pipe_ends ends = make_pipe();
  const std::string sent = letters(1 << 18);
  std::thread writer([&] {
    REQUIRE(ends.writer.write_all(sent.data(), sent.size()));
    REQUIRE(ends.writer.close());
  });
  std::string got;
  while (*ends.reader.read(got, 5000, 10s) != 0) {
  }
  writer.join();
  CHECK(got == sent);
}

TEST_CASE("pipe: ends are closed by their owners, in programs that are executed, and once") {
  int reader = -1;
  {
    pipe_ends ends = make_pipe();
    reader = ends.reader.fd();
    CHECK((::fcntl(ends.reader.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(ends.writer.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    hilo::io::pipe_reader moved = std::move(ends.reader);
    CHECK_FALSE(bool(ends.reader));
    CHECK(moved.fd() == reader);
    CHECK(ends.reader.close());  // there is none
    char byte = 0;
    CHECK(ends.reader.read(&byte, 1).error() == std::errc::bad_file_descriptor);
    REQUIRE(ends.writer.close());
    CHECK(ends.writer.write("x", 1).error() == std::errc::bad_file_descriptor);
  }
  CHECK(::fcntl(reader, F_GETFD) == -1);
}

TEST_CASE("pipe: writing where nobody reads is EPIPE, and no signal whatever its action") {
  struct sigaction before {};
  REQUIRE(::sigaction(SIGPIPE, nullptr, &before) == 0);
  REQUIRE((before.sa_handler == SIG_DFL));  // one signal would end this program
  on_each_driver([] {
    {
      pipe_ends ends = make_pipe();
      REQUIRE(ends.reader.close());
      for (int i = 0; i < 10; ++i) {
        const auto done = ends.writer.write("x", 1);
        CHECK(done.status() == status::failed);
        CHECK(done.error() == std::errc::broken_pipe);
        CHECK_FALSE(sigpipe_is_pending());
        hilo::yield();
      }
    }
    // The reader goes while the writer is parked.
    pipe_ends ends = make_pipe();
    (void)fill(ends.writer);
    hilo::fiber<std::error_code> writer =
        hilo::spawn([&] { return ends.writer.write_all("more", 4).error(); });
    hilo::yield();
    REQUIRE(ends.reader.close());
    CHECK(writer.join() == std::errc::broken_pipe);
    CHECK_FALSE(sigpipe_is_pending());
  });
}

TEST_CASE("pipe: a SIGPIPE that a thread has blocked itself stays its own") {
  sigset_t sigpipe, before;
  ::sigemptyset(&sigpipe);
  ::sigaddset(&sigpipe, SIGPIPE);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &sigpipe, &before) == 0);
  pipe_ends ends = make_pipe();
  REQUIRE(ends.reader.close());
  CHECK(ends.writer.write("x", 1).error() == std::errc::broken_pipe);
  CHECK(sigpipe_is_pending());
  sigset_t now;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &now) == 0);
  CHECK(::sigismember(&now, SIGPIPE) == 1);
  int taken = 0;
  REQUIRE(::sigwait(&sigpipe, &taken) == 0);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("pipe: a full and an empty one meet the deadline, and lose no byte by it") {
  on_each_driver([] {
    pipe_ends ends = make_pipe();
    char byte = 0;
    CHECK(ends.reader.read(&byte, 1, 2ms).status() == status::timed_out);
    CHECK(ends.reader.read(&byte, 1, 0ms).status() == status::timed_out);
    const std::string much = letters(1 << 20);
    std::size_t sent = 0;
    CHECK(ends.writer.write_all(much.data(), much.size(), 20ms, &sent).status() ==
          status::timed_out);
    CHECK(sent > 0);
    CHECK(sent < much.size());
    CHECK(ends.writer.write("x", 1, 0ms).status() == status::timed_out);
    REQUIRE(ends.writer.close());
    std::string got;
    while (*ends.reader.read(got, 5000) != 0) {
    }
    CHECK(got == much.substr(0, sent));
  });
}

TEST_CASE("pipe: a stop request and closing end the calls that wait") {
  on_each_driver([] {
    pipe_ends ends = make_pipe();
    (void)fill(ends.writer);
    hilo::fiber<status> writer = hilo::spawn([&] { return ends.writer.write("x", 1).status(); });
    hilo::yield();
    writer.request_stop();
    CHECK(writer.join() == status::cancelled);

    std::stop_source source;
    source.request_stop();
    CHECK(hilo::with_stop(source.get_token(), [&] { return ends.writer.write("x", 1).status(); }) ==
          status::cancelled);

    pipe_ends empty = make_pipe();
    const int fd = empty.reader.fd();
    hilo::fiber<status> reader = hilo::spawn([&] {
      char byte = 0;
      return hilo::io::read(fd, &byte, 1).status();
    });
    hilo::test::until_waited_for(fd);
    REQUIRE(empty.reader.close());
    CHECK(reader.join() == status::closed);
  });
}

TEST_CASE("pipe: up to PIPE_BUF bytes of several writers stay together") {
  on_each_driver([] {
    pipe_ends ends = make_pipe();
    std::vector<hilo::fiber<void>> writers;
    for (char letter = 'a'; letter < 'a' + 8; ++letter) {
      writers.push_back(hilo::spawn([&, letter] {
        const std::string block(PIPE_BUF, letter);
        for (int i = 0; i < 20; ++i)
          REQUIRE(*ends.writer.write(block.data(), PIPE_BUF) == PIPE_BUF);
      }));
    }
    hilo::fiber<std::string> reader = hilo::spawn([&] {
      std::string got;
      while (*ends.reader.read(got, 30000) != 0) {
      }
      return got;
    });
    for (auto& one : writers) one.join();
    REQUIRE(ends.writer.close());
    const std::string got = reader.join();
    REQUIRE(got.size() == std::size_t{8} * 20 * PIPE_BUF);
    bool whole = true;
    for (std::size_t at = 0; at < got.size(); at += PIPE_BUF) {
      whole = whole && got.find_first_not_of(got[at], at) >= at + PIPE_BUF;
    }
    CHECK(whole);
  });
}
