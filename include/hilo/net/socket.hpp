// What all sockets are, and what all streams are.
#pragma once

#include <concepts>
#include <cstddef>

#include <sys/socket.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/detail/socket_core.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// A socket and its owner.
class socket : public io::descriptor {
 public:
  socket() noexcept = default;
  // Of nothing but an int: {} for an address would be a descriptor, that of standard input.
  explicit socket(std::same_as<int> auto fd) noexcept : descriptor(fd) {}

  // How many bytes the kernel keeps that were not yet sent, or not yet received (SO_SNDBUF,
  // SO_RCVBUF of socket(7)): it takes twice the number, for its own needs, and no more than
  // net.core.wmem_max and net.core.rmem_max allow. Other options are for setsockopt(2) and fd().
  HILO_API result<void> set_send_buffer(int bytes) noexcept;
  HILO_API result<void> set_receive_buffer(int bytes) noexcept;
};

// A socket, or one kind of it, whose address and whose peer's are of this type.
template <class Address, class Kind = socket>
class addressed : public Kind {
 public:
  using Kind::Kind;

  // The address of this side, and of the other. Errors: those of getsockname(2), getpeername(2).
  result<Address> local() const noexcept { return known(detail::local_name(this->fd())); }
  result<Address> peer() const noexcept { return known(detail::peer_name(this->fd())); }

 private:
  static result<Address> known(const result<detail::raw_address>& name) noexcept {
    if (!name) return {name.status(), name.error().value()};
    return Address(name->data(), name->size);
  }
};

// A connection that carries bytes both ways.
class stream : public socket {
 public:
  using socket::socket;

  // Reads what is there, up to `size` bytes, at least one; 0: the peer ended its side.
  result<std::size_t> read(void* buffer, std::size_t size, io::until when = {}) noexcept {
    return io::recv(fd(), buffer, size, 0, when);
  }
  // Writes some of it, at least one byte.
  result<std::size_t> write(const void* data, std::size_t size, io::until when = {}) noexcept {
    return io::send(fd(), data, size, 0, when);
  }

  // Reads until the buffer is full. closed: the peer ended its side before that. However it ends,
  // `done`, if given, is how many bytes were read.
  HILO_API result<void> read_exactly(void* buffer, std::size_t size, io::until = {},
                                     std::size_t* done = nullptr) noexcept;
  // Writes all of it; the deadline is for the whole. `done` as above.
  HILO_API result<void> write_all(const void* data, std::size_t size, io::until = {},
                                  std::size_t* done = nullptr) noexcept;

  // Ends this side: the peer reads the end after what was written. Reading goes on.
  result<void> end_writing() noexcept { return io::shutdown(fd(), SHUT_WR); }
  // Ends this side, reads and drops until the peer has ended its own, and closes: so that nothing
  // of what was written is lost to a reset.
  HILO_API result<void> end_gracefully(io::until = {}) noexcept;
};

}  // namespace hilo::net
