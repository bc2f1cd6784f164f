// The C interface: fibers (hilo/c/fiber.h), and deadlines (hilo/c/base.h).
#include <cerrno>
#include <cfenv>
#include <cstdint>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "hilo/hilo.h"
#include "hilo/hilo.hpp"

#include "tests/c/callback.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

namespace {

using hilo::test::as_callback;
using hilo::test::on_each_runtime;

void* same(void* argument) {
  return argument;
}
void* sleep_for_ever(void*) {
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(-hilo_sleep_until(HILO_FOREVER)));
}
int number_of(void* value) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(value));
}

}  // namespace

TEST_CASE("c run: calls the function in a fiber and returns its value") {
  int value = 0;
  void* result = nullptr;
  as_callback body([&]() -> void* {
    CHECK(hilo_self_id() != 0);
    return &value;
  });
  CHECK(hilo_run(nullptr, body.function, body.argument(), &result) == 0);
  CHECK(result == &value);
  CHECK(hilo_self_id() == 0);
}

TEST_CASE("c run: takes its options, and refuses wrong ones") {
  hilo_run_options options = HILO_RUN_OPTIONS;
  options.carriers = 3;
  options.stack_size = 64 * 1024;
  options.guard_size = HILO_NO_GUARD;
  options.io = HILO_IO_EPOLL;
  void* result = nullptr;
  CHECK(hilo_run(&options, same, &options, &result) == 0);
  CHECK(result == &options);
  CHECK(hilo_run(nullptr, nullptr, nullptr, nullptr) == -EINVAL);
  options.carriers = 100'000;
  CHECK(hilo_run(&options, same, nullptr, nullptr) == -EINVAL);
  options.carriers = 1;
  options.tls = static_cast<hilo_tls>(17);
  CHECK(hilo_run(&options, same, nullptr, nullptr) == -EINVAL);
  options = HILO_RUN_OPTIONS;
  options.io = static_cast<hilo_io_driver>(-1);
  CHECK(hilo_run(&options, same, nullptr, nullptr) == -EINVAL);
  options = HILO_RUN_OPTIONS;
  options.size = sizeof options + 8;  // of a later version
  CHECK(hilo_run(&options, same, nullptr, nullptr) == -EINVAL);
}

TEST_CASE("c spawn: many fibers return what they got") {
  on_each_runtime([] {
    std::vector<hilo_fiber*> all(1000);
    for (auto& one : all) REQUIRE(hilo_spawn(&one, nullptr, same, &one) == 0);
    for (auto& one : all) {
      void* result = nullptr;
      CHECK(hilo_fiber_id(one) != 0);
      CHECK(hilo_join(one, &result) == 0);
      CHECK(result == &one);
    }
  });
}

