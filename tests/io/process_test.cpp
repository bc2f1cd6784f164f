// hilo/process.hpp, on both drivers: what a program is given, how it fails to start, its streams,
// its end.
#include "hilo/process.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::process;
using hilo::process_error;
using hilo::program;
using hilo::run_program;
using hilo::status;
using hilo::stdio;
using hilo::test::on_each_driver;

constexpr auto program_patience = 100s;  // of what is to end by itself

program shell(std::string script) {
  return {.path = "/bin/sh", .arguments = {"-c", std::move(script)}};
}

hilo::program_end run(const program& what, std::string_view input = {}) {
  return std::move(run_program(what, input, program_patience).value());
}

// What starting it throws.
process_error refusal(const program& what) {
  try {
    process one(what);
  } catch (const process_error& error) {
    return error;
  }
  FAIL("it was started");
  std::abort();
}

// A directory of the test's own.
class scratch {
 public:
  scratch() { REQUIRE(::mkdtemp(name_.data()) != nullptr); }
  ~scratch() { std::filesystem::remove_all(name_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  const std::string& name() const noexcept { return name_; }
  std::string file(const std::string& in_it, const std::string& text, mode_t mode) const {
    const std::string path = name_ + "/" + in_it;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    REQUIRE(fd >= 0);
    REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
    return path;
  }

 private:
  std::string name_ = "/tmp/hilo-process-XXXXXX";
};

std::string program_bytes(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    all.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

}  // namespace

TEST_CASE("process: gets its arguments, environment and directory, and its end is told") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    CHECK(run({.path = "printf", .arguments = {"%s|", "a b", "", "c"}}).out == "a b||c|");
    const auto end = run(shell("exit 7"));
    CHECK(end.end.code() == 7);
    CHECK(end.out.empty());
    program clean{.path = "/usr/bin/env"};
    clean.environment = {{"ONE=1", "TWO=two words"}};
    CHECK(run(clean).out == "ONE=1\nTWO=two words\n");
    CHECK(run({.path = "pwd", .directory = "/usr"}).out == "/usr\n");
    ::setenv("HILO_TEST_VALUE", "inherited", 1);
    CHECK(run(shell("echo $HILO_TEST_VALUE")).out == "inherited\n");
    // A relative path is one of the new directory's.
    CHECK(run({.path = "./sh", .arguments = {"-c", "echo $0"}, .directory = "/bin"}).out ==
          "./sh\n");
    CHECK(run(shell("kill -TERM $$")).end.describe() == "killed by SIGTERM");
  });
}

TEST_CASE("process: what was not started says which step failed, why and where") {
  HILO_NEEDS(clone_flags);
  const scratch place;
  const std::string plain = place.file("plain", "#!/bin/sh\n", 0644);
  const std::string broken = place.file("broken", "#!/nowhere/shell\n", 0755);
  const std::string text = place.file("text", "no program\n", 0755);
  on_each_driver([&] {
    using enum process_error::step;
    const process_error absent = refusal({.path = "/nowhere/program"});
    CHECK(absent.at() == exec);
    CHECK(absent.code() == std::errc::no_such_file_or_directory);
    CHECK(std::string(absent.path()) == "/nowhere/program");
    CHECK(std::string(absent.what()) ==
          "hilo: cannot run /nowhere/program: ENOENT (there is no such program, or no interpreter "
          "that its first line names)");
    CHECK(refusal({.path = "hilo-no-such-program"}).code() == std::errc::no_such_file_or_directory);
    CHECK(refusal({.path = plain}).code() == std::errc::permission_denied);
    CHECK(refusal({.path = place.name()}).code() == std::errc::permission_denied);
    CHECK(refusal({.path = broken}).code() == std::errc::no_such_file_or_directory);
    CHECK(refusal({.path = text}).code() == std::errc::executable_format_error);
    CHECK(refusal({.path = plain + "/below"}).code() == std::errc::not_a_directory);

    const process_error no_directory = refusal({.path = "true", .directory = "/nowhere/at/all"});
    CHECK(no_directory.at() == directory);
    CHECK(std::string(no_directory.path()) == "/nowhere/at/all");
    const process_error no_file = refusal({.path = "true", .in = stdio::file("/nowhere/input")});
    CHECK(no_file.at() == open);
    CHECK(std::string(no_file.path()) == "/nowhere/input");
    CHECK(std::string(no_file.what()) ==
          "hilo: cannot open /nowhere/input: ENOENT (there is no such file)");
    CHECK(refusal({.path = "true", .out = stdio::lent(-1)}).at() == redirect);
    const process_error not_open = refusal({.path = "true", .out = stdio::lent(987654)});
    CHECK(not_open.at() == redirect);
    CHECK(not_open.code() == std::errc::bad_file_descriptor);

    CHECK(refusal({.path = ""}).at() == prepare);
    CHECK(refusal({.path = "true", .arguments = {std::string("a\0b", 3)}}).at() == prepare);
    CHECK(refusal({.path = "true", .out = stdio::as_out()}).at() == prepare);
    const process_error large =
        refusal({.path = "true", .arguments = {std::string(std::size_t{1} << 20, 'x')}});
    CHECK(large.at() == exec);
    CHECK(large.code() == std::errc::argument_list_too_long);
  });
}

