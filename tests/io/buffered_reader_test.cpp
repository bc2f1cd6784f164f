// hilo/buffered_reader.hpp over each kind of source.
#include "hilo/buffered_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "hilo/fiber.hpp"
#include "hilo/file.hpp"
#include "hilo/net.hpp"
#include "hilo/pipe.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::io::buffered_reader;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

// A source that gives a text in pieces of a size.
struct pieces {
  hilo::result<std::size_t> read(void* buffer, std::size_t size, hilo::io::until) noexcept {
    const std::size_t now = std::min({size, piece, text.size()});
    std::memcpy(buffer, text.data(), now);
    text.remove_prefix(now);
    return now;
  }
  std::string_view text;
  std::size_t piece;
};

// Reads a text of lines, a counted part, and lines again.
template <class S>
void check_message(S& source) {
  buffered_reader in(source, 16);
  CHECK(in.line().value() == "$5");
  CHECK(in.exactly(5).value() == "a\r\nbc");
  CHECK(in.line().value().empty());
  CHECK(in.line().value() == "last");
  std::string large(40, ' ');
  std::size_t done = 0;
  CHECK(in.read_exactly(large.data(), large.size(), {}, &done));
  CHECK(done == 40);
  CHECK(large == std::string(40, 'x'));
  CHECK(in.line().value() == "end");
  CHECK(in.line().status() == status::closed);
  CHECK(in.exactly(1).status() == status::closed);
  CHECK(in.exactly(0).value().empty());
  CHECK(*in.read(large.data(), 1) == 0);
}

const std::string message = "$5\r\na\r\nbc\r\nlast\n" + std::string(40, 'x') + "end\n";

}  // namespace

TEST_CASE("buffered_reader: the pieces in which bytes come make no difference") {
  for (std::size_t piece = 1; piece <= message.size(); ++piece) {
    CAPTURE(piece);
    pieces source{message, piece};
    check_message(source);
  }
}

TEST_CASE("buffered_reader: reads sockets, pipes and files") {
  everywhere([] {
    auto [left, right] = hilo::net::unix_stream::pair().value();
    CHECK(right.write_all(message.data(), message.size()));
    CHECK(right.end_writing());
    check_message(left);

    auto [reader, writer] = std::move(hilo::io::pipe().value());
    CHECK(writer.write_all(message.data(), message.size()));
    CHECK(writer.close());
    check_message(reader);

    char path[] = "/tmp/hilo-buffered-XXXXXX";
    hilo::file file(::mkstemp(path));
    REQUIRE(file);
    ::unlink(path);
    CHECK(file.write_all(message.data(), message.size()));
    CHECK(file.seek(0));
    check_message(file);
  });
}

TEST_CASE("buffered_reader: what is too long for the buffer is refused, and stays") {
  pieces source{"0123456789abcdef\n", 100};
  buffered_reader in(source, 8);
  CHECK(in.line().error().value() == EMSGSIZE);
  CHECK(in.exactly(9).error().value() == EMSGSIZE);
  CHECK(in.rest() == "01234567");
  CHECK(in.exactly(8).value() == "01234567");
  char rest[16] = "";
  CHECK(*in.read(rest, 2) == 2);
  CHECK(std::string(rest) == "89");
  CHECK(in.line().value() == "abcdef");
}

TEST_CASE("buffered_reader: the end within a line leaves its beginning") {
  pieces source{"whole\nhalf", 3};
  buffered_reader in(source);
  CHECK(in.line().value() == "whole");
  CHECK(in.line().status() == status::closed);
  CHECK(in.rest() == "half");
  CHECK(in.exactly(4).value() == "half");
}

TEST_CASE("buffered_reader: a limit loses no byte") {
  on_each_driver([] {
    auto [left, right] = hilo::net::unix_stream::pair().value();
    buffered_reader in(left);
    CHECK(right.write_all("he", 2));
    CHECK(in.line(2ms).status() == status::timed_out);
    CHECK(in.rest() == "he");
    CHECK(right.write_all("llo\nwo", 6));
    CHECK(in.line(5s).value() == "hello");
    char got[5];
    std::size_t done = 0;
    CHECK(in.read_exactly(got, 5, 2ms, &done).status() == status::timed_out);
    CHECK(done == 2);
    CHECK(right.write_all("rld", 3));
    CHECK(in.read_exactly(got + done, 5 - done, 5s));
    CHECK(std::string_view(got, 5) == "world");
  });
}

TEST_CASE("buffered_reader: is a source itself") {
  pieces source{"ab\ncd\n", 2};
  buffered_reader outer(source);
  CHECK(outer.line().value() == "ab");
  buffered_reader inner(outer, 8);
  CHECK(inner.line().value() == "cd");
}
