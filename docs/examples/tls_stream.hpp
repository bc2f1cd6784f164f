// TLS over a TCP connection, by OpenSSL: a file to copy. A tls_stream reads and writes as a
// hilo::net::tcp_stream does, with the same limits, so buffered_reader works over it.
//
//   const tls_context trust = tls_context::client("ca.pem");
//   tls_stream stream(std::move(connected), trust, "example.org");
//   if (!stream.handshake(5s)) return report(stream.why());
//
// OpenSSL is driven by a BIO that never waits: it reads what is there, or says that there is
// nothing. Then OpenSSL returns, and the fiber parks here. So a call of OpenSSL begins and ends on
// one kernel thread, whose thread_local queue of errors it uses, and never spans a wait.
//
// One fiber at a time uses a tls_stream: OpenSSL allows no reader beside a writer.
#pragma once

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <hilo/io.hpp>
#include <hilo/limit.hpp>
#include <hilo/net/tcp.hpp>
#include <hilo/result.hpp>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

namespace tls {

struct deleter {
  void operator()(SSL_CTX* one) const noexcept { SSL_CTX_free(one); }
  void operator()(SSL* one) const noexcept { SSL_free(one); }
  void operator()(BIO_METHOD* one) const noexcept { BIO_meth_free(one); }
};

// What OpenSSL has to say about the last error of this kernel thread, and forgets it.
inline std::string last_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the connection ended";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

// --- The BIO ------------------------------------------------------------------------------------

inline int fd_of(BIO* its) {
  return static_cast<hilo::net::tcp_stream*>(BIO_get_data(its))->fd();
}

inline int read_now(BIO* its, char* into, int size) {
  BIO_clear_retry_flags(its);
  const ssize_t got = ::recv(fd_of(its), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(its);
  return static_cast<int>(got);
}
inline int write_now(BIO* its, const char* from, int size) {
  BIO_clear_retry_flags(its);
  const ssize_t sent =
      ::send(fd_of(its), from, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(its);
  return static_cast<int>(sent);
}
inline long control(BIO*, int what, long, void*) {
  return what == BIO_CTRL_FLUSH ? 1 : 0;
}

inline BIO_METHOD* method() {
  static const std::unique_ptr<BIO_METHOD, deleter> its = [] {
    std::unique_ptr<BIO_METHOD, deleter> made(BIO_meth_new(BIO_get_new_index(), "hilo"));
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(made.get(), read_now);
    BIO_meth_set_write(made.get(), write_now);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return its.get();
}

}  // namespace tls

// The certificates to trust, or those to show. Errors: std::runtime_error in OpenSSL's words.
class tls_context {
 public:
  // Trusts the certificates of a file; empty: those of the system.
  static tls_context client(const std::string& authorities = "") {
    tls_context made(TLS_client_method());
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
    const int done = authorities.empty()
                         ? SSL_CTX_set_default_verify_paths(made.get())
                         : SSL_CTX_load_verify_locations(made.get(), authorities.c_str(), nullptr);
    if (done != 1) throw std::runtime_error(tls::last_error());
    return made;
  }
  // Shows the chain of certificates of a file, and has the key of another.
  static tls_context server(const std::string& chain, const std::string& key) {
    tls_context made(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(made.get(), chain.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(made.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error(tls::last_error());
    }
    return made;
  }

  SSL_CTX* get() const noexcept { return its_.get(); }

 private:
  explicit tls_context(const SSL_METHOD* how) : its_(SSL_CTX_new(how)) {
    if (its_ == nullptr) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }

  std::unique_ptr<SSL_CTX, tls::deleter> its_;
};

class tls_stream {
 public:
  // The server's side, or with the name of a server the client's: the certificate must have that
  // name. The context must outlive the stream.
  tls_stream(hilo::net::tcp_stream over, const tls_context& context, const std::string& host = "")
      : over_(std::make_unique<hilo::net::tcp_stream>(std::move(over))),
        its_(SSL_new(context.get())) {
    BIO* const bio = its_ != nullptr ? BIO_new(tls::method()) : nullptr;
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, over_.get());
    BIO_set_init(bio, 1);
    SSL_set_bio(its_.get(), bio, bio);  // which owns it
    if (host.empty()) {
      SSL_set_accept_state(its_.get());
      return;
    }
    SSL_set_connect_state(its_.get());
    if (SSL_set_tlsext_host_name(its_.get(), host.c_str()) != 1 ||
        SSL_set1_host(its_.get(), host.c_str()) != 1) {
      throw std::bad_alloc();
    }
  }

  // All calls park, and end at a limit, as those of tcp_stream do. failed: why() says more; the
  // stream can only be destroyed then. A read that a limit has ended can be made again.

  // Before the first read or write.
  hilo::result<void> handshake(hilo::io::until when = {}) {
    return without_value(drive([&] { return SSL_do_handshake(its_.get()); }, when));
  }
  // Reads at least one byte and at most `size`; 0: the peer ended its side in order.
  hilo::result<std::size_t> read(void* buffer, std::size_t size, hilo::io::until when = {}) noexcept
      try {
    return drive([&] { return SSL_read(its_.get(), buffer, at_most(size)); }, when);
  } catch (const std::bad_alloc&) {
    return {hilo::status::failed, ENOMEM};
  }
  // Writes all the text. After a limit, some of it may be written.
  hilo::result<void> write_all(std::string_view text, hilo::io::until when = {}) {
    while (!text.empty()) {
      const auto sent =
          drive([&] { return SSL_write(its_.get(), text.data(), at_most(text.size())); }, when);
      if (!sent) return without_value(sent);
      text.remove_prefix(*sent);
    }
    return {};
  }
  // Tells the peer that nothing more comes. This side can still read.
  hilo::result<void> end_writing(hilo::io::until when = {}) {
    const auto shut_down = [&] {
      const int done = SSL_shutdown(its_.get());
      return done == 0 ? 1 : done;  // 0: the peer has not ended its side yet
    };
    return without_value(drive(shut_down, when));
  }

  // Why the last call failed, in OpenSSL's words.
  const std::string& why() const noexcept { return why_; }

 private:
  static int at_most(std::size_t size) noexcept {
    return static_cast<int>(size < INT_MAX ? size : INT_MAX);
  }
  static hilo::result<void> without_value(const hilo::result<std::size_t>& end) noexcept {
    if (end) return {};
    return {end.status(), end.error().value()};
  }

  // Makes a call of OpenSSL until it is done, and waits in between for what it asks for.
  template <class F>
  hilo::result<std::size_t> drive(F call, hilo::io::until when) {
    while (true) {
      ERR_clear_error();  // another fiber may have left some on this kernel thread
      const int done = call();
      const int next = SSL_get_error(its_.get(), done);
      switch (next) {
        case SSL_ERROR_NONE:
          (void)hilo::this_fiber::limit_reached();  // lets others run now and then
          return static_cast<std::size_t>(done);
        case SSL_ERROR_ZERO_RETURN:
          return 0;
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
          break;
        default:
          why_ = tls::last_error();
          return {hilo::status::failed, EPROTO};
      }
      const short events = next == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
      const auto ready = hilo::io::poll(over_->fd(), events, when);
      if (!ready) return {ready.status(), ready.error().value()};
    }
  }

  std::unique_ptr<hilo::net::tcp_stream> over_;  // where the BIO finds it
  std::unique_ptr<SSL, tls::deleter> its_;
  std::string why_;
};
