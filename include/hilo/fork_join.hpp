// Fork-join: work that is divided by recursion, or over a range. While every carrier is busy, a
// fork costs a few nanoseconds, because it is a plain call. It becomes a fiber only when a carrier
// runs out of work. Not for work that must run side by side, such as a server's connections,
// because calls may run one after the other: spawn fibers for such work.
//
//   long fib(long n) {
//     if (n < 2) return n;
//     auto [a, b] = hilo::fork_join([=] { return fib(n - 1); }, [=] { return fib(n - 2); });
//     return a + b;
//   }
//
// A call may wait: on channels, locks and timers, and for another call of the same fork_join. This
// works because a fiber that parks first turns all calls that it still has to make into fibers.
// this_fiber::id() then differs between the calls; the stop token is the same.
//
// Outside a runtime everything here runs in the calling thread, one call after the other.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "hilo/detail/fork.hpp"

namespace hilo {
namespace detail {

// Where a result waits until all calls have ended. A result that is cheap to make and to assign
// waits in the returned tuple itself: `at_once`.
template <class R>
inline constexpr bool fork_at_once =
    std::is_trivially_default_constructible_v<R>&& std::is_trivially_copyable_v<R>&&
        std::is_move_assignable_v<R> &&
    sizeof(R) <= 2 * sizeof(void*);

template <class R, bool at_once>
using fork_place =
    std::conditional_t<at_once, R,
                       std::conditional_t<std::is_reference_v<R>, std::remove_reference_t<R>*,
                                          std::optional<std::remove_reference_t<R>>>>;

template <class R, bool at_once, class M>
[[gnu::always_inline]] inline void fork_put(fork_place<R, at_once>& place, M&& make) {
  if constexpr (at_once) {
    place = make();
  } else if constexpr (std::is_reference_v<R>) {
    auto&& referred = make();
    place = std::addressof(referred);
  } else {
    place.emplace(make());
  }
}

// Answers a worker that asks for a fork.
[[gnu::always_inline]] inline void poll_forks(carrier* here) noexcept {
  if (here != nullptr && here->wanted.load(std::memory_order_relaxed) != 0) [[unlikely]]
    answer_request();
}

// Makes `first` and then the calls of `others`, and puts their results into `places`. The others
// are pushed first, the last of them before all, so that each is the newest of the list when its
// turn comes.
template <bool at_once, class P, class F, class... G, std::size_t... I>
[[gnu::always_inline]] inline void fork_in_order(P& places, F& first,
                                                 std::tuple<fork_call<G>...>& others,
                                                 std::index_sequence<I...>) {
  constexpr std::size_t last = sizeof...(G) - 1;
  carrier* const here = current_carrier();
  fork_list& list = here != nullptr ? *here->forks : thread_forks();
  (list.push(std::get<last - I>(others)), ...);
  poll_forks(here);
  // From here on the fiber may be on another carrier; `list` is its own.
  std::size_t ended = 0;
  try {
    fork_put<fork_result<F>, at_once>(std::get<0>(places),
                                      [&]() -> fork_result<F> { return fork_invoke(first); });
    const auto make = [&]<std::size_t i, class C>(fork_call<C>& one) -> fork_result<C> {
      if (!list.pop(one)) [[unlikely]]
        return one.join();
      if constexpr (i != last) poll_forks(current_carrier());
      return fork_invoke(*one.callable);
    };
    ((++ended,
      fork_put<fork_result<G>, at_once>(
          std::get<I + 1>(places),
          [&]() -> fork_result<G> { return make.template operator()<I>(std::get<I>(others)); })),
     ...);
  } catch (...) {
    ((I >= ended ? std::get<I>(others).settle(list) : void()), ...);
    throw;
  }
}

template <class F>
std::tuple<fork_result<F>> fork_all(F& only) {
  return std::tuple<fork_result<F>>(fork_invoke(only));
}

template <class F, class... G>
[[gnu::always_inline]] inline auto fork_all(F& first, G&... rest) {
  constexpr bool at_once = (fork_at_once<fork_result<F>> && ... && fork_at_once<fork_result<G>>);
  using results = std::tuple<fork_result<F>, fork_result<G>...>;
  std::tuple<fork_place<fork_result<F>, at_once>, fork_place<fork_result<G>, at_once>...> places;
  std::tuple<fork_call<G>...> others(rest...);
  fork_in_order<at_once>(places, first, others, std::index_sequence_for<G...>{});
  if constexpr (at_once) {
    return places;
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return results(std::forward<std::tuple_element_t<I, results>>(*std::get<I>(places))...);
    }
    (std::index_sequence_for<F, G...>{});
  }
}

}  // namespace detail

