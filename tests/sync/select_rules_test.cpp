// What a select promises about its choice: one moment, each ready case equally often, and only the
// taken case has an effect.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/sync/floors.hpp"

using hilo::after;
using hilo::receive_from;
using hilo::select_list;
using hilo::selection;
using hilo::send_to;
using hilo::status;
using hilo::test::on_both_floors;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

constexpr int draws = 4000;

// Whether `count` of `draws` is about one in `of`. Six and a half standard deviations: a right
// select is outside in fewer than one of 10^10 tests.
bool is_share(int count, int of) {
  const double expected = double(draws) / of;
  const double deviation = count - expected;
  return deviation * deviation < 6.5 * 6.5 * expected * (1 - 1.0 / of);
}

void check_shares(const std::vector<int>& taken, std::initializer_list<std::size_t> ready) {
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const bool may = std::find(ready.begin(), ready.end(), i) != ready.end();
    CAPTURE(i);
    CAPTURE(taken[i]);
    CHECK((may ? is_share(taken[i], static_cast<int>(ready.size())) : taken[i] == 0));
  }
}

}  // namespace

TEST_CASE("select: ready cases share alike behind and between others that are not ready") {
  on_both_floors([] {
    hilo::event set(true);
    hilo::event unset;
    std::vector<int> taken(6);
    for (int i = 0; i < draws; ++i) {
      ++taken[hilo::select{hilo::set_of(unset), hilo::set_of(unset), hilo::set_of(set),
                           hilo::set_of(unset), hilo::set_of(set), hilo::set_of(set)}];
    }
    check_shares(taken, {2, 4, 5});
    taken.assign(4, 0);
    for (int i = 0; i < draws; ++i) {
      ++taken[hilo::select{hilo::set_of(set, false), hilo::set_of(set, false), hilo::set_of(set),
                           hilo::set_of(set)}];
    }
    check_shares(taken, {2, 3});
    taken.assign(4, 0);
    for (int i = 0; i < draws; ++i) {
      ++taken[hilo::select{hilo::set_of(unset), hilo::set_of(set), after(-1s), hilo::otherwise}];
    }
    check_shares(taken, {1, 2});
  });
}

TEST_CASE("select: ready cases of a long list share alike") {
  on_both_floors([] {
    hilo::event set(true);
    hilo::event unset;
    for (const std::size_t size :
         {std::size_t{2}, std::size_t{16}, std::size_t{17}, std::size_t{40}}) {
      select_list cases;
      for (std::size_t i = 0; i + 2 < size; ++i) cases.set_of(i % 2 == 0 ? unset : set, i % 2 == 0);
      cases.set_of(set);
      cases.set_of(set);
      std::vector<int> taken(size);
      for (int i = 0; i < draws; ++i) ++taken[cases.wait()];
      check_shares(taken, {size - 2, size - 1});
      taken.assign(size, 0);
      for (int i = 0; i < draws; ++i) ++taken[cases.try_now()];
      check_shares(taken, {size - 2, size - 1});
      for (int i = 0; i < 20; ++i) CHECK(cases.wait_first() == size - 2);
    }
  });
}

TEST_CASE("select: a waiting select with one channel in several cases takes each equally often") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    hilo::channel<int> never;
    std::optional<int> got;
    const auto feed = [&](int count) {
      return hilo::spawn([&, count] {
        for (int i = 0; i < count; ++i) CHECK(numbers.send(i) == status::ok);
      });
    };
    std::vector<int> taken(4);
    auto sender = feed(draws);
    for (int i = 0; i < draws; ++i) {
      ++taken[hilo::select{receive_from(never, got), receive_from(numbers, got),
                           receive_from(numbers, got), receive_from(numbers, got)}];
    }
    sender.join();
    check_shares(taken, {1, 2, 3});
    auto other = feed(100);
    for (int i = 0; i < 100; ++i) {
      CHECK(hilo::select_first{receive_from(never, got), receive_from(numbers, got),
                               receive_from(numbers, got)} == 1);
    }
    other.join();
  });
}

