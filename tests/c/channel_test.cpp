// The C interface: channels and select (hilo/c/channel.h, hilo/c/select.h).
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <poll.h>
#include <unistd.h>

#include "hilo/hilo.h"
#include "hilo/hilo.hpp"

#include "tests/c/callback.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/sync/floors.hpp"

namespace {

using hilo::test::as_callback;
using hilo::test::on_both_floors;
using hilo::test::on_each_runtime;

// A channel that ends with the test.
struct channel_of {
  channel_of(size_t size, size_t capacity) {
    REQUIRE(hilo_channel_create(&its, size, capacity) == 0);
  }
  ~channel_of() { CHECK(hilo_channel_destroy(its) == 0); }
  hilo_channel* its = nullptr;
};

int send(const channel_of& to, std::uint64_t value, int64_t deadline = HILO_FOREVER) {
  return hilo_channel_send(to.its, &value, sizeof value, deadline);
}
int receive(const channel_of& from, std::uint64_t& value, int64_t deadline = HILO_FOREVER) {
  return hilo_channel_receive(from.its, &value, sizeof value, deadline);
}

}  // namespace

TEST_CASE("c channel: refuses bad arguments") {
  hilo_channel* made = nullptr;
  CHECK(hilo_channel_create(nullptr, 8, 8) == -EINVAL);
  CHECK(hilo_channel_create(&made, 0, 8) == -EINVAL);
  CHECK(hilo_channel_create(&made, 8, std::numeric_limits<size_t>::max() / 4) == -EOVERFLOW);
  CHECK(hilo_channel_create(&made, std::numeric_limits<size_t>::max(), 1) == -EOVERFLOW);
  CHECK(made == nullptr);
  CHECK(hilo_channel_destroy(nullptr) == -EINVAL);
  CHECK(hilo_channel_close(nullptr) == -EINVAL);
  CHECK(hilo_channel_count(nullptr) == 0);

  const channel_of eight(8, 1);
  std::uint64_t value = 1;
  CHECK(hilo_channel_send(nullptr, &value, 8, HILO_FOREVER) == -EINVAL);
  CHECK(hilo_channel_send(eight.its, nullptr, 8, HILO_FOREVER) == -EINVAL);
  for (const size_t wrong : {size_t{0}, size_t{4}, size_t{9}}) {
    CHECK(hilo_channel_send(eight.its, &value, wrong, HILO_FOREVER) == -EINVAL);
    CHECK(hilo_channel_receive(eight.its, &value, wrong, HILO_FOREVER) == -EINVAL);
  }
  CHECK(hilo_channel_receive(nullptr, &value, 8, HILO_FOREVER) == -EINVAL);
  CHECK(hilo_channel_receive(eight.its, nullptr, 8, HILO_FOREVER) == -EINVAL);
  CHECK(hilo_channel_count(eight.its) == 0);
}

