// Closes that wait in the kernel: they hold up neither their carrier nor the next owner of the
// number.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hilo/descriptor.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/net/tcp.hpp"

#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
namespace io = hilo::io;

// A connection whose close waits for a minute until the peer has read what was sent.
class lingering {
 public:
  lingering() {
    hilo::net::tcp_listener listener(hilo::net::address::loopback(0));
    const auto at = listener.local().value();
    number = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(number, at.data(), at.size()) == 0);
    peer = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(peer >= 0);
    const linger until_sent{1, 60};
    REQUIRE(::setsockopt(number, SOL_SOCKET, SO_LINGER, &until_sent, sizeof until_sent) == 0);
    for (int full = 0; full < 3; ++full) {
      while (::send(number, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) full = 0;
    }
  }
  ~lingering() { end(); }
  lingering(const lingering&) = delete;

  // Reads everything, so the close ends.
  void end() {
    if (peer < 0) return;
    while (true) {
      const auto got = io::read(peer, bytes.data(), bytes.size(), 60s);
      if (!got || *got == 0) break;
    }
    (void)io::close(peer);
    peer = -1;
  }

  int number = -1;
  int peer = -1;
  std::array<char, 65536> bytes{};
};

}  // namespace

TEST_CASE("close: one that lingers holds up neither its carrier nor who has the number next") {
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    if (driver == hilo::io_driver::uring && !hilo::test::has_uring()) continue;
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(static_cast<int>(driver));
      CAPTURE(carriers);
      hilo::run(hilo::runtime_options{.carriers = carriers, .io = driver, .stuck_after = 0ms}, [] {
        lingering connection;
        const int number = connection.number;
        std::atomic<bool> closed{false};
        auto closer = hilo::spawn([&] {
          CHECK(io::close(number));
          closed.store(true, std::memory_order_release);
        });
        hilo::yield();
        // With nothing to read. The number is free once the close is under way.
        io::descriptor event = hilo::test::made_at(number, [] {
          hilo::sleep_for(1ms);
          return io::descriptor(::eventfd(0, EFD_CLOEXEC));
        });
        const int next = event.fd();
        std::uint64_t value = 0;
        CHECK(io::read(next, &value, sizeof value, 20ms).status() == status::timed_out);
        value = 5;
        CHECK(io::write(next, &value, sizeof value, 60s));
        CHECK(io::read(next, &value, sizeof value, 60s));
        CHECK(value == 5);
        auto waiting =
            hilo::spawn([&] { return io::read(next, &value, sizeof value, 60s).status(); });
        hilo::sleep_for(1ms);
        CHECK(io::close(event.release()));
        CHECK(waiting.join() == status::closed);
        CHECK_FALSE(closed.load(std::memory_order_acquire));
        connection.end();
        closer.join();
      });
    }
  }
}

TEST_CASE("close: waits of other fibers end with closed before one that lingers has returned") {
  hilo::test::on_each_driver([] {
    lingering connection;
    const int number = connection.number;
    auto reader = hilo::spawn([number] {
      char byte = 0;
      return io::read(number, &byte, 1).status();
    });
    auto writer = hilo::spawn([number] { return io::poll(number, POLLPRI).status(); });
    hilo::sleep_for(2ms);
    auto closer = hilo::spawn([number] { CHECK(io::close(number)); });
    CHECK(reader.join() == status::closed);
    CHECK(writer.join() == status::closed);
    connection.end();
    closer.join();
  });
}

TEST_CASE(
    "close: of what is not open it says EBADF, of every kind of descriptor that is it succeeds") {
  hilo::test::everywhere([] {
    CHECK(io::close(-1).error().value() == EBADF);
    CHECK(io::close(1'000'000).error().value() == EBADF);
    CHECK(io::close(::eventfd(0, EFD_CLOEXEC)));
    CHECK(io::close(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)));
    CHECK(io::close(::open("/dev/null", O_RDWR | O_CLOEXEC)));
    CHECK(io::close(::open("/", O_RDONLY | O_CLOEXEC)));
    CHECK(io::close(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    CHECK(io::close(ends[0]));
    CHECK(io::close(ends[1]));
  });
}
