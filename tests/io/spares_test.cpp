// Calls that need a spare carrier while all of them are in use.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/file.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/name.hpp"
#include "hilo/process.hpp"

#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/names.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::scripted_name;

// Runs body() by epoll, where files need spares, while the only spare is in use.
template <class F>
void without_a_spare(F&& body) {
  for (const unsigned carriers : {1U, 2U}) {
    CAPTURE(carriers);
    const hilo::runtime_options how{.carriers = carriers,
                                    .io = hilo::io_driver::epoll,
                                    .spare_carriers = 1,
                                    .stuck_after = 0ms};
    hilo::run(how, [&] {
      std::atomic<bool> over{false};
      std::atomic<bool> begun{false};
      auto holder = hilo::spawn([&] {
        hilo::blocking([&] {
          begun.store(true, std::memory_order_release);
          over.wait(false, std::memory_order_acquire);
        });
      });
      while (!begun.load(std::memory_order_acquire)) hilo::yield();
      body();
      over.store(true, std::memory_order_release);
      over.notify_all();
      holder.join();
    });
  }
}

}  // namespace

TEST_CASE("spares: a limit ends the wait of every call that needs one") {
  without_a_spare([] {
    const hilo::test::directory place;
    const std::string path = place.path() + "/file";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char byte = 'x';
    namespace io = hilo::io;
    CHECK(io::open(path.c_str(), O_RDONLY, 0, 20ms).status() == status::timed_out);
    CHECK(io::write(fd, &byte, 1, 20ms).status() == status::timed_out);
    CHECK(io::read(fd, &byte, 1, 20ms).status() == status::timed_out);
    CHECK(io::pwrite(fd, &byte, 1, 0, 20ms).status() == status::timed_out);
    CHECK(io::fsync(fd, 20ms).status() == status::timed_out);
    CHECK(io::statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, 20ms).status() == status::timed_out);
    CHECK(hilo::file(::dup(fd)).truncate(10, 20ms).status() == status::timed_out);
    CHECK(hilo::with_timeout(20ms, [&] { return hilo::read_file(path, 100).status(); }) ==
          status::timed_out);
    CHECK(hilo::replace_file(path, "new", 20ms).status() == status::timed_out);
    struct stat about {};
    CHECK(::fstat(fd, &about) == 0);
    CHECK(about.st_size == 0);  // nothing was done
    (void)io::close(fd);
  });
}

TEST_CASE("spares: a limit ends the start of a program while there is none") {
  without_a_spare([] {
    const hilo::test::directory place;
    const std::string path = place.path() + "/input";
    const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(made >= 0);
    ::close(made);
    // Opening the file needs a spare. The program itself needs none.
    const auto with_file = hilo::with_timeout(20ms, [&] {
      return hilo::run_program({.path = "true", .in = hilo::stdio::file(path)}).status();
    });
    CHECK(with_file == status::timed_out);
    CHECK(hilo::run_program({.path = "true"}, {}, 60s));
    const auto asleep = hilo::run_program({.path = "sleep", .arguments = {"60"}}, {}, 20ms);
    CHECK(asleep.status() == status::timed_out);
  });
}

TEST_CASE("spares: a stop request ends the wait for one") {
  without_a_spare([] {
    auto opener = hilo::spawn([] { return hilo::io::open("/", O_RDONLY | O_CLOEXEC).status(); });
    for (int i = 0; i < 10; ++i) hilo::yield();
    opener.request_stop();
    CHECK(opener.join() == status::cancelled);
  });
}

TEST_CASE("spares: hilo::blocking calls its callable in spite of limits and stop requests") {
  std::atomic<int> called{0};
  without_a_spare([&] {
    hilo::spawn([&] {
      hilo::with_timeout(
          1ms, [&] { hilo::blocking([&] { called.fetch_add(1, std::memory_order_relaxed); }); });
    }).detach();
    auto stopped = hilo::spawn(
        [&] { hilo::blocking([&] { called.fetch_add(1, std::memory_order_relaxed); }); });
    hilo::sleep_for(5ms);
    stopped.request_stop();
    hilo::sleep_for(1ms);
    CHECK(called.load(std::memory_order_relaxed) % 2 == 0);
    stopped.detach();
  });
  CHECK(called.load(std::memory_order_relaxed) == 4);
}

TEST_CASE("look_up: those that were given up hold no spare carrier") {
  const hilo::runtime_options how{.carriers = 2, .io = hilo::io_driver::epoll, .spare_carriers = 1};
  hilo::run(how, [] {
    scripted_name name("held.test", {"192.0.2.1"}, true);
    for (int i = 0; i < 10; ++i) {
      CHECK(hilo::net::look_up("held.test", 80, 1ms).status() == status::timed_out);
    }
    const auto opened = hilo::io::open("/", O_RDONLY | O_CLOEXEC, 0, 60s);
    REQUIRE(opened);
    (void)hilo::io::close(*opened);
    CHECK(hilo::run_program({.path = "true"}, {}, 60s));
  });
}

TEST_CASE("look_up: at the bound of look-ups further ones wait for their turn or their limit") {
  static constexpr int bound = 128;
  hilo::test::on_each_driver(
      [] {
        scripted_name name("held.test", {"192.0.2.1"}, true);
        std::vector<hilo::fiber<status>> all;
        for (int i = 0; i < bound; ++i) {
          all.push_back(hilo::spawn([] { return hilo::net::look_up("held.test", 80).status(); }));
        }
        name.until_asked(bound);
        CHECK(hilo::net::look_up("held.test", 80, 5ms).status() == status::timed_out);
        CHECK(name.asked.load(std::memory_order_relaxed) == bound);
        auto next = hilo::spawn([] { return hilo::net::look_up("held.test", 80).status(); });
        name.held.store(false, std::memory_order_release);
        name.held.notify_all();
        for (auto& one : all) CHECK(one.join() == status::ok);
        CHECK(next.join() == status::ok);
      },
      {2U});
}
