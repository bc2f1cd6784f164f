// Unix sockets (unix(7)): streams and datagrams within a machine, which carry descriptors too.
//
//   hilo::net::unix_listener listener(*hilo::net::unix_address::path("/run/server"));
//   auto client = hilo::net::unix_stream::connect(*hilo::net::unix_address::path("/run/server"));
//   auto served = listener.accept();
//   const int passed[] = {STDOUT_FILENO};
//   (void)client->write_with("print here", 10, passed);
//
// A path outlives the socket that was made at it: until it is removed, connecting to it is refused,
// and so is another socket there. Who may connect is what the file's mode says, which is what
// umask(2) left, and its directory's. An abstract name is gone with its socket, and anybody in the
// network namespace may connect to it.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <sys/socket.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/net/address.hpp"
#include "hilo/net/datagram.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// Removes the path of a socket, a stream's or of datagrams, at which nobody is any more: for a
// server that is started again. If two programs do that and then make a socket there, at the same
// moment, one may be left without its path. Never parks. Errors: ENOENT: nothing is there;
// EADDRINUSE: somebody is at it; ENOTSOCK: it is another file; EINVAL: it is no path; those of
// unlink(2).
HILO_API result<void> remove_stale(const unix_address& at) noexcept;

// What came by read_with.
struct delivery {
  std::size_t size = 0;         // bytes in the buffer; 0: the peer ended its side
  std::size_t descriptors = 0;  // how many were taken
  bool lost = false;  // there were more, for which the caller or the process had no room: closed
};

class unix_stream : public addressed<unix_address, stream> {
 public:
  using addressed::addressed;

  // At most so many descriptors go with one write (SCM_RIGHTS of unix(7)).
  static constexpr std::size_t most_descriptors = 253;

  // Connects. Parks: while the listener's queue is full; then it looks every few milliseconds, as
  // the kernel does not tell. Errors: those of connect(2); ENOENT: nothing is there; ECONNREFUSED:
  // nobody listens there any more.
  HILO_API static result<unix_stream> connect(const unix_address& to, io::until = {}) noexcept;
  // Makes both ends of a connection. Never parks. Errors: those of socketpair(2).
  HILO_API static result<std::pair<unix_stream, unix_stream>> pair() noexcept;

  // Writes some of it, at least one byte, and passes a copy of each descriptor with the first byte.
  // Errors: those of sendmsg(2); EINVAL: no byte to pass them with, or too many.
  HILO_API result<std::size_t> write_with(const void* data, std::size_t size,
                                          std::span<const int> descriptors,
                                          io::until = {}) noexcept;
  // Reads as read() does, and what is passed: into `descriptors` from the first on, each with the
  // flag that closes it in programs that are executed. A read ends with the bytes that descriptors
  // came with, so those of two writes are never mixed. read() closes what comes with what it reads.
  // Errors: those of recvmsg(2).
  HILO_API result<delivery> read_with(void* buffer, std::size_t size,
                                      std::span<io::descriptor> descriptors,
                                      io::until = {}) noexcept;

  // Who the peer was when it connected or listened, as the kernel knows it (SO_PEERCRED). Errors:
  // those of getsockopt(2).
  HILO_API result<ucred> peer_credentials() const noexcept;
};

class unix_listener : public addressed<unix_address> {
 public:
  using addressed::addressed;  // of a descriptor that listens already, as one that was passed

  // Listens; the kernel keeps the backlog to net.core.somaxconn. Errors: std::system_error that
  // names the address.
  HILO_API explicit unix_listener(const unix_address& at, int backlog = 4096);

  // The next connection; it ends as tcp_listener's does.
  HILO_API result<unix_stream> accept(io::until = {}) noexcept;
};

// Datagrams of Unix sockets are neither lost nor reordered; who sends waits for who receives.
class unix_datagram : public datagram_socket<unix_address> {
 public:
  using datagram_socket::datagram_socket;

  // Receives at an address. Errors: std::system_error that names the address.
  HILO_API explicit unix_datagram(const unix_address& at);

  // Makes a socket without a name, to which nobody can answer, with a peer (set_peer). Never parks.
  // Errors: those of socket(2), connect(2).
  HILO_API static result<unix_datagram> connect(const unix_address& to) noexcept;
  // Makes two sockets that are each other's peers. Never parks. Errors: those of socketpair(2).
  HILO_API static result<std::pair<unix_datagram, unix_datagram>> pair() noexcept;
};

}  // namespace hilo::net