TEST_CASE("process: without descriptors left it is not started, and none is lost") {
  HILO_NEEDS(clone_flags);
  on_each_driver(
      [] {
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const program all{.path = "true", .in = stdio::piped(), .out = stdio::piped()};
        CHECK(process(all).wait(program_patience)->code() == 0);
        // One more each time: the pipes, the child's own descriptor, and at last it works.
        const int first_free = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
        ::close(first_free);
        int refused = 0;
        bool started = false;
        for (int limit = first_free; !started; ++limit) {
          const rlimit few{.rlim_cur = static_cast<rlim_t>(limit), .rlim_max = before.rlim_max};
          REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
          try {
            process one(all);
            started = true;
          } catch (const process_error& error) {
            ++refused;
            CHECK(error.code() == std::errc::too_many_files_open);
            CHECK((error.at() == process_error::step::pipe ||
                   error.at() == process_error::step::clone));
          }
          REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        }
        CHECK(refused >= 5);  // the four ends of two pipes, and the child's
      },
      {1U});
}

TEST_CASE("process: each standard descriptor is what was asked for") {
  HILO_NEEDS(clone_flags);
  const scratch place;
  on_each_driver([&] {
    const std::string input = place.name() + "/input";
    const std::string output = place.name() + "/output";
    program writer = shell("echo to a file; echo beside >&2");
    writer.out = stdio::file(input, O_WRONLY | O_CREAT | O_TRUNC);
    writer.err = stdio::null();
    CHECK(process(writer).wait(program_patience)->code() == 0);

    program reader{.path = "cat", .in = stdio::file(input)};
    CHECK(run(reader).out == "to a file\n");
    program both = shell("echo one; echo two >&2; echo three");
    both.err = stdio::as_out();
    CHECK(run(both).out == "one\ntwo\nthree\n");
    both.err = stdio::piped();
    CHECK(run(both).out == "one\nthree\n");
    CHECK(run(both).err == "two\n");
    program nothing{.path = "cat", .in = stdio::null()};
    CHECK(run(nothing, "ignored").out.empty());

    // Two descriptors of ours, crosswise: neither is overwritten before it was used.
    const int first = ::open(output.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(first >= 0);
    program crossed = shell("echo out; echo err >&2");
    crossed.out = stdio::lent(first);
    crossed.err = stdio::as_out();
    CHECK(process(crossed).wait(program_patience)->code() == 0);
    crossed.out = stdio::piped();
    crossed.err = stdio::lent(first);
    process one(crossed);
    std::string out;
    CHECK(one.communicate({}, &out, nullptr, program_patience)->code() == 0);
    CHECK(out == "out\n");
    CHECK((::fcntl(first, F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE(hilo::io::close(first));
    CHECK(run({.path = "cat", .arguments = {output}}).out == "out\nerr\nerr\n");
  });
}

TEST_CASE("process: lent standard descriptors may be swapped") {
  HILO_NEEDS(clone_flags);
  auto ends = std::move(hilo::io::pipe().value());
  auto other = std::move(hilo::io::pipe().value());
  const int out = ::fcntl(1, F_DUPFD_CLOEXEC, 3);
  const int err = ::fcntl(2, F_DUPFD_CLOEXEC, 3);
  std::fflush(stdout);
  REQUIRE(::dup2(ends.writer.fd(), 1) == 1);
  REQUIRE(::dup2(other.writer.fd(), 2) == 2);
  program crossed = shell("echo out; echo err >&2");
  crossed.out = stdio::lent(2);
  crossed.err = stdio::lent(1);
  const auto end = process(crossed).wait(program_patience);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::close(out);
  ::close(err);
  REQUIRE(end);
  CHECK(end->code() == 0);
  REQUIRE(ends.writer.close());
  REQUIRE(other.writer.close());
  std::string first, second;
  REQUIRE(ends.reader.read(first, 100, program_patience));
  REQUIRE(other.reader.read(second, 100, program_patience));
  CHECK(first == "err\n");
  CHECK(second == "out\n");
}

TEST_CASE("process: has no descriptor of ours, no blocked signal and no ignored SIGPIPE") {
  HILO_NEEDS(clone_flags);
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::sigaddset(&blocked, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  struct sigaction ignore {};
  struct sigaction pipe_before {};
  struct sigaction hangup_before {};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(SIGPIPE, &ignore, &pipe_before) == 0);
  REQUIRE(::sigaction(SIGHUP, &ignore, &hangup_before) == 0);
  // What was ignored when this program began still is; but SIGPIPE never.
  const auto ignored = [] {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigIgn:", 0) != 0) continue;
      const auto mask = std::stoull(line.substr(7), nullptr, 16) & ~(1ULL << (SIGPIPE - 1));
      char text[32];
      std::snprintf(text, sizeof text, "%016llx", mask);
      return std::string(text);
    }
    return std::string();
  }();
  // What this program was started with, and what is not close-on-exec by now.
  const auto bare = [] {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      const int fd = std::stoi(entry.path().filename().string());
      const int flags = ::fcntl(fd, F_GETFD);
      if (fd > 2 && flags >= 0 && (flags & FD_CLOEXEC) == 0) all.push_back(std::to_string(fd));
    }
    return all.size();
  };
  on_each_driver([&] {
    const auto files = std::move(hilo::io::pipe().value());
    // ls has its three, and the directory that it reads.
    process busy(program{.path = "sleep", .arguments = {"100"}, .in = stdio::piped()});
    const auto listed = run({.path = "ls", .arguments = {"/proc/self/fd"}});
    CHECK(lines_of(listed.out).size() == 4 + bare());
    const auto signals = run({.path = "grep", .arguments = {"^Sig[BI]", "/proc/self/status"}});
    CHECK(signals.out == "SigBlk:\t0000000000000000\nSigIgn:\t" + ignored + "\n");
  });
  REQUIRE(::sigaction(SIGPIPE, &pipe_before, nullptr) == 0);
  REQUIRE(::sigaction(SIGHUP, &hangup_before, nullptr) == 0);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("process: much input and much output pass through full pipes") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const std::string much = program_bytes(3 << 20);
    const auto echoed = run({.path = "cat"}, much);
    CHECK(echoed.out == much);
    CHECK(echoed.end.code() == 0);
    // Floods one stream, then the other, and reads its input last.
    const auto flood =
        run(shell("head -c 1000000 /dev/zero; head -c 500000 /dev/zero >&2; wc -c"), much);
    CHECK(flood.err.size() == 500000);
    REQUIRE(flood.out.size() > 1000000);
    CHECK(std::stoul(flood.out.substr(1000000)) == much.size());
  });
}

