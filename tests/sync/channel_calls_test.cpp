// Which calls channels and their ends have, and what each does with its arguments.

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::status;
using hilo::test::on_each_runtime;
using namespace std::chrono_literals;

namespace {

using seconds = std::chrono::seconds;
using moment = std::chrono::steady_clock::time_point;

// --- no call is missing from an end, and none has the wrong direction ----------------------------

template <class C, class T = int>
concept sends = requires(C c, T value, T& lvalue, const T& constant, std::span<T> values,
                         std::size_t& sent) {
  { c.send(std::move(value)) } -> std::same_as<status>;
  { c.send(lvalue) } -> std::same_as<status>;
  { c.send(constant) } -> std::same_as<status>;
  { c.send({}) } -> std::same_as<status>;
  { c.try_send(std::move(value)) } -> std::same_as<status>;
  { c.try_send(lvalue) } -> std::same_as<status>;
  { c.try_send(constant) } -> std::same_as<status>;
  { c.try_send({}) } -> std::same_as<status>;
  { c.send_for(std::move(value), 1s) } -> std::same_as<status>;
  { c.send_for(lvalue, 1s) } -> std::same_as<status>;
  { c.send_for(constant, 1s) } -> std::same_as<status>;
  { c.send_for({}, 1s) } -> std::same_as<status>;
  { c.send_until(std::move(value), moment{}) } -> std::same_as<status>;
  { c.send_until(lvalue, moment{}) } -> std::same_as<status>;
  { c.send_until(constant, moment{}) } -> std::same_as<status>;
  { c.send_until({}, moment{}) } -> std::same_as<status>;
  { c.send_all(values, sent) } -> std::same_as<status>;
  { c.close() } -> std::same_as<void>;
};

template <class C, class T = int>
concept receives = requires(C c, std::optional<T>& result, std::vector<T>& results) {
  { c.receive() } -> std::same_as<std::optional<T>>;
  { c.receive(result) } -> std::same_as<status>;
  { c.try_receive(result) } -> std::same_as<status>;
  { c.receive_for(result, 1s) } -> std::same_as<status>;
  { c.receive_until(result, moment{}) } -> std::same_as<status>;
  { c.receive_some(results, std::size_t{}) } -> std::same_as<status>;
  { c.begin() } -> std::input_iterator;
  { c.end() } -> std::sentinel_for<decltype(c.begin())>;
};

template <class C>
concept tells = requires(const C c) {
  { c.size() } -> std::same_as<std::size_t>;
  { c.closed() } -> std::same_as<bool>;
  { c.capacity() } -> std::same_as<std::size_t>;
  typename C::value_type;
};

using int_channel = hilo::channel<int>;
using int_sender = hilo::sender<int>;
using int_receiver = hilo::receiver<int>;

static_assert(sends<int_channel> && receives<int_channel> && tells<int_channel>);
static_assert(sends<int_sender> && tells<int_sender>);
static_assert(receives<int_receiver> && tells<int_receiver>);
static_assert(sends<const int_sender> && receives<const int_receiver>,
              "an end is used as a pointer is");

template <class C>
concept has_any_receive = requires(C c, std::optional<int>& result, std::vector<int>& results) {
  requires requires {
    c.receive();
  } || requires {
    c.try_receive(result);
  } || requires {
    c.receive_some(results, std::size_t{});
  } || requires {
    c.begin();
  };
};
template <class C>
concept has_any_send = requires(C c) {
  requires requires {
    c.send(1);
  } || requires {
    c.try_send(1);
  } || requires {
    c.close();
  };
};
static_assert(!has_any_receive<int_sender> && !has_any_send<int_receiver>);
static_assert(has_any_receive<int_channel> && has_any_send<int_channel>);

// In select too.
template <class C>
concept received_from_by_select = requires(C& c, std::optional<int>& result) {
  hilo::select{hilo::receive_from(c, result), hilo::receive_from(c, result, false)};
};
template <class C>
concept sent_to_by_select = requires(C& c, int& lvalue) {
  hilo::select{hilo::send_to(c, 1), hilo::send_to(c, lvalue), hilo::send_to(c, 1, false)};
};
static_assert(received_from_by_select<int_channel> && sent_to_by_select<int_channel>);
static_assert(received_from_by_select<int_receiver> && !sent_to_by_select<int_receiver>);
static_assert(!received_from_by_select<int_sender> && sent_to_by_select<int_sender>);
static_assert(received_from_by_select<const int_receiver> && sent_to_by_select<const int_sender>);

// --- an lvalue is copied, and what cannot be copied is refused by the compiler
// --------------------

using box = std::unique_ptr<int>;
template <class C>
concept takes_boxes = requires(C c, box value) {
  c.send(std::move(value));
  c.try_send(std::move(value));
  c.send_for(std::move(value), 1s);
  c.send_until(std::move(value), moment{});
};
template <class C>
concept takes_box_lvalues = requires(C c, box& lvalue) {
  requires requires {
    c.send(lvalue);
  } || requires {
    c.try_send(lvalue);
  } || requires {
    c.send_for(lvalue, 1s);
  } || requires {
    c.send_until(lvalue, moment{});
  };
};
static_assert(takes_boxes<hilo::channel<box>> && takes_boxes<hilo::sender<box>>);
static_assert(!takes_box_lvalues<hilo::channel<box>> && !takes_box_lvalues<hilo::sender<box>>);

// --- defaults
// -------------------------------------------------------------------------------------

template <class T>
void take(T);
template <class T>
concept default_is_implicit = requires {
  take<T*>(new T[2]{});
};

struct everything {
  hilo::channel<int> numbers;
  hilo::channel<box> boxes[2];
  hilo::sender<int> out;
  hilo::receiver<int> in;
  hilo::oneshot_sender<int> answer_out;
  hilo::oneshot_receiver<int> answer_in;
  hilo::watch_sender<int> setting_out;
  hilo::watch_receiver<int> setting_in;
  hilo::broadcast_sender<int> news_out;
  hilo::broadcast_receiver<int> news_in;
  hilo::channel_ends<int> ends;
  hilo::oneshot_ends<int> oneshot_ends;
  hilo::event events[2];
  hilo::auto_reset_event turns[2];
  hilo::wait_group group;
  hilo::mutex guards[2];
  hilo::timer timers[2];
};
static_assert(std::is_aggregate_v<everything>);
static_assert(default_is_implicit<hilo::channel<int>> && default_is_implicit<everything>);

static_assert(!std::convertible_to<int, int_channel> &&
              !std::convertible_to<std::size_t, int_channel>);
static_assert(!std::convertible_to<hilo::unbounded_t, int_channel>);
static_assert(std::constructible_from<int_channel, int> &&
              std::constructible_from<int_channel, hilo::unbounded_t>);

static_assert(std::ranges::input_range<int_channel> &&
              std::ranges::input_range<const int_receiver>);

}  // namespace

