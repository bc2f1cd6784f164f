// The C interface: calls for descriptors (hilo/c/io.h) and kernel threads (hilo/c/thread.h).
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "hilo/hilo.h"
#include "hilo/hilo.hpp"

#include "tests/c/callback.hpp"
#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/sync/floors.hpp"

namespace {

using hilo::test::as_callback;
using hilo::test::everywhere;
using hilo::test::on_both_floors;
using hilo::test::on_each_driver;
using hilo::test::stream_pair;

}  // namespace

TEST_CASE("c io: reads and writes a stream, with deadlines") {
  everywhere([] {
    stream_pair pair;
    char got[8] = "";
    CHECK(hilo_read(pair.left(), got, sizeof got, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_recv(pair.left(), got, sizeof got, 0, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_read(pair.left(), got, sizeof got, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_write(pair.right(), "abc", 3, HILO_FOREVER) == 3);
    CHECK(hilo_poll(pair.left(), POLLIN, HILO_FOREVER) == POLLIN);
    CHECK(hilo_read(pair.left(), got, sizeof got, HILO_NO_WAIT) == 3);
    CHECK(std::string(got) == "abc");
    CHECK(hilo_send(pair.right(), "de", 2, 0, HILO_FOREVER) == 2);
    CHECK(hilo_recv(pair.left(), got, sizeof got, 0, HILO_FOREVER) == 2);

    iovec parts[2] = {{const_cast<char*>("fg"), 2}, {const_cast<char*>("h"), 1}};
    CHECK(hilo_writev(pair.right(), parts, 2, HILO_FOREVER) == 3);
    char one[1];
    char two[2];
    iovec places[2] = {{one, 1}, {two, 2}};
    CHECK(hilo_readv(pair.left(), places, 2, HILO_FOREVER) == 3);
    CHECK(one[0] == 'f');
    CHECK(two[1] == 'h');

    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    CHECK(hilo_sendmsg(pair.right(), &message, 0, HILO_FOREVER) == 3);
    message.msg_iov = places;
    CHECK(hilo_recvmsg(pair.left(), &message, 0, HILO_FOREVER) == 3);

    CHECK(hilo_shutdown(pair.right(), SHUT_WR) == 0);
    CHECK(hilo_read(pair.left(), got, sizeof got, HILO_FOREVER) == 0);
  });
}

TEST_CASE("c io: read_all and write_all move all bytes, and say how many when they cannot") {
  on_each_driver([] {
    stream_pair pair;
    std::string sent(1 << 20, 'x');
    as_callback writer([&] {
      size_t done = 0;
      CHECK(hilo_write_all(pair.right(), sent.data(), sent.size(), HILO_FOREVER, &done) == 0);
      CHECK(done == sent.size());
      pair.close_right();
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, writer.function, writer.argument()) == 0);
    std::string got(sent.size(), ' ');
    size_t done = 0;
    CHECK(hilo_read_all(pair.left(), got.data(), got.size(), HILO_FOREVER, &done) == 0);
    CHECK(got == sent);
    CHECK(hilo_read_all(pair.left(), got.data(), 1, HILO_FOREVER, &done) == -EPIPE);
    CHECK(done == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c io: a closed descriptor ends a wait with EBADF, and a stop request with ECANCELED") {
  on_each_driver([] {
    for (const bool close : {true, false}) {
      stream_pair pair;
      const int fd = ::dup(pair.left());
      as_callback reader([&] {
        char got = 0;
        CHECK(hilo_read(fd, &got, 1, HILO_FOREVER) == (close ? -EBADF : -ECANCELED));
      });
      hilo_fiber* one = nullptr;
      REQUIRE(hilo_spawn(&one, nullptr, reader.function, reader.argument()) == 0);
      CHECK(hilo_sleep(HILO_MILLISECOND) == 0);
      if (close) {
        CHECK(hilo_close(fd) == 0);
      } else {
        CHECK(hilo_stop(one) == 0);
      }
      CHECK(hilo_join(one, nullptr) == 0);
      if (!close) CHECK(hilo_close(fd) == 0);
    }
  });
}

TEST_CASE("c io: listens, connects and accepts") {
  on_each_driver([] {
    const int listener = hilo_tcp_listen("127.0.0.1", 0);
    REQUIRE(listener >= 0);
    const int port = hilo_port(listener);
    REQUIRE(port > 0);
    CHECK(hilo_accept(listener, nullptr, nullptr, SOCK_CLOEXEC, HILO_NO_WAIT) == -EAGAIN);
    as_callback client([&] {
      const int fd = hilo_tcp_connect("127.0.0.1", static_cast<uint16_t>(port), HILO_FOREVER);
      CHECK(fd >= 0);
      CHECK(hilo_write_all(fd, "hello", 5, HILO_FOREVER, nullptr) == 0);
      CHECK(hilo_close(fd) == 0);

      const int raw = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = htons(static_cast<uint16_t>(port));
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      CHECK(hilo_connect(raw, reinterpret_cast<sockaddr*>(&at), sizeof at, HILO_FOREVER) == 0);
      CHECK(hilo_close(raw) == 0);
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, client.function, client.argument()) == 0);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    int fd = hilo_accept(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC,
                         HILO_FOREVER);
    REQUIRE(fd >= 0);
    CHECK(peer.sin_family == AF_INET);
    char got[5];
    CHECK(hilo_read_all(fd, got, 5, HILO_FOREVER, nullptr) == 0);
    CHECK(std::memcmp(got, "hello", 5) == 0);
    CHECK(hilo_close(fd) == 0);
    fd = hilo_accept(listener, nullptr, nullptr, SOCK_CLOEXEC, HILO_FOREVER);
    CHECK(hilo_close(fd) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
    CHECK(hilo_tcp_listen("127.0.0.1", static_cast<uint16_t>(port)) == -EADDRINUSE);
    CHECK(hilo_close(listener) == 0);
    CHECK(hilo_tcp_connect("127.0.0.1", static_cast<uint16_t>(port), HILO_FOREVER) ==
          -ECONNREFUSED);
  });
}

TEST_CASE("c io: opens, writes at, reads at and syncs a file") {
  everywhere([] {
    char path[] = "/tmp/hilo-c-test-XXXXXX";
    const int made = ::mkstemp(path);
    REQUIRE(made >= 0);
    ::close(made);
    const int fd = hilo_open(path, O_RDWR | O_CLOEXEC, 0, HILO_FOREVER);
    REQUIRE(fd >= 0);
    CHECK(hilo_pwrite(fd, "abcdef", 6, 2, HILO_FOREVER) == 6);
    char got[3];
    CHECK(hilo_pread(fd, got, 3, 4, HILO_FOREVER) == 3);
    CHECK(std::memcmp(got, "cde", 3) == 0);
    CHECK(hilo_fsync(fd, HILO_FOREVER) == 0);
    CHECK(hilo_fdatasync(fd, HILO_FOREVER) == 0);
    CHECK(hilo_close(fd) == 0);
    CHECK(hilo_close(fd) == -EBADF);
    CHECK(hilo_open_at(AT_FDCWD, path, O_CREAT | O_EXCL, 0600, HILO_FOREVER) == -EEXIST);
    ::unlink(path);
    CHECK(hilo_open(path, O_RDONLY, 0, HILO_FOREVER) == -ENOENT);
  });
}

TEST_CASE("c io: refuses bad arguments") {
  everywhere([] {
    stream_pair pair;
    const int fd = pair.left();
    CHECK(hilo_read(fd, nullptr, 1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_write(fd, nullptr, 1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_readv(fd, nullptr, 1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_writev(fd, nullptr, 1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_writev(fd, nullptr, -1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_pread(fd, nullptr, 1, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_pwrite(fd, "", 1, -1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_read_all(fd, nullptr, 1, HILO_FOREVER, nullptr) == -EINVAL);
    CHECK(hilo_write_all(fd, nullptr, 1, HILO_FOREVER, nullptr) == -EINVAL);
    CHECK(hilo_recv(fd, nullptr, 1, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_send(fd, nullptr, 1, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_recvmsg(fd, nullptr, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_sendmsg(fd, nullptr, 0, HILO_FOREVER) == -EINVAL);
    sockaddr_in peer{};
    CHECK(hilo_accept(fd, reinterpret_cast<sockaddr*>(&peer), nullptr, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_connect(fd, nullptr, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_tcp_listen(nullptr, 1) == -EINVAL);
    CHECK(hilo_tcp_listen("no address", 1) == -EINVAL);
    CHECK(hilo_tcp_connect(nullptr, 1, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_open(nullptr, O_RDONLY, 0, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_port(fd) == -EINVAL);
    char got = 0;
    CHECK(hilo_read(-1, &got, 1, HILO_FOREVER) == -EBADF);
    CHECK(hilo_close(-1) == -EBADF);
  });
}

TEST_CASE("c thread: runs beside the caller, and gives its result") {
  on_both_floors([] {
    int value = 0;
    as_callback body([&]() -> void* {
      CHECK(hilo_self_id() == 0);
      return &value;
    });
    hilo_thread_options options = HILO_THREAD_OPTIONS;
    options.name = "beside";
    options.stack_size = 256 * 1024;
    options.nice = 5;
    options.scheduling = HILO_SCHEDULING_BATCH;
    hilo_thread* one = nullptr;
    REQUIRE(hilo_thread_start(&one, &options, body.function, body.argument()) == 0);
    CHECK(hilo_thread_id(one) != ::gettid());
    void* result = nullptr;
    CHECK(hilo_thread_join(one, &result) == 0);
    CHECK(result == &value);
  });
}

TEST_CASE("c thread: a join ends by its deadline, and the handle stays") {
  on_both_floors([] {
    hilo_event* gate = nullptr;
    REQUIRE(hilo_event_create(&gate, false) == 0);
    as_callback body([&] { CHECK(hilo_event_wait(gate, HILO_FOREVER) == 0); });
    hilo_thread* one = nullptr;
    REQUIRE(hilo_thread_start(&one, nullptr, body.function, body.argument()) == 0);
    CHECK(hilo_thread_join_until(one, nullptr, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_thread_join_until(one, nullptr, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_event_set(gate) == 0);
    CHECK(hilo_thread_join_until(one, nullptr, HILO_FOREVER) == 0);
    CHECK(hilo_event_destroy(gate) == 0);
  });
}

TEST_CASE("c thread: refuses bad arguments, and a join of itself") {
  hilo_thread* one = nullptr;
  const auto nothing = [](void*) -> void* { return nullptr; };
  CHECK(hilo_thread_start(nullptr, nullptr, nothing, nullptr) == -EINVAL);
  CHECK(hilo_thread_start(&one, nullptr, nullptr, nullptr) == -EINVAL);
  hilo_thread_options options = HILO_THREAD_OPTIONS;
  options.scheduling = static_cast<hilo_scheduling>(42);
  CHECK(hilo_thread_start(&one, &options, nothing, nullptr) == -EINVAL);
  options = HILO_THREAD_OPTIONS;
  options.cpu_count = 3;
  CHECK(hilo_thread_start(&one, &options, nothing, nullptr) == -EINVAL);
  options = HILO_THREAD_OPTIONS;
  options.size = 3;
  CHECK(hilo_thread_start(&one, &options, nothing, nullptr) == -EINVAL);
  CHECK(one == nullptr);
  CHECK(hilo_thread_join(nullptr, nullptr) == -EINVAL);
  CHECK(hilo_thread_join_until(nullptr, nullptr, 0) == -EINVAL);
  CHECK(hilo_thread_detach(nullptr) == -EINVAL);
  CHECK(hilo_thread_id(nullptr) == 0);

  hilo_event* known = nullptr;
  REQUIRE(hilo_event_create(&known, false) == 0);
  as_callback joins_itself([&] {
    CHECK(hilo_event_wait(known, HILO_FOREVER) == 0);
    CHECK(hilo_thread_join(one, nullptr) == -EDEADLK);
    CHECK(hilo_thread_join_until(one, nullptr, HILO_FOREVER) == -EDEADLK);
  });
  REQUIRE(hilo_thread_start(&one, nullptr, joins_itself.function, joins_itself.argument()) == 0);
  CHECK(hilo_event_set(known) == 0);
  CHECK(hilo_thread_join(one, nullptr) == 0);
  CHECK(hilo_event_destroy(known) == 0);
}

TEST_CASE("c thread: a detached one runs on without a handle") {
  // Nothing orders the end of a detached thread before the end of the test case, so it checks
  // nothing itself.
  struct {
    hilo_event* ran = nullptr;
    std::atomic<int> said = 1;
  } shared;
  REQUIRE(hilo_event_create(&shared.ran, false) == 0);
  hilo_thread* one = nullptr;
  REQUIRE(hilo_thread_start(
              &one, nullptr,
              [](void* its) -> void* {
                auto& there = *static_cast<decltype(shared)*>(its);
                there.said.store(hilo_event_set(there.ran), std::memory_order_release);
                return nullptr;
              },
              &shared) == 0);
  CHECK(hilo_thread_detach(one) == 0);
  CHECK(hilo_event_wait(shared.ran, HILO_FOREVER) == 0);
  while (shared.said.load(std::memory_order_acquire) == 1) std::this_thread::yield();
  CHECK(shared.said.load(std::memory_order_relaxed) == 0);
  CHECK(hilo_event_destroy(shared.ran) == 0);
}
