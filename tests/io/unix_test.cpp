// Streams and listeners of hilo/net/unix.hpp, and the names of Unix sockets, on both drivers.
#include "hilo/net/unix.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/line_reader.hpp"

#include "tests/doctest.hpp"
#include "tests/io/directory.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::io::descriptor;
using hilo::net::delivery;
using hilo::net::unix_address;
using hilo::net::unix_datagram;
using hilo::net::unix_listener;
using hilo::net::unix_stream;
using hilo::test::directory;
using hilo::test::on_each_driver;

struct pipe_ends {
  pipe_ends() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    out = descriptor(ends[0]);
    in = descriptor(ends[1]);
  }
  // Whether nobody has the other end any more.
  bool ended() {
    char byte = 0;
    const auto got = hilo::io::read(out.fd(), &byte, 1, 10s);
    REQUIRE(got);
    return *got == 0;
  }
  descriptor out, in;
};

}  // namespace

TEST_CASE("unix: addresses are made, compared and printed") {
  CHECK(unix_address::path("/run/server")->to_string() == "/run/server");
  CHECK(unix_address::path("/run/server")->is_path());
  CHECK(unix_address::abstract("server")->to_string() == "@server");
  CHECK(unix_address::abstract(std::string_view("a\0\x1b\\", 4))->to_string() ==
        "@a\\x00\\x1b\\x5c");
  CHECK(unix_address::abstract("server")->is_abstract());
  CHECK(unix_address().to_string() == "no name");
  CHECK(unix_address().name().empty());
  CHECK(*unix_address::path("a") == *unix_address::path("a"));
  CHECK_FALSE(*unix_address::path("a") == *unix_address::path("b"));
  CHECK_FALSE(*unix_address::path("a") == *unix_address::abstract("a"));
  CHECK_FALSE(*unix_address::abstract("a") == *unix_address::abstract(std::string_view("a\0", 2)));
  CHECK(unix_address() == unix_address());
  for (const auto make : {unix_address::path, unix_address::abstract}) {
    CHECK_FALSE(make("").has_value());
    const std::string longest(unix_address::longest, 'x');
    CHECK(make(longest)->name() == longest);
    CHECK_FALSE(make(longest + "x").has_value());
  }
  CHECK_FALSE(unix_address::path(std::string_view("a\0b", 3)).has_value());
  // As the kernel writes them: cut short, of another family, with no zero byte at the end.
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  std::memset(raw.sun_path, 'y', sizeof raw.sun_path);
  const auto* const plain = reinterpret_cast<const sockaddr*>(&raw);
  CHECK(unix_address(plain, sizeof raw + 1).name() == std::string(sizeof raw.sun_path, 'y'));
  CHECK(unix_address(plain, sizeof raw.sun_family) == unix_address());
  CHECK(unix_address(plain, 0) == unix_address());
  raw.sun_family = AF_INET;
  CHECK(unix_address(plain, sizeof raw) == unix_address());
}

TEST_CASE(
    "unix: streams carry lines both ways, by a path, an abstract name, and one of the kernel") {
  on_each_driver([] {
    const directory here;
    for (const unix_address& name :
         {here.at("server"), *unix_address::abstract(here.path()), unix_address()}) {
      unix_listener listener(name);
      const unix_address at = *listener.local();
      if (name.name().empty()) {
        CHECK(at.is_abstract());
      } else {
        CHECK(at == name);
      }
      constexpr int clients = 10;
      hilo::fiber<void> server = hilo::spawn([&] {
        for (int served = 0; served < clients; ++served) {
          unix_stream peer = std::move(listener.accept().value());
          CHECK(*peer.local() == at);
          hilo::net::line_reader lines(peer);
          while (auto line = lines.next()) {
            const std::string answer = std::string(*line) + "!\n";
            REQUIRE(peer.write_all(answer.data(), answer.size()));
          }
          REQUIRE(peer.end_gracefully(10s));
        }
      });
      for (int i = 0; i < clients; ++i) {
        unix_stream stream = std::move(unix_stream::connect(at).value());
        CHECK(*stream.peer() == at);
        CHECK(*stream.local() == unix_address());
        CHECK((::fcntl(stream.fd(), F_GETFL) & O_NONBLOCK) == 0);
        const std::string sent = "question " + std::to_string(i);
        REQUIRE(stream.write_all((sent + "\n").data(), sent.size() + 1));
        hilo::net::line_reader answers(stream);
        CHECK(*answers.next(10s) == sent + "!");
        REQUIRE(stream.end_writing());
        CHECK(answers.next(10s).status() == status::closed);
      }
      server.join();
    }
  });
}

