// Closes that wait in the kernel: they hold up neither their carrier nor the next owner of the
// number.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/descriptor.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/net/tcp.hpp"

#include "tests/death.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"
#include "tests/supervisor.hpp"
#include "tests/terminals.hpp"

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
        hilo::test::until_waited_for(next);
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
    hilo::test::until_waited_for(number, 2);
    auto closer = hilo::spawn([number] { CHECK(io::close(number)); });
    CHECK(reader.join() == status::closed);
    CHECK(writer.join() == status::closed);
    connection.end();
    closer.join();
  });
}

namespace {

// A terminal whose output is full: nothing reads at the other end.
struct full_terminal {
  full_terminal() {
    other = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int locked = 0;
    if (other < 0 || ::ioctl(other, TIOCSPTLCK, &locked) != 0) return;
    number = ::ioctl(other, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    const std::string line(4096, 'x');
    while (number >= 0 && ::write(number, line.data(), line.size()) > 0) {
    }
  }
  int other = -1;
  int number = -1;
};

// What the supervisor of closes and the program share.
struct draining {
  std::atomic<int> closed_number{-1};  // of the terminal, before the close
  std::atomic<bool> begun{false};      // the last close of the terminal
  std::atomic<bool> drained{false};
};

std::string link_of(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

// The supervisor: keeps the last close of the terminal until its line has drained.
class drain {
 public:
  explicit drain(draining& line) : line_(line) {}

  int operator()(const hilo::test::asked_call& call) {
    const std::filesystem::path all = "/proc/" + std::to_string(call.caller) + "/fd";
    const auto number = static_cast<int>(call.arguments[0]);
    const std::string link = link_of(all / std::to_string(number));
    if (terminal_.empty() && number == line_.closed_number.load(std::memory_order_acquire)) {
      terminal_ = link;
    }
    if (link.empty() || link != terminal_) return 0;
    int open = 0;
    std::error_code error;
    for (const auto& one : std::filesystem::directory_iterator(all, error)) {
      open += link_of(one.path()) == link ? 1 : 0;
    }
    if (open != 1 || line_.drained.load(std::memory_order_acquire)) return 0;
    line_.begun.store(true, std::memory_order_release);
    return hilo::test::ask_again;
  }

 private:
  draining& line_;
  std::string terminal_;
};

// The supervised program: fibers on the closer's carrier make calls until the line has drained.
int close_beside_others(draining& line, const hilo::runtime_options& options) {
  return hilo::run(options, [&] {
    const full_terminal terminal;
    if (terminal.number < 0) return 2;
    const hilo::test::stream_pair pair;  // before the number is free
    line.closed_number.store(terminal.number, std::memory_order_release);
    std::atomic<bool> closed{false};
    auto closer = hilo::spawn([&] {
      const bool right = static_cast<bool>(io::close(terminal.number));
      closed.store(true, std::memory_order_release);
      return right;
    });
    while (!line.begun.load(std::memory_order_acquire)) hilo::sleep_for(1ms);
    // No other carrier comes (stuck_after is 0), so the closer's is free if these fibers run.
    std::vector<hilo::fiber<bool>> talkers;
    for (int i = 0; i < 8; ++i) {
      talkers.push_back(hilo::spawn([&] {
        char byte = 'x';
        return io::write(pair.left(), &byte, 1, 60s) && io::read(pair.right(), &byte, 1, 60s);
      }));
    }
    int fault = 0;
    for (auto& one : talkers) {
      if (!one.join()) fault = 3;
    }
    // The number is free already, and belongs to the next file.
    io::descriptor event = hilo::test::made_at(
        terminal.number, [] { return io::descriptor(::eventfd(0, EFD_CLOEXEC)); });
    const int next = event.fd();
    std::uint64_t value = 1;
    if (!io::write(next, &value, sizeof value, 60s) || !io::read(next, &value, sizeof value, 60s)) {
      fault = 4;
    }
    if (closed.load(std::memory_order_acquire)) fault = 5;
    line.drained.store(true, std::memory_order_release);
    if (!closer.join() || !event.close() || !io::close(terminal.other)) fault = 6;
    return fault;
  });
}

}  // namespace

TEST_CASE(
    "close: a terminal that drains holds up neither its carrier nor the number's next owner") {
  HILO_NEEDS(supervision);
  HILO_NEEDS_TERMINALS();
  // The kernel drains lines of hardware only. The supervisor does it for a pseudoterminal.
  hilo::test::for_each_machine([](hilo::runtime_options options) {
    options.stuck_after = 0ms;
    void* const room = ::mmap(nullptr, sizeof(draining), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(room != MAP_FAILED);
    auto& line = *::new (room) draining;
    const auto end = hilo::test::run_in_child(
        [&] {
          ::_exit(hilo::test::run_supervised([&] { return close_beside_others(line, options); },
                                             {SYS_close}, drain(line)));
        },
        60);
    CAPTURE(end.describe());
    REQUIRE(end.exited);
    REQUIRE(end.code == 0);
    ::munmap(room, sizeof line);
  });
}

TEST_CASE(
    "close: of what is not open it says EBADF, of every kind of descriptor that is it succeeds") {
  const bool terminals = hilo::test::has_terminals();
  hilo::test::everywhere([=] {
    CHECK(io::close(-1).error().value() == EBADF);
    CHECK(io::close(1'000'000).error().value() == EBADF);
    CHECK(io::close(::eventfd(0, EFD_CLOEXEC)));
    if (terminals) CHECK(io::close(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)));
    CHECK(io::close(::open("/dev/null", O_RDWR | O_CLOEXEC)));
    CHECK(io::close(::open("/", O_RDONLY | O_CLOEXEC)));
    CHECK(io::close(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    CHECK(io::close(ends[0]));
    CHECK(io::close(ends[1]));
  });
}
