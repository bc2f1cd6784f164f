// Every kind of wait for a descriptor, on both drivers: closing the descriptor ends it with closed,
// and whatever has the number next is none of its business.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"
#include "hilo/net.hpp"
#include "hilo/select.hpp"

#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::test::on_each_driver;
using hilo::test::stream_pair;

// A number that no driver gets for a descriptor of its own meanwhile.
constexpr int number = 900;

// What is waited for: `fd`, which who uses it closes, and what belongs to it: first the same file
// by another number, then the file's other end, if it has one.
struct place {
  int fd = -1;
  std::vector<int> others;
  address at;  // of a listener
  place() = default;
  place(place&&) = default;
  place& operator=(place&&) = delete;
  ~place() {
    for (const int one : others) REQUIRE(hilo::io::close(one));
  }
};

void take_number(place& its, int fd) {
  its.fd = ::fcntl(fd, F_DUPFD_CLOEXEC, number);
  REQUIRE(its.fd == number);
  its.others.push_back(fd);  // keeps the file alive once the number is closed
}

constexpr std::size_t much = 1 << 16;

// Writes until nobody can.
void fill(int fd) {
  const int mode = ::fcntl(fd, F_GETFL);
  REQUIRE(::fcntl(fd, F_SETFL, mode | O_NONBLOCK) == 0);
  const std::string bytes(much, 'f');
  for (std::size_t size = much; size > 0;) {
    if (::write(fd, bytes.data(), size) < 0) size /= 2;
  }
  REQUIRE(errno == EAGAIN);
  REQUIRE(::fcntl(fd, F_SETFL, mode) == 0);
}

place of_pipe(bool writes) {
  place made;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  if (writes) fill(ends[1]);
  take_number(made, ends[writes ? 1 : 0]);
  made.others.push_back(ends[writes ? 0 : 1]);
  return made;
}
place empty_pipe() {
  return of_pipe(false);
}
place full_pipe() {
  return of_pipe(true);
}

place of_sockets(bool writes) {
  place made;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  if (writes) fill(ends[0]);
  take_number(made, ends[0]);
  made.others.push_back(ends[1]);
  return made;
}
place silent_socket() {
  return of_sockets(false);
}
place full_socket() {
  return of_sockets(true);
}

void add_pipe(place& made, bool full) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  if (full) fill(ends[1]);
  made.others.insert(made.others.end(), ends.begin(), ends.end());
}
// The others go on with a pipe that has room, and one that has something to give.
place empty_pipe_and_room() {
  place made = empty_pipe();
  add_pipe(made, false);
  return made;
}
place full_pipe_and_bytes() {
  place made = full_pipe();
  add_pipe(made, true);
  return made;
}

place listener() {
  place made;
  hilo::net::tcp_listener its(address::loopback(0));
  made.at = *its.local();
  take_number(made, its.release());
  return made;
}

// A socket to connect to a listener whose queue is full.
place unconnected() {
  place made;
  hilo::net::tcp_listener its(address::loopback(0), {.backlog = 0});
  made.at = *its.local();
  take_number(made, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  made.others.push_back(its.release());
  for (int i = 0; i < 3; ++i) {
    const int one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE((::connect(one, made.at.data(), made.at.size()) == 0 || errno == EINPROGRESS));
    made.others.push_back(one);
  }
  return made;
}

void give_a_byte(const place& its) {
  REQUIRE(::write(its.others[1], "o", 1) == 1);
}
void take_all(const place& its) {
  REQUIRE(::fcntl(its.others[1], F_SETFL, O_NONBLOCK) == 0);
  std::string room(much, '\0');
  while (::read(its.others[1], room.data(), room.size()) > 0) {
  }
}
void connect_to(const place& its) {
  REQUIRE(hilo::net::tcp_stream::connect(its.at));
}

struct one_byte {
  one_byte() {
    message.msg_iov = &list;
    message.msg_iovlen = 1;
  }
  char byte = 'm';
  iovec list{&byte, 1};
  msghdr message{};
};

struct kind {
  const char* name;
  place (*make)();
  std::function<status(const place&)> wait;
  void (*make_ready)(const place&);  // or nothing: it cannot be
};

std::vector<kind> kinds() {
  namespace io = hilo::io;
  return {
      {"read", empty_pipe,
       [](const place& at) {
         char byte = 0;
         return io::read(at.fd, &byte, 1).status();
       },
       give_a_byte},
      {"readv", silent_socket,
       [](const place& at) {
         one_byte into;
         return io::readv(at.fd, &into.list, 1).status();
       },
       give_a_byte},
      {"recv", silent_socket,
       [](const place& at) {
         char byte = 0;
         return io::recv(at.fd, &byte, 1).status();
       },
       give_a_byte},
      {"recvmsg", silent_socket,
       [](const place& at) {
         one_byte into;
         return io::recvmsg(at.fd, &into.message).status();
       },
       give_a_byte},
      {"write", full_pipe,
       [](const place& at) {
         const std::string bytes(much, 'm');
         return io::write(at.fd, bytes.data(), much).status();
       },
       take_all},
      {"writev", full_socket,
       [](const place& at) {
         one_byte from;
         return io::writev(at.fd, &from.list, 1).status();
       },
       take_all},
      {"send", full_socket,
       [](const place& at) {
         const std::string bytes(much, 'm');
         return io::send(at.fd, bytes.data(), much).status();
       },
       take_all},
      {"sendmsg", full_socket,
       [](const place& at) {
         one_byte from;
         return io::sendmsg(at.fd, &from.message).status();
       },
       take_all},
      {"poll for reading", empty_pipe,
       [](const place& at) { return io::poll(at.fd, POLLIN).status(); }, give_a_byte},
      {"poll for writing", full_socket,
       [](const place& at) { return io::poll(at.fd, POLLOUT).status(); }, take_all},
      {"accept", listener,
       [](const place& at) {
         const auto peer = io::accept(at.fd);
         if (peer) REQUIRE(io::close(*peer));
         return peer.status();
       },
       connect_to},
      {"connect", unconnected,
       [](const place& at) { return io::connect(at.fd, at.at.data(), at.at.size()).status(); },
       nullptr},
      {"splice from", empty_pipe_and_room,
       [](const place& at) { return io::splice(at.fd, -1, at.others[3], -1, 10).status(); },
       give_a_byte},
      {"splice into", full_pipe_and_bytes,
       [](const place& at) { return io::splice(at.others[2], -1, at.fd, -1, 10).status(); },
       take_all},
      {"select", silent_socket,
       [](const place& at) {
         hilo::result<short> ready = 0;
         return hilo::select{io::ready_of(at.fd, POLLIN, ready), hilo::after(1h)}.end;
       },
       give_a_byte},
  };
}

hilo::fiber<status> wait_for(const kind& one, const place& at) {
  hilo::fiber<status> waiter = hilo::spawn([&] { return one.wait(at); });
  hilo::test::until_waited_for(at.fd);
  return waiter;
}

// Returns when the driver has seen all that happened before.
void let_driver_look() {
  const stream_pair pair;
  for (int i = 0; i < 2; ++i) {
    hilo::fiber<hilo::result<short>> waiter =
        hilo::spawn([&] { return hilo::io::poll(pair.left(), POLLIN); });
    hilo::test::until_waited_for(pair.left());
    char byte = 'x';
    REQUIRE(::send(pair.right(), &byte, 1, 0) == 1);
    REQUIRE(waiter.join());
    REQUIRE(::recv(pair.left(), &byte, 1, 0) == 1);
  }
}

}  // namespace