// Calls all callables, in parallel where carriers are idle, and returns when all have ended.
// Returns a std::tuple of their results, with std::monostate for void; nothing if all return
// void.
// Parks: while a call is still running on another carrier. Callable from: anywhere except a signal
// handler. Errors: every call is made, even if another call throws. Of the callables that threw,
// the exception of the first in the argument list is rethrown. Ordering: everything before
// fork_join happens before each call, and each call happens before fork_join returns.
template <std::invocable F, std::invocable... G>
[[gnu::always_inline]] inline auto fork_join(F&& first, G&&... others) {
  if constexpr ((std::is_void_v<std::invoke_result_t<F&>> && ... &&
                 std::is_void_v<std::invoke_result_t<G&>>)) {
    (void)detail::fork_all(first, others...);
  } else {
    return detail::fork_all(first, others...);
  }
}

// The same without results.
template <std::invocable F, std::invocable... G>
void parallel_invoke(F&& first, G&&... others) {
  (void)detail::fork_all(first, others...);
}

namespace detail {

// How many items of a range are done between two forks: enough to take some microseconds. Shared by
// all fibers that work on the range. It is an estimate that each of them may correct, so relaxed
// throughout.
class fork_grain {
 public:
  explicit fork_grain(std::size_t fixed) noexcept
      : fixed_(fixed != 0), items_(fixed_ ? fixed : 1) {}

  std::size_t items() const noexcept { return items_.load(std::memory_order_relaxed); }

  // Does `count` items with leaf(), and corrects the estimate by the time that leaf() took.
  template <class L>
  void run(std::size_t count, L&& leaf) {
    if (fixed_) return leaf();
    const auto start = std::chrono::steady_clock::now();
    leaf();
    const auto spent = std::chrono::steady_clock::now() - start;
    const std::size_t now = items();
    if (spent < shortest && 2 * count > now) {
      items_.store(now * 2, std::memory_order_relaxed);
    } else if (spent > longest && now > 1) {
      items_.store(now / 2, std::memory_order_relaxed);
    }
  }

  // After an exception, leaves that have not begun are left out.
  void give_up() noexcept { failed_.store(true, std::memory_order_relaxed); }
  bool given_up() const noexcept { return failed_.load(std::memory_order_relaxed); }