TEST_CASE("channel calls: arrays and aggregates of channels and ends are made without arguments") {
  hilo::channel<int> some[4];
  for (auto& one : some) CHECK(one.capacity() == 0);
  everything all = {};
  CHECK(all.numbers.capacity() == 0);
  CHECK_FALSE(static_cast<bool>(all.out));
  CHECK(all.answer_out.closed());
}

TEST_CASE("channel calls: each end has all calls, with the results of the channel's") {
  on_each_runtime([] {
    auto [out, in] = hilo::make_channel<int>(8);
    const auto soon = std::chrono::steady_clock::now() + 1h;
    const int two = 2;
    int three = 3;
    CHECK(out.capacity() == 8);
    CHECK(in.capacity() == 8);
    CHECK(out.send(1) == status::ok);
    CHECK(out.try_send(two) == status::ok);
    CHECK(out.send_for(three, 1h) == status::ok);
    CHECK(out.send_until(4, soon) == status::ok);
    int more[] = {5, 6, 7, 8};
    std::size_t sent = 0;
    CHECK(out.send_all(more, sent) == status::ok);
    CHECK(sent == 4);
    CHECK(out.size() == 8);
    CHECK(in.size() == 8);
    CHECK(out.try_send(9) == status::would_block);
    CHECK(out.send_for(9, 1us) == status::timed_out);
    CHECK(out.send_until(9, std::chrono::steady_clock::now()) == status::timed_out);
    std::optional<int> got;
    CHECK(in.receive() == 1);
    CHECK(in.receive(got) == status::ok);
    CHECK(got == 2);
    CHECK(in.try_receive(got) == status::ok);
    CHECK(got == 3);
    CHECK(in.receive_for(got, 1h) == status::ok);
    CHECK(got == 4);
    CHECK(in.receive_until(got, soon) == status::ok);
    CHECK(got == 5);
    std::vector<int> some;
    CHECK(in.receive_some(some, 2) == status::ok);
    CHECK(some == std::vector<int>{6, 7});
    CHECK_FALSE(in.closed());
    out.close();
    CHECK(in.closed());
    CHECK(out.closed());
    CHECK(out.send(1) == status::closed);
    for (const int n : in) CHECK(n == 8);
    CHECK(in.receive(got) == status::closed);
  });
}