TEST_CASE("unix: nothing at a path, and a path that was left, refuse in their own ways") {
  on_each_driver([] {
    const directory here;
    const unix_address at = here.at("server");
    const auto connecting = [&] { return unix_stream::connect(at).error(); };
    CHECK(connecting() == std::errc::no_such_file_or_directory);
    CHECK(unix_stream::connect(unix_address()).status() == status::failed);
    CHECK(remove_stale(at).error() == std::errc::no_such_file_or_directory);
    CHECK(remove_stale(*unix_address::abstract("x")).error() == std::errc::invalid_argument);
    (void)unix_listener(at);
    CHECK(connecting() == std::errc::connection_refused);
    try {
      const unix_listener again(at);
      FAIL("a listener at a path that is there");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::address_in_use);
      CHECK(std::strstr(error.what(), at.to_string().c_str()) != nullptr);
      CHECK(std::strstr(error.what(), "remove_stale()") != nullptr);
    }
    REQUIRE(remove_stale(at));
    {
      unix_listener listener(at);
      CHECK(remove_stale(at).error() == std::errc::address_in_use);
      CHECK(listener.accept(1ms).status() == status::timed_out);  // it was not connected to
      REQUIRE(unix_stream::connect(at));
      CHECK_THROWS_AS(unix_datagram{at}, std::system_error);
      CHECK(unix_datagram::connect(at).error() == std::errc::wrong_protocol_type);
    }
    REQUIRE(remove_stale(at));
    {
      unix_datagram receiver(at);
      CHECK(remove_stale(at).error() == std::errc::address_in_use);
      // Also where it takes datagrams from its own peer only.
      REQUIRE(receiver.set_peer(at));
      CHECK(remove_stale(at).error() == std::errc::address_in_use);
      CHECK(connecting() == std::errc::wrong_protocol_type);
    }
    REQUIRE(remove_stale(at));
    const int file = ::open(at.to_string().c_str(), O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    ::close(file);
    CHECK(remove_stale(at).error() == std::errc::not_a_socket);
    CHECK(connecting() == std::errc::connection_refused);
    try {
      const unix_listener nowhere(here.at("none/server"));
      FAIL("a listener in a directory that is not there");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::no_such_file_or_directory);
      CHECK(std::strstr(error.what(), "its directory does not exist") != nullptr);
    }
  });
}

TEST_CASE("unix: connecting waits for room in the listener's queue, until a limit") {
  on_each_driver([] {
    unix_listener listener(unix_address(), 0);  // a queue of one
    const unix_address at = *listener.local();
    const unix_stream first = std::move(unix_stream::connect(at).value());
    CHECK(unix_stream::connect(at, 0ms).status() == status::timed_out);
    CHECK(unix_stream::connect(at, 2ms).status() == status::timed_out);
    hilo::with_timeout(2ms, [&] { CHECK(unix_stream::connect(at).status() == status::timed_out); });
    std::stop_source stop;
    hilo::fiber<status> stopped = hilo::spawn([&] {
      return hilo::with_stop(stop.get_token(), [&] { return unix_stream::connect(at).status(); });
    });
    hilo::fiber<status> patient =
        hilo::spawn([&] { return unix_stream::connect(at, 10s).status(); });
    hilo::yield();
    stop.request_stop();
    CHECK(stopped.join() == status::cancelled);
    REQUIRE(listener.accept());
    CHECK(patient.join() == status::ok);
    // One who waits when the listener closes is refused.
    hilo::fiber<std::error_code> late =
        hilo::spawn([&] { return unix_stream::connect(at, 10s).error(); });
    hilo::yield();
    REQUIRE(listener.close());
    CHECK(late.join() == std::errc::connection_refused);
  });
}

