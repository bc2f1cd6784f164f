// hilo/descriptor.hpp: closing what others use. The thread sanitizer has to find nothing.
#include "hilo/descriptor.hpp"

#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "hilo/blocking.hpp"
#include "hilo/fiber.hpp"
#include "hilo/net/unix.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/waiting.hpp"

namespace {

using hilo::status;
using hilo::io::descriptor;
using hilo::net::unix_stream;
using hilo::test::everywhere;
using hilo::test::on_each_driver;

descriptor of_null() {
  return descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

}  // namespace

TEST_CASE("descriptor: has one owner, who closes it once") {
  everywhere([] {
    descriptor first = of_null();
    const int fd = first.fd();
    REQUIRE(fd >= 0);
    descriptor second = std::move(first);
    CHECK(second.fd() == fd);
    CHECK_FALSE(bool(first));  // NOLINT(bugprone-use-after-move): what a move leaves
    first = of_null();
    const int other = first.fd();
    first.swap(second);
    CHECK(first.fd() == fd);
    CHECK(second.fd() == other);
    first = std::move(second);
    CHECK(::fcntl(fd, F_GETFD) == -1);
    CHECK(first.fd() == other);
    CHECK(first.close());
    CHECK(first.close());  // there is none any more
    CHECK(::fcntl(other, F_GETFD) == -1);
    descriptor third = of_null();
    const descriptor kept(third.release());
    CHECK(third.fd() == -1);
    CHECK(::fcntl(kept.fd(), F_GETFD) == FD_CLOEXEC);
  });
}

TEST_CASE("descriptor: closing it ends the calls that others are in, from any thread") {
  on_each_driver([] {
    for (int round = 0; round < 50; ++round) {
      auto [near, far] = std::move(unix_stream::pair().value());
      const int fd = near.fd();
      hilo::fiber<status> in_a_call = hilo::spawn([&, &near = near] {
        char byte = 0;
        return near.read(&byte, 1).status();
      });
      hilo::test::until_waited_for(fd);
      // Calls that begin, while two close it at once.
      hilo::fiber<status> beginning = hilo::spawn([&, &near = near] {
        char byte = 0;
        return near.read(&byte, 1).status();
      });
      if (round % 2 == 0) {
        hilo::fiber<void> closer = hilo::spawn([&, &near = near] { CHECK(near.close()); });
        CHECK(near.close());
        closer.join();
      } else {
        hilo::blocking([&, &near = near] { std::thread([&] { CHECK(near.close()); }).join(); });
      }
      CHECK(in_a_call.join() == status::closed);
      const status end = beginning.join();
      CHECK((end == status::closed || end == status::failed));
      CHECK_FALSE(bool(near));
    }
  });
}
