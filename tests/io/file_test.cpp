// hilo/file.hpp, in fibers on both drivers and outside.
#include "hilo/file.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"

#include "tests/doctest.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::file;
using hilo::file_access;
using hilo::file_start;
using hilo::read_file;
using hilo::replace_file;
using hilo::status;
using hilo::test::directory;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

constexpr hilo::file_options made_anew{.access = file_access::read_write,
                                       .start = file_start::fresh};

struct temporary : directory {
  std::string operator/(std::string_view name) const { return path() + "/" + std::string(name); }
  // The names of all that is in it.
  std::string content() const {
    std::string names;
    for (const auto& one : std::filesystem::directory_iterator(path())) {
      names += one.path().filename().string() + " ";
    }
    return names;
  }
};

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about.st_mode;
}

std::string content_of(const std::string& path) {
  return read_file(path, std::string::npos).value();
}

// Any number of bytes that tell which part of what they are.
std::string pattern(std::size_t size, unsigned which) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251 + which * 31);
  return text;
}

}  // namespace

TEST_CASE("file: what was written is read, at the position and at offsets") {
  everywhere([] {
    const temporary in;
    file its = std::move(file::open(in / "a", made_anew).value());
    REQUIRE(its.write_all("0123456789", 10));
    CHECK(*its.position() == 10);
    REQUIRE(its.write_all_at(4, "four", 4));
    CHECK(*its.position() == 10);
    REQUIRE(its.seek(3));
    std::array<char, 16> text{};
    CHECK(*its.read(text.data(), 3) == 3);
    CHECK(std::string_view(text.data(), 3) == "3fo");
    CHECK(*its.position() == 6);
    CHECK(*its.read_at(8, text.data(), text.size()) == 2);
    CHECK(std::string_view(text.data(), 2) == "89");
    CHECK(*its.read_at(10, text.data(), text.size()) == 0);
    REQUIRE(its.read_exactly_at(0, text.data(), 10));
    CHECK(std::string_view(text.data(), 10) == "0123four89");
    std::size_t done = 0;
    CHECK(its.read_exactly(text.data(), 5, {}, &done).status() == status::closed);
    CHECK(done == 4);
    CHECK(its.read_exactly_at(9, text.data(), 5, {}, &done).status() == status::closed);
    CHECK(done == 1);
    CHECK(*its.write_at(10, "x", 1) == 1);
    CHECK(*its.write("y", 1) == 1);  // at the position, which was the end
    CHECK(content_of(in / "a") == "0123four89y");
    CHECK(its.sync());
    CHECK(its.sync_data());
  });
}

TEST_CASE("file: its size is asked for, changed and provided for") {
  everywhere([] {
    const temporary in;
    file its = std::move(file::open(in / "a", made_anew).value());
    CHECK(*its.size() == 0);
    REQUIRE(its.truncate(5));
    CHECK(content_of(in / "a") == std::string(5, '\0'));
    const auto provided = its.allocate(3, 10000);
    if (provided.error() == std::errc::operation_not_supported) {
      MESSAGE("no room can be provided on the file system of ", in.path());
    } else {
      REQUIRE(provided);
      CHECK(*its.size() == 10003);
      struct stat about {};
      REQUIRE(::fstat(its.fd(), &about) == 0);
      CHECK(about.st_blocks * 512 >= 10003);
    }
    REQUIRE(its.truncate(2));
    CHECK(*its.size() == 2);
  });
}

TEST_CASE("file: options say what may be there, and what may be done with it") {
  everywhere([] {
    const temporary in;
    const std::string path = in / "a";
    const auto error_of = [&](const hilo::file_options& how) {
      return file::open(path, how).error();
    };
    const auto write = [&](file_access access, file_start start, std::string_view text) {
      file its = std::move(file::open(path, {.access = access, .start = start}).value());
      CHECK((::fcntl(its.fd(), F_GETFD) & FD_CLOEXEC) != 0);
      REQUIRE(its.write_all(text.data(), text.size()));
      return its;
    };
    CHECK(error_of({}) == std::errc::no_such_file_or_directory);
    CHECK(error_of({.access = file_access::write}) == std::errc::no_such_file_or_directory);
    const mode_t mask = ::umask(027);
    write(file_access::write, file_start::any, "first");
    ::umask(mask);
    CHECK(mode_of(path) == (S_IFREG | 0640));
    CHECK(error_of({.access = file_access::write, .start = file_start::fresh}) ==
          std::errc::file_exists);
    write(file_access::write, file_start::any, "F");
    CHECK(content_of(path) == "First");
    // Appending, whatever the offset.
    file log = write(file_access::append, file_start::existing, "+");
    REQUIRE(log.seek(0));
    REQUIRE(log.write_all("+", 1));
    REQUIRE(log.write_all_at(0, "+", 1));
    CHECK(content_of(path) == "First+++");
    write(file_access::read_write, file_start::empty, "new");
    CHECK(content_of(path) == "new");
    file reader = std::move(file::open(path).value());
    char byte = 0;
    CHECK(reader.write("x", 1).error() == std::errc::bad_file_descriptor);
    CHECK(log.read(&byte, 1).error() == std::errc::bad_file_descriptor);
    CHECK(content_of(path) == "new");
  });
}