TEST_CASE("process: without a fiber it does the same") {
  HILO_NEEDS(clone_flags);
  const std::string much = program_bytes(300000);
  CHECK(run({.path = "cat"}, much).out == much);
  process sleeper(program{.path = "sleep", .arguments = {"100"}});
  CHECK(sleeper.wait(1ms).status() == status::timed_out);
  REQUIRE(sleeper.kill(SIGTERM));
  CHECK(sleeper.wait()->signal() == SIGTERM);
}

TEST_CASE("process: one that never reads, or stops reading, holds nobody up") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const std::string much = program_bytes(1 << 20);
    // It ends without having read: EPIPE, and no SIGPIPE for us.
    CHECK(run({.path = "true"}, much).end.code() == 0);
    CHECK(run({.path = "head", .arguments = {"-c", "1000"}}, much).out == much.substr(0, 1000));
    // It goes on without reading.
    process sleeper(program{.path = "sleep", .arguments = {"100"}, .in = stdio::piped()});
    std::size_t fed = 0;
    CHECK(sleeper.communicate(much, nullptr, nullptr, 10ms, std::string::npos, &fed).status() ==
          status::timed_out);
    CHECK(fed > 0);
    CHECK(fed < much.size());
    CHECK(bool(sleeper));
  });
}

TEST_CASE("process: output without end is ended by the deadline, by a stop or by its length") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const program flood{.path = "yes"};
    CHECK(run_program(flood, {}, 20ms).status() == status::timed_out);
    CHECK(run_program(flood, {}, program_patience, 100000).error() == std::errc::message_size);
    hilo::fiber<status> stopped = hilo::spawn([&] { return run_program(flood).status(); });
    hilo::sleep_for(5ms);
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    // What came before the limit is there.
    program one = flood;
    one.out = stdio::piped();
    process its(one);
    std::string out;
    CHECK(its.communicate({}, &out, nullptr, program_patience, 5000).error() ==
          std::errc::message_size);
    REQUIRE(out.size() == 5000);
    CHECK(out.starts_with("y\ny\n"));
  });
}