TEST_CASE(
    "channel calls: an lvalue is copied by each form of send, and a value that is not sent stays") {
  on_each_runtime([] {
    hilo::channel<std::string> words(4);
    const auto soon = std::chrono::steady_clock::now() + 1h;
    std::string word = "a word that is longer than what a string holds in itself";
    const std::string same = word;
    CHECK(words.send(word) == status::ok);
    CHECK(words.try_send(word) == status::ok);
    CHECK(words.send_for(word, 1h) == status::ok);
    CHECK(words.send_until(word, soon) == status::ok);
    CHECK(word == same);
    CHECK(words.try_send(std::move(word)) == status::would_block);
    CHECK(words.send_for(std::move(word), 1us) == status::timed_out);
    CHECK(words.send_until(std::move(word), std::chrono::steady_clock::now()) == status::timed_out);
    hilo::with_timeout(1us, [&] { CHECK(words.send(std::move(word)) == status::timed_out); });
    words.close();
    CHECK(words.send(std::move(word)) == status::closed);
    CHECK(words.try_send(std::move(word)) == status::closed);
    CHECK(words.send_for(std::move(word), 1h) == status::closed);
    CHECK(words.send_until(std::move(word), soon) == status::closed);
    CHECK(word == same);
    for (const std::string& one : words) CHECK(one == same);
  });
}

namespace {

// Each form of receiving that has a destination, on something closed or empty.
template <class C, class Result>
void check_emptied(C& from, Result& result, const Result& old, bool closed) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto check = [&](auto receive, status expected) {
    result = old;
    CHECK(receive() == expected);
    CHECK_FALSE(static_cast<bool>(result));
  };
  const auto ends = [&](status otherwise) { return closed ? status::closed : otherwise; };
  check([&] { return from.try_receive(result); }, ends(status::would_block));
  check([&] { return from.receive_for(result, 1us); }, ends(status::timed_out));
  check([&] { return from.receive_for(result, 0s); }, ends(status::timed_out));
  check([&] { return from.receive_until(result, now()); }, ends(status::timed_out));
  check([&] { return hilo::with_timeout(1us, [&] { return from.receive(result); }); },
        ends(status::timed_out));
  check(
      [&] {
        auto stopped = hilo::spawn([&] { return from.receive(result); });
        hilo::yield();
        stopped.request_stop();
        return stopped.join();
      },
      ends(status::cancelled));
  if (closed) check([&] { return from.receive(result); }, status::closed);
}

}  // namespace

