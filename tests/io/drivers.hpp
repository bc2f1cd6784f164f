// Runs a test body on each driver, with one carrier and with several, so that both keep every
// promise of hilo/io.hpp.
#pragma once

#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "hilo/io.hpp"
#include "hilo/runtime.hpp"

#include "tests/doctest.hpp"

namespace hilo::test {

// Whether a ring is to be had here; under a seccomp filter (without_uring.cpp) there is none.
bool has_uring();

template <class F>
void on_each_driver(F&& body, std::initializer_list<unsigned> sizes = {1U, 4U}) {
  for (const io_driver driver : {io_driver::uring, io_driver::epoll}) {
    if (driver == io_driver::uring && !has_uring()) continue;
    for (const unsigned carriers : sizes) {
      CAPTURE(static_cast<int>(driver));
      CAPTURE(carriers);
      run(runtime_options{.carriers = carriers, .io = driver}, body);
    }
  }
}

// body(options) for both drivers where there is a ring, with as many carriers as matter.
template <class F>
void for_each_machine(F body) {
  for (const io_driver driver : {io_driver::any, io_driver::epoll}) {
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(static_cast<int>(driver));
      CAPTURE(carriers);
      body(runtime_options{.carriers = carriers, .io = driver});
    }
  }
}

// The same, and in the calling thread, without a fiber.
template <class F>
void everywhere(F&& body, std::initializer_list<unsigned> sizes = {1U, 4U}) {
  on_each_driver(body, sizes);
  INFO("outside of fibers");
  body();
}

// What make() returns, once its descriptor has this number, which was free a moment ago. Threads of
// the runtime open files for moments, so at any time another number may be the lowest, or this one
// may be in use.
template <class Make>
auto made_at(int number, Make make) {
  std::vector<decltype(make())> others;  // they keep lower numbers
  while (true) {
    auto one = make();
    REQUIRE(one.fd() >= 0);
    if (one.fd() == number) return one;
    if (one.fd() < number) others.push_back(std::move(one));
  }
}

// The two ends of a stream. Closes what is still open.
class stream_pair {
 public:
  stream_pair() {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0);
  }
  ~stream_pair() {
    for (int& fd : ends_) close_end(fd);
  }
  stream_pair(const stream_pair&) = delete;
  stream_pair& operator=(const stream_pair&) = delete;

  int left() const noexcept { return ends_[0]; }
  int right() const noexcept { return ends_[1]; }
  void close_left() noexcept { close_end(ends_[0]); }
  void close_right() noexcept { close_end(ends_[1]); }

 private:
  static void close_end(int& fd) noexcept {
    if (fd >= 0) (void)io::close(std::exchange(fd, -1));
  }
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace hilo::test
