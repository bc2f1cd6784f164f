// The constant answer by a kernel thread a connection, which blocks in recv and send.
#include <array>
#include <system_error>
#include <thread>

#include <unistd.h>

#include "bench/servers/answer.hpp"

namespace {

void serve(int fd) {
  std::array<char, bench::request_room> request;
  while (::recv(fd, request.data(), request.size(), 0) > 0) {
    if (::send(fd, bench::answer.data(), bench::answer.size(), MSG_NOSIGNAL) < 0) break;
  }
  ::close(fd);
}

}  // namespace

int main() {
  const int listener = bench::listen_and_announce(0);
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) bench::give_up("accept");
    bench::set_nodelay(fd);
    try {
      std::thread(serve, fd).detach();
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "cannot start a thread for a connection: %s\n", error.what());
      return 1;
    }
  }
}