TEST_CASE("unix: a stream ends as TCP's does") {
  on_each_driver([] {
    auto both = std::move(unix_stream::pair().value());
    unix_stream& left = both.first;
    unix_stream& right = both.second;
    char byte = 0;
    CHECK(left.read(&byte, 1, 1ms).status() == status::timed_out);
    std::size_t done = 0;
    const std::string much(8 << 20, 'm');
    CHECK(left.write_all(much.data(), much.size(), 20ms, &done).status() == status::timed_out);
    CHECK(done > 0);
    REQUIRE(left.end_writing());
    std::string got(done, '\0');
    REQUIRE(right.read_exactly(got.data(), done));
    CHECK(*right.read(&byte, 1) == 0);
    hilo::fiber<status> asked = hilo::spawn([&] { return left.read(&byte, 1).status(); });
    hilo::yield();
    asked.request_stop();
    CHECK(asked.join() == status::cancelled);
    REQUIRE(left.close());
    CHECK(right.write("x", 1).error() == std::errc::broken_pipe);  // no SIGPIPE
  });
}

TEST_CASE("unix: closing a stream or a listener wakes who waits for it") {
  on_each_driver([] {
    auto both = std::move(unix_stream::pair().value());
    unix_listener listener{unix_address()};
    const int reader = both.first.release();
    const int door = listener.release();
    hilo::fiber<status> reading = hilo::spawn([&] {
      unix_stream same(reader);
      char byte = 0;
      std::array<descriptor, 1> passed;
      const status end = same.read_with(&byte, 1, passed, 10s).status();
      (void)same.release();
      return end;
    });
    hilo::fiber<status> accepting = hilo::spawn([&] {
      unix_listener same(door);
      const status end = same.accept(10s).status();
      (void)same.release();
      return end;
    });
    hilo::yield();
    REQUIRE(hilo::io::close(reader));
    REQUIRE(hilo::io::close(door));
    for (auto* const one : {&reading, &accepting}) {
      const status end = one->join();
      CHECK((end == status::closed || end == status::failed));  // failed: it found the number gone
    }
  });
}

