// A server and a client over TLS (tls_stream.hpp). The server answers each line with the same line,
// and a request of HTTP with a page, so that curl can ask it, too:
//
//   $ openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost
//       -addext subjectAltName=DNS:localhost
//   $ tls_echo serve cert.pem key.pem 4433
//   $ tls_echo ask cert.pem localhost 4433 "hello" "you there"
//   $ curl --cacert cert.pem https://localhost:4433/
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <hilo/hilo.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "tls_stream.hpp"

using namespace std::chrono_literals;
using hilo::net::tcp_stream;

namespace {

void show_page(tls_stream& stream, hilo::io::buffered_reader& in) {
  while (const auto header = in.line(5s)) {
    if (header->empty()) break;
  }
  constexpr std::string_view page = "hello by TLS\n";
  (void)stream.write_all("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                             std::to_string(page.size()) + "\r\n\r\n" + std::string(page),
                         5s);
}

void serve_one(tcp_stream peer, const tls_context& identity, const std::stop_token& stopping) {
  tls_stream stream(std::move(peer), identity);
  if (!stream.handshake(5s)) {
    std::fprintf(stderr, "no handshake: %s\n", stream.why().c_str());
    return;
  }
  hilo::io::buffered_reader in(stream);
  const auto next = [&] { return in.line(60s); };
  while (const auto line = hilo::with_stop(stopping, next)) {
    if (line->starts_with("GET ")) {
      show_page(stream, in);
      break;
    }
    if (!stream.write_all(std::string(*line) + "\n", 5s)) return;
  }
  (void)stream.end_writing(5s);
}

void serve(const tls_context& identity, std::uint16_t port, hilo::io::signal_set& signals) {
  hilo::net::tcp_listener listener(hilo::net::address::loopback(port));
  std::printf("listening on %s\n", listener.local().value().to_string().c_str());
  std::fflush(stdout);
  std::stop_source stopping;
  const auto stopper = hilo::spawn([&] {
    if (signals.receive()) stopping.request_stop();
  });
  const auto handler = [&](tcp_stream peer, const std::stop_token& stop) {
    serve_one(std::move(peer), identity, stop);
  };
  hilo::net::serve(listener, handler, {.connections = 1000, .stop = stopping.get_token()}).value();
}

// Sends all questions, ends its side, and reads the answers.
void ask(const tls_context& trust, const std::string& host, std::uint16_t port, char** questions) {
  tls_stream stream(std::move(tcp_stream::connect(host, port, 5s)).value(), trust, host);
  const auto check = [&](const hilo::result<void>& end) {
    if (!end) throw std::runtime_error(stream.why());
  };
  check(stream.handshake(5s));
  for (; *questions != nullptr; ++questions) {
    check(stream.write_all(std::string(*questions) + "\n", 5s));
  }
  check(stream.end_writing(5s));
  hilo::io::buffered_reader in(stream);
  while (const auto line = in.line(5s)) std::printf("%s\n", std::string(*line).c_str());
}

std::uint16_t to_port(const char* text) {
  return static_cast<std::uint16_t>(std::atoi(text));
}

}  // namespace

int main(int count, char** words) try {
  const std::string_view what = count > 4 ? words[1] : "";
  if (what == "serve") {
    hilo::io::signal_set signals({SIGTERM, SIGINT});  // before there are other threads
    const tls_context identity = tls_context::server(words[2], words[3]);
    hilo::run([&] { serve(identity, to_port(words[4]), signals); });
  } else if (what == "ask") {
    const tls_context trust = tls_context::client(words[2]);
    hilo::run([&] { ask(trust, words[3], to_port(words[4]), words + 5); });
  } else {
    std::fprintf(stderr, "usage: tls_echo serve CERT KEY PORT, or ask CA HOST PORT LINE...\n");
    return EXIT_FAILURE;
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "tls_echo: %s\n", error.what());
  return EXIT_FAILURE;
}
