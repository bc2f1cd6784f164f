// Programs in process groups of their own.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/process.hpp"

#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::process;
using hilo::status;
using hilo::stdio;
using hilo::test::on_each_driver;

// A shell that starts a program and waits for it; both hold the pipe open.
hilo::program with_a_child(std::optional<pid_t> group) {
  return {.path = "/bin/sh",
          .arguments = {"-c", "sleep 1000 & echo $!; wait"},
          .out = stdio::piped(),
          .group = group};
}

pid_t first_number(process& from) {
  std::string text;
  while (!text.ends_with('\n')) REQUIRE(from.out().read(text, 64).value() != 0);
  return static_cast<pid_t>(std::stol(text));
}

// Waits until every process that holds the pipe has ended.
void until_closed(hilo::io::pipe_reader& from) {
  std::string rest;
  while (from.read(rest, 64, 100s).value() != 0) continue;
}

}  // namespace

TEST_CASE("process group: a program is in this one, in a new one, or in that of another program") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    process here({.path = "sleep", .arguments = {"1000"}});
    CHECK(::getpgid(here.id()) == ::getpgrp());
    process leader({.path = "sleep", .arguments = {"1000"}, .group = 0});
    CHECK(::getpgid(leader.id()) == leader.id());
    process member({.path = "sleep", .arguments = {"1000"}, .group = leader.id()});
    CHECK(::getpgid(member.id()) == leader.id());
    CHECK(here.kill_group(SIGTERM).error().value() == EINVAL);
    CHECK(member.kill_group(SIGTERM).error().value() == EINVAL);
    REQUIRE(leader.kill_group(SIGTERM));
    CHECK(leader.wait()->signal() == SIGTERM);
    CHECK(member.wait()->signal() == SIGTERM);
    CHECK(leader.kill_group(SIGTERM).error().value() == ESRCH);
    CHECK(process().kill_group(SIGTERM).error().value() == ESRCH);
  });
}

TEST_CASE("process group: a signal to it reaches the programs that the program started") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    process shell(with_a_child(0));
    const pid_t child = first_number(shell);
    CHECK(::getpgid(child) == shell.id());
    process moved = std::move(shell);
    REQUIRE(moved.kill_group(SIGKILL));
    until_closed(moved.out());
    CHECK(moved.wait()->signal() == SIGKILL);
  });
}

TEST_CASE("process group: the end of the object, and of a limit, kills all of it") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    auto both = std::move(hilo::io::pipe().value());
    {
      hilo::program what = with_a_child(0);
      what.err = stdio::lent(both.writer.fd());
      process shell(what);
      (void)first_number(shell);
      REQUIRE(both.writer.close());
    }
    until_closed(both.reader);

    both = std::move(hilo::io::pipe().value());
    hilo::program what = with_a_child(0);
    what.err = stdio::lent(both.writer.fd());
    CHECK(hilo::run_program(what, {}, 20ms).status() == status::timed_out);
    REQUIRE(both.writer.close());
    until_closed(both.reader);
  });
}

TEST_CASE("process group: one that cannot be joined is an error that says so") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const auto why = [](pid_t group) {
      try {
        const process started({.path = "true", .group = group});
        return std::string("started");
      } catch (const hilo::process_error& error) {
        return std::string(error.what());
      }
    };
    CHECK(why(std::numeric_limits<pid_t>::max()) ==
          "hilo: cannot run true: EPERM (there is no such process group in this session)");
    CHECK(why(-5).find("negative") != std::string::npos);
  });
}
