#include "runtime/base/error.hpp"

#include <cerrno>
#include <string>
#include <system_error>

#include "runtime/base/check.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"

TEST_CASE("error: fail names what was made, why it failed and what to change") {
  try {
    hilo::base::fail(ENOMEM, "reserve 64 GiB", "raise RLIMIT_AS");
    FAIL("fail returned");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::not_enough_memory);
    const std::string text = error.what();
    CHECK(text.find("hilo: cannot reserve 64 GiB: ENOMEM (raise RLIMIT_AS)") == 0);
  }
}

TEST_CASE("error: errno_name knows symbols and numbers") {
  CHECK(hilo::base::errno_name(EAGAIN) == "EAGAIN");
  CHECK(hilo::base::errno_name(123456) == "errno 123456");
}

TEST_CASE("error: format_bytes takes the largest unit that divides") {
  CHECK(hilo::base::format_bytes(std::size_t{256} << 10) == "256 KiB");
  CHECK(hilo::base::format_bytes(std::size_t{1} << 40) == "1 TiB");
  CHECK(hilo::base::format_bytes(1000) == "1000 bytes");
}

TEST_CASE("check: a broken check aborts with one line") {
  const auto end = hilo::test::run_in_child([] {
    const int carriers = 3;
    HILO_CHECK(carriers == 2, "%d carriers where 2 were made", carriers);
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("hilo: 3 carriers where 2 were made\n"));
}
