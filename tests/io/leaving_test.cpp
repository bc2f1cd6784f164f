// Calls that are in flight on the ring of a carrier which leaves its place. They are cancelled
// there and go on elsewhere: with the same outcome, at the same deadline, and nothing is done
// twice.
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/latch.hpp"
#include "hilo/net/tcp.hpp"

#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
namespace io = hilo::io;

unsigned carriers_now = 1;

// Runs body() as a fiber. Where it calls leave(), fibers that it started before began their calls
// in an extra place, and that place is closed again.
template <class F>
void on_a_carrier_that_leaves(F&& body) {
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    if (driver == hilo::io_driver::uring && !hilo::test::has_uring()) continue;
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(static_cast<int>(driver));
      CAPTURE(carriers);
      carriers_now = carriers;
      hilo::run(hilo::runtime_options{.carriers = carriers, .io = driver, .stuck_after = 1ms},
                body);
    }
  }
}

// System calls of fibers' own hold all carriers up, so spares run the other fibers.
void leave() {
  std::vector<hilo::fiber<void>> others;
  for (unsigned i = 1; i < carriers_now; ++i) {
    others.push_back(hilo::spawn([] { std::this_thread::sleep_for(60ms); }));
  }
  std::this_thread::sleep_for(60ms);
  for (auto& one : others) one.join();
  for (int i = 0; i < 10; ++i) hilo::sleep_for(1ms);
}

std::string pattern_of_bytes(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

std::string read_all_within(int fd, std::size_t size) {
  std::string text(size, '\0');
  std::size_t count = 0;
  while (count < size) {
    const auto got = io::read(fd, text.data() + count, size - count, 60s);
    REQUIRE(got);
    count += *got;
  }
  return text;
}

struct ends {
  ends() { REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0); }
  ~ends() {
    for (const int fd : fds) (void)io::close(fd);
  }
  ends(const ends&) = delete;
  int reader() const { return fds[0]; }
  int writer() const { return fds[1]; }
  std::array<int, 2> fds{};
};

}  // namespace

TEST_CASE("leaving: bytes that a call has moved are moved once") {
  on_a_carrier_that_leaves([] {
    const ends through, from, into;
    constexpr std::size_t much = std::size_t{300} * 1024;
    const std::string sent = pattern_of_bytes(much);
    auto writer = hilo::spawn([&] {
      std::size_t count = 0;
      while (count < much) {
        const auto some = io::write(through.writer(), sent.data() + count, much - count, 60s);
        REQUIRE(some);
        count += *some;
      }
    });
    auto reader = hilo::spawn([&] { return read_all_within(from.reader(), 5); });
    auto mover = hilo::spawn([&] {
      std::size_t count = 0;
      while (count < 8) {
        const auto some = io::splice(into.reader(), -1, from.writer(), -1, 8 - count, 0, 60s);
        REQUIRE(some);
        count += *some;
      }
    });
    leave();
    CHECK(::write(into.writer(), "one two ", 8) == 8);
    mover.join();
    CHECK(reader.join() == "one t");
    CHECK(read_all_within(through.reader(), much) == sent);
    writer.join();
    CHECK(read_all_within(from.reader(), 3) == "wo ");
  });
}

TEST_CASE("leaving: what is part sent or part received is neither lost nor repeated") {
  on_a_carrier_that_leaves([] {
    constexpr std::size_t much = std::size_t{300} * 1024;
    const std::string sent = pattern_of_bytes(much);
    const hilo::test::stream_pair messages, whole, lines;
    // Each part sent is taken off the front of what is left.
    const auto send_all = [&](auto call) {
      std::size_t count = 0;
      while (count < much) {
        iovec parts[2] = {{const_cast<char*>(sent.data()) + count, (much - count) / 2},
                          {const_cast<char*>(sent.data()) + count + (much - count) / 2,
                           much - count - (much - count) / 2}};
        const auto some = call(parts);
        REQUIRE(some);
        count += *some;
      }
    };
    auto by_message = hilo::spawn([&] {
      send_all([&](iovec* parts) {
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        return io::sendmsg(messages.right(), &message, MSG_NOSIGNAL, 60s);
      });
    });
    auto by_writev = hilo::spawn(
        [&] { send_all([&](iovec* parts) { return io::writev(lines.right(), parts, 2, 60s); }); });
    std::string got_whole(much, '\0');
    auto by_recv = hilo::spawn([&] {
      std::size_t count = 0;
      while (count < much) {
        const auto some =
            io::recv(whole.left(), got_whole.data() + count, much - count, MSG_WAITALL, 60s);
        REQUIRE(some);
        count += *some;
      }
    });
    std::array<char, 6> first{};
    std::array<char, 4> second{};
    const hilo::test::stream_pair few;
    auto by_readv = hilo::spawn([&] {
      iovec parts[2] = {{first.data(), first.size()}, {second.data(), second.size()}};
      return io::readv(few.left(), parts, 2, 60s).value();
    });
    REQUIRE(::send(whole.right(), sent.data(), 1000, 0) == 1000);
    hilo::sleep_for(5ms);  // a part of what MSG_WAITALL waits for
    leave();
    REQUIRE(::send(few.right(), "0123456789", 10, 0) == 10);
    CHECK(by_readv.join() == 10);
    CHECK(std::string(first.data(), 6) + std::string(second.data(), 4) == "0123456789");
    for (std::size_t count = 1000; count < much;) {
      const auto some = io::send(whole.right(), sent.data() + count, much - count, 0, 60s);
      REQUIRE(some);
      count += *some;
    }
    by_recv.join();
    CHECK(got_whole == sent);
    CHECK(read_all_within(messages.left(), much) == sent);
    by_message.join();
    CHECK(read_all_within(lines.left(), much) == sent);
    by_writev.join();
  });
}

