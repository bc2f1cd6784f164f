// A server whose protocol has lines: "add NAME NUMBER" and "get NAME". It serves a bounded number
// of connections, and when it is told to stop, each connection answers what it has read. Three
// clients use it, in the same program.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <hilo/hilo.hpp>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;

namespace {

class counters {
 public:
  std::string answer(std::string_view request) {
    const std::size_t space = request.rfind(' ');
    if (request.starts_with("add ") && space > 4) {
      const long number = std::atol(std::string(request.substr(space + 1)).c_str());
      const std::scoped_lock lock(guard_);
      return std::to_string(all_[std::string(request.substr(4, space - 4))] += number) + "\n";
    }
    if (request.starts_with("get ")) {
      const std::scoped_lock lock(guard_);
      return std::to_string(all_[std::string(request.substr(4))]) + "\n";
    }
    return "what?\n";
  }

 private:
  hilo::mutex guard_;
  std::map<std::string, long> all_;  // guarded by guard_
};

hilo::result<void> serve(tcp_listener& listener, const std::stop_token& stop) {
  counters all;
  const auto converse = [&](tcp_stream peer, const std::stop_token& stopping) {
    hilo::io::buffered_reader in(peer);
    const auto next = [&] { return in.line(30s); };
    while (const auto line = hilo::with_stop(stopping, next)) {
      if (!peer.write_all(all.answer(*line), 5s)) return;
    }
  };
  return hilo::net::serve(listener, converse, {.connections = 1000, .stop = stop});
}

void count_to(int last, const hilo::net::address& server) {
  tcp_stream stream = std::move(tcp_stream::connect(server, 5s).value());
  hilo::io::buffered_reader in(stream);
  for (int i = 1; i <= last; ++i) {
    stream.write_all("add visits 1\n", 5s).value();
    (void)in.line(5s).value();
  }
}

}  // namespace

int main() {
  hilo::run([] {
    tcp_listener listener(hilo::net::address::loopback(0));
    const auto at = listener.local().value();
    std::stop_source stop;
    auto server = hilo::spawn([&] { return serve(listener, stop.get_token()); });

    hilo::when_all([&] { count_to(10, at); }, [&] { count_to(20, at); }, [&] { count_to(30, at); });
    tcp_stream stream = std::move(tcp_stream::connect(at, 5s).value());
    stream.write_all("get visits\n", 5s).value();
    hilo::io::buffered_reader in(stream);
    std::printf("visits: %s\n", std::string(in.line(5s).value()).c_str());

    stop.request_stop();
    std::printf("the server ended: %s\n", hilo::to_string(server.join().status()));
  });
}