TEST_CASE("select: does not take `otherwise` while one case or the other is ready") {
  const auto run = [](auto run_both) {
    constexpr int rounds = 3000;
    struct pair {
      hilo::channel<int> first{1};
      hilo::channel<int> second{1};
    };
    std::vector<std::unique_ptr<pair>> all;
    for (int i = 0; i < rounds; ++i) {
      all.push_back(std::make_unique<pair>());
      REQUIRE(all.back()->first.send(1) == status::ok);
    }
    std::atomic<int> begun{0};  // by each of two: relaxed, only to be about as far
    std::atomic<int> missed{0};
    const auto keep_pace = [&](int round) {
      begun.fetch_add(1, std::memory_order_relaxed);
      for (int i = 0; begun.load(std::memory_order_relaxed) < 2 * round && i < 10'000; ++i) {
      }
    };
    run_both(
        [&] {
          for (int i = 0; i < rounds; ++i) {
            keep_pace(i);
            pair& its = *all[static_cast<std::size_t>(i)];
            REQUIRE(its.second.send(1) == status::ok);
            std::optional<int> gone;
            (void)its.first.try_receive(gone);
          }
        },
        [&] {
          for (int i = 0; i < rounds; ++i) {
            keep_pace(i);
            pair& its = *all[static_cast<std::size_t>(i)];
            std::optional<int> got;
            select_list list;
            list.receive_from(its.second, got);
            list.receive_from(its.first, got);
            const bool none =
                i % 2 == 0 ? hilo::select{receive_from(its.first, got),
                                          receive_from(its.second, got), hilo::otherwise} == 2
                           : !list.try_now().taken();
            if (none) missed.fetch_add(1, std::memory_order_relaxed);
          }
        });
    CHECK(missed.load(std::memory_order_relaxed) == 0);
  };
  on_each_runtime([&] {
    run([](auto one, auto other) {
      auto fiber = hilo::spawn(one);
      other();
      fiber.join();
    });
    run([](auto one, auto other) {
      std::thread thread(one);
      other();
      thread.join();
    });
  });
  std::thread([&] {
    run([](auto one, auto other) {
      std::thread thread(one);
      other();
      thread.join();
    });
  }).join();
}

TEST_CASE("select: leaves the destinations of cases that it did not take alone") {
  on_both_floors([] {
    hilo::channel<int> empty;
    hilo::channel<int> full(1);
    hilo::channel<int> shut;
    shut.close();
    std::optional<int> a = 1;
    std::optional<int> b = 2;
    REQUIRE(full.send(5) == status::ok);
    CHECK(hilo::select{receive_from(empty, a), receive_from(full, b)} == 1);
    CHECK(a == 1);
    CHECK(b == 5);
    CHECK(hilo::select{receive_from(shut, a, false), receive_from(empty, b), hilo::otherwise} == 2);
    CHECK(a == 1);
    CHECK(b == 5);
    CHECK(hilo::select{receive_from(empty, a), after(1ms)} == 1);
    CHECK(a == 1);
    hilo::with_timeout(1ms, [&] {
      CHECK_FALSE(hilo::select{receive_from(empty, a), receive_from(full, b)}.taken());
    });
    CHECK(a == 1);
    CHECK(b == 5);
    // Taken, and no value: empty.
    const selection end = hilo::select{receive_from(shut, a), receive_from(empty, b)};
    CHECK(end == 0);
    CHECK(end.end == status::closed);
    CHECK_FALSE(a.has_value());
    CHECK(b == 5);
  });
}

TEST_CASE("select: a channel that is closed while it waits empties that destination only") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    hilo::channel<int> others;
    std::optional<int> a = 1;
    std::optional<int> b = 2;
    auto closer = hilo::spawn([&] {
      hilo::yield();
      numbers.close();
    });
    const selection end = hilo::select{receive_from(others, b), receive_from(numbers, a)};
    closer.join();
    CHECK(end == 1);
    CHECK(end.end == status::closed);
    CHECK_FALSE(a.has_value());
    CHECK(b == 2);
  });
}

