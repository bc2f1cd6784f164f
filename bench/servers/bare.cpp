// The reference: one thread, one epoll set, no more than a constant answer needs. Descriptors are
// level-triggered and stay in the set; a connection has no memory of its own but the kernel's.
#include <array>

#include <sys/epoll.h>
#include <unistd.h>

#include "bench/servers/answer.hpp"

namespace {

void watch(int set, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) bench::give_up("watch a descriptor");
}

void accept_all(int set, int listener) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) bench::give_up("accept");
    bench::set_nodelay(fd);
    watch(set, fd);
  }
}

// Answers one read. What it would have to wait for, it need not: the answer is small, and the peer
// waits for it.
bool serve(int fd) {
  std::array<char, bench::request_room> request;
  const ssize_t got = ::recv(fd, request.data(), request.size(), 0);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  return ::send(fd, bench::answer.data(), bench::answer.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(bench::answer.size());
}

}  // namespace

int main() {
  const int listener = bench::listen_and_announce(SOCK_NONBLOCK);
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) bench::give_up("make an epoll set");
  watch(set, listener);
  std::array<epoll_event, 512> events;
  while (true) {
    const int count = ::epoll_wait(set, events.data(), events.size(), -1);
    if (count < 0) bench::give_up("wait");
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        accept_all(set, listener);
      } else if (!serve(fd)) {
        ::close(fd);
      }
    }
  }
}
