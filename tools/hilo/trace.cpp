#include "tools/hilo/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/groups.hpp"
#include "tools/hilo/symbols.hpp"
#include "tools/hilo/trace_reader.hpp"
#include "tools/hilo/wording.hpp"

namespace hilo::command {
namespace {

// A ring of 65,536 events is full after 5 ms if a switch takes 150 ns.
constexpr int pause_ms = 2;
// A thread that lost its CPU writes an event late. Guess: rarely later than this.
constexpr std::int64_t late_at_most = 20'000'000;  // ns

struct trace_options {
  int process = 0;
  double seconds = 5;
  std::string path;
};

[[noreturn]] void refuse_trace(const std::string& text) {
  throw failure(exit_code::wrong_usage, text + "; see hilo help trace");
}

template <class T>
bool parse_whole(std::string_view text, T& into) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && rest == text.data() + text.size();
}

trace_options parse_trace(std::span<char* const> arguments) {
  trace_options all;
  std::string which;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view one = arguments[i];
    const auto value = [&](const char* what) {
      if (i + 1 == arguments.size()) refuse_trace(std::string(one) + " takes " + what);
      return std::string_view(arguments[++i]);
    };
    if (one == "-t") {
      const std::string_view text = value("a number of seconds");
      if (!parse_whole(text, all.seconds) || !(all.seconds >= 0.1 && all.seconds <= 3600)) {
        refuse_trace("-t takes seconds, from 0.1 to 3600, not \"" + std::string(text) + "\"");
      }
    } else if (one == "-o") {
      all.path = value("a file");
      if (all.path.empty()) refuse_trace("-o takes a file");
    } else if (one.starts_with("-")) {
      refuse_trace("trace has no option " + std::string(one));
    } else if (which.empty()) {
      which = one;
    } else {
      refuse_trace("trace takes one process, not also \"" + std::string(one) + "\"");
    }
  }
  if (which.empty()) refuse_trace("trace takes the number of a process");
  if (!parse_whole(which, all.process) || all.process <= 0) {
    refuse_trace("trace takes the number of a process, not \"" + which + "\"");
  }
  if (all.path.empty()) all.path = "trace-" + which + ".json";
  return all;
}

volatile std::sig_atomic_t interrupted_by = 0;

// From now on a signal ends the recording in order. A reader of the output that is gone is an error
// of write(2).
void end_in_order_at_signals() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { interrupted_by = signal; };
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(one, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

class open_file {
 public:
  // What was in the file stays until empty().
  explicit open_file(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail(errno);
  }
  void empty() const {
    if (::ftruncate(fd_, 0) != 0 && errno != EINVAL) fail(errno);  // EINVAL: a pipe or terminal
  }
  ~open_file() {
    if (fd_ >= 0) ::close(fd_);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;

  int fd() const noexcept { return fd_; }
  [[noreturn]] void fail(int error) const {
    throw failure(exit_code::unreadable, "cannot write " + path_ + ": " + std::strerror(error));
  }
  // NFS tells of a full disk here.
  void close() {
    if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) fail(errno);
  }

 private:
  const std::string path_;
  int fd_;
};

class recording {
 public:
  recording(target& where, const std::vector<found_hilo>& hilos, const trace_options& wanted,
            const open_file& file)
      : where_(where),
        file_(file),
        names_(where),
        out_(file.fd()),
        json_(out_,
              {.literal =
                   [this](std::uint64_t at) { return where_.bytes().text(at).value_or("unknown"); },
               .call =
                   [this](std::uint64_t at) {
                     return at == 0 ? "" : describe_spawn_site(names_, at);
                   }},
              wanted.process, where.program().substr(where.program().rfind('/') + 1)),
        reader_(where, hilos) {}

  // Returns false if the process ended before.
  bool run_until(std::int64_t end) {
    while (interrupted_by == 0 && now() < end) {
      if (!reader_.renew()) return false;
      take(now() - late_at_most);
      ::poll(nullptr, 0, pause_ms);
    }
    return true;
  }

  void finish() {
    reader_.stop();
    take(INT64_MAX);
    json_.end(now(), reader_.lost());
    if (out_.error() != 0) file_.fail(out_.error());
  }

  std::uint64_t events() const noexcept { return json_.events(); }
  std::uint64_t lost() const noexcept { return reader_.lost(); }
  std::size_t workers() const noexcept { return reader_.workers(); }
  std::int64_t now() const { return where_.now().value_or(0); }

 private:
  // Reads what is new, and writes what is older than `horizon`, in the order of time.
  void take(std::int64_t horizon) {
    const std::size_t before = waiting_.size();
    reader_.read(waiting_, json_);
    for (std::size_t i = before; i < waiting_.size(); ++i) json_.learn(waiting_[i].what);
    std::stable_sort(
        waiting_.begin(), waiting_.end(),
        [](const placed_event& a, const placed_event& b) { return a.what.time < b.what.time; });
    std::size_t count = 0;
    while (count < waiting_.size() && waiting_[count].what.time <= horizon) {
      json_.add(waiting_[count].where, waiting_[count].what);
      ++count;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    if (out_.error() != 0) file_.fail(out_.error());
  }

  target& where_;
  const open_file& file_;
  symbols names_;
  tool::trace_file out_;
  tool::trace_json json_;
  trace_reader reader_;
  std::vector<placed_event> waiting_;
};

}  // namespace

void trace(std::span<char* const> arguments) {
  const trace_options wanted = parse_trace(arguments);
  const std::unique_ptr<target> where = open_process(wanted.process);
  const std::vector<found_hilo> hilos = find_hilos(*where);
  end_in_order_at_signals();
  open_file file(wanted.path);
  recording its(*where, hilos, wanted, file);
  file.empty();  // nothing refuses the trace any more
  const std::int64_t begin = its.now();
  const bool stayed = its.run_until(begin + static_cast<std::int64_t>(wanted.seconds * 1e9));
  const std::int64_t end = its.now();
  its.finish();
  file.close();
  std::printf("%s: %s of %s in %s\n", wanted.path.c_str(), count_of(its.events(), "event").c_str(),
              count_of(its.workers(), "worker").c_str(),
              duration(std::chrono::nanoseconds(end - begin)).c_str());
  if (its.lost() != 0) {
    std::printf("%s lost, because the process was faster than this command\n",
                (count_of(its.lost(), "event") + (its.lost() == 1 ? " was" : " were")).c_str());
  }
  if (!stayed) {
    std::printf("%s has ended; its last milliseconds are not in the file\n", where->name().c_str());
  }
  if (interrupted_by != 0) {
    throw failure(static_cast<exit_code>(128 + interrupted_by),
                  "interrupted; " + wanted.path + " has the trace up to now");
  }
}

}  // namespace hilo::command
