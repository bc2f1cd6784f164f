// An HTTP/1.1 server. It says where it listens, and ends on SIGTERM or SIGINT when the requests
// that run are answered:
//
//   $ http_server port=8080 carriers=2 idle_time=5000
//   listening on 127.0.0.1:8080
//
// What it serves: / says hello; POST /echo gives a body back; /count/N counts to N, a chunk a line;
// /wait/MS says so, and answers after that time; /metrics has the runtime's counts for Prometheus;
// /fail throws.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <hilo/hilo.hpp>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/resource.h>

#include "server.hpp"

namespace {

constexpr std::string_view text = "text/plain";

// The number behind `prefix`, if that is how the target goes on.
std::optional<unsigned> number_after(std::string_view prefix, std::string_view target) {
  unsigned number = 0;
  if (!target.starts_with(prefix)) return {};
  const char* const end = target.data() + target.size();
  const auto [stop, error] = std::from_chars(target.data() + prefix.size(), end, number);
  if (error != std::errc() || stop != end) return {};
  return number;
}

void count_to(unsigned number, http::response& reply) {
  reply.begin(200, text);
  for (unsigned i = 1; i <= number; ++i) {
    if (!reply.add(std::to_string(i) + "\n")) return;
  }
}

void wait(std::chrono::milliseconds patience, http::response& reply) {
  reply.begin(200, text);
  reply.add("waiting\n");
  reply.flush();  // or it would go out with the next piece
  const bool waited = hilo::sleep_for(patience) == hilo::status::ok;
  reply.add(waited ? "done\n" : "the server stops\n");
}

void handle(const http::request& request, http::response& reply) {
  const std::string_view target = request.target();
  const bool reads = request.method() == "GET" || request.method() == "HEAD";
  if (target == "/echo") {
    if (request.method() != "POST") return reply.send(405, text, "POST it\n", "Allow: POST\r\n");
    return reply.send(200, "application/octet-stream", request.body());
  }
  if (target == "/fail") throw std::runtime_error("as it was told to");
  const bool counts = target == "/metrics";
  const auto count = number_after("/count/", target);
  const auto patience = number_after("/wait/", target);
  if (target != "/" && !counts && !count && !patience)
    return reply.send(404, text, "no such page\n");
  if (!reads) return reply.send(405, text, "GET it\n", "Allow: GET, HEAD\r\n");
  if (counts) return reply.send(200, hilo::metrics_content_type, hilo::metrics_text());
  if (count) return count_to(*count, reply);
  if (patience) return wait(std::chrono::milliseconds(*patience), reply);
  reply.send(200, text, "hello\n");
}

// The options of the command line: name=number, in milliseconds, bytes or as a count.
class options {
 public:
  options(int count, char** words) {
    for (int i = 1; i < count; ++i) {
      const std::string_view word = words[i];
      const std::size_t split = word.find('=');
      const auto number = number_after("=", word.substr(std::min(split, word.size())));
      if (!number) throw std::invalid_argument(std::string(word) + " is not name=number");
      numbers_[std::string(word.substr(0, split))] = *number;
    }
  }

  template <class T>
  void take(const char* name, T& value) {
    if (const auto found = numbers_.extract(name)) value = T(found.mapped());
  }
  void check_all_taken() const {
    if (!numbers_.empty()) throw std::invalid_argument("no option: " + numbers_.begin()->first);
  }

 private:
  std::map<std::string, unsigned> numbers_;
};

// Each connection is a descriptor: as many as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int count, char** words) try {
  std::uint16_t port = 0;
  hilo::runtime_options runtime;
  http::limits granted;
  options given(count, words);
  given.take("port", port);
  given.take("carriers", runtime.carriers);
  unsigned measures = 0;
  given.take("measure_wakeups", measures);
  runtime.measure_wakeups = measures != 0;
  given.take("connections", granted.connections);
  given.take("head", granted.head);
  given.take("body", granted.body);
  given.take("head_time", granted.head_time);
  given.take("body_time", granted.body_time);
  given.take("idle_time", granted.idle_time);
  given.take("write_time", granted.write_time);
  given.take("linger_time", granted.linger_time);
  given.take("grace_time", granted.grace_time);
  given.take("stop_time", granted.stop_time);
  given.check_all_taken();

  raise_descriptor_limit();
  hilo::io::signal_set signals({SIGTERM, SIGINT});  // before there are other threads
  hilo::run(runtime, [&] {
    http::server server(hilo::net::address::loopback(port), handle, granted);
    std::printf("listening on %s\n", server.address().to_string().c_str());
    std::fflush(stdout);
    server.run(signals);
  });
  std::printf("stopped\n");
} catch (const std::exception& error) {
  std::fprintf(stderr, "http_server: %s\n", error.what());
  return EXIT_FAILURE;
}
