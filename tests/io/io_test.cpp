// The calls of hilo/io.hpp: what each returns, on both drivers.
#include "hilo/io.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "tests/death.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::io_driver;
using hilo::status;
using hilo::test::on_each_driver;
using hilo::test::stream_pair;

std::string read_all(int fd, std::size_t size) {
  std::string text(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const auto got = hilo::io::read(fd, text.data() + done, size - done);
    REQUIRE(got);
    if (*got == 0) break;
    done += *got;
  }
  text.resize(done);
  return text;
}

// A listening socket on the loopback, and its address.
int listen_somewhere(sockaddr_in& at) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0);
  at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(fd, 128) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  return fd;
}

}  // namespace

TEST_CASE("io: a read parks its fiber until something is written") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::fiber<std::string> reader = hilo::spawn([&] { return read_all(pair.left(), 5); });
    hilo::yield();
    REQUIRE(hilo::io::write(pair.right(), "hello", 5));
    CHECK(reader.join() == "hello");
  });
}

TEST_CASE("io: many fibers talk at once, and each gets its own answers") {
  on_each_driver([] {
    constexpr int talkers = 100;
    constexpr std::uint32_t rounds = 50;
    std::vector<hilo::fiber<void>> all;
    for (std::uint32_t i = 0; i < talkers; ++i) {
      all.push_back(hilo::spawn([i] {
        const stream_pair pair;
        hilo::fiber<void> echo = hilo::spawn([&] {
          std::uint32_t word = 0;
          while (true) {
            const auto got = hilo::io::recv(pair.right(), &word, sizeof word, MSG_WAITALL);
            REQUIRE(got);
            if (*got == 0) return;
            REQUIRE(hilo::io::send(pair.right(), &word, sizeof word));
          }
        });
        for (std::uint32_t round = 0; round < rounds; ++round) {
          const std::uint32_t sent = i * rounds + round;
          std::uint32_t back = 0;
          REQUIRE(hilo::io::send(pair.left(), &sent, sizeof sent));
          REQUIRE(hilo::io::recv(pair.left(), &back, sizeof back, MSG_WAITALL));
          REQUIRE(back == sent);
        }
        REQUIRE(hilo::io::shutdown(pair.left(), SHUT_WR));
        echo.join();
      }));
    }
    for (auto& one : all) one.join();
  });
}

TEST_CASE("io: readv and writev, recvmsg and sendmsg move several buffers") {
  on_each_driver([] {
    const stream_pair pair;
    std::array<char, 4> first{'a', 'b', 'c', 'd'};
    std::array<char, 3> second{'e', 'f', 'g'};
    const std::array<iovec, 2> out{iovec{first.data(), 4}, iovec{second.data(), 3}};
    const auto written = hilo::io::writev(pair.left(), out.data(), 2);
    REQUIRE(written);
    CHECK(*written == 7);
    std::array<char, 2> head{};
    std::array<char, 5> tail{};
    std::array<iovec, 2> in{iovec{head.data(), 2}, iovec{tail.data(), 5}};
    const auto got = hilo::io::readv(pair.right(), in.data(), 2);
    REQUIRE(got);
    CHECK(*got == 7);
    CHECK(std::string(tail.data(), 5) == "cdefg");

    msghdr message{};
    message.msg_iov = const_cast<iovec*>(out.data());
    message.msg_iovlen = 2;
    REQUIRE(hilo::io::sendmsg(pair.left(), &message));
    message.msg_iov = in.data();
    const auto received = hilo::io::recvmsg(pair.right(), &message);
    REQUIRE(received);
    CHECK(*received == 7);
  });
}

