// Starts of programs beside others: who is a program's parent, and files that were just written.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/file.hpp"
#include "hilo/limit.hpp"
#include "hilo/process.hpp"

#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"
#include "tests/skip.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::process;
using hilo::process_error;
using hilo::status;
using hilo::stdio;
using hilo::test::on_each_driver;

constexpr std::string_view script = "#!/bin/sh\nexit 3\n";

void write_script(const std::string& path) {
  ::unlink(path.c_str());
  auto file = std::move(hilo::file::open(path, {.access = hilo::file_access::write,
                                                .start = hilo::file_start::fresh,
                                                .mode = 0755})
                            .value());
  file.write_all(script.data(), script.size()).value();
  CHECK(file.close());
}

}  // namespace

TEST_CASE("process: one with a parent-death signal outlives the carriers of its runtime") {
  HILO_NEEDS(clone_flags);
  if (::access("/usr/bin/setpriv", X_OK) != 0) return hilo::test::skip("there is no setpriv");
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    if (driver == hilo::io_driver::uring && !hilo::test::has_uring()) continue;
    process child;
    hilo::run(hilo::runtime_options{.carriers = 1, .io = driver}, [&] {
      child = process({.path = "/usr/bin/setpriv",
                       .arguments = {"--pdeathsig", "KILL", "sh", "-c", "echo ready; exec cat"},
                       .in = stdio::piped(),
                       .out = stdio::piped()});
      std::string line;
      CHECK(child.out().read(line, 6, 60s));
      CHECK(line == "ready\n");
    });
    std::string rest;
    const auto end = child.communicate("alive", &rest, nullptr, 60s);
    REQUIRE(end);
    CHECK(end->describe() == "exited with 0");
    CHECK(rest == "alive");
  }
}

TEST_CASE("process: a program that was just written starts beside others") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const hilo::test::directory place;
    const auto work = [&](std::string path) {
      int ran = 0;
      for (int i = 0; i < 40; ++i) {
        write_script(path);
        ran += process({.path = path}).wait(60s)->code() == 3 ? 1 : 0;
      }
      return ran;
    };
    auto one = hilo::spawn([&] { return work(place.path() + "/one"); });
    auto other = hilo::spawn([&] { return work(place.path() + "/other"); });
    CHECK(one.join() == 40);
    CHECK(other.join() == 40);
  });
}

TEST_CASE("process: a file that stays open to be written is not run, and the error says why") {
  HILO_NEEDS(clone_flags);
  on_each_driver(
      [] {
        const hilo::test::directory place;
        const std::string path = place.path() + "/script";
        write_script(path);
        const int writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        try {
          process started({.path = path});
          FAIL("it was started");
        } catch (const process_error& error) {
          CHECK(error.at() == process_error::step::exec);
          CHECK(error.code() == std::errc::text_file_busy);
          CHECK(std::strstr(error.what(), "open to be written") != nullptr);
        }
        auto runner = hilo::spawn([&] { return process({.path = path}).wait(60s)->code(); });
        hilo::sleep_for(5ms);
        (void)hilo::io::close(writer);
        CHECK(runner.join() == 3);
      },
      {2U});
}

TEST_CASE("run_program: a limit that ends its start is the result's status") {
  HILO_NEEDS(clone_flags);
  on_each_driver([] {
    const hilo::program what{.path = "cat", .in = stdio::file("/dev/null")};
    CHECK(hilo::run_program(what, {}, 0ms).status() == status::timed_out);
    CHECK(hilo::with_timeout(0ms, [&] { return hilo::run_program(what).status(); }) ==
          status::timed_out);
    CHECK(hilo::run_program(what, {}, 60s)->end.code() == 0);
  });
}
