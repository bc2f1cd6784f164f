// Every call for a descriptor that has to wait ends at its limit, and uses hardly any processor
// time until then: on each driver and in a kernel thread, in blocking and in non-blocking mode.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/fill.hpp"
#include "tests/terminals.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
namespace io = hilo::io;

constexpr auto patience = 80ms;
std::array<char, 65536> bytes{};

// The descriptors that one row needs; closed with it.
class setting {
 public:
  setting() = default;
  setting(setting&&) = default;
  ~setting() {
    for (const int fd : all_) ::close(fd);
  }

  int add(int fd) {
    REQUIRE(fd >= 0);
    all_.push_back(fd);
    return fd;
  }
  // What a terminal was given moves on to the other end after a while, and then there is room
  // again. So it is filled once more just before the calls. Returns the first descriptor.
  int add_full(std::pair<int, int> ends) {
    full_.push_back(ends);
    return ends.first;
  }
  const std::vector<std::pair<int, int>>& full() const { return full_; }
  void set_mode(bool nonblocking) const {
    for (const int fd : all_) {
      const int flags = ::fcntl(fd, F_GETFL);
      ::fcntl(fd, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
    }
  }

 private:
  std::vector<int> all_;
  std::vector<std::pair<int, int>> full_;
};

using pair = std::pair<int, int>;  // what the call is for, and the other end

sockaddr_in loopback(int fd) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  return at;
}

int bound_inet(setting& its, int type) {
  const int fd = its.add(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  return fd;
}

// A name of the kernel's choice, in the abstract namespace.
struct unix_name {
  explicit unix_name(int fd) {
    const sa_family_t family = AF_UNIX;
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&family), sizeof family) == 0);
    REQUIRE(::getsockname(fd, get(), &size) == 0);
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&its); }
  sockaddr_un its{};
  socklen_t size = sizeof its;
};

pair tcp(setting& its) {
  const int listener = bound_inet(its, SOCK_STREAM);
  REQUIRE(::listen(listener, 1) == 0);
  const sockaddr_in at = loopback(listener);
  const int left = its.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(left, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  return {left, its.add(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC))};
}

