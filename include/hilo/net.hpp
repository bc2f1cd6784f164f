// TCP for fibers: addresses, listeners and streams over the calls of hilo/io.hpp.
//
//   hilo::net::tcp_listener listener(hilo::net::address::loopback(8080));
//   while (auto peer = listener.accept()) {
//     hilo::spawn([stream = std::move(*peer)]() mutable {
//       char buffer[4096];
//       while (auto got = stream.read(buffer, sizeof buffer)) {
//         if (*got == 0 || !stream.write_all(buffer, *got)) break;
//       }
//     }).detach();
//   }
//
// Making a listener throws; what a correct program meets later is a result (hilo/result.hpp). Every
// call that waits takes a deadline last, honours the limits around it, and may be made from any
// fiber or thread. One fiber may read from a stream while another writes to it. Closing is for who
// owns it, and wakes both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

#include "hilo/descriptor.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// An IPv4 or IPv6 address with a port.
class address {
 public:
  // Of no family, as is what result<address> holds without a value.
  address() noexcept = default;
  HILO_API address(const sockaddr* from, socklen_t size) noexcept;

  // "192.0.2.1" or "2001:db8::1", and a port; empty when it is neither.
  HILO_API static std::optional<address> parse(std::string_view ip, std::uint16_t port) noexcept;
  // 127.0.0.1, and 0.0.0.0, which listens on all interfaces. Port 0: the kernel chooses one.
  HILO_API static address loopback(std::uint16_t port) noexcept;
  HILO_API static address any(std::uint16_t port) noexcept;

  int family() const noexcept { return storage_.plain.sa_family; }
  HILO_API std::uint16_t port() const noexcept;
  const sockaddr* data() const noexcept { return &storage_.plain; }
  HILO_API socklen_t size() const noexcept;

  // "192.0.2.1:80", "[2001:db8::1]:80".
  HILO_API std::string to_string() const;
  HILO_API bool operator==(const address& other) const noexcept;

 private:
  union {
    sockaddr plain;
    sockaddr_in four;
    sockaddr_in6 six;
  } storage_{.six = {}};
};

// A socket and its owner.
class socket : public io::descriptor {
 public:
  using io::descriptor::descriptor;

  // The address of this side, and of the other (getsockname(2), getpeername(2)).
  HILO_API result<address> local() const noexcept;
  HILO_API result<address> peer() const noexcept;
};

class tcp_stream : public socket {
 public:
  using socket::socket;

  // Connects. Errors: those of connect(2).
  HILO_API static result<tcp_stream> connect(const address& to, io::until = {}) noexcept;

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

  // Sends small writes at once (TCP_NODELAY; connect and accept set it).
  HILO_API result<void> set_nodelay(bool on) noexcept;
  // Asks a silent peer after `idle_seconds` whether it is there (SO_KEEPALIVE); 0: never.
  HILO_API result<void> set_keepalive(int idle_seconds) noexcept;
};

struct listen_options {
  int backlog = 4096;       // the kernel keeps to net.core.somaxconn
  bool reuse_port = false;  // several listeners share the port (SO_REUSEPORT)
};

class tcp_listener : public socket {
 public:
  // Listens. Errors: std::system_error that names the address.
  HILO_API explicit tcp_listener(const address& at, const listen_options& options = {});

  // The next connection. Where the process or the system has no descriptor or memory left (EMFILE,
  // ENFILE, ENOBUFS, ENOMEM) it waits a little and tries again, and connections that were reset
  // before they were accepted are passed over; so an error means that the listener is of no use any
  // more, as closed does.
  HILO_API result<tcp_stream> accept(io::until = {}) noexcept;
};

// Reads lines from a stream through a buffer of its own.
class line_reader {
 public:
  // Lines are at most `longest` bytes long, their end included.
  HILO_API explicit line_reader(tcp_stream& from, std::size_t longest = 8192);

  // The next line without its "\n" or "\r\n"; valid until the next call. closed: there is none, or
  // the stream ended within one. failed with EMSGSIZE: it is too long; nothing more can be read.
  HILO_API result<std::string_view> next(io::until = {}) noexcept;
  // What was read beyond the last line.
  std::string_view rest() const noexcept { return {buffer_.data() + begin_, end_ - begin_}; }

 private:
  tcp_stream& from_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace hilo::net