TEST_CASE("file: what makes no sense is an error") {
  everywhere([] {
    const temporary in;
    const auto error_of = [](const std::string& path, const hilo::file_options& how = {}) {
      return file::open(path, how).error();
    };
    CHECK(error_of("") == std::errc::no_such_file_or_directory);
    CHECK(error_of(std::string("/dev/null\0x", 11)) == std::errc::invalid_argument);
    CHECK(error_of(in.path(), {.access = file_access::write}) == std::errc::is_a_directory);
    CHECK(error_of(in / std::string(300, 'n')) == std::errc::filename_too_long);
    CHECK(error_of("/dev/null/x") == std::errc::not_a_directory);
    CHECK(error_of(in / "a", {.start = file_start::empty}) == std::errc::invalid_argument);
    CHECK(error_of(in / "a", {.access = static_cast<file_access>(9)}) ==
          std::errc::invalid_argument);
    CHECK(error_of(in / "a", {.start = static_cast<file_start>(9)}) == std::errc::invalid_argument);
    CHECK(in.content().empty());

    file its = std::move(file::open(in / "a", made_anew).value());
    char byte = 0;
    CHECK(its.read_at(-1, &byte, 1).error() == std::errc::invalid_argument);
    CHECK(its.write_at(-1, &byte, 1).error() == std::errc::invalid_argument);
    CHECK(its.write_all_at(std::numeric_limits<std::int64_t>::max(), "xy", 2).status() ==
          status::failed);
    CHECK(its.seek(-1).error() == std::errc::invalid_argument);
    CHECK(its.truncate(-1).error() == std::errc::invalid_argument);
    CHECK(its.allocate(0, 0).error() == std::errc::invalid_argument);
    CHECK(its.allocate(-1, 5).error() == std::errc::invalid_argument);
    CHECK(*its.size() == 0);

    file full = std::move(file::open("/dev/full", {.access = file_access::write}).value());
    std::size_t done = 7;
    CHECK(full.write_all("text", 4, {}, &done).error() == std::errc::no_space_on_device);
    CHECK(done == 0);

    file none;
    CHECK(none.read(&byte, 1).error() == std::errc::bad_file_descriptor);
    CHECK(none.position().error() == std::errc::bad_file_descriptor);
    CHECK(none.size().error() == std::errc::bad_file_descriptor);
    CHECK(none.truncate(1).error() == std::errc::bad_file_descriptor);
    CHECK(none.sync().error() == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("file: once a limit is reached nothing begins") {
  everywhere([] {
    const temporary in;
    file its = std::move(file::open(in / "a", made_anew).value());
    REQUIRE(its.write_all("old", 3));
    REQUIRE(its.seek(0));
    const auto try_all = [&](status why, hilo::io::until when) {
      std::array<char, 3> text{};
      std::size_t done = 7;
      CHECK(file::open(in / "b", made_anew, when).status() == why);
      CHECK(its.read(text.data(), 3, when).status() == why);
      CHECK(its.write_at(0, "new", 3, when).status() == why);
      CHECK(its.write_all("new", 3, when, &done).status() == why);
      CHECK(done == 0);
      CHECK(its.size(when).status() == why);
      CHECK(its.truncate(0, when).status() == why);
      CHECK(its.allocate(0, 100, when).status() == why);
      CHECK(its.sync(when).status() == why);
      CHECK(read_file(in / "a", 100, when).status() == why);
      CHECK(replace_file(in / "a", "new", when).status() == why);
    };
    try_all(status::timed_out, 0ms);
    std::stop_source stop;
    stop.request_stop();
    hilo::with_stop(stop.get_token(), [&] { try_all(status::cancelled, {}); });
    CHECK(*its.position() == 0);
    CHECK(content_of(in / "a") == "old");
    CHECK(in.content() == "a ");
  });
}

TEST_CASE("file: many write and read one file at once, each its own part") {
  on_each_driver([] {
    constexpr unsigned parts = 40;
    constexpr std::size_t size = 10'000;
    const temporary in;
    file its = std::move(file::open(in / "a", made_anew).value());
    const auto for_all = [](auto body) {
      std::vector<hilo::fiber<void>> all;
      for (unsigned i = 0; i < parts; ++i) all.push_back(hilo::spawn([&, i] { body(i); }));
      for (auto& one : all) one.join();
    };
    for_all([&](unsigned i) {
      REQUIRE(its.write_all_at(std::int64_t{i} * size, pattern(size, i).data(), size));
    });
    for_all([&](unsigned i) {
      std::string text(size, '\0');
      REQUIRE(its.read_exactly_at(std::int64_t{i} * size, text.data(), size));
      CHECK(text == pattern(size, i));
    });
    CHECK(*its.size() == std::int64_t{parts} * size);
  });
}

TEST_CASE("file: closing it wakes who waits, and deadlines do") {
  on_each_driver([] {
    const temporary in;
    REQUIRE(::mkfifo((in / "fifo").c_str(), 0600) == 0);
    file its = std::move(file::open(in / "fifo", {.access = file_access::read_write}).value());
    char byte = 0;
    CHECK(its.read(&byte, 1, 1ms).status() == status::timed_out);
    hilo::fiber<status> reader = hilo::spawn([&] { return its.read(&byte, 1).status(); });
    hilo::test::until_waited_for(its.fd());
    REQUIRE(its.close());
    CHECK(reader.join() == status::closed);
  });
}

TEST_CASE("file: closing waits for a call that waits for a carrier, so it meets no other file") {
  for (const hilo::io_driver driver : {hilo::io_driver::uring, hilo::io_driver::epoll}) {
    if (driver == hilo::io_driver::uring && !hilo::test::has_uring()) continue;
    // One at a time runs, so a call that has begun is in its wait when another fiber runs.
    hilo::run({.carriers = 1, .io = driver, .spare_carriers = 1}, [] {
      const temporary in;
      file its = std::move(file::open(in / "old", made_anew).value());
      const int number = its.fd();
      // The only spare carrier is in use.
      std::atomic<bool> held{true};
      std::atomic<bool> begun{false};
      hilo::fiber<void> holder = hilo::spawn([&] {
        hilo::blocking([&] {
          begun.store(true, std::memory_order_relaxed);
          held.wait(true, std::memory_order_acquire);
        });
      });
      while (!begun.load(std::memory_order_relaxed)) hilo::yield();
      std::atomic<int> calls{0};
      const auto begin = [&](auto call) {
        return hilo::spawn([&, call] {
          calls.fetch_add(1, std::memory_order_relaxed);
          return call().status();
        });
      };
      hilo::fiber<status> truncation = begin([&] { return its.truncate(4); });
      hilo::fiber<status> writing = begin([&] { return its.write_at(4, "more", 4); });
      while (calls.load(std::memory_order_relaxed) < 2) hilo::yield();
      for (int i = 0; i < 100; ++i) hilo::yield();
      hilo::fiber<file> closer = hilo::spawn([&] {
        REQUIRE(its.close());
        return hilo::test::made_at(number, [&] {
          return file(::open((in / "new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        });
      });
      for (int i = 0; i < 100; ++i) hilo::yield();
      held.store(false, std::memory_order_release);
      held.notify_all();
      holder.join();
      const file other = closer.join();
      CHECK(truncation.join() == status::ok);
      (void)writing.join();  // on a ring it was in the kernel, or is closed
      CHECK(*other.size() == 0);
      CHECK(content_of(in / "old").starts_with(std::string(4, '\0')));
    });
  }
}

// The second carrier would be started for a call that blocks.
TEST_CASE("file: by epoll, what is in the page cache is read by the carrier itself") {
  const temporary here;
  const int fd = ::open((here / "some").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string text(4096, 'x');
  REQUIRE(::write(fd, text.data(), text.size()) == 4096);
  std::string read(text.size(), ' ');
  const iovec room{read.data(), read.size()};
  constexpr int no_wait = 8;  // RWF_NOWAIT
  if (::syscall(SYS_preadv2, fd, &room, 1, 0L, 0L, no_wait) != 4096) {
    ::close(fd);
    HILO_SKIP("preadv2 cannot ask this file system not to wait");
  }
  const auto second_carrier = [] {
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream name(one.path() / "comm");
      if (std::string line; std::getline(name, line) && line == "hilo/1") return true;
    }
    return false;
  };
  hilo::run({.carriers = 1, .io = hilo::io_driver::epoll}, [&] {
    for (int i = 0; i < 1000; ++i) {  // long enough for it to have a name
      read.assign(text.size(), ' ');
      CHECK(hilo::io::pread(fd, read.data(), read.size(), 0).value() == 4096);
      CHECK(read == text);
    }
    CHECK_FALSE(second_carrier());
    // Nobody can tell an end from what is not in the cache but by waiting.
    CHECK(hilo::io::pread(fd, read.data(), read.size(), 4000).value() == 96);
    CHECK(hilo::io::pread(fd, read.data(), read.size(), 4096).value() == 0);
    while (!second_carrier()) hilo::sleep_for(1ms);
  });
  ::close(fd);
}

TEST_CASE("read_file: whole files come, and none that is too long") {
  everywhere([] {
    const temporary in;
    const std::string path = in / "a";
    for (const std::size_t size : {0U, 1U, 4095U, 4096U, 4097U, 100'000U}) {
      const std::string text = pattern(size, 1);
      REQUIRE(replace_file(path, text));
      CHECK(read_file(path, size).value() == text);
      CHECK(read_file(path, std::string::npos).value() == text);
      if (size > 0) {
        CHECK(read_file(path, size - 1).error() == std::errc::file_too_large);
        CHECK(read_file(path, 0).error() == std::errc::file_too_large);
      }
    }
    // Their size is not known before.
    CHECK(read_file("/proc/self/maps", 16 << 20).value().find("stack") != std::string::npos);
    CHECK(read_file("/proc/self/maps", 10).error() == std::errc::file_too_large);
    CHECK(read_file("/dev/zero", 10'000).error() == std::errc::file_too_large);
    CHECK(read_file("/dev/null", 0).value().empty());
    CHECK(read_file(in / "none", 10).error() == std::errc::no_such_file_or_directory);
    CHECK(read_file(in.path(), 10'000).error() == std::errc::is_a_directory);
  });
}

TEST_CASE("replace_file: the new takes the old one's place and mode, or leaves nothing") {
  everywhere([] {
    const temporary in;
    const std::string path = in / "a";
    const mode_t mask = ::umask(022);
    REQUIRE(replace_file(path, "one", {}, 0666));
    ::umask(mask);
    CHECK(mode_of(path) == (S_IFREG | 0644));
    REQUIRE(::chmod(path.c_str(), 0751) == 0);
    file before = std::move(file::open(path).value());
    REQUIRE(replace_file(path, "two"));
    CHECK(mode_of(path) == (S_IFREG | 0751));
    CHECK(content_of(path) == "two");
    std::array<char, 3> text{};
    REQUIRE(before.read_exactly(text.data(), 3));
    CHECK(std::string_view(text.data(), 3) == "one");  // who had it open has it still
    // A link is replaced, and what it led to stays.
    REQUIRE(::symlink("a", (in / "link").c_str()) == 0);
    REQUIRE(replace_file(in / "link", "three"));
    CHECK(S_ISREG(mode_of(in / "link")));
    CHECK(content_of(path) == "two");
    REQUIRE(::unlink((in / "link").c_str()) == 0);

    const auto error_of = [](const std::string& where) { return replace_file(where, "x").error(); };
    CHECK(error_of("") == std::errc::invalid_argument);
    CHECK(error_of(in.path() + "/") == std::errc::invalid_argument);
    CHECK(error_of(in.path()) == std::errc::is_a_directory);
    CHECK(error_of(in / "none/a") == std::errc::no_such_file_or_directory);
    CHECK(error_of(path + "/a") == std::errc::not_a_directory);
    CHECK(error_of(path + std::string("\0x", 2)) == std::errc::invalid_argument);
    CHECK(error_of(in / std::string(300, 'n')) == std::errc::filename_too_long);
    CHECK(in.content() == "a ");
  });
}

TEST_CASE("replace_file: who reads meanwhile finds one content, whole, whatever ends the writer") {
  const std::uint64_t seed = hilo::test::stress_seed();
  CAPTURE(seed);
  on_each_driver(
      [&] {
        const temporary in;
        const std::string path = in / "a";
        constexpr std::size_t size = 50'000;
        REQUIRE(replace_file(path, std::string(size, '.')));
        std::atomic<int> writers{3};
        std::vector<hilo::fiber<void>> all;
        for (unsigned i = 0; i < 3; ++i) {
          all.push_back(hilo::spawn([&, i] {
            std::mt19937_64 random(seed + i);
            for (int j = 0; j < 10; ++j) {
              const auto patience = std::chrono::microseconds(random() % 3000);
              const auto end =
                  replace_file(path, std::string(size, static_cast<char>('a' + i)), patience);
              CHECK((end || end.status() == status::timed_out));
            }
            writers.fetch_sub(1, std::memory_order_relaxed);
          }));
        }
        while (writers.load(std::memory_order_relaxed) > 0) {
          const std::string text = content_of(path);
          REQUIRE(text == std::string(size, text.at(0)));
        }
        for (auto& one : all) one.join();
        CHECK(in.content() == "a ");
      },
      {2U});
}