TEST_CASE("unix: descriptors are passed with the bytes they were written with") {
  on_each_driver([] {
    auto both = std::move(unix_stream::pair().value());
    unix_stream& left = both.first;
    unix_stream& right = both.second;
    pipe_ends first;
    pipe_ends second;
    REQUIRE(left.write_all("plain", 5));
    REQUIRE(left.write_with("one", 3, std::array{first.in.fd()}));
    REQUIRE(left.write_with("two", 3, std::array{second.in.fd(), second.out.fd()}));
    REQUIRE(first.in.close());
    REQUIRE(second.in.close());
    std::string text;
    std::vector<std::size_t> counts;
    std::vector<descriptor> all;
    while (text.size() < 11) {
      std::array<descriptor, 3> passed;
      std::array<char, 64> buffer{};
      const auto got = right.read_with(buffer.data(), buffer.size(), passed, 10s);
      REQUIRE(got);
      CHECK_FALSE(got->lost);
      text.append(buffer.data(), got->size);
      if (got->descriptors != 0) counts.push_back(got->descriptors);
      for (std::size_t i = 0; i < passed.size(); ++i) {
        CHECK(bool(passed[i]) == (i < got->descriptors));
        if (passed[i]) all.push_back(std::move(passed[i]));
      }
    }
    CHECK(text == "plainonetwo");
    CHECK(counts == std::vector<std::size_t>{1, 2});
    REQUIRE(all.size() == 3);
    for (const descriptor& one : all) CHECK((::fcntl(one.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    REQUIRE(hilo::io::write(all[1].fd(), "x", 1));
    char byte = 0;
    CHECK(*hilo::io::read(all[2].fd(), &byte, 1) == 1);
    all.clear();
    CHECK(first.ended());
    CHECK(second.ended());
    REQUIRE(left.close());
    std::array<descriptor, 1> none;
    const auto end = right.read_with(&byte, 1, none);
    REQUIRE(end);
    CHECK(end->size == 0);
  });
}

TEST_CASE("unix: descriptors for which there is no room are closed, and that is told") {
  const auto body = [] {
    auto both = std::move(unix_stream::pair().value());
    unix_stream& left = both.first;
    unix_stream& right = both.second;
    const auto pass = [&](std::size_t count) {
      pipe_ends made;
      const std::vector<int> copies(count, made.in.fd());
      const auto sent = left.write_with("x", 1, copies);
      REQUIRE(sent);
      REQUIRE(made.in.close());
      return made;
    };
    char byte = 0;
    const auto receive = [&](std::span<descriptor> into) {
      return right.read_with(&byte, 1, into, 10s).value();
    };
    {
      pipe_ends made = pass(2);
      std::array<descriptor, 1> passed;
      const delivery got = receive(passed);
      CHECK(got.size == 1);
      CHECK(got.descriptors == 1);
      CHECK(got.lost);
      passed[0] = {};
      CHECK(made.ended());
    }
    {
      pipe_ends made = pass(2);
      const delivery got = receive({});
      CHECK(got.descriptors == 0);
      CHECK(got.lost);
      CHECK(made.ended());
    }
    {
      pipe_ends made = pass(2);  // read() takes none
      CHECK(*right.read(&byte, 1) == 1);
      CHECK(made.ended());
    }
    {
      pipe_ends made = pass(unix_stream::most_descriptors);
      std::array<descriptor, unix_stream::most_descriptors + 1> passed;
      const delivery got = receive(passed);
      CHECK(got.descriptors == unix_stream::most_descriptors);
      CHECK_FALSE(got.lost);
      passed = {};
      CHECK(made.ended());
    }
    // No descriptor is left in the process.
    pipe_ends made = pass(2);
    rlimit usual{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = usual.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::array<descriptor, 2> passed;
    const auto got = right.read_with(&byte, 1, passed, 10s);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
    REQUIRE(got);
    CHECK(got->size == 1);
    CHECK(got->descriptors == 0);
    CHECK(got->lost);
    CHECK(made.ended());
    // What cannot be passed.
    const std::vector<int> many(unix_stream::most_descriptors + 1, left.fd());
    CHECK(left.write_with("x", 1, many).error() == std::errc::invalid_argument);
    CHECK(left.write_with("x", 0, std::array{left.fd()}).error() == std::errc::invalid_argument);
    CHECK(left.write_with("x", 1, std::array{-1}).error() == std::errc::bad_file_descriptor);
    CHECK(right.read(&byte, 1, 1ms).status() == status::timed_out);
  };
  // One carrier, whose port is open when there are no descriptors left.
  on_each_driver(body, {1U});
}

TEST_CASE("unix: a stream knows who its peer is") {
  hilo::run([] {
    unix_listener listener{unix_address()};
    const unix_stream client = std::move(unix_stream::connect(*listener.local()).value());
    const auto peer = client.peer_credentials();
    REQUIRE(peer);
    CHECK(peer->pid == ::getpid());
    CHECK(peer->uid == ::geteuid());
    CHECK(unix_stream().peer_credentials().error() == std::errc::bad_file_descriptor);
  });
}
