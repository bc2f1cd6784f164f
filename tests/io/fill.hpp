// Descriptors without room, for calls that have to wait.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/doctest.hpp"

namespace hilo::test {

inline constexpr std::array<char, 65536> filling{};

// Until there is no room. Returns whether there was some.
inline bool fill(int fd, std::size_t at_once = filling.size()) {
  const int flags = ::fcntl(fd, F_GETFL);
  REQUIRE(::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
  bool had_room = false;
  while (::write(fd, filling.data(), at_once) > 0) had_room = true;
  ::fcntl(fd, F_SETFL, flags);
  return had_room;
}

// Whether a thread of the kernel may still move bytes on from one end to the other: it does so
// until the other end of a terminal holds 4,095 bytes.
inline bool moves_on(std::pair<int, int> ends) {
  constexpr int most = 4095;
  int held = most;
  if (::isatty(ends.first) != 0) ::ioctl(ends.second, FIONREAD, &held);
  return held < most;
}

// TCP moves bytes on for some 300 ms before it is full.
inline void fill_for_good(int fd) {
  auto last = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - last < std::chrono::milliseconds(500)) {
    const auto before = last;
    while (::send(fd, filling.data(), filling.size(), MSG_DONTWAIT) > 0) {
      last = std::chrono::steady_clock::now();
    }
    if (last == before) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace hilo::test
