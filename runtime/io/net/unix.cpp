#include "hilo/net/unix.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/detail/decision.hpp"
#include "hilo/limit.hpp"

#include "runtime/base/error.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/io/net/patience.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::net {
namespace {

int make(int type) noexcept {
  return ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
}

template <class Socket>
result<std::pair<Socket, Socket>> pair_of(int type) noexcept {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return {status::failed, errno};
  }
  return std::pair(Socket(ends[0]), Socket(ends[1]));
}

template <class Socket>
result<Socket> connect_to(const unix_address& to, int type, io::until when) noexcept {
  if (sched::current_worker() != nullptr && detail::simulating()) [[unlikely]]
    detail::refuse_simulated("I/O");
  Socket made(make(type | SOCK_NONBLOCK));
  if (!made) return failed<Socket>(errno);
  const detail::wait_limit limit(when.ns());
  while (true) {
    const status end = detail::limit_now();
    if (end != status::ok) return {end, end == status::timed_out ? ETIMEDOUT : ECANCELED};
    const long done = sys::call(SYS_connect, made.fd(), to.data(), to.size());
    if (done == 0) break;
    if (done != -EAGAIN) return failed<Socket>(static_cast<int>(-done));
    (void)retry_later({});  // a limit that ends this also ends the loop
  }
  const long waits_again = sys::call(SYS_fcntl, made.fd(), F_SETFL, O_RDWR);
  if (waits_again < 0) return failed<Socket>(static_cast<int>(-waits_again));
  return made;
}

[[noreturn, gnu::cold]] void refuse(int error, const char* what, const unix_address& at) {
  const char* hint = std::strerror(error);
  if (error == EADDRINUSE) {
    hint = at.is_path() ? "a socket is bound at the path (see ss -xl), or was left there: then "
                          "remove_stale() removes it"
                        : "another socket has that name; see ss -xl";
  } else if (at.is_path() && error == ENOENT) {
    hint = "its directory does not exist";
  } else if (at.is_path() && error == EACCES) {
    hint = "its directory may not be written or searched";
  }
  base::fail(error, what + at.to_string(), hint);
}

// Makes the socket behind `fd` listen.
void listen_at(int fd, const unix_address& at, int backlog) {
  if (fd < 0 || ::bind(fd, at.data(), at.size()) != 0 || ::listen(fd, backlog) != 0) {
    refuse(errno, "listen on ", at);
  }
}

template <class Socket>
result<Socket> as_socket(const result<int>& fd) noexcept {
  if (!fd) return because<Socket>(fd);
  return Socket(*fd);
}

union control {
  cmsghdr head;
  std::array<char, CMSG_SPACE(unix_stream::most_descriptors * sizeof(int))> bytes;
};

// Room for this many descriptors, without the padding that would align a next message. In that
// padding the kernel would pass one descriptor more.
std::size_t length_for(std::size_t descriptors) noexcept {
  return CMSG_LEN(descriptors * sizeof(int));
}

// Moves the descriptors that came with a message. Returns how many.
std::size_t take(msghdr& message, std::span<io::descriptor> into) noexcept {
  std::size_t taken = 0;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
      into[taken++] = io::descriptor(fd);
    }
  }
  return taken;
}

}  // namespace

// Finds by a connect whether a socket is bound at the path. If that socket has another type,
// connect says so. If it is a datagram socket too, the connect does not disturb it. If connect is
// refused, no socket is bound there.
result<void> remove_stale(const unix_address& at) noexcept {
  if (!at.is_path()) return failed<void>(EINVAL);
  std::array<char, sizeof(sockaddr_un::sun_path) + 1> path{};  // the kernel's may fill it
  std::copy(at.name().begin(), at.name().end(), path.begin());
  struct stat about {};
  if (::lstat(path.data(), &about) != 0) return failed<void>(errno);
  if (!S_ISSOCK(about.st_mode)) return failed<void>(ENOTSOCK);
  const socket probe(make(SOCK_DGRAM));
  if (!probe) return failed<void>(errno);
  const result<void> met = detail::set_peer(probe.fd(), at.data(), at.size());
  const int error = met.error().value();
  if (met || error == EPROTOTYPE || error == EPERM) return failed<void>(EADDRINUSE);
  if (error != ECONNREFUSED) return met;
  if (::unlink(path.data()) != 0) return failed<void>(errno);
  return {};
}

result<unix_stream> unix_stream::connect(const unix_address& to, io::until when) noexcept {
  return connect_to<unix_stream>(to, SOCK_STREAM, when);
}