TEST_CASE("c spawn: takes its options") {
  on_each_runtime([] {
    hilo_spawn_options options = HILO_SPAWN_OPTIONS;
    options.name = "named";
    options.stack_size = 1 << 20;
    options.priority = HILO_PRIORITY_HIGH;
    options.pinned = true;
    options.keep_fp_control = true;
    options.paint_stack = true;
    as_callback body([] {
      volatile char room[512 * 1024];
      room[0] = 1;
      room[sizeof room - 1] = 1;
      std::fesetround(FE_UPWARD);
      hilo_yield();
      CHECK(std::fegetround() == FE_UPWARD);
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, &options, body.function, body.argument()) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
    CHECK(std::fegetround() == FE_TONEAREST);
  });
}

TEST_CASE("c spawn: a fiber that owns its thread-local storage keeps errno across a yield") {
  on_each_runtime([] {
    hilo_spawn_options options = HILO_SPAWN_OPTIONS;
    options.tls = HILO_TLS_OWN;
    as_callback body([] {
      errno = 77;
      for (int i = 0; i < 10; ++i) hilo_yield();
      CHECK(errno == 77);
    });
    hilo_fiber* one = nullptr;
    const int error = hilo_spawn(&one, &options, body.function, body.argument());
    if (error == -ENOTSUP) return;  // the sanitizers, and other libcs
    REQUIRE(error == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c spawn: refuses bad arguments, and callers that are no fiber") {
  hilo_fiber* one = nullptr;
  CHECK(hilo_spawn(&one, nullptr, same, nullptr) == -EINVAL);
  on_each_runtime([] {
    hilo_fiber* made = nullptr;
    hilo_spawn_options options = HILO_SPAWN_OPTIONS;
    CHECK(hilo_spawn(nullptr, nullptr, same, nullptr) == -EINVAL);
    CHECK(hilo_spawn(&made, nullptr, nullptr, nullptr) == -EINVAL);
    options.priority = static_cast<hilo_priority>(9);
    CHECK(hilo_spawn(&made, &options, same, nullptr) == -EINVAL);
    options = HILO_SPAWN_OPTIONS;
    options.tls = static_cast<hilo_tls>(9);
    CHECK(hilo_spawn(&made, &options, same, nullptr) == -EINVAL);
    options = HILO_SPAWN_OPTIONS;
    options.size = 0;
    CHECK(hilo_spawn(&made, &options, same, nullptr) == -EINVAL);
    options = HILO_SPAWN_OPTIONS;
    options.stack_size = std::numeric_limits<size_t>::max();
    CHECK(hilo_spawn(&made, &options, same, nullptr) == -EINVAL);
    CHECK(made == nullptr);
    CHECK(hilo_join(nullptr, nullptr) == -EINVAL);
    CHECK(hilo_wait(nullptr, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_detach(nullptr) == -EINVAL);
    CHECK(hilo_stop(nullptr) == -EINVAL);
    CHECK(hilo_fiber_id(nullptr) == 0);
  });
}

TEST_CASE("c join: a fiber knows its handle, and gets EDEADLK if it joins itself") {
  on_each_runtime([] {
    hilo_fiber* one = nullptr;
    as_callback body([&] {
      CHECK(hilo_join(one, nullptr) == -EDEADLK);
      CHECK(hilo_wait(one, HILO_FOREVER) == -EDEADLK);
    });
    REQUIRE(hilo_spawn(&one, nullptr, body.function, body.argument()) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c wait: ends with the fiber, the deadline, or without a wait") {
  on_each_runtime([] {
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, sleep_for_ever, nullptr) == 0);
    CHECK(hilo_wait(one, HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_wait(one, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(hilo_stop(one) == 0);
    CHECK(hilo_wait(one, HILO_FOREVER) == 0);
    CHECK(hilo_wait(one, HILO_NO_WAIT) == 0);
    void* result = nullptr;
    CHECK(hilo_join(one, &result) == 0);
    CHECK(number_of(result) == ECANCELED);
  });
}

TEST_CASE("c stop: a fiber sees that it was asked to stop") {
  CHECK_FALSE(hilo_stop_requested());
  on_each_runtime([] {
    as_callback body([] {
      while (!hilo_stop_requested()) hilo_yield();
      CHECK(hilo_sleep(HILO_SECOND) == -ECANCELED);
      as_callback cleaning([] { CHECK(hilo_sleep(HILO_MICROSECOND) == 0); });
      CHECK(hilo_shielded(cleaning.function, cleaning.argument(), nullptr) == 0);
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, body.function, body.argument()) == 0);
    CHECK(hilo_stop(one) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c detach: the runtime waits for a detached fiber") {
  bool ended = false;
  as_callback late([&] {
    (void)hilo_sleep(5 * HILO_MILLISECOND);
    ended = true;
  });
  as_callback body([&] {
    hilo_fiber* one = nullptr;
    CHECK(hilo_spawn(&one, nullptr, late.function, late.argument()) == 0);
    CHECK(hilo_detach(one) == 0);
  });
  CHECK(hilo_run(nullptr, body.function, body.argument(), nullptr) == 0);
  CHECK(ended);
}

TEST_CASE("c deadlines: count from now and saturate") {
  const int64_t now = hilo_now();
  const int64_t later = hilo_after(HILO_SECOND);
  CHECK(later >= now + HILO_SECOND);
  CHECK(later < now + 10 * HILO_SECOND);
  CHECK(hilo_after(INT64_MAX) == HILO_FOREVER);
  CHECK(hilo_after(-5) <= now);
  CHECK(hilo_sleep(0) == 0);
  CHECK(hilo_sleep(-HILO_SECOND) == 0);
  CHECK(hilo_sleep_until(INT64_MIN) == 0);
  CHECK(hilo_sleep(HILO_MILLISECOND) == 0);

  timespec realtime{};
  REQUIRE(std::timespec_get(&realtime, TIME_UTC) == TIME_UTC);
  realtime.tv_sec += 100;
  const int64_t at = hilo_deadline_of(&realtime);
  CHECK(at > now + 90 * HILO_SECOND);
  CHECK(at < now + 110 * HILO_SECOND);
  realtime.tv_nsec = -1;
  CHECK(hilo_deadline_of(&realtime) <= now);
  CHECK(hilo_deadline_of(nullptr) <= now);
  const timespec far_away{std::numeric_limits<time_t>::max(), 999'999'999};
  CHECK(hilo_deadline_of(&far_away) == HILO_FOREVER);
}

TEST_CASE("c with_deadline: ends waits inside it") {
  as_callback body([] { CHECK(hilo_sleep(HILO_SECOND) == -ETIMEDOUT); });
  const auto limited = [&] {
    CHECK(hilo_with_deadline(hilo_after(HILO_MILLISECOND), body.function, body.argument(),
                             nullptr) == 0);
  };
  limited();
  on_each_runtime(limited);
  CHECK(hilo_with_deadline(HILO_FOREVER, nullptr, nullptr, nullptr) == -EINVAL);
  CHECK(hilo_shielded(nullptr, nullptr, nullptr) == -EINVAL);
  CHECK(hilo_blocking(nullptr, nullptr, nullptr) == -EINVAL);
}

TEST_CASE("c blocking: other fibers run meanwhile, on one carrier") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    as_callback writer([&] { CHECK(::write(ends[1], "x", 1) == 1); });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, writer.function, writer.argument()) == 0);
    char got = 0;
    as_callback reader([&]() -> void* {
      CHECK(hilo_self_id() == 0);
      CHECK(::read(ends[0], &got, 1) == 1);
      return &got;
    });
    void* result = nullptr;
    CHECK(hilo_blocking(reader.function, reader.argument(), &result) == 0);
    CHECK(result == &got);
    CHECK(got == 'x');
    CHECK(hilo_join(one, nullptr) == 0);
    for (const int fd : ends) ::close(fd);
  });
}

TEST_CASE("c callbacks: an exception that leaves one ends the program") {
  const auto end = hilo::test::run_in_child([] {
    (void)hilo_run(
        nullptr, [](void*) -> void* { throw std::runtime_error("from a callback"); }, nullptr,
        nullptr);
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("from a callback"));
}

TEST_CASE("c version: the library's is that of the headers") {
  CHECK(std::string(hilo_version()) == HILO_VERSION);
}
