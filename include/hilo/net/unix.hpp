// Unix sockets (unix(7)): streams, packets and datagrams within a machine. Streams carry
// descriptors too.
//
//   hilo::net::unix_listener listener(*hilo::net::unix_address::path("/run/server"));
//   auto client = hilo::net::unix_stream::connect(*hilo::net::unix_address::path("/run/server"));
//   auto served = listener.accept();
//   const int passed[] = {STDOUT_FILENO};
//   (void)client->write_with("print here", 10, passed);
//
// A path outlives the socket that was made at it. Until the path is removed, connecting to it
// fails, and so does making another socket there. The modes of the file (less umask(2)) and of its
// directory decide which users may connect. An abstract name ends with its socket, and every
// process in the network namespace may connect to it.
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

// Removes the path of a stream or datagram socket that no process uses any more: for a server that
// is started again. If two programs do that at the same moment, and then each make a socket there,
// one of them may lose its path. Never parks. Errors: ENOENT: nothing is there; EADDRINUSE: a
// process uses the socket; ENOTSOCK: it is another kind of file; EINVAL: the name is not a path;
// those of unlink(2).
HILO_API result<void> remove_stale(const unix_address& at) noexcept;

// The result of read_with.
struct delivery {
  std::size_t size = 0;         // bytes in the buffer; 0: the peer ended its side
  std::size_t descriptors = 0;  // how many were taken
  bool lost = false;            // the caller or the process had no room for more; they were closed
};

class unix_stream : public addressed<unix_address, stream> {
 public:
  using addressed::addressed;

  // The largest number of descriptors in one write (SCM_RIGHTS of unix(7)).
  static constexpr std::size_t most_descriptors = 253;

  // Connects. Parks: while the listener's queue is full. The kernel does not report when there is
  // room, so the call tries every few milliseconds. Errors: those of connect(2); ENOENT: nothing is
  // there; ECONNREFUSED: no process listens there any more.
  HILO_API static result<unix_stream> connect(const unix_address& to, io::until = {}) noexcept;
  // Makes both ends of a connection. Never parks. Errors: those of socketpair(2).
  HILO_API static result<std::pair<unix_stream, unix_stream>> pair() noexcept;

  // Writes a part of the data, at least one byte, and passes a copy of each descriptor with the
  // first byte. Errors: those of sendmsg(2); EINVAL: there is no byte, or there are too many
  // descriptors.
  HILO_API result<std::size_t> write_with(const void* data, std::size_t size,
                                          std::span<const int> descriptors,
                                          io::until = {}) noexcept;
  // Reads as read() does, and takes the descriptors that came with the bytes: into `descriptors`,
  // from the first element on, each close-on-exec. A read ends after the bytes that descriptors
  // came with, so descriptors of two writes are never mixed. read() instead closes the descriptors
  // that come with its bytes. Errors: those of recvmsg(2).
  HILO_API result<delivery> read_with(void* buffer, std::size_t size,
                                      std::span<io::descriptor> descriptors,
                                      io::until = {}) noexcept;

  // The process and user of the peer when it connected or listened, as the kernel recorded them
  // (SO_PEERCRED). Errors: those of getsockopt(2).
  HILO_API result<ucred> peer_credentials() const noexcept;
};

class unix_listener : public addressed<unix_address> {
 public:
  using addressed::addressed;  // of a descriptor that already listens, such as a passed one

  // Listens; the kernel keeps the backlog to net.core.somaxconn. Errors: std::system_error that
  // names the address.
  HILO_API explicit unix_listener(const unix_address& at, int backlog = 4096);

  // Returns the next connection; errors as those of tcp_listener::accept.
  HILO_API result<unix_stream> accept(io::until = {}) noexcept;
  // Returns a connection that waits already; else would_block. Without a descriptor or memory left
  // it fails (EMFILE, ENFILE, ENOBUFS, ENOMEM), and the listener can still be used. Sets the
  // listening socket's non-blocking mode. Never parks; would_block counts (docs/fibers.md).
  HILO_API result<unix_stream> try_accept() noexcept;
};

// A connection that carries packets (SOCK_SEQPACKET): each arrives whole, in order, at one receive.
class unix_packets : public addressed<unix_address> {
 public:
  using addressed::addressed;

  // As those of unix_stream.
  HILO_API static result<unix_packets> connect(const unix_address& to, io::until = {}) noexcept;
  HILO_API static result<std::pair<unix_packets, unix_packets>> pair() noexcept;

  // Sends one packet, whole. Parks: while there is no room. Errors: those of send(2); EMSGSIZE: it
  // is too long; EINVAL: it is empty, which the receiver would take for the end.
  HILO_API result<void> send(const void* data, std::size_t size, io::until = {}) noexcept;
  // Receives one packet. If it is longer than the buffer, the rest is lost. closed: the peer has
  // ended its side. Parks: until there is one. Errors: those of recv(2).
  HILO_API result<received> receive(void* buffer, std::size_t size, io::until = {}) noexcept;

  // Ends this side: after the packets that were sent, the peer receives the end.
  result<void> end_writing() noexcept { return io::shutdown(fd(), SHUT_WR); }
};

class unix_packet_listener : public addressed<unix_address> {
 public:
  using addressed::addressed;  // of a descriptor that already listens

  // As those of unix_listener.
  HILO_API explicit unix_packet_listener(const unix_address& at, int backlog = 4096);
  HILO_API result<unix_packets> accept(io::until = {}) noexcept;
  HILO_API result<unix_packets> try_accept() noexcept;
};

// Datagrams of Unix sockets are neither lost nor reordered; a sender waits for its receiver.
class unix_datagram : public datagram_socket<unix_address> {
 public:
  using datagram_socket::datagram_socket;

  // Receives at an address. Errors: std::system_error that names the address.
  HILO_API explicit unix_datagram(const unix_address& at);

  // Makes a socket with a peer (set_peer) and without a name, so the peer cannot answer. Never
  // parks. Errors: those of socket(2), connect(2).
  HILO_API static result<unix_datagram> connect(const unix_address& to) noexcept;
  // Makes two sockets that are each other's peers. Never parks. Errors: those of socketpair(2).
  HILO_API static result<std::pair<unix_datagram, unix_datagram>> pair() noexcept;
};

}  // namespace hilo::net
