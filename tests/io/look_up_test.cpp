// hilo/net/name.hpp, in fibers on both drivers and outside.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/name.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"
#include "tests/io/names.hpp"
#include "tests/localhost.hpp"
#include "tests/skip.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::net::address;
using hilo::net::look_up;
using hilo::net::name_error;
using hilo::test::everywhere;
using hilo::test::on_each_driver;
using hilo::test::scripted_name;

bool is_loopback(const address& one) {
  const std::string text = one.to_string();
  return text.starts_with("127.") || text.starts_with("[::1]");
}

}  // namespace

TEST_CASE("look_up: addresses stand for themselves") {
  everywhere([] {
    CHECK(look_up("192.0.2.1", 80).value() == std::vector{*address::parse("192.0.2.1", 80)});
    CHECK(look_up("2001:db8::1", 443).value() == std::vector{*address::parse("2001:db8::1", 443)});
  });
}

TEST_CASE("look_up: localhost stands for this machine") {
  HILO_NEEDS_LOCALHOST();
  everywhere([] {
    const auto found = look_up("localhost", 8080, 60s);
    REQUIRE(found);
    REQUIRE_FALSE(found->empty());
    for (const address& one : *found) {
      CHECK(is_loopback(one));
      CHECK(one.port() == 8080);
      CHECK(std::count(found->begin(), found->end(), one) == 1);
    }
  });
}

TEST_CASE("look_up: addresses come in libc's order, each once, with the port") {
  const scripted_name name("several.test", {"192.0.2.2", "2001:db8::1", "192.0.2.2", "192.0.2.1"});
  everywhere([] {
    const auto found = look_up("several.test", 65535, 60s);
    REQUIRE(found);
    std::string text;
    for (const address& one : *found) text += one.to_string() + " ";
    CHECK(text == "192.0.2.2:65535 [2001:db8::1]:65535 192.0.2.1:65535 ");
  });
}

TEST_CASE("look_up: what is wrong with a name is told apart") {
  const scripted_name unknown("unknown.test", EAI_NONAME);
  const scripted_name later("later.test", EAI_AGAIN);
  const scripted_name refused("refused.test", EAI_FAIL);
  const scripted_name no_memory("memory.test", EAI_MEMORY);
  const scripted_name strange("strange.test", EAI_FAMILY);
  everywhere([] {
    const auto error_of = [](std::string_view name) {
      const auto found = look_up(name, 80);
      CHECK(found.status() == status::failed);
      return found.error();
    };
    CHECK(error_of("unknown.test") == name_error::unknown);
    CHECK(error_of("unknown.test").message() == ::gai_strerror(EAI_NONAME));
    CHECK(error_of("later.test") == name_error::try_again);
    CHECK(error_of("refused.test") == name_error::failed);
    CHECK(error_of("strange.test") == name_error::failed);
    CHECK(error_of("memory.test") == std::errc::not_enough_memory);
    CHECK(error_of("") == std::errc::invalid_argument);
    CHECK(error_of(std::string_view("localhost\0.org", 14)) == std::errc::invalid_argument);
    try {
      (void)look_up("unknown.test", 80).value();
      FAIL("a value of a name that is unknown");
    } catch (const std::system_error& error) {
      CHECK(error.code() == name_error::unknown);
    }
  });
}

TEST_CASE("look_up: a limit ends the call at once, and what looks up goes on alone") {
  everywhere([] {
    scripted_name name("held.test", {"192.0.2.1"}, true);
    CHECK(look_up("held.test", 80, 1ms).status() == status::timed_out);
    CHECK(hilo::with_timeout(1ms, [] { return look_up("held.test", 80).status(); }) ==
          status::timed_out);
    name.until_asked(2);
    std::stop_source stop;
    std::jthread stopper([&] {
      while (name.asked.load(std::memory_order_relaxed) < 3) std::this_thread::yield();
      stop.request_stop();
    });
    CHECK(hilo::with_stop(stop.get_token(), [] { return look_up("held.test", 80).status(); }) ==
          status::cancelled);
    CHECK(name.answered.load(std::memory_order_relaxed) == 0);
    // Reached before: nobody is asked.
    CHECK(look_up("held.test", 80, 0ms).status() == status::timed_out);
    CHECK(look_up("192.0.2.1", 80, 0ms).status() == status::timed_out);
    CHECK(hilo::with_stop(stop.get_token(), [] { return look_up("held.test", 80).status(); }) ==
          status::cancelled);
    CHECK(name.asked.load(std::memory_order_relaxed) == 3);
  });
}

TEST_CASE("look_up: the others run on meanwhile, and a fiber's own stop request ends it") {
  on_each_driver([] {
    scripted_name name("held.test", {"192.0.2.1"}, true);
    std::vector<hilo::fiber<status>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(hilo::spawn([] { return look_up("held.test", 80).status(); }));
    }
    name.until_asked(20);
    for (int i = 0; i < 10; ++i) all[i].request_stop();
    for (int i = 0; i < 10; ++i) CHECK(all[i].join() == status::cancelled);
    name.held.store(false, std::memory_order_release);
    name.held.notify_all();
    for (int i = 10; i < 20; ++i) CHECK(all[i].join() == status::ok);
  });
}