TEST_CASE("leaving: accept returns one connection with its address, recvmsg one message") {
  on_a_carrier_that_leaves([] {
    hilo::net::tcp_listener listener(hilo::net::address::loopback(0));
    const auto at = listener.local().value();
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    auto acceptor = hilo::spawn([&] {
      return io::accept(listener.fd(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC, 60s)
          .value();
    });
    const hilo::test::stream_pair both;
    std::array<char, 16> text{};
    auto receiver = hilo::spawn([&] {
      iovec part{text.data(), text.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      return io::recvmsg(both.left(), &message, 0, 60s).value();
    });
    leave();
    CHECK(::send(both.right(), "once", 4, 0) == 4);
    CHECK(receiver.join() == 4);
    CHECK(std::string(text.data()) == "once");
    const auto made = hilo::net::tcp_stream::connect(at, 60s);
    REQUIRE(made);
    const int accepted = acceptor.join();
    CHECK(size == sizeof peer);
    CHECK(ntohs(peer.sin_port) == made->local().value().port());
    CHECK(io::poll(listener.fd(), POLLIN, 1ms).status() == status::timed_out);
    (void)io::close(accepted);
  });
}

TEST_CASE("leaving: connect goes on, and ends as it would have or at its own deadline") {
  on_a_carrier_that_leaves([] {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const name = reinterpret_cast<sockaddr*>(&at);
    REQUIRE(::bind(listener, name, size) == 0);
    REQUIRE(::listen(listener, 0) == 0);
    REQUIRE(::getsockname(listener, name, &size) == 0);
    std::vector<int> fillers;
    for (int i = 0; i < 3; ++i) {
      fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)!::connect(fillers.back(), name, size);
    }
    hilo::sleep_for(20ms);
    for (const int mode : {0, static_cast<int>(SOCK_NONBLOCK)}) {
      const int given_up = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | mode, 0);
      auto connecting =
          hilo::spawn([&] { return io::connect(given_up, name, size, 150ms).status(); });
      leave();
      CHECK(connecting.join() == status::timed_out);
      (void)io::close(given_up);
    }
    const int connected = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto connecting = hilo::spawn([&] { return io::connect(connected, name, size, 60s).status(); });
    leave();
    for (const int one : fillers) (void)io::close(one);
    int accepted = -1;
    while ((accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) ::close(accepted);
    CHECK(connecting.join() == status::ok);
    (void)io::close(connected);
    (void)io::close(listener);
  });
}

TEST_CASE("leaving: an open that has to make its file makes it once, a FIFO opens with its peer") {
  on_a_carrier_that_leaves([] {
    const hilo::test::directory place;
    const std::string path = place.path() + "/fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto reader = hilo::spawn([&] {
      const int fd = io::open(path.c_str(), O_RDONLY | O_CLOEXEC, 0, 60s).value();
      const std::string got = read_all_within(fd, 4);
      (void)io::close(fd);
      return got;
    });
    const std::string made = place.path() + "/made";
    auto maker = hilo::spawn(
        [&] { return io::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, 60s); });
    leave();
    const auto fd = maker.join();
    REQUIRE(fd);
    (void)io::close(*fd);
    const int writer = io::open(path.c_str(), O_WRONLY | O_CLOEXEC, 0, 60s).value();
    hilo::sleep_for(5ms);
    CHECK(::write(writer, "fifo", 4) == 4);
    CHECK(reader.join() == "fifo");
    (void)io::close(writer);
  });
}

TEST_CASE("open: a FIFO waits for its other end, and is in blocking mode afterwards") {
  hilo::test::on_each_driver([] {
    const hilo::test::directory place;
    const std::string path = place.path() + "/fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    for (const int first : {O_RDONLY, O_WRONLY}) {
      const int second = first == O_RDONLY ? O_WRONLY : O_RDONLY;
      std::atomic<bool> there{false};
      auto opened = hilo::spawn([&] {
        const int fd = io::open(path.c_str(), first | O_CLOEXEC, 0, 60s).value();
        CHECK(there.load(std::memory_order_acquire));
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
        return fd;
      });
      for (int i = 0; i < 3; ++i) hilo::sleep_for(1ms);
      there.store(true, std::memory_order_release);
      const int fd = io::open(path.c_str(), second | O_CLOEXEC, 0, 60s).value();
      (void)io::close(opened.join());
      (void)io::close(fd);
    }
    CHECK(io::open((place.path() + "/none").c_str(), O_RDONLY).error().value() == ENOENT);
  });
}