TEST_CASE("select: lists, broadcasts and oneshots leave destinations alone as well") {
  on_both_floors([] {
    hilo::channel<int> numbers(1);
    hilo::channel<int> others(1);
    std::optional<int> a = 1;
    std::optional<int> b = 2;
    select_list cases;
    cases.receive_from(numbers, a);
    cases.receive_from(others, b);
    CHECK(cases.try_now() == selection::none);
    REQUIRE(others.send(7) == status::ok);
    CHECK(cases.wait() == 1);
    CHECK(a == 1);
    CHECK(b == 7);
    auto [said, heard] = hilo::make_broadcast<int>(4);
    auto [answers, answer] = hilo::make_oneshot<int>();
    std::shared_ptr<const int> message = std::make_shared<const int>(3);
    std::optional<int> its = 4;
    CHECK(hilo::select{receive_from(heard, message), receive_from(answer, its),
                       receive_from(answer, its, false), hilo::otherwise} == 3);
    REQUIRE(message != nullptr);
    CHECK(*message == 3);
    CHECK(its == 4);
    answers = {};
    CHECK(hilo::select{receive_from(heard, message), receive_from(answer, its)}.end ==
          status::closed);
    CHECK(*message == 3);
    CHECK_FALSE(its.has_value());
  });
}

TEST_CASE("select: a case that throws leaves its destination empty") {
  hilo::run([] {
    auto [answers, answer] = hilo::make_oneshot<int>();
    std::optional<int> its = 4;
    CHECK(answers.fail(std::make_exception_ptr(std::runtime_error("meant"))) == status::ok);
    CHECK_THROWS_AS((void)hilo::select{receive_from(answer, its)}, std::runtime_error);
    CHECK_FALSE(its.has_value());
  });
}

TEST_CASE("select: a case that a function returns owns the value that it was given") {
  on_both_floors([] {
    hilo::channel<int> numbers(1);
    const auto number = [&](bool on, int n) { return send_to(numbers, on ? n : 0, on); };
    CHECK(hilo::select{number(true, 42)} == 0);
    CHECK(numbers.receive() == 42);
    CHECK(hilo::select{number(false, 42), hilo::otherwise} == 1);
    hilo::channel<std::string> words(1);
    const std::string text = "a word that is too long to be kept inside of a string";
    const auto word = [&] { return send_to(words, text + "."); };
    CHECK(hilo::select{word()} == 0);
    CHECK(words.receive() == text + ".");
    const auto literal = [&] {
      return send_to(words, "a literal that becomes a string on the way");
    };
    CHECK(hilo::select{literal()} == 0);
    CHECK(words.receive() == "a literal that becomes a string on the way");
    hilo::channel<std::unique_ptr<int>> owners(1);
    const auto owner = [&] { return send_to(owners, std::make_unique<int>(5)); };
    CHECK(hilo::select{owner()} == 0);
    CHECK(**owners.receive() == 5);
    { const auto unused = owner(); }
    auto named = send_to(owners, std::make_unique<int>(6));
    CHECK(hilo::select{named} == 0);
    CHECK(hilo::select{owner(), hilo::otherwise} == 1);
    CHECK(**owners.receive() == 6);
  });
}

TEST_CASE("select: a value is moved from only if its case is taken, and an lvalue never") {
  on_both_floors([] {
    hilo::channel<std::string> words(1);
    hilo::channel<std::string> full;
    std::string first = "a word that is too long to be kept inside of a string";
    std::string second = first;
    const std::string copy = first;
    CHECK(hilo::select{send_to(full, std::move(first)), send_to(words, std::move(second))} == 1);
    CHECK(first == copy);  // NOLINT(bugprone-use-after-move): it lost
    CHECK(words.receive() == copy);
    CHECK(hilo::select{send_to(words, first)} == 0);
    CHECK(first == copy);
    CHECK(hilo::select{send_to(words, std::move(first)), hilo::otherwise} == 1);
    CHECK(first == copy);  // NOLINT(bugprone-use-after-move): the channel is full
    CHECK(words.receive() == copy);
    struct point {
      double x, y;
    };
    hilo::channel<point> points(1);
    CHECK(hilo::select{send_to(points, {1.0, 2.0})} == 0);
    CHECK(points.receive()->y == 2);
    hilo::channel<std::vector<int>> lists(1);
    CHECK(hilo::select{send_to(lists, {1, 2})} == 0);
    CHECK(lists.receive() == std::vector<int>{1, 2});
  });
}

