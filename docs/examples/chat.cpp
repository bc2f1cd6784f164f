// A chat server: what one types all others see. Try it with two terminals of: nc 127.0.0.1 7000
//
//   $ chat 7000 5000
//   listening on 127.0.0.1:7000
//
// All that is said goes over one broadcast channel, to which each client's fiber listens, while it
// also waits for what its own client types, and for the server's end: a select. Nobody waits for a
// slow client: it is dropped once it is further behind than the channel is long, or takes longer to
// read what it is sent than the second argument says, in milliseconds. /who tells who is there, and
// /quit leaves.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <hilo/hilo.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_line = 1024;
constexpr std::size_t most_clients = 1000;
constexpr std::size_t behind_at_most = 128;  // messages
constexpr auto name_time = 60s;

struct message {
  std::string from;  // who need not be told
  std::string text;
};

// What the clients share.
class room {
 public:
  explicit room(std::chrono::milliseconds write_time)
      : room(hilo::make_broadcast<message>(behind_at_most), write_time) {}

  // False: somebody has that name.
  bool enter(const std::string& name) {
    const std::scoped_lock lock(guard_);
    return names_.insert(name).second;
  }
  void leave(const std::string& name) {
    const std::scoped_lock lock(guard_);
    names_.erase(name);
  }
  std::string who() {
    const std::scoped_lock lock(guard_);
    std::string all = "*";
    for (const std::string& one : names_) all += " " + one;
    return all + "\n";
  }

  void say(const std::string& from, std::string text) {
    (void)everybody_.send(message{from, std::move(text)});  // closed: nobody is there to hear it
  }
  hilo::broadcast_receiver<message> listen() { return everybody_.subscribe(); }

  // False: the client is gone, or does not read.
  bool write(hilo::net::tcp_stream& to, std::string_view text) const {
    return bool(to.write_all(text.data(), text.size(), write_time_));
  }

 private:
  room(hilo::broadcast_ends<message> ends, std::chrono::milliseconds write_time)
      : everybody_(std::move(ends.out)), write_time_(write_time) {}

  hilo::broadcast_sender<message> everybody_;
  const std::chrono::milliseconds write_time_;
  hilo::mutex guard_;
  std::set<std::string> names_;  // guarded by guard_
};

// Passes on what is said on either side, until the client goes. Returns why it went.
const char* converse(room& all, const std::string& name, hilo::net::tcp_stream& stream,
                     hilo::net::line_reader& lines, const std::stop_token& stopping) {
  auto heard = all.listen();
  all.say(name, "* " + name + " joined\n");
  hilo::channel<std::string> typed;
  const auto reader = hilo::spawn([&] {
    while (const auto line = lines.next()) {
      if (typed.send(std::string(*line)) != hilo::status::ok) return;
    }
    typed.close();
  });
  while (true) {
    std::optional<std::string> line;
    std::shared_ptr<const message> news;
    const hilo::select chosen{hilo::receive_from(typed, line), hilo::receive_from(heard, news),
                              hilo::stop_of(stopping)};
    switch (chosen) {
      case 0:
        if (!line || *line == "/quit") return "left";
        if (*line == "/who") {
          if (!all.write(stream, all.who())) return "was too slow";
        } else {
          all.say(name, name + ": " + *line + "\n");
        }
        break;
      case 1:
        if (chosen.end == hilo::status::lagged) return "was too slow";
        if (news->from != name && !all.write(stream, news->text)) return "was too slow";
        break;
      default:  // also when it is cancelled
        (void)all.write(stream, "* the server stops\n");
        return "left";
    }
  }
}

void serve(room& all, hilo::net::tcp_stream stream, const std::stop_token& stopping) {
  hilo::net::line_reader lines(stream, longest_line);
  if (!all.write(stream, "your name?\n")) return;
  const auto first = hilo::with_stop(stopping, [&] { return lines.next(name_time); });
  if (!first || first->empty()) return;
  const std::string name(*first);
  if (!all.enter(name)) {
    (void)all.write(stream, "* somebody is called " + name + " already\n");
    return;
  }
  const char* const why = converse(all, name, stream, lines, stopping);
  all.leave(name);
  all.say(name, "* " + name + " " + why + "\n");
}

void run(std::uint16_t port, std::chrono::milliseconds write_time, hilo::io::signal_set& signals) {
  hilo::net::tcp_listener listener(hilo::net::address::loopback(port));
  std::printf("listening on %s\n", listener.local().value().to_string().c_str());
  std::fflush(stdout);

  room all(write_time);
  hilo::scope<> clients({.limit = most_clients});
  std::stop_source stopping;
  const auto stopper = hilo::spawn([&] {
    if (signals.receive()) stopping.request_stop();
  });
  const auto next = [&] { return listener.accept(); };
  while (auto peer = hilo::with_stop(stopping.get_token(), next)) {
    (void)clients.spawn([&, stream = std::move(*peer)]() mutable {
      serve(all, std::move(stream), stopping.get_token());
    });
  }
  (void)listener.close();
  clients.join();
}

}  // namespace

int main(int count, char** words) try {
  const auto port = static_cast<std::uint16_t>(count > 1 ? std::atoi(words[1]) : 0);
  const std::chrono::milliseconds write_time(count > 2 ? std::atoi(words[2]) : 5000);
  hilo::io::signal_set signals({SIGTERM, SIGINT});  // before there are other threads
  hilo::run([&] { run(port, write_time, signals); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "chat: %s\n", error.what());
  return EXIT_FAILURE;
}
