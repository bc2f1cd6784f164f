// write_parts of streams, files and pipes: all bytes of all pieces, in order.
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/file.hpp"
#include "hilo/net.hpp"
#include "hilo/pipe.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

// Many pieces of all sizes, some empty; larger than any buffer of the kernel.
struct many_pieces {
  many_pieces() {
    for (std::size_t i = 0; i < 1500; ++i) {
      texts.emplace_back(i % 7 == 0 ? 0 : (i * 37) % 5000, static_cast<char>('a' + i % 26));
    }
    for (const std::string& one : texts) {
      views.emplace_back(one);
      all += one;
    }
  }
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
  std::string all;
};

template <class R>
std::string read_to_end(R& from) {
  std::string text;
  char buffer[10000];
  while (true) {
    const auto got = from.read(buffer, sizeof buffer, 20s);
    REQUIRE(got);
    if (*got == 0) return text;
    text.append(buffer, *got);
  }
}

}  // namespace

TEST_CASE("write_parts: a stream, a pipe and a file get all pieces in order") {
  on_each_driver([] {
    const many_pieces pieces;
    std::size_t done = 0;
    auto [left, right] = hilo::net::unix_stream::pair().value();
    auto sender = hilo::spawn([&, &right = right] {
      CHECK(right.write_parts(pieces.views, 20s, &done));
      CHECK(right.end_writing());
    });
    CHECK(read_to_end(left) == pieces.all);
    sender.join();
    CHECK(done == pieces.all.size());

    auto [reader, writer] = std::move(hilo::io::pipe().value());
    auto filler = hilo::spawn([&, &writer = writer] {
      CHECK(writer.write_parts(pieces.views, 20s));
      CHECK(writer.close());
    });
    CHECK(read_to_end(reader) == pieces.all);
    filler.join();

    char path[] = "/tmp/hilo-parts-XXXXXX";
    hilo::file file(::mkstemp(path));
    REQUIRE(file);
    ::unlink(path);
    CHECK(file.write_parts(pieces.views));
    CHECK(file.seek(0));
    CHECK(read_to_end(file) == pieces.all);
  });
}

TEST_CASE("write_parts: takes a list in braces, and nothing") {
  everywhere([] {
    auto [left, right] = hilo::net::unix_stream::pair().value();
    const std::string body = "body";
    std::size_t done = 7;
    CHECK(right.write_parts({}, {}, &done));
    CHECK(done == 0);
    CHECK(right.write_parts({"", ""}));
    CHECK(right.write_parts({"head ", body, "\n"}, 5s, &done));
    CHECK(done == 10);
    CHECK(right.write_all("text"));
    CHECK(right.end_writing());
    CHECK(read_to_end(left) == "head body\ntext");
  });
}

TEST_CASE("write_parts: says how much was written when it cannot go on") {
  on_each_driver([] {
    const many_pieces pieces;
    std::size_t done = 0;
    auto [left, right] = hilo::net::unix_stream::pair().value();
    CHECK(right.write_parts(pieces.views, 5ms, &done).status() == status::timed_out);
    CHECK(done > 0);
    CHECK(done < pieces.all.size());
    CHECK(right.end_writing());
    CHECK(read_to_end(left) == pieces.all.substr(0, done));

    auto [reader, writer] = std::move(hilo::io::pipe().value());
    CHECK(reader.close());
    CHECK(writer.write_parts({"a", "b"}, 5s, &done).error().value() == EPIPE);
    CHECK(done == 0);
  });
}