TEST_CASE("io: a pipe carries bytes and its end") {
  on_each_driver([] {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    hilo::fiber<std::string> reader = hilo::spawn([&] { return read_all(ends[0], 200'000); });
    const std::string text(100'000, 'x');  // more than a pipe holds
    for (std::size_t done = 0; done < text.size();) {
      const auto wrote = hilo::io::write(ends[1], text.data() + done, text.size() - done);
      REQUIRE(wrote);
      done += *wrote;
    }
    REQUIRE(hilo::io::close(ends[1]));
    CHECK(reader.join() == text);
    REQUIRE(hilo::io::close(ends[0]));
  });
}

TEST_CASE("io: a call ends with timed_out at its own deadline and at the one around it") {
  on_each_driver([] {
    const stream_pair pair;
    char byte = 0;
    CHECK(hilo::io::read(pair.left(), &byte, 1, 1ms).status() == status::timed_out);
    CHECK(hilo::io::recv(pair.left(), &byte, 1, 0, 0ms).status() == status::timed_out);
    hilo::with_timeout(1ms, [&] {
      CHECK(hilo::io::recv(pair.left(), &byte, 1).status() == status::timed_out);
      // Once the limit is reached, no call in it begins.
      REQUIRE(::send(pair.right(), "x", 1, 0) == 1);
      CHECK(hilo::io::recv(pair.left(), &byte, 1).status() == status::timed_out);
    });
    REQUIRE(hilo::io::recv(pair.left(), &byte, 1, 0, 10s));
    CHECK(byte == 'x');
    CHECK(hilo::io::poll(pair.left(), POLLIN, 1ms).status() == status::timed_out);
  });
}

TEST_CASE("io: a stop request ends a call with cancelled") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::fiber<status> reader = hilo::spawn([&] {
      char byte = 0;
      return hilo::io::recv(pair.left(), &byte, 1).status();
    });
    hilo::yield();
    reader.request_stop();
    CHECK(reader.join() == status::cancelled);

    std::stop_source stop;
    hilo::fiber<status> other = hilo::spawn([&] {
      char byte = 0;
      return hilo::with_stop(stop.get_token(),
                             [&] { return hilo::io::read(pair.left(), &byte, 1).status(); });
    });
    hilo::yield();
    stop.request_stop();
    CHECK(other.join() == status::cancelled);
    // What comes later is not lost on either of them.
    REQUIRE(hilo::io::send(pair.right(), "y", 1));
    CHECK(read_all(pair.left(), 1) == "y");
  });
}

TEST_CASE("io: closing a descriptor wakes all who wait for it, and nobody else") {
  on_each_driver([] {
    const stream_pair other;
    for (int round = 0; round < 20; ++round) {
      std::array<int, 2> ends{};
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
      std::vector<hilo::fiber<status>> readers;
      for (int i = 0; i < 3; ++i) {
        readers.push_back(hilo::spawn([&] {
          char byte = 0;
          return hilo::io::recv(ends[0], &byte, 1, 0, 10s).status();
        }));
      }
      hilo::fiber<status> bystander = hilo::spawn([&] {
        char byte = 0;
        return hilo::io::recv(other.left(), &byte, 1, 0, 10s).status();
      });
      hilo::test::until_waited_for(ends[0], 3);
      REQUIRE(hilo::io::close(ends[0]));
      for (auto& one : readers) CHECK(one.join() == status::closed);
      // The number means another file from now on: those who wait for that hear of that alone.
      REQUIRE(::send(other.right(), "x", 1, 0) == 1);
      CHECK(bystander.join() == status::ok);
      REQUIRE(hilo::io::close(ends[1]));
    }
  });
}

TEST_CASE("io: a number that is used again wakes its new waiter only for the new file") {
  // On one carrier the fiber is in its call after the yield. Elsewhere that may begin only when the
  // number is the young file's, and is right to read from there.
  const auto reuse = [] {
    for (int round = 0; round < 50; ++round) {
      std::array<int, 2> old{};
      REQUIRE(::pipe2(old.data(), O_CLOEXEC) == 0);
      hilo::fiber<status> waiting = hilo::spawn([&] {
        char byte = 0;
        return hilo::io::read(old[0], &byte, 1, 10s).status();
      });
      hilo::yield();
      const int copy = ::dup(old[0]);  // keeps the old file alive
      REQUIRE(hilo::io::close(old[0]));
      std::array<int, 2> young{};
      REQUIRE(::pipe2(young.data(), O_CLOEXEC) == 0);
      hilo::fiber<char> reader = hilo::spawn([&] {
        char byte = 0;
        REQUIRE(hilo::io::read(young[0], &byte, 1, 10s));
        return byte;
      });
      REQUIRE(hilo::io::write(old[1], "o", 1));
      hilo::yield();
      REQUIRE(hilo::io::write(young[1], "y", 1));
      CHECK(reader.join() == 'y');
      (void)waiting.join();
      for (const int fd : {copy, old[1], young[0], young[1]}) REQUIRE(hilo::io::close(fd));
    }
  };
  on_each_driver(reuse, {1U});
}

TEST_CASE("io: connect and accept meet, also on sockets in non-blocking mode") {
  on_each_driver([] {
    for (const int mode : {0, static_cast<int>(SOCK_NONBLOCK)}) {
      sockaddr_in at{};
      const int listener = listen_somewhere(at);
      if (mode != 0) REQUIRE(::fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
      hilo::fiber<int> server = hilo::spawn([&] {
        const auto peer = hilo::io::accept(listener, nullptr, nullptr, SOCK_CLOEXEC | mode);
        REQUIRE(peer);
        CHECK(read_all(*peer, 4) == "ping");
        REQUIRE(hilo::io::send(*peer, "pong", 4));
        return *peer;
      });
      hilo::yield();
      const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | mode, 0);
      REQUIRE(hilo::io::connect(client, reinterpret_cast<sockaddr*>(&at), sizeof at));
      hilo::fiber<std::string> answer = hilo::spawn([&] { return read_all(client, 4); });
      hilo::yield();
      REQUIRE(hilo::io::send(client, "ping", 4));
      CHECK(answer.join() == "pong");
      REQUIRE(hilo::io::close(server.join()));
      REQUIRE(hilo::io::close(client));
      REQUIRE(hilo::io::close(listener));
    }
  });
}

TEST_CASE("io: files are opened, written, read, measured, synced and spliced") {
  on_each_driver([] {
    std::string path = "/tmp/hilo-io-test-XXXXXX";
    const int made = ::mkstemp(path.data());
    REQUIRE(made >= 0);
    REQUIRE(hilo::io::close(made));
    const auto file = hilo::io::open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(file);
    REQUIRE(hilo::io::write(*file, "head", 4));
    REQUIRE(hilo::io::pwrite(*file, "tail", 4, 4));
    REQUIRE(hilo::io::fsync(*file));
    REQUIRE(hilo::io::fdatasync(*file));
    const auto about = hilo::io::statx(AT_FDCWD, path.c_str());
    REQUIRE(about);
    CHECK(about->stx_size == 8);
    std::array<char, 16> text{};
    const auto got = hilo::io::pread(*file, text.data(), text.size(), 2);
    REQUIRE(got);
    CHECK(std::string(text.data(), *got) == "adtail");
    CHECK(hilo::io::pread(*file, text.data(), 1, -1).error().value() == EINVAL);
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const auto moved = hilo::io::splice(*file, 0, ends[1], -1, 8);
    REQUIRE(moved);
    CHECK(read_all(ends[0], *moved) == "headtail");
    const auto ready = hilo::io::poll(*file, POLLIN | POLLOUT);
    REQUIRE(ready);
    CHECK(*ready == (POLLIN | POLLOUT));
    for (const int fd : {*file, ends[0], ends[1]}) REQUIRE(hilo::io::close(fd));
    CHECK(::unlink(path.c_str()) == 0);
    CHECK(hilo::io::open(path.c_str()).error().value() == ENOENT);
    CHECK(hilo::io::statx(AT_FDCWD, path.c_str()).status() == status::failed);
  });
}

TEST_CASE("io: an error is the kernel's, and errno is left alone") {
  on_each_driver([] {
    char byte = 0;
    errno = 77;
    const auto none = hilo::io::read(-1, &byte, 1);
    CHECK(none.status() == status::failed);
    CHECK(none.error() == std::errc::bad_file_descriptor);
    CHECK_THROWS_AS((void)hilo::io::recv(-1, &byte, 1).value(), std::system_error);
    CHECK(hilo::io::close(-1).error().value() == EBADF);
    const stream_pair pair;
    REQUIRE(hilo::io::shutdown(pair.right(), SHUT_RD));
    CHECK(hilo::io::send(pair.left(), "x", 1).error() == std::errc::broken_pipe);  // no SIGPIPE
  });
}

TEST_CASE("io: poll tells what is ready, and two fibers may wait for one descriptor") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::fiber<short> readable = hilo::spawn([&] {
      const auto got = hilo::io::poll(pair.left(), POLLIN);
      REQUIRE(got);
      return *got;
    });
    hilo::yield();
    const auto writable = hilo::io::poll(pair.left(), POLLOUT);
    REQUIRE(writable);
    CHECK(*writable == POLLOUT);
    REQUIRE(hilo::io::send(pair.right(), "x", 1));
    CHECK((readable.join() & POLLIN) != 0);
    // One reads and one writes at the same time: each is woken for its own.
    hilo::fiber<std::string> reader = hilo::spawn([&] { return read_all(pair.left(), 2); });
    hilo::fiber<void> writer = hilo::spawn([&] {
      const std::string much(1 << 20, 'm');
      for (std::size_t done = 0; done < much.size();) {
        const auto sent = hilo::io::send(pair.left(), much.data() + done, much.size() - done);
        REQUIRE(sent);
        done += *sent;
      }
    });
    hilo::yield();
    REQUIRE(hilo::io::send(pair.right(), "y", 1));
    CHECK(reader.join() == "xy");
    CHECK(read_all(pair.right(), 1 << 20).size() == 1 << 20);
    writer.join();
  });
}