TEST_CASE(
    "process: wait parks, tells the end again, and is ended by limits; kill says when it is over") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    CHECK(process().wait().error() == std::errc::no_child_process);
    CHECK(process().kill(SIGTERM).error() == std::errc::no_such_process);
    process one(program{.path = "cat", .in = stdio::piped(), .out = stdio::piped()});
    CHECK(one.id() > 0);
    CHECK(one.wait(2ms).status() == status::timed_out);
    CHECK(one.wait(0ms).status() == status::timed_out);
    std::stop_source source;
    source.request_stop();
    CHECK(hilo::with_stop(source.get_token(), [&] { return one.wait().status(); }) ==
          status::cancelled);
    hilo::fiber<status> stopped = hilo::spawn([&] { return one.wait().status(); });
    hilo::sleep_for(1ms);
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);

    // It ends once another fiber, with one carrier on the same, has let it.
    hilo::fiber<void> other = hilo::spawn([&] {
      REQUIRE(one.in().write_all("last words", 10));
      REQUIRE(one.in().close());
    });
    CHECK(one.wait(program_patience)->code() == 0);
    other.join();
    CHECK(one.wait()->code() == 0);
    CHECK_FALSE(bool(one));
    CHECK(one.id() == 0);
    CHECK(one.kill(SIGTERM).error() == std::errc::no_such_process);
    std::string words;
    CHECK(*one.out().read(words, 100) == 10);
    CHECK(words == "last words");
    CHECK(*one.out().read(words, 100) == 0);

    process sleeper(program{.path = "sleep", .arguments = {"100"}});
    CHECK(sleeper.kill(1000).error() == std::errc::invalid_argument);
    REQUIRE(sleeper.kill(SIGKILL));
    CHECK(sleeper.wait(program_patience)->signal() == SIGKILL);
  });
}

TEST_CASE("process: the destructor and assignment kill and collect, release does not") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const program sleep{.path = "sleep", .arguments = {"100"}};
    process one(sleep);
    const pid_t first = one.id();
    one = process(sleep);
    CHECK(::kill(first, 0) == -1);  // it was collected
    const pid_t second = one.id();
    { const process ended = std::move(one); }
    CHECK(::kill(second, 0) == -1);
    process let_go(shell("exit 3"));
    const pid_t id = let_go.release();
    CHECK(let_go.wait().error() == std::errc::no_child_process);
    int end = 0;
    REQUIRE(::waitpid(id, &end, 0) == id);
    CHECK(WEXITSTATUS(end) == 3);
  });
}

TEST_CASE("process: a pipeline of programs is made by lending the ends of a pipe") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    auto between = std::move(hilo::io::pipe().value());
    program first = shell("for i in 3 1 2; do echo $i; done");
    first.out = stdio::lent(between.writer.fd());
    program second{.path = "sort", .in = stdio::lent(between.reader.fd()), .out = stdio::piped()};
    process from(first);
    process to(second);
    REQUIRE(between.writer.close());
    REQUIRE(between.reader.close());
    std::string out;
    CHECK(to.communicate({}, &out, nullptr, program_patience)->code() == 0);
    CHECK(out == "1\n2\n3\n");
    CHECK(from.wait(program_patience)->code() == 0);
  });
}

TEST_CASE("process: many fibers and threads run programs at once") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    std::vector<hilo::fiber<void>> fibers;
    for (int i = 0; i < 12; ++i) {
      fibers.push_back(hilo::spawn([i] {
        const std::string mine = std::to_string(i) + "\n";
        for (int j = 0; j < 3; ++j) CHECK(run({.path = "cat"}, mine).out == mine);
        CHECK(refusal({.path = "/nowhere/program"}).at() == process_error::step::exec);
      }));
    }
    std::thread beside([] {
      for (int j = 0; j < 5; ++j) CHECK(run({.path = "cat"}, "thread").out == "thread");
    });
    for (auto& one : fibers) one.join();
    hilo::blocking([&] { beside.join(); });
  });
}
