// The common parts of all sockets, and of all streams.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

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
  // Only from an int: otherwise a {} that is meant as an address would become descriptor 0,
  // standard input.
  explicit socket(std::same_as<int> auto fd) noexcept : descriptor(fd) {}

  // How many bytes the kernel keeps that were not yet sent, or not yet received (SO_SNDBUF,
  // SO_RCVBUF of socket(7)). The kernel doubles the number for its own needs, and limits it to
  // net.core.wmem_max and net.core.rmem_max. For other options use setsockopt(2) with fd().
  HILO_API result<void> set_send_buffer(int bytes) noexcept;
  HILO_API result<void> set_receive_buffer(int bytes) noexcept;
};

// A socket (or a kind of socket) whose own address and peer address are of type Address.
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

  // Reads the available bytes, at least one, at most `size`; 0: the peer ended its side.
  result<std::size_t> read(void* buffer, std::size_t size, io::until when = {}) noexcept {
    return io::recv(fd(), buffer, size, 0, when);
  }
  // Reads what is there, if there is something; else would_block. Never parks.
  result<std::size_t> try_read(void* buffer, std::size_t size) noexcept {
    return io::try_read(fd(), buffer, size);
  }
  // Writes a part of the data, at least one byte.
  result<std::size_t> write(const void* data, std::size_t size, io::until when = {}) noexcept {
    return io::send(fd(), data, size, 0, when);
  }

  // Reads until the buffer is full. closed: the peer ended its side before that. `done`, if given,
  // is set in every case: the number of bytes read.
  HILO_API result<void> read_exactly(void* buffer, std::size_t size, io::until = {},
                                     std::size_t* done = nullptr) noexcept;
  // Writes all the data; the deadline is for the whole call. `done` as above.
  HILO_API result<void> write_all(const void* data, std::size_t size, io::until = {},
                                  std::size_t* done = nullptr) noexcept;
  result<void> write_all(std::string_view text, io::until when = {},
                         std::size_t* done = nullptr) noexcept {
    return write_all(text.data(), text.size(), when, done);
  }
  // Writes all of several pieces in order, as if they were one, without copying them:
  // write_parts({header, body}). `done` as above, of all bytes. A write of a large sum may mix with
  // those of other callers, as write_all may.
  HILO_API result<void> write_parts(std::span<const std::string_view> parts, io::until = {},
                                    std::size_t* done = nullptr) noexcept;
  result<void> write_parts(std::initializer_list<std::string_view> parts, io::until when = {},
                           std::size_t* done = nullptr) noexcept {
    return write_parts(std::span(parts.begin(), parts.size()), when, done);
  }

  // Ends this side: after the written data, the peer reads the end. This side can still read.
  result<void> end_writing() noexcept { return io::shutdown(fd(), SHUT_WR); }
  // Ends this side, reads and drops data until the peer has ended its side, and closes. So no
  // written data is lost by a reset.
  HILO_API result<void> end_gracefully(io::until = {}) noexcept;
};

}  // namespace hilo::net