TEST_CASE("io: what waits goes on while its carrier is held in hilo::blocking") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::fiber<void> echo = hilo::spawn(
        [&] { REQUIRE(hilo::io::send(pair.left(), read_all(pair.left(), 1).data(), 1)); });
    hilo::yield();
    // A kernel thread, as it were, that needs the other fiber's answer.
    hilo::blocking([&] {
      char byte = 0;
      REQUIRE(::send(pair.right(), "b", 1, 0) == 1);
      REQUIRE(::recv(pair.right(), &byte, 1, 0) == 1);
      CHECK(byte == 'b');
    });
    echo.join();
  });
}

TEST_CASE("io: what is ready gets its turn though others never park") {
  on_each_driver([] {
    const stream_pair pair;
    std::atomic<bool> answered{false};
    hilo::fiber<void> reader = hilo::spawn([&] {
      (void)read_all(pair.left(), 1);
      answered.store(true, std::memory_order_relaxed);
    });
    hilo::yield();
    REQUIRE(::send(pair.right(), "x", 1, 0) == 1);
    while (!answered.load(std::memory_order_relaxed)) hilo::yield();
    reader.join();
  });
}

TEST_CASE("io: kernel threads make the same calls, with the same limits") {
  const stream_pair pair;
  char byte = 0;
  CHECK(hilo::io::recv(pair.left(), &byte, 1, 0, 1ms).status() == status::timed_out);
  CHECK(hilo::io::read(pair.left(), &byte, 1, 1ms).status() == status::timed_out);
  hilo::with_timeout(
      1ms, [&] { CHECK(hilo::io::read(pair.left(), &byte, 1).status() == status::timed_out); });
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  hilo::with_stop(stop.get_token(), [&] {
    CHECK(hilo::io::recv(pair.left(), &byte, 1).status() == status::cancelled);
  });
  stopper.join();
  std::thread peer([&] { REQUIRE(hilo::io::send(pair.right(), "z", 1)); });
  REQUIRE(hilo::io::recv(pair.left(), &byte, 1));
  CHECK(byte == 'z');
  peer.join();
  REQUIRE(::fcntl(pair.left(), F_SETFL, O_NONBLOCK) == 0);
  std::thread second([&] { REQUIRE(hilo::io::send(pair.right(), "w", 1)); });
  REQUIRE(hilo::io::read(pair.left(), &byte, 1));
  CHECK(byte == 'w');
  second.join();
}

