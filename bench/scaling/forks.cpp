#include "bench/scaling/forks.hpp"

#include <utility>

namespace scaling {
namespace {

constexpr unsigned one_computation = 14;  // fib(14) has 609 forks

constexpr std::uint64_t fib_at_once(unsigned n) {
  std::uint64_t a = 0, b = 1;
  for (; n != 0; --n) b = std::exchange(a, b) + b;
  return a;
}
constexpr picoseconds forks_of(unsigned n) {
  return static_cast<picoseconds>(fib_at_once(n + 1)) - 1;
}

}  // namespace

step<std::uint64_t> fork_tree::visit(fiber& me, unsigned n) {
  forks mine;
  co_return co_await fib(me, mine, n);
}

step<std::uint64_t> fork_tree::fib(fiber& me, forks& mine, unsigned n) {
  const picoseconds each = home_.price().fork + work_;
  if (n <= one_computation) {
    home_.on().spend(me.at->its_thread(), each * forks_of(n));
    co_return fib_at_once(n);
  }
  home_.on().spend(me.at->its_thread(), each);
  frame second{.n = n - 2};
  mine.push_back(&second);
  const bool wanted = co_await me.at->is_wanted(*me.at);
  if (wanted) co_await answer_request(me, mine);
  const std::uint64_t first = co_await fib(me, mine, n - 1);
  if (second.helper == nullptr) {
    mine.pop_back();
    const std::uint64_t value = co_await fib(me, mine, n - 2);
    co_return first + value;
  }
  co_await join(me, *second.helper);
  co_return first + second.result;
}

step<void> fork_tree::answer_request(fiber& me, forks& mine) {
  if (mine.empty()) co_return;
  co_await me.at->unwant(*me.at);
  const bool idle = co_await home_.idle().anybody_idle(*me.at);
  if (idle) co_await offer_oldest(me, mine);
}

step<void> fork_tree::offer_oldest(fiber& me, forks& mine) {
  frame& call = *mine.front();
  mine.pop_front();
  const maker make = [this, &call](fiber& child) { return help(child, call); };
  call.helper = co_await make_fiber(me, make);
  co_await me.at->put_surplus(*call.helper);
}

step<void> fork_tree::help(fiber& me, frame& one) {
  one.result = co_await visit(me, one.n);
}

}  // namespace scaling
