// A key-value server in memory that speaks RESP, the protocol of Redis. So redis-cli and the client
// libraries of Redis are its clients:
//
//   $ key_value 6379 &
//   listening on 127.0.0.1:6379
//   $ redis-cli incr visits
//   (integer) 1
//
// A connection's fiber answers all requests that have come and writes the answers at once, so a
// client that sends many requests before it reads costs one write. The keys are spread over several
// tables, each with a lock, so that carriers seldom meet. The second argument is how long a client
// may take to read its answers, in milliseconds.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <hilo/hilo.hpp>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using hilo::net::tcp_stream;

namespace {

constexpr std::size_t longest_line = 16 * 1024;  // of a request's frame, not of a value
constexpr std::int64_t most_words = 1024 * 1024;
constexpr std::int64_t longest_word = 512 * 1024 * 1024;  // as in Redis
constexpr std::size_t written_at_once = 64 * 1024;

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// --- The keys -----------------------------------------------------------------------------------

class store {
 public:
  std::optional<std::string> get(const std::string& key) {
    table& its = table_of(key);
    const std::scoped_lock lock(its.guard);
    const auto found = its.values.find(key);
    if (found == its.values.end()) return std::nullopt;
    return found->second;
  }
  void set(const std::string& key, std::string value) {
    table& its = table_of(key);
    const std::scoped_lock lock(its.guard);
    its.values.insert_or_assign(key, std::move(value));
  }
  bool has(const std::string& key) {
    table& its = table_of(key);
    const std::scoped_lock lock(its.guard);
    return its.values.contains(key);
  }
  bool erase(const std::string& key) {
    table& its = table_of(key);
    const std::scoped_lock lock(its.guard);
    return its.values.erase(key) != 0;
  }
  // Empty: the value is not a number, or would leave the range of one.
  std::optional<std::int64_t> add(const std::string& key, std::int64_t more) {
    table& its = table_of(key);
    const std::scoped_lock lock(its.guard);
    const auto found = its.values.find(key);
    std::optional<std::int64_t> number = found == its.values.end() ? 0 : to_number(found->second);
    if (!number || __builtin_add_overflow(*number, more, &*number)) return std::nullopt;
    its.values.insert_or_assign(key, std::to_string(*number));
    return number;
  }
  std::size_t size() {
    std::size_t sum = 0;
    for (table& its : tables_) {
      const std::scoped_lock lock(its.guard);
      sum += its.values.size();
    }
    return sum;
  }

 private:
  struct table {
    hilo::mutex guard;
    std::unordered_map<std::string, std::string> values;  // guarded by guard
  };
  table& table_of(const std::string& key) {
    return tables_[std::hash<std::string>()(key) % tables_.size()];
  }
  std::array<table, 64> tables_;
};

// --- Answers ------------------------------------------------------------------------------------

using words = std::vector<std::string>;

void put_number(std::string& out, std::int64_t number) {
  out += ":" + std::to_string(number) + "\r\n";
}
void put_text(std::string& out, const std::string& text) {
  out += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
void put_text_or_nothing(std::string& out, const std::optional<std::string>& text) {
  text ? put_text(out, *text) : (void)(out += "$-1\r\n");
}
void put_error(std::string& out, std::string_view what) {
  out.append("-ERR ").append(what).append("\r\n");
}

void ping(store&, const words& given, std::string& out) {
  given.size() == 1 ? (void)(out += "+PONG\r\n") : put_text(out, given[1]);
}
void echo(store&, const words& given, std::string& out) {
  put_text(out, given[1]);
}
void get(store& all, const words& given, std::string& out) {
  put_text_or_nothing(out, all.get(given[1]));
}
void set(store& all, const words& given, std::string& out) {
  all.set(given[1], given[2]);
  out += "+OK\r\n";
}
void mget(store& all, const words& given, std::string& out) {
  out += "*" + std::to_string(given.size() - 1) + "\r\n";
  for (std::size_t i = 1; i < given.size(); ++i) put_text_or_nothing(out, all.get(given[i]));
}
void exists(store& all, const words& given, std::string& out) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < given.size(); ++i) count += all.has(given[i]) ? 1 : 0;
  put_number(out, count);
}
void del(store& all, const words& given, std::string& out) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < given.size(); ++i) count += all.erase(given[i]) ? 1 : 0;
  put_number(out, count);
}
void add(store& all, const words& given, std::string& out) {
  const auto more = given.size() == 3 ? to_number(given[2]) : 1;
  const auto sum = more ? all.add(given[1], *more) : std::nullopt;
  sum ? put_number(out, *sum) : put_error(out, "value is not an integer or out of range");
}
void dbsize(store& all, const words&, std::string& out) {
  put_number(out, static_cast<std::int64_t>(all.size()));
}
void describe_commands(store&, const words&, std::string& out) {
  out += "*0\r\n";  // asked for by redis-cli when it starts
}