TEST_CASE("c channel: is first in, first out, and drains after close") {
  on_both_floors([] {
    const channel_of numbers(8, 4);
    for (std::uint64_t i = 0; i < 4; ++i) CHECK(send(numbers, i) == 0);
    CHECK(hilo_channel_count(numbers.its) == 4);
    CHECK(send(numbers, 9, HILO_NO_WAIT) == -EAGAIN);
    CHECK(send(numbers, 9, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(send(numbers, 9, 0) == -ETIMEDOUT);
    CHECK(hilo_channel_close(numbers.its) == 0);
    CHECK(hilo_channel_close(numbers.its) == 0);
    CHECK(send(numbers, 9) == -EPIPE);
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < 4; ++i) {
      CHECK(receive(numbers, value, HILO_NO_WAIT) == 0);
      CHECK(value == i);
    }
    CHECK(receive(numbers, value) == -EPIPE);
    CHECK(value == 3);
  });
}

TEST_CASE("c channel: an empty one ends a receive by its deadline or a stop request") {
  on_both_floors([] {
    const channel_of numbers(8, 0);
    std::uint64_t value = 5;
    CHECK(receive(numbers, value, HILO_NO_WAIT) == -EAGAIN);
    CHECK(receive(numbers, value, -1) == -ETIMEDOUT);
    CHECK(receive(numbers, value, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(value == 5);
  });
  on_each_runtime([] {
    const channel_of numbers(8, 0);
    as_callback body([&] {
      std::uint64_t value = 0;
      CHECK(receive(numbers, value) == -ECANCELED);
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, body.function, body.argument()) == 0);
    hilo_yield();
    CHECK(hilo_stop(one) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c channel: each of many elements arrives once, whole, at any capacity") {
  struct element {
    std::uint64_t number;
    char rest[41];
  };
  static constexpr std::uint64_t senders = 4;
  static constexpr std::uint64_t each = 500;
  for (const size_t capacity : {size_t{0}, size_t{1}, size_t{7}, HILO_UNBOUNDED}) {
    CAPTURE(capacity);
    on_each_runtime([&] {
      const channel_of all(sizeof(element), capacity);
      struct sender {
        hilo_channel* to;
        std::uint64_t first;
      };
      std::array<sender, senders> work{};
      std::array<hilo_fiber*, senders> fibers{};
      for (std::uint64_t i = 0; i < senders; ++i) {
        work[i] = {all.its, i * each};
        REQUIRE(hilo_spawn(
                    &fibers[i], nullptr,
                    [](void* argument) -> void* {
                      const sender& its = *static_cast<sender*>(argument);
                      for (std::uint64_t n = its.first; n < its.first + each; ++n) {
                        element one{n, {}};
                        std::memset(one.rest, static_cast<int>(n % 251), sizeof one.rest);
                        CHECK(hilo_channel_send(its.to, &one, sizeof one, HILO_FOREVER) == 0);
                      }
                      return nullptr;
                    },
                    &work[i]) == 0);
      }
      std::vector<int> seen(senders * each);
      for (std::uint64_t i = 0; i < senders * each; ++i) {
        element one{};
        REQUIRE(hilo_channel_receive(all.its, &one, sizeof one, HILO_FOREVER) == 0);
        REQUIRE(one.number < seen.size());
        ++seen[one.number];
        for (const char rest : one.rest) {
          REQUIRE(static_cast<unsigned char>(rest) == one.number % 251);
        }
      }
      for (const int times : seen) REQUIRE(times == 1);
      for (hilo_fiber* const one : fibers) CHECK(hilo_join(one, nullptr) == 0);
    });
  }
}

TEST_CASE("c channel: destroying it while a fiber waits ends the program") {
  const auto end = hilo::test::run_in_child([] {
    hilo::run(hilo::runtime_options{.carriers = 1}, [] {
      hilo_channel* numbers = nullptr;
      (void)hilo_channel_create(&numbers, 8, 0);
      hilo::fiber<void> waits = hilo::spawn([&] {
        std::uint64_t value = 0;
        (void)hilo_channel_receive(numbers, &value, 8, HILO_FOREVER);
      });
      hilo_yield();  // on one carrier the fiber waits then
      (void)hilo_channel_destroy(numbers);
    });
  });
  CAPTURE(end.describe());
  CHECK(end.aborted_with("a channel is destroyed while somebody waits on it"));
}

TEST_CASE("c select: takes the case that is ready") {
  on_both_floors([] {
    const channel_of numbers(8, 1);
    const channel_of full(8, 0);
    hilo_event* finished = nullptr;
    REQUIRE(hilo_event_create(&finished, false) == 0);
    std::uint64_t got = 0;
    const std::uint64_t offered = 7;
    std::array<hilo_case, 4> cases{
        hilo_case_receive(numbers.its, &got, 8),
        hilo_case_send(full.its, &offered, 8),
        hilo_case_set(finished),
        hilo_case_of(HILO_CASE_NONE, nullptr),
    };
    CHECK(hilo_select(cases.data(), cases.size(), HILO_NO_WAIT) == -EAGAIN);
    CHECK(hilo_select(cases.data(), cases.size(), hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    CHECK(send(numbers, 42) == 0);
    CHECK(hilo_select(cases.data(), cases.size(), HILO_FOREVER) == 0);
    CHECK(got == 42);
    CHECK(cases[0].result == 0);
    CHECK(hilo_event_set(finished) == 0);
    CHECK(hilo_select(cases.data(), cases.size(), HILO_FOREVER) == 2);
    CHECK(hilo_event_reset(finished) == 0);
    CHECK(hilo_channel_close(full.its) == 0);
    CHECK(hilo_select(cases.data(), cases.size(), HILO_FOREVER) == 1);
    CHECK(cases[1].result == -EPIPE);
    CHECK(hilo_event_destroy(finished) == 0);
  });
}

TEST_CASE("c select: a send and a receive of two selects meet, also with many cases") {
  on_each_runtime([] {
    const channel_of meeting(8, 0);
    const channel_of never(8, 0);
    constexpr std::uint64_t rounds = 300;
    as_callback sender([&] {
      for (std::uint64_t i = 0; i < rounds; ++i) {
        std::uint64_t nothing = 0;
        std::vector<hilo_case> cases(20, hilo_case_receive(never.its, &nothing, 8));
        cases.push_back(hilo_case_send(meeting.its, &i, 8));
        CHECK(hilo_select(cases.data(), cases.size(), HILO_FOREVER) == 20);
      }
    });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, sender.function, sender.argument()) == 0);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      std::uint64_t got = 0;
      std::array<hilo_case, 2> cases{hilo_case_receive(never.its, &got, 8),
                                     hilo_case_receive(meeting.its, &got, 8)};
      REQUIRE(hilo_select(cases.data(), 2, HILO_FOREVER) == 1);
      REQUIRE(got == i);
    }
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c select: waits for the end of a fiber, and leaves its handle") {
  on_each_runtime([] {
    as_callback body([] { (void)hilo_sleep(HILO_MILLISECOND); });
    hilo_fiber* one = nullptr;
    REQUIRE(hilo_spawn(&one, nullptr, body.function, body.argument()) == 0);
    hilo_case ended = hilo_case_ended(one);
    CHECK(hilo_select(&ended, 1, HILO_FOREVER) == 0);
    CHECK(hilo_join(one, nullptr) == 0);
  });
}

TEST_CASE("c select: waits for a descriptor") {
  on_both_floors([] {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    hilo_case ready = hilo_case_ready(ends[0], POLLIN);
    CHECK(hilo_select(&ready, 1, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
    REQUIRE(::write(ends[1], "x", 1) == 1);
    CHECK(hilo_select(&ready, 1, HILO_FOREVER) == 0);
    CHECK(ready.result == POLLIN);
    for (const int fd : ends) ::close(fd);
    hilo_case bad = hilo_case_ready(-1, POLLIN);
    CHECK(hilo_select(&bad, 1, HILO_FOREVER) == 0);
    CHECK(bad.result == -EBADF);
  });
}

TEST_CASE("c select: refuses bad arguments and takes nothing then") {
  const channel_of numbers(8, 1);
  REQUIRE(send(numbers, 3) == 0);
  std::uint64_t got = 0;
  std::array<hilo_case, 2> cases{hilo_case_receive(numbers.its, &got, 8),
                                 hilo_case_receive(numbers.its, &got, 8)};
  const auto refused = [&](hilo_case wrong) {
    cases[1] = wrong;
    return hilo_select(cases.data(), 2, HILO_NO_WAIT) == -EINVAL;
  };
  CHECK(refused(hilo_case_receive(numbers.its, &got, 4)));
  CHECK(refused(hilo_case_receive(numbers.its, nullptr, 8)));
  CHECK(refused(hilo_case_send(nullptr, &got, 8)));
  CHECK(refused(hilo_case_set(nullptr)));
  CHECK(refused(hilo_case_ended(nullptr)));
  CHECK(refused(hilo_case_of(static_cast<hilo_case_kind>(99), &got)));
  CHECK(hilo_select(nullptr, 2, HILO_NO_WAIT) == -EINVAL);
  CHECK(hilo_select(cases.data(), 0, HILO_NO_WAIT) == -EINVAL);
  CHECK(hilo_channel_count(numbers.its) == 1);
}