 private:
  // Reading the clock twice takes 50 ns (measured), a fork 5 ns: together a few percent of a leaf
  // at most.
  static constexpr std::chrono::nanoseconds shortest{5'000};
  static constexpr std::chrono::nanoseconds longest{20'000};

  const bool fixed_;
  std::atomic<std::size_t> items_;
  std::atomic<bool> failed_{false};
};

template <class I>
concept range_end = std::integral<I> || std::random_access_iterator<I>;

template <range_end I>
constexpr std::size_t items_between(I first, I last) noexcept {
  if constexpr (std::integral<I>) {
    using number = std::make_unsigned_t<I>;
    return first < last ? static_cast<std::size_t>(static_cast<number>(static_cast<number>(last) -
                                                                       static_cast<number>(first)))
                        : 0;
  } else {
    return first < last ? static_cast<std::size_t>(last - first) : 0;
  }
}

template <range_end I>
constexpr I advanced(I first, std::size_t items) noexcept {
  if constexpr (std::integral<I>) {
    using number = std::make_unsigned_t<I>;
    return static_cast<I>(static_cast<number>(first) + static_cast<number>(items));
  } else {
    return first + static_cast<std::iter_difference_t<I>>(items);
  }
}

template <range_end I>
constexpr decltype(auto) item_at(I& place) {
  if constexpr (std::integral<I>) {
    return I(place);
  } else {
    return *place;
  }
}

template <class I, class B>
void split_for(I first, I last, B& body, fork_grain& grain) {
  const std::size_t count = items_between(first, last);
  if (count <= grain.items()) {
    if (grain.given_up()) return;
    try {
      grain.run(count, [&] {
        for (; first != last; ++first) std::invoke(body, item_at(first));
      });
    } catch (...) {
      grain.give_up();
      throw;
    }
    return;
  }
  const I middle = advanced(first, count / 2);
  fork_join([&, first] { split_for(first, middle, body, grain); },
            [&, last] { split_for(middle, last, body, grain); });
}

// Null only when another part gave up; that part throws.
template <class T, class I, class M, class C>
std::optional<T> split_reduce(I first, I last, M& map, C& combine, fork_grain& grain) {
  const std::size_t count = items_between(first, last);
  if (count <= grain.items()) {
    std::optional<T> sum;
    if (grain.given_up()) return sum;
    try {
      grain.run(count, [&] {
        T running = std::invoke(map, item_at(first));
        for (++first; first != last; ++first) {
          running = std::invoke(combine, std::move(running), std::invoke(map, item_at(first)));
        }
        sum.emplace(std::move(running));
      });
    } catch (...) {
      grain.give_up();
      throw;
    }
    return sum;
  }
  const I middle = advanced(first, count / 2);
  auto [left, right] =
      fork_join([&, first] { return split_reduce<T>(first, middle, map, combine, grain); },
                [&, last] { return split_reduce<T>(middle, last, map, combine, grain); });
  if (left && right) left.emplace(std::invoke(combine, std::move(*left), std::move(*right)));
  return std::move(left);
}

}  // namespace detail

// Calls body(i) for each integer i in [first, last), or body(*i) for each iterator, in parallel
// where carriers are idle. The range is halved down to pieces of `grain` items; the items of a
// piece run in order. 0: measuring finds pieces that take some microseconds. Give 1 if a call waits
// for another.
// Parks: as fork_join. Callable from: anywhere except a signal handler. Errors: an exception of the
// body ends its piece, and pieces that have not begun may be left out. Of several exceptions, the
// first in the order of the range is rethrown.
template <detail::range_end I, class B>
void parallel_for(std::type_identity_t<I> first, I last, B&& body, std::size_t grain = 0) {
  if (!(first < last)) return;
  detail::fork_grain pieces(grain);
  detail::split_for(first, last, body, pieces);
}

// Returns combine(... combine(combine(initial, map(first)), map(first + 1)) ..., map(last - 1)), in
// parallel where carriers are idle; map gets items as the body of parallel_for does. The order is
// kept, so combine must be associative, but need not be commutative. If combine is only nearly
// associative, as with floating point, pass a grain: the range is then always divided in the same
// way, so the result is the same on every run. Parks, callable from, errors: as parallel_for.
template <detail::range_end I, class T, class M, class C>
T parallel_reduce(std::type_identity_t<I> first, I last, T initial, M&& map, C&& combine,
                  std::size_t grain = 0) {
  if (!(first < last)) return initial;
  detail::fork_grain pieces(grain);
  std::optional<T> sum = detail::split_reduce<T>(first, last, map, combine, pieces);
  return std::invoke(combine, std::move(initial), std::move(*sum));
}

}  // namespace hilo
