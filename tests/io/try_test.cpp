// Calls that never wait: io::try_read and the try_accept of listeners.
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hilo/fiber.hpp"
#include "hilo/io.hpp"
#include "hilo/net.hpp"
#include "hilo/pipe.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::test::everywhere;
using hilo::test::stream_pair;

}  // namespace

TEST_CASE("try_read: takes what is there, and does not wait") {
  everywhere([] {
    auto [left, right] = hilo::net::unix_stream::pair().value();
    char got[8];
    CHECK(left.try_read(got, sizeof got).status() == status::would_block);
    CHECK(left.try_read(got, sizeof got).error().value() == EAGAIN);
    CHECK(right.write_all("abc"));
    CHECK(*left.try_read(got, 2) == 2);
    CHECK(*left.try_read(got + 2, 6) == 1);
    CHECK(std::string_view(got, 3) == "abc");
    CHECK(right.end_writing());
    CHECK(*left.try_read(got, sizeof got) == 0);

    auto [reader, writer] = std::move(hilo::io::pipe().value());
    CHECK(reader.try_read(got, sizeof got).status() == status::would_block);
    CHECK(writer.write_all("de"));
    CHECK(*reader.try_read(got, sizeof got) == 2);
    CHECK(writer.close());
    CHECK(*reader.try_read(got, sizeof got) == 0);
    CHECK(hilo::io::try_read(-1, got, 1).error().value() == EBADF);
  });
}

TEST_CASE("try_read: a fiber that only tries lets the writer run") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    auto [left, right] = hilo::net::unix_stream::pair().value();
    auto writer = hilo::spawn([&right = right] { CHECK(right.write_all("x")); });
    char got = 0;
    while (left.try_read(&got, 1).status() == status::would_block) {
    }
    CHECK(got == 'x');
    writer.join();
  });
}

TEST_CASE("try_accept: returns a connection that waits, and only that") {
  everywhere([] {
    hilo::net::tcp_listener listener(address::loopback(0));
    CHECK(listener.try_accept().status() == status::would_block);
    auto client = hilo::net::tcp_stream::connect(listener.local().value(), 5s).value();
    auto served = listener.try_accept();
    REQUIRE(served);
    CHECK(served->write_all("hello"));
    char got[5];
    CHECK(client.read_exactly(got, 5, 5s));
    CHECK(listener.try_accept().status() == status::would_block);
    CHECK(listener.accept(2ms).status() == status::timed_out);

    hilo::net::unix_listener local((hilo::net::unix_address()));
    CHECK(local.try_accept().status() == status::would_block);
    auto peer = hilo::net::unix_stream::connect(local.local().value(), 5s);
    CHECK(local.try_accept());
  });
}

TEST_CASE("try_accept: says that there is no descriptor left, and works again later") {
  everywhere([] {
    hilo::net::tcp_listener listener(address::loopback(0));
    auto client = hilo::net::tcp_stream::connect(listener.local().value(), 5s).value();
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{static_cast<rlim_t>(::dup(0)), before.rlim_max};
    ::close(static_cast<int>(none.rlim_cur));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto refused = listener.try_accept();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(refused.error().value() == EMFILE);
    CHECK(listener.try_accept());
  });
}