TEST_CASE("select: of a value that is sent no copy is made but of an lvalue that may be sent") {
  struct counted {
    explicit counted(int& its) : copies(&its) {}
    counted(const counted& other) : copies(other.copies) { ++*copies; }
    counted& operator=(const counted&) = delete;
    counted(counted&& other) noexcept : copies(other.copies) {}
    ~counted() = default;
    int* copies;
  };
  hilo::run([] {
    int copies = 0;
    hilo::channel<counted> values(8);
    counted mine(copies);
    CHECK(hilo::select{send_to(values, mine, false), hilo::otherwise} == 1);
    CHECK(hilo::select{send_to(values, counted(copies))} == 0);
    CHECK(hilo::select{send_to(values, std::move(mine))} == 0);
    const auto make = [&] { return send_to(values, counted(copies)); };
    CHECK(hilo::select{make()} == 0);
    CHECK(copies == 0);
    const counted other(copies);
    CHECK(hilo::select{send_to(values, other)} == 0);
    CHECK(copies == 1);
  });
}

TEST_CASE("select: a stop request in a switch comes to `default`") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    std::optional<int> got = 3;
    auto fiber = hilo::spawn([&] {
      switch (hilo::select{receive_from(numbers, got), after(1h)}) {
        case 0:
        case 1:
          return false;
        default:
          return true;
      }
    });
    fiber.request_stop();
    CHECK(fiber.join());
    CHECK(got == 3);
    CHECK_FALSE(selection{}.taken());
    CHECK(selection{.index = 0}.taken());
  });
}

TEST_CASE("select: a list has disabled cases and a case for when none is ready") {
  on_both_floors([] {
    hilo::channel<int> numbers(1);
    hilo::channel<int> shut;
    shut.close();
    hilo::event set(true);
    std::stop_source source;
    source.request_stop();
    std::optional<int> got;
    int mine = 4;
    select_list cases;
    CHECK(cases.receive_from(shut, got, false) == 0);
    CHECK(cases.set_of(set, false) == 1);
    CHECK(cases.stop_of(source.get_token(), false) == 2);
    CHECK(cases.send_to(shut, mine, false) == 3);
    CHECK(cases.at(std::chrono::steady_clock::time_point{}, false) == 4);
    CHECK(cases.try_now() == selection::none);
    CHECK(cases.otherwise() == 5);
    CHECK(cases.receive_from(numbers, got) == 6);
    CHECK(cases.size() == 7);
    CHECK(cases.wait() == 5);
    CHECK(cases.try_now() == 5);
    REQUIRE(numbers.send(1) == status::ok);
    CHECK(cases.wait() == 6);
    CHECK(got == 1);
    CHECK(cases.wait_first() == 5);
  });
}

TEST_CASE("select: without any case it waits for a stop request") {
  on_each_runtime([] {
    auto fiber = hilo::spawn([] { return hilo::select{}.end; });
    fiber.request_stop();
    CHECK(fiber.join() == status::cancelled);
    CHECK(hilo::select{hilo::otherwise} == 0);
  });
}

TEST_CASE("select: the former value of a destination may come to the channel when it ends") {
  struct visitor {
    explicit visitor(hilo::channel<visitor>& its) : from(&its) {}
    visitor(visitor&& other) noexcept : from(std::exchange(other.from, nullptr)) {}
    visitor& operator=(visitor&& other) noexcept {
      std::swap(from, other.from);
      return *this;
    }
    ~visitor() {
      if (from != nullptr) (void)from->size();
    }
    hilo::channel<visitor>* from;
  };
  on_both_floors([] {
    hilo::channel<visitor> visitors(1);
    std::optional<visitor> got(std::in_place, visitors);
    REQUIRE(visitors.send(visitor(visitors)) == status::ok);
    CHECK(hilo::select{receive_from(visitors, got)} == 0);
    std::thread sender([&] { CHECK(visitors.send(visitor(visitors)) == status::ok); });
    CHECK(hilo::select{receive_from(visitors, got)} == 0);
    sender.join();
    CHECK(got->from == &visitors);
  });
}