TEST_CASE("io: the driver is what was asked for, and any says why it is not the ring") {
  hilo::run(hilo::runtime_options{.carriers = 1, .io = io_driver::epoll},
            [] { CHECK(hilo::io::chosen_driver().driver == io_driver::epoll); });
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    const auto chosen = hilo::io::chosen_driver();
    const char* const told = ::getenv("HILO_IO");
    if (told != nullptr && std::string(told) == "epoll") {
      CHECK(chosen.driver == io_driver::epoll);
      CHECK(chosen.why.empty());
    } else {
      CHECK((chosen.driver == io_driver::uring) == hilo::test::has_uring());
      CHECK(chosen.why.empty() == hilo::test::has_uring());
    }
  });
  const auto end = hilo::test::run_in_child([] {
    ::setenv("HILO_IO", "kqueue", 1);
    hilo::run([] {});
  });
  CHECK(end.says("HILO_IO is \"kqueue\"; set it to uring or epoll"));
}

TEST_CASE("io: a forked child has no descriptor of its parent's driver") {
  on_each_driver([] {
    const stream_pair pair;
    hilo::fiber<void> reader = hilo::spawn([&] { (void)read_all(pair.left(), 1); });
    hilo::yield();
    const pid_t child = ::fork();
    if (child == 0) {
      for (int fd = 3; fd < 256; ++fd) {
        char path[64];
        char target[64] = "";
        std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (::readlink(path, target, sizeof target - 1) > 0 &&
            std::strncmp(target, "anon_inode:", 11) == 0) {
          ::_exit(1);
        }
      }
      ::_exit(0);
    }
    int how = -1;
    REQUIRE(::waitpid(child, &how, 0) == child);
    CHECK(how == 0);
    REQUIRE(hilo::io::send(pair.right(), "x", 1));  // the parent's goes on
    reader.join();
  });
}