TEST_CASE("waits: closing the descriptor ends each kind with closed") {
  for (const kind& one : kinds()) {
    INFO(one.name);
    on_each_driver([&] {
      for (const bool by_a_thread : {false, true}) {
        const place at = one.make();
        hilo::fiber<status> waiter = wait_for(one, at);
        if (by_a_thread) {
          hilo::blocking([&] { std::thread([&] { REQUIRE(hilo::io::close(at.fd)); }).join(); });
        } else {
          let_driver_look();  // as a rule the kernel has the call then
          REQUIRE(hilo::io::close(at.fd));
        }
        CHECK(waiter.join() == status::closed);
        CHECK(::fcntl(at.fd, F_GETFD) == -1);
      }
    });
  }
}

TEST_CASE("waits: who waits for a number's new file hears nothing of the old one") {
  for (const kind& one : kinds()) {
    if (one.make_ready == nullptr) continue;
    INFO(one.name);
    on_each_driver([&] {
      const place old = one.make();
      hilo::fiber<status> first = wait_for(one, old);
      let_driver_look();
      REQUIRE(hilo::io::close(old.fd));
      CHECK(first.join() == status::closed);
      const place young = one.make();
      hilo::fiber<status> second = wait_for(one, young);
      one.make_ready(old);
      let_driver_look();
      CHECK(second.wait_for(0ms) == status::timed_out);
      one.make_ready(young);
      CHECK(second.join() == status::ok);
      REQUIRE(hilo::io::close(young.fd));
    });
  }
}

TEST_CASE("waits: a deadline and a stop request end each kind, and leave what it waited for") {
  for (const kind& one : kinds()) {
    INFO(one.name);
    on_each_driver([&] {
      const auto in_vain = [&](auto wait, status expected) {
        const place at = one.make();
        CHECK(wait(at) == expected);
        CHECK(hilo::test::calls_for(at.fd) == 0);
        if (one.make_ready != nullptr) {
          hilo::fiber<status> again = wait_for(one, at);
          one.make_ready(at);
          CHECK(again.join() == status::ok);
        }
        REQUIRE(hilo::io::close(at.fd));
      };
      in_vain(
          [&](const place& at) { return hilo::with_timeout(1ms, [&] { return one.wait(at); }); },
          status::timed_out);
      in_vain(
          [&](const place& at) {
            hilo::fiber<status> waiter = wait_for(one, at);
            let_driver_look();
            waiter.request_stop();
            return waiter.join();
          },
          status::cancelled);
    });
  }
}

TEST_CASE("waits: closing waits for who was told that the descriptor is ready") {
  // Two are woken at once: one who closes, and after him one who then goes on with his call.
  for (const kind& one : kinds()) {
    if (one.make_ready == nullptr) continue;
    INFO(one.name);
    on_each_driver(
        [&] {
          const place old = one.make();
          const stream_pair pair;
          hilo::fiber<status> waiter =
              hilo::spawn([&] { return hilo::with_timeout(20s, [&] { return one.wait(old); }); });
          hilo::test::until_waited_for(old.fd);
          let_driver_look();
          hilo::fiber<void> waker = hilo::spawn([&] {
            hilo::test::until_waited_for(pair.left());
            REQUIRE(::send(pair.right(), "x", 1, 0) == 1);
            one.make_ready(old);
          });
          REQUIRE(hilo::io::poll(pair.left(), POLLIN));
          REQUIRE(hilo::io::close(old.fd));
          const place young = one.make();
          const status end = waiter.join();
          CHECK((end == status::ok || end == status::closed));
          waker.join();
          REQUIRE(hilo::io::close(young.fd));
        },
        {1U});
  }
}