struct command {
  std::string_view name;
  std::size_t least;  // words, the name included
  std::size_t most;
  void (*answer)(store&, const words&, std::string&);
};
constexpr std::size_t any_number = SIZE_MAX;
constexpr command commands[] = {
    {"PING", 1, 2, ping},
    {"ECHO", 2, 2, echo},
    {"GET", 2, 2, get},
    {"SET", 3, 3, set},
    {"MGET", 2, any_number, mget},
    {"EXISTS", 2, any_number, exists},
    {"DEL", 2, any_number, del},
    {"INCR", 2, 2, add},
    {"INCRBY", 3, 3, add},
    {"DBSIZE", 1, 1, dbsize},
    {"COMMAND", 1, any_number, describe_commands},
};

void answer(store& all, const words& given, std::string& out) {
  std::string name = given[0];
  for (char& letter : name) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  for (const command& one : commands) {
    if (one.name != name) continue;
    if (given.size() < one.least || given.size() > one.most) {
      return put_error(out, "wrong number of arguments for '" + given[0] + "' command");
    }
    return one.answer(all, given, out);
  }
  put_error(out, "unknown command '" + given[0].substr(0, 128) + "'");
}

// --- Requests -----------------------------------------------------------------------------------

enum class outcome : std::uint8_t { complete, nothing, broken };

// Reads a request: "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", or a line of words as a person types it.
outcome read_request(hilo::io::buffered_reader& in, words& given, std::string& why) {
  given.clear();
  const auto line = in.line();
  if (!line) {
    why = line.error().value() == EMSGSIZE ? "Protocol error: too big inline request" : "";
    return outcome::broken;
  }
  if (!line->starts_with('*')) {
    for (std::size_t at = 0; at < line->size();) {
      const std::size_t end = std::min(line->find(' ', at), line->size());
      if (end > at) given.emplace_back(line->substr(at, end - at));
      at = end + 1;
    }
    return given.empty() ? outcome::nothing : outcome::complete;
  }
  const auto count = to_number(line->substr(1));
  if (!count || *count > most_words) {
    why = "Protocol error: invalid multibulk length";
    return outcome::broken;
  }
  for (std::int64_t i = 0; i < *count; ++i) {
    const auto head = in.line();
    if (!head) return outcome::broken;
    const auto size = head->starts_with('$') ? to_number(head->substr(1)) : std::nullopt;
    if (!size || *size < 0 || *size > longest_word) {
      why = "Protocol error: invalid bulk length";
      return outcome::broken;
    }
    std::string& word = given.emplace_back();
    // A peer that only announces much gets no memory for it.
    for (auto left = static_cast<std::size_t>(*size); left > 0;) {
      const std::size_t next = std::min<std::size_t>(left, 1024 * 1024);
      const std::size_t begun = word.size();
      word.resize(begun + next);
      if (!in.read_exactly(word.data() + begun, next)) return outcome::broken;
      left -= next;
    }
    const auto end = in.line();
    if (!end || !end->empty()) return outcome::broken;
  }
  return given.empty() ? outcome::nothing : outcome::complete;
}

void converse(store& all, tcp_stream peer, const std::stop_token& stopping,
              std::chrono::milliseconds write_time) {
  hilo::io::buffered_reader in(peer, longest_line);
  words given;
  std::string out;
  std::string why;
  bool goes_on = true;
  while (goes_on) {
    const outcome got = hilo::with_stop(stopping, [&] { return read_request(in, given, why); });
    if (got == outcome::complete) answer(all, given, out);
    if (got == outcome::broken) {
      if (!why.empty()) put_error(out, why);
      goes_on = false;
    }
    const bool more = goes_on && !in.rest().empty() && out.size() < written_at_once;
    if (more || out.empty()) continue;
    if (!peer.write_all(out, write_time)) return;
    out.clear();
  }
}

void run(std::uint16_t port, std::chrono::milliseconds write_time, hilo::io::signal_set& signals) {
  hilo::net::tcp_listener listener(hilo::net::address::loopback(port));
  std::printf("listening on %s\n", listener.local().value().to_string().c_str());
  std::fflush(stdout);

  store all;
  std::stop_source stopping;
  const auto stopper = hilo::spawn([&] {
    if (signals.receive()) stopping.request_stop();
  });
  const auto serve_one = [&](tcp_stream peer, const std::stop_token& stop) {
    converse(all, std::move(peer), stop, write_time);
  };
  const auto end =
      hilo::net::serve(listener, serve_one, {.connections = 10'000, .stop = stopping.get_token()});
  if (!end) throw std::system_error(end.error(), "serve");
}

}  // namespace

int main(int count, char** words) try {
  const auto port = static_cast<std::uint16_t>(count > 1 ? std::atoi(words[1]) : 0);
  const std::chrono::milliseconds write_time(count > 2 ? std::atoi(words[2]) : 5000);
  hilo::io::signal_set signals({SIGTERM, SIGINT});  // before there are other threads
  hilo::run([&] { run(port, write_time, signals); });
} catch (const std::exception& error) {
  std::fprintf(stderr, "key_value: %s\n", error.what());
  return EXIT_FAILURE;
}