TEST_CASE("channel calls: a receive that ends without a value empties its destination") {
  on_each_runtime([] {
    const std::optional<int> old = 5;
    std::optional<int> number;
    hilo::channel<int> numbers(1);
    const hilo::receiver<int> view(numbers);
    for (const bool closed : {false, true}) {
      if (closed) numbers.close();
      check_emptied(numbers, number, old, closed);
      check_emptied(view, number, old, closed);
    }
    auto answer = hilo::make_oneshot<int>();
    auto news = hilo::make_broadcast<int>(1);
    auto outcome = hilo::make_oneshot<int>();
    hilo::shared_result<int> shared = std::move(outcome.in);
    std::shared_ptr<const int> message;
    const auto old_message = std::make_shared<const int>(5);
    for (const bool closed : {false, true}) {
      if (closed) answer.out = {};
      if (closed) news.out = {};
      if (closed) outcome.out = {};
      check_emptied(shared, message, old_message, closed);
      check_emptied(answer.in, number, old, closed);
      check_emptied(news.in, message, old_message, closed);
    }
    // The loop of a new user ends.
    auto [out, in] = hilo::make_channel<int>(4);
    for (int i = 1; i <= 3; ++i) CHECK(out.send(i) == status::ok);
    out.close();
    int sum = 0;
    do {
      (void)in.receive(number);
      if (number) sum += *number;
    } while (number);
    CHECK(sum == 6);
  });
}

TEST_CASE(
    "channel calls: a receive whose move throws leaves its destination empty, and the value") {
  struct fragile {
    explicit fragile(int which) : number(which) {}
    fragile(fragile&& other) : number(other.number) {
      if (--other.moves_left == 0) throw std::runtime_error("fragile");
      moves_left = other.moves_left;
    }
    int number;
    int moves_left = 3;  // into send's ring, then the throw, then out
  };
  hilo::run({.carriers = 1}, [] {
    hilo::channel<fragile> some(1);
    fragile value(7);
    value.moves_left = 2;  // one move into the ring; the next one throws
    CHECK(some.send(std::move(value)) == status::ok);
    std::optional<fragile> to;
    to.emplace(1);
    CHECK_THROWS_AS((void)some.receive(to), std::runtime_error);
    CHECK_FALSE(to.has_value());
    CHECK(some.size() == 1);
    CHECK(some.receive(to) == status::ok);
    CHECK(to->number == 7);
  });
}

namespace {

// Uses its channel, and parks, when it is destroyed.
struct busy_at_end {
  explicit busy_at_end(hilo::channel<busy_at_end>* its) : used(its) {}
  busy_at_end(busy_at_end&& other) noexcept : used(std::exchange(other.used, nullptr)) {}
  busy_at_end& operator=(busy_at_end&& other) noexcept {
    std::swap(used, other.used);
    return *this;
  }
  ~busy_at_end() {
    if (used == nullptr) return;
    (void)used->size();
    hilo::sleep_for(1us);
  }
  hilo::channel<busy_at_end>* used;
};

}  // namespace

TEST_CASE("channel calls: the former value of a destination may use the channel when it ends") {
  on_each_runtime([] {
    hilo::channel<busy_at_end> some;
    auto sender = hilo::spawn([&] {
      for (int i = 0; i < 20; ++i) CHECK(some.send(busy_at_end(&some)) == status::ok);
      some.close();
    });
    std::optional<busy_at_end> to;
    int got = 0;
    while (some.receive(to) == status::ok) ++got;
    CHECK(got == 20);
    CHECK_FALSE(to.has_value());
    sender.join();
  });
}

// clang before 16 cannot compile libstdc++'s views.
#if !defined(__clang__) || __clang_major__ >= 16
TEST_CASE("channel calls: a channel is a range of the standard") {
  hilo::run([] {
    hilo::channel<int> numbers(8);
    for (int i = 0; i < 8; ++i) CHECK(numbers.send(i) == status::ok);
    numbers.close();
    int sum = 0;
    for (const int n : numbers | std::views::filter([](int one) { return one % 2 == 0; })) sum += n;
    CHECK(sum == 12);
  });
}
#endif
