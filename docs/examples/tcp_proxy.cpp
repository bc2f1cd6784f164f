// A TCP proxy: what comes to its port goes on to another address, and back.
//
//   $ tcp_proxy 8080 www.example.org 80
//   listening on 127.0.0.1:8080
//
// Each direction of a connection has a fiber, which reads and writes on. When one side ends what it
// sends, the other is told so, and may go on sending (half-close). A connection that breaks, or on
// which nothing came from either side for a while, is given up. SIGTERM ends the accepting, and
// after a time, or at a second signal, what still runs.
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
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

using namespace std::chrono_literals;

namespace {

using std::chrono::steady_clock;

struct options {
  std::uint16_t port = 0;
  std::string_view target;  // a name or an address
  std::uint16_t target_port = 0;
  std::chrono::milliseconds idle_time{300'000};
  std::size_t connections = 1000;
};
constexpr auto connect_time = 10s;
constexpr auto stop_time = 30s;

// When something was last read, by either direction.
class activity {
 public:
  explicit activity(std::chrono::milliseconds patience) noexcept : patience_(patience) { note(); }
  // relaxed, as below: a time by itself, which publishes nothing
  void note() noexcept { last_.store(steady_clock::now(), std::memory_order_relaxed); }
  steady_clock::time_point end() const noexcept {
    return last_.load(std::memory_order_relaxed) + patience_;
  }

 private:
  const std::chrono::milliseconds patience_;
  std::atomic<steady_clock::time_point> last_;
};

// One direction, until its end. False: the connection is broken, or idle.
bool pass_on(hilo::net::tcp_stream& from, hilo::net::tcp_stream& to, activity& seen) {
  char buffer[32 * 1024];
  while (true) {
    const auto got = from.read(buffer, sizeof buffer, seen.end());
    // The other direction may have read something meanwhile.
    if (got.status() == hilo::status::timed_out && steady_clock::now() < seen.end()) continue;
    if (!got) return false;
    if (*got == 0) return bool(to.end_writing());
    seen.note();
    // Who does not take what he is sent is as good as idle.
    if (!to.write_all(buffer, *got, seen.end())) return false;
  }
}

void serve(hilo::net::tcp_stream client, const options& given) {
  std::string why;
  auto server = hilo::net::tcp_stream::connect(given.target, given.target_port, connect_time, &why);
  if (!server) {
    std::fprintf(stderr, "%s\n", why.c_str());
    return;
  }
  activity seen(given.idle_time);
  hilo::scope<> directions;
  const auto start = [&](hilo::net::tcp_stream& from, hilo::net::tcp_stream& to) {
    (void)directions.spawn([&] {
      if (!pass_on(from, to, seen)) directions.request_stop();
    });
  };
  start(client, *server);
  start(*server, client);
  directions.join();
}

void run(const options& given, hilo::io::signal_set& signals) {
  hilo::net::tcp_listener listener(hilo::net::address::loopback(given.port));
  std::printf("listening on %s\n", listener.local().value().to_string().c_str());
  std::fflush(stdout);

  hilo::scope<> connections({.limit = given.connections});
  std::stop_source stopping;
  const auto stopper = hilo::spawn([&] {
    if (!signals.receive()) return;  // cancelled, as the listener has failed
    stopping.request_stop();
    (void)signals.receive(stop_time);
    connections.request_stop();
  });
  const auto next = [&] { return listener.accept(); };
  while (auto peer = hilo::with_stop(stopping.get_token(), next)) {
    auto start = [&given, stream = std::move(*peer)]() mutable { serve(std::move(stream), given); };
    if (connections.spawn(std::move(start)) != hilo::status::ok) break;
  }
  (void)listener.close();
  connections.join();
}

template <class T>
T number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(std::string(text) + " is no number, or out of range");
  }
  return value;
}

}  // namespace

int main(int count, char** words) try {
  if (count < 4 || count > 6) {
    throw std::invalid_argument("tell me PORT TARGET TARGET_PORT [IDLE_MS [CONNECTIONS]]");
  }
  options given;
  given.port = number<std::uint16_t>(words[1]);
  given.target = words[2];
  given.target_port = number<std::uint16_t>(words[3]);
  if (count > 4) given.idle_time = std::chrono::milliseconds(number<unsigned>(words[4]));
  if (count > 5) given.connections = number<std::size_t>(words[5]);
  hilo::io::signal_set signals({SIGTERM, SIGINT});  // before there are other threads
  hilo::run([&] { run(given, signals); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "tcp_proxy: %s\n", error.what());
  return EXIT_FAILURE;
}