result<std::pair<unix_stream, unix_stream>> unix_stream::pair() noexcept {
  return pair_of<unix_stream>(SOCK_STREAM);
}

result<std::size_t> unix_stream::write_with(const void* data, std::size_t size,
                                            std::span<const int> descriptors,
                                            io::until when) noexcept {
  if (descriptors.empty()) return write(data, size, when);
  if (size == 0 || descriptors.size() > most_descriptors) return failed<std::size_t>(EINVAL);
  control passed{};
  passed.head.cmsg_level = SOL_SOCKET;
  passed.head.cmsg_type = SCM_RIGHTS;
  passed.head.cmsg_len = length_for(descriptors.size());
  std::memcpy(CMSG_DATA(&passed.head), descriptors.data(), descriptors.size_bytes());
  iovec all{.iov_base = const_cast<void*>(data), .iov_len = size};
  msghdr message{};
  message.msg_iov = &all;
  message.msg_iovlen = 1;
  message.msg_control = &passed;
  message.msg_controllen = passed.head.cmsg_len;
  return io::sendmsg(fd(), &message, 0, when);
}

result<delivery> unix_stream::read_with(void* buffer, std::size_t size,
                                        std::span<io::descriptor> descriptors,
                                        io::until when) noexcept {
  control passed{};
  iovec all{.iov_base = buffer, .iov_len = size};
  msghdr message{};
  message.msg_iov = &all;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = &passed;
    message.msg_controllen = length_for(std::min(descriptors.size(), most_descriptors));
  }
  const result<std::size_t> got = io::recvmsg(fd(), &message, MSG_CMSG_CLOEXEC, when);
  if (!got) return because<delivery>(got);
  const std::size_t taken = take(message, descriptors);
  return delivery{*got, taken, (message.msg_flags & MSG_CTRUNC) != 0};
}

result<ucred> unix_stream::peer_credentials() const noexcept {
  ucred about{};
  socklen_t size = sizeof about;
  if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &about, &size) != 0) {
    return failed<ucred>(errno);
  }
  return about;
}

unix_listener::unix_listener(const unix_address& at, int backlog) : addressed(make(SOCK_STREAM)) {
  listen_at(fd(), at, backlog);
}

result<unix_stream> unix_listener::accept(io::until when) noexcept {
  return as_socket<unix_stream>(next_connection(fd(), when));
}

result<unix_stream> unix_listener::try_accept() noexcept {
  return as_socket<unix_stream>(waiting_connection(fd()));
}

result<unix_packets> unix_packets::connect(const unix_address& to, io::until when) noexcept {
  return connect_to<unix_packets>(to, SOCK_SEQPACKET, when);
}

result<std::pair<unix_packets, unix_packets>> unix_packets::pair() noexcept {
  return pair_of<unix_packets>(SOCK_SEQPACKET);
}

result<void> unix_packets::send(const void* data, std::size_t size, io::until when) noexcept {
  if (size == 0) return failed<void>(EINVAL);
  return detail::send_datagram(fd(), data, size, when);
}

result<received> unix_packets::receive(void* buffer, std::size_t size, io::until when) noexcept {
  const result<std::size_t> length = detail::receive_datagram(fd(), buffer, size, when);
  if (!length) return because<received>(length);
  if (*length == 0) return {status::closed, EBADF};
  return received{std::min(*length, size), *length};
}

unix_packet_listener::unix_packet_listener(const unix_address& at, int backlog)
    : addressed(make(SOCK_SEQPACKET)) {
  listen_at(fd(), at, backlog);
}

result<unix_packets> unix_packet_listener::accept(io::until when) noexcept {
  return as_socket<unix_packets>(next_connection(fd(), when));
}

result<unix_packets> unix_packet_listener::try_accept() noexcept {
  return as_socket<unix_packets>(waiting_connection(fd()));
}

unix_datagram::unix_datagram(const unix_address& at) : datagram_socket(make(SOCK_DGRAM)) {
  if (fd() < 0 || ::bind(fd(), at.data(), at.size()) != 0) {
    refuse(errno, "receive datagrams at ", at);
  }
}

result<unix_datagram> unix_datagram::connect(const unix_address& to) noexcept {
  unix_datagram made(make(SOCK_DGRAM));
  if (!made) return failed<unix_datagram>(errno);
  const result<void> done = made.set_peer(to);
  if (!done) return because<unix_datagram>(done);
  return made;
}

result<std::pair<unix_datagram, unix_datagram>> unix_datagram::pair() noexcept {
  return pair_of<unix_datagram>(SOCK_DGRAM);
}

}  // namespace hilo::net
