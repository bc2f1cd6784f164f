// What the servers of the constant answer share. A server listens on a port of 127.0.0.1 that the
// kernel chooses, prints its number, and answers every read of a connection with the same bytes,
// until it is killed. Nothing is parsed: a load generator that waits for its answer sends one
// request a read. load.py checks the answers, and measures from outside.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace bench {

inline constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 14\r\n"
    "\r\n"
    "Hello, World!\n";

// Room for what a connection sends at once; as much as nginx has for a request at first.
inline constexpr std::size_t request_room = 1024;
inline constexpr int backlog = 4096;

[[noreturn]] inline void give_up(const char* what) {
  std::fprintf(stderr, "cannot %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

inline void announce(unsigned port) {
  std::printf("%u\n", port);
  std::fflush(stdout);
}

// A listening socket, announced; `flags` are socket(2)'s.
inline int listen_and_announce(int flags) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (listener < 0) give_up("make a socket");
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(listener, address, size) != 0 || ::listen(listener, backlog) != 0 ||
      ::getsockname(listener, address, &size) != 0) {
    give_up("listen");
  }
  announce(ntohs(at.sin_port));
  return listener;
}

inline void set_nodelay(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace bench