pair unix_pair(setting& its, int type) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
  return {its.add(ends[0]), its.add(ends[1])};
}
pair unix_stream(setting& its) {
  return unix_pair(its, SOCK_STREAM);
}
pair unix_packets(setting& its) {
  return unix_pair(its, SOCK_SEQPACKET);
}
pair unix_datagrams(setting& its) {
  return unix_pair(its, SOCK_DGRAM);
}
pair udp(setting& its) {
  return {bound_inet(its, SOCK_DGRAM), -1};
}
pair pipe_to_read(setting& its) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  return {its.add(ends[0]), its.add(ends[1])};
}
pair pipe_to_write(setting& its) {
  const auto [reader, writer] = pipe_to_read(its);
  return {writer, reader};
}
pair fifo(setting& its) {
  const hilo::test::directory place;
  const std::string path = place.path() + "/fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  return {its.add(::open(path.c_str(), O_RDWR | O_CLOEXEC)), -1};
}
pair event(setting& its) {
  return {its.add(::eventfd(0, EFD_CLOEXEC)), -1};
}
pair master(setting& its) {
  const int fd = its.add(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(::grantpt(fd) == 0);
  REQUIRE(::unlockpt(fd) == 0);
  char name[64];
  REQUIRE(::ptsname_r(fd, name, sizeof name) == 0);
  const int slave = its.add(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios how{};
  REQUIRE(::tcgetattr(slave, &how) == 0);
  how.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
  REQUIRE(::tcsetattr(slave, TCSANOW, &how) == 0);
  return {fd, slave};
}
pair terminal(setting& its) {
  const auto [fd, slave] = master(its);
  return {slave, fd};
}

void fill_all_for_good(const std::vector<setting>& settings) {
  for (int quiet = 0; quiet < 20; ++quiet) {
    for (const setting& one : settings) {
      for (const pair& ends : one.full()) {
        if (hilo::test::fill(ends.first) || hilo::test::moves_on(ends)) quiet = 0;
      }
    }
    std::this_thread::sleep_for(1ms);
  }
}

// A connection without room, for all rows and all modes.
int full_tcp_socket = -1;

pair full_tcp(setting& its) {
  return {its.add(::dup(full_tcp_socket)), -1};
}

using call = std::function<status(io::until)>;

struct row {
  std::string name;
  std::function<call(setting&)> prepare;
};

template <class F>
row on(std::string name, pair (*make)(setting&), F how) {
  return {std::move(name), [=](setting& its) -> call {
            const int fd = make(its).first;
            return [=](io::until when) { return how(fd, when).status(); };
          }};
}
template <class F>
row on_full(std::string name, pair (*make)(setting&), F how) {
  return {std::move(name), [=](setting& its) -> call {
            const int fd = its.add_full(make(its));
            return [=](io::until when) { return how(fd, when).status(); };
          }};
}

struct packet {
  iovec part{bytes.data(), 100};
  msghdr head{};
  packet() {
    head.msg_iov = &part;
    head.msg_iovlen = 1;
  }
};

auto read(int fd, io::until when) {
  std::array<char, 64> got;
  return io::read(fd, got.data(), got.size(), when);
}
auto readv(int fd, io::until when) {
  std::array<char, 64> got;
  const iovec part{got.data(), got.size()};
  return io::readv(fd, &part, 1, when);
}
auto recv(int fd, io::until when) {
  std::array<char, 64> got;
  return io::recv(fd, got.data(), got.size(), 0, when);
}
auto recvmsg(int fd, io::until when) {
  std::array<char, 64> got;
  packet one;
  one.part = {got.data(), got.size()};
  return io::recvmsg(fd, &one.head, 0, when);
}
auto write(int fd, io::until when) {
  return io::write(fd, bytes.data(), 100, when);
}
auto write_much(int fd, io::until when) {
  return io::write(fd, bytes.data(), bytes.size(), when);
}
auto writev(int fd, io::until when) {
  const iovec part{bytes.data(), 100};
  return io::writev(fd, &part, 1, when);
}
auto send(int fd, io::until when) {
  return io::send(fd, bytes.data(), 100, 0, when);
}
auto sendmsg(int fd, io::until when) {
  const packet one;
  return io::sendmsg(fd, &one.head, 0, when);
}
auto accept(int fd, io::until when) {
  sockaddr_storage peer;
  socklen_t size = sizeof peer;
  return io::accept(fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC, when);
}
auto poll_in(int fd, io::until when) {
  return io::poll(fd, POLLIN, when);
}
auto poll_out(int fd, io::until when) {
  return io::poll(fd, POLLOUT, when);
}

pair tcp_listener(setting& its) {
  const int fd = bound_inet(its, SOCK_STREAM);
  REQUIRE(::listen(fd, 1) == 0);
  return {fd, -1};
}
pair unix_listener(setting& its, int type) {
  const int fd = its.add(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const unix_name at(fd);
  REQUIRE(::listen(fd, 0) == 0);
  return {fd, -1};
}
pair unix_stream_listener(setting& its) {
  return unix_listener(its, SOCK_STREAM);
}
pair unix_packet_listener(setting& its) {
  return unix_listener(its, SOCK_SEQPACKET);
}

row connect_to_full_unix(std::string name, int type) {
  return {std::move(name), [=](setting& its) -> call {
            const int listener = its.add(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
            unix_name at(listener);
            REQUIRE(::listen(listener, 0) == 0);
            const auto another = [&] {
              return its.add(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            };
            while (::connect(another(), at.get(), at.size) == 0) continue;
            const int fd = another();
            return [=](io::until when) mutable {
              return io::connect(fd, at.get(), at.size, when).status();
            };
          }};
}

call connect_to_full_tcp(setting& its) {
  const int listener = tcp_listener(its).first;
  REQUIRE(::listen(listener, 0) == 0);
  const sockaddr_in at = loopback(listener);
  const auto another = [&] {
    return its.add(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  };
  for (int i = 0; i < 4; ++i) {
    (void)!::connect(another(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  const int fd = another();
  return [=](io::until when) {
    return io::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at, when).status();
  };
}

// To a receiver whose queue is full, from a socket that has it for its peer or does not.
row send_to_full_receiver(std::string name, bool connected) {
  return {std::move(name), [=](setting& its) -> call {
            const int receiver = its.add(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            unix_name at(receiver);
            const int other = its.add(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            REQUIRE(::connect(other, at.get(), at.size) == 0);
            hilo::test::fill(other, 1);
            const int fd = its.add(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            if (connected) REQUIRE(::connect(fd, at.get(), at.size) == 0);
            return [=](io::until when) mutable {
              packet one;
              if (!connected) {
                one.head.msg_name = at.get();
                one.head.msg_namelen = at.size;
              }
              return io::sendmsg(fd, &one.head, 0, when).status();
            };
          }};
}

// An eventfd that has room for 1 and not for 100, and one that has none.
row write_to_event(std::string name, std::uint64_t value) {
  return {std::move(name), [=](setting& its) -> call {
            const int fd = event(its).first;
            const std::uint64_t nearly = UINT64_MAX - 1 - (value > 1 ? 1 : 0);
            REQUIRE(::write(fd, &nearly, sizeof nearly) == sizeof nearly);
            return
                [=](io::until when) { return io::write(fd, &value, sizeof value, when).status(); };
          }};
}

row splice(std::string name, pair (*from)(setting&), bool has_bytes, pair (*into)(setting&),
           bool has_room) {
  return {std::move(name), [=](setting& its) -> call {
            const auto [out, its_end] = from(its);
            if (has_bytes) REQUIRE(::write(its_end, bytes.data(), 100) == 100);
            const pair taker = into(its);
            const int in = taker.first;
            if (!has_room) its.add_full(taker);
            return [=, out = out](io::until when) {
              return io::splice(out, -1, in, -1, 50, 0, when).status();
            };
          }};
}

row open_fifo(std::string name, int flags) {
  return {std::move(name), [=](setting&) -> call {
            const auto place = std::make_shared<hilo::test::directory>();
            const std::string path = place->path() + "/fifo";
            REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
            return [=, keep = place](io::until when) {
              return io::open(path.c_str(), flags | O_CLOEXEC, 0, when).status();
            };
          }};
}

std::vector<row> all_rows() {
  std::vector<row> all;
  const auto reading = [&](const std::string& what, pair (*make)(setting&), bool socket) {
    all.push_back(on("read " + what, make, read));
    all.push_back(on("readv " + what, make, readv));
    all.push_back(on("poll " + what, make, poll_in));
    if (!socket) return;
    all.push_back(on("recv " + what, make, recv));
    all.push_back(on("recvmsg " + what, make, recvmsg));
  };
  const auto writing = [&](const std::string& what, pair (*make)(setting&), bool socket) {
    all.push_back(on_full("write " + what, make, write));
    all.push_back(on_full("writev " + what, make, writev));
    all.push_back(on_full("poll full " + what, make, poll_out));
    if (!socket) return;
    all.push_back(on_full("send " + what, make, send));
    all.push_back(on_full("sendmsg " + what, make, sendmsg));
  };
  reading("tcp", tcp, true);
  reading("udp", udp, true);
  reading("unix stream", unix_stream, true);
  reading("unix datagrams", unix_datagrams, true);
  reading("unix packets", unix_packets, true);
  reading("pipe", pipe_to_read, false);
  reading("fifo", fifo, false);
  reading("eventfd", event, false);
  reading("terminal", terminal, false);
  reading("terminal's master", master, false);
  writing("tcp", full_tcp, true);
  writing("unix stream", unix_stream, true);
  writing("unix datagrams", unix_datagrams, true);
  writing("unix packets", unix_packets, true);
  writing("pipe", pipe_to_write, false);
  writing("fifo", fifo, false);
  writing("terminal", terminal, false);
  all.push_back(on_full("write much terminal", terminal, write_much));
  all.push_back(write_to_event("write full eventfd", 1));
  all.push_back(write_to_event("write eventfd with less room", 100));
  all.push_back(on("accept tcp", tcp_listener, accept));
  all.push_back(on("accept unix stream", unix_stream_listener, accept));
  all.push_back(on("accept unix packets", unix_packet_listener, accept));
  all.push_back({"connect tcp", connect_to_full_tcp});
  all.push_back(connect_to_full_unix("connect unix stream", SOCK_STREAM));
  all.push_back(connect_to_full_unix("connect unix packets", SOCK_SEQPACKET));
  all.push_back(send_to_full_receiver("sendmsg to a name", false));
  all.push_back(send_to_full_receiver("sendmsg to a peer", true));
  all.push_back(splice("splice empty pipe to pipe", pipe_to_read, false, pipe_to_write, true));
  all.push_back(splice("splice pipe to full pipe", pipe_to_read, true, pipe_to_write, false));
  all.push_back(splice("splice tcp without bytes to pipe", tcp, false, pipe_to_write, true));
  all.push_back(splice("splice empty unix to pipe", unix_stream, false, pipe_to_write, true));
  all.push_back(splice("splice pipe to full tcp", pipe_to_read, true, full_tcp, false));
  all.push_back(splice("splice pipe to full unix", pipe_to_read, true, unix_stream, false));
  all.push_back(open_fifo("open fifo to read", O_RDONLY));
  all.push_back(open_fifo("open fifo to write", O_WRONLY));
  hilo::test::leave_out_terminals(all);
  return all;
}

std::chrono::nanoseconds processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Makes the calls of all rows at once. start(f) runs f beside the others, and returns what joins.
// Returns whether the processor was idle for half of the time; the kernel's tries cost a fixed one.
template <class Start>
bool wait_once_with_all(const std::vector<row>& rows, bool nonblocking, Start start) {
  std::vector<setting> settings(rows.size());
  std::vector<call> calls;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    calls.push_back(rows[i].prepare(settings[i]));
    settings[i].set_mode(nonblocking);
  }
  fill_all_for_good(settings);
  std::vector<status> ends(rows.size(), status::ok);
  const auto used_before = processor_time();
  const auto begun = std::chrono::steady_clock::now();
  {
    std::vector<decltype(start([] {}))> all;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      all.push_back(start([&, i] { ends[i] = calls[i](patience); }));
    }
    for (auto& one : all) one.join();
  }
  const auto took = std::chrono::steady_clock::now() - begun;
  const auto used = processor_time() - used_before;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i].name);
    CHECK(ends[i] == status::timed_out);
  }
  CHECK(took >= patience);
  return HILO_ASAN || HILO_TSAN || used < 60ms + took / 2;  // a sanitizer computes a lot itself
}

template <class Start>
void wait_with_all(const std::vector<row>& rows, bool nonblocking, Start start) {
  int rounds = 1;
  while (rounds < 6 && !wait_once_with_all(rows, nonblocking, start)) ++rounds;
  CHECK(rounds < 6);
}

}  // namespace

TEST_CASE("every call: ends at its limit, whatever it is for and in either mode") {
  setting of_all;
  full_tcp_socket = tcp(of_all).first;
  hilo::test::fill_for_good(full_tcp_socket);
  const std::vector<row> rows = all_rows();
  for (const bool nonblocking : {true, false}) {
    CAPTURE(nonblocking);
    const auto wait = [&](auto start) { wait_with_all(rows, nonblocking, start); };
    hilo::test::on_each_driver([&] { wait([](auto f) { return hilo::spawn(f); }); }, {1, 2, 4});
    INFO("in threads");
    wait([](auto f) { return std::thread(f); });
  }
}
