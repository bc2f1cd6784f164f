// Datagrams, sent and received.
//
// For a Unix socket without a peer, poll always says that it is ready to send, because the receiver
// is not known. So no driver can wait for room in the receiver's queue; it would try again and
// again. If a socket has the receiver as its peer, poll knows the queue. So a sender that finds the
// queue full makes such a socket. It waits until that socket could send, or until its own socket
// was closed:
//
//   send                 no room in the socket's own buffer: poll tells when there is
//                        no room in the receiver's queue: a select of
//                          the socket, for its closing
//                          another with that peer, for POLLOUT
//   send again
#include "hilo/net/datagram.hpp"

#include <cerrno>

#include <sys/un.h>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"

#include "runtime/io/net/option.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::detail {
namespace {

using net::because;
using net::failed;

result<void> limited(status why) noexcept {
  return {why, why == status::timed_out ? ETIMEDOUT : ECANCELED};
}

// Waits until the receiver's queue has room, or a send to it would fail in another way.
result<void> wait_for_room(int fd, const sockaddr* to, socklen_t size) {
  net::socket other(static_cast<int>(
      sys::call(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  if (!other) return failed<void>(-other.release());
  const result<void> connected = set_peer(other.fd(), to, size);
  if (!connected) return connected;
  result<short> closing = 0;
  result<short> room = 0;
  const selection first =
      select{io::ready_of(fd, 0, closing), io::ready_of(other.fd(), POLLOUT, room)};
  if (first == selection::none) return limited(first.end);
  if (first == 0 && !closing) return because<void>(closing);
  if (first == 1 && !room) return because<void>(room);
  return {};
}

result<void> send_to_unix(int fd, const void* data, std::size_t size, const sockaddr* to,
                          socklen_t to_size, io::until when) {
  if (sched::current_worker() != nullptr && simulating()) [[unlikely]]
    refuse_simulated("I/O");
  // A second descriptor is made for the wait. If `fd` were closed meanwhile, the second would be
  // the first to get its number.
  const io::operation all(fd);
  if (all.refused()) return {status::closed, EBADF};
  count_eager();  // as for calls that the driver makes
  const wait_limit limit(when.ns());
  while (true) {
    const status end = detail::limit_now();
    if (end != status::ok) return limited(end);
    const long sent =
        sys::call(SYS_sendto, fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, to, to_size);
    if (sent >= 0) return {};
    if (sent == -EINTR) continue;
    if (sent != -EAGAIN) return failed<void>(static_cast<int>(-sent));
    const result<short> own = io::poll(fd, POLLOUT);
    if (!own) return because<void>(own);
    const result<void> waited = wait_for_room(fd, to, to_size);
    if (!waited) return waited;
  }
}

}  // namespace

result<void> set_peer(int fd, const sockaddr* to, socklen_t size) noexcept {
  const long done = sys::call(SYS_connect, fd, to, size);
  if (done < 0) return failed<void>(static_cast<int>(-done));
  return {};
}

result<void> send_datagram(int fd, const void* data, std::size_t size, const sockaddr* to,
                           socklen_t to_size, io::until when) noexcept {
  if (to->sa_family == AF_UNIX) return send_to_unix(fd, data, size, to, to_size, when);
  iovec all{.iov_base = const_cast<void*>(data), .iov_len = size};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to);
  message.msg_namelen = to_size;
  message.msg_iov = &all;
  message.msg_iovlen = 1;
  const result<std::size_t> sent = io::sendmsg(fd, &message, 0, when);
  return sent ? result<void>() : because<void>(sent);
}

result<void> send_datagram(int fd, const void* data, std::size_t size, io::until when) noexcept {
  const result<std::size_t> sent = io::send(fd, data, size, 0, when);
  return sent ? result<void>() : because<void>(sent);
}

result<std::size_t> receive_datagram(int fd, void* buffer, std::size_t size, raw_address& from,
                                     io::until when) noexcept {
  iovec all{.iov_base = buffer, .iov_len = size};
  msghdr message{};
  message.msg_name = &from.bytes;
  message.msg_namelen = from.size;
  message.msg_iov = &all;
  message.msg_iovlen = 1;
  const result<std::size_t> length = io::recvmsg(fd, &message, MSG_TRUNC, when);
  from.size = length ? message.msg_namelen : 0;
  return length;
}

result<std::size_t> receive_datagram(int fd, void* buffer, std::size_t size,
                                     io::until when) noexcept {
  return io::recv(fd, buffer, size, MSG_TRUNC, when);
}

}  // namespace hilo::detail
