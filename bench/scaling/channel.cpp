#include "bench/scaling/channel.hpp"

namespace scaling {

// Ends an operation that did not wait, and wakes the fiber that it served.
step<void> channel::finish(fiber& me, fiber* served) {
  const bool spent = ++streak_ == 0;
  co_await lock_.unlock(*me.at);
  if (served != nullptr) co_await wake(me, *served);
  if (spent) co_await yield(me);
}

step<void> channel::wait_in(fiber& me, fiber_list& list, std::uint64_t& slot) {
  worker& here = *me.at;
  me.slot = &slot;
  co_await here.on().write(here.its_thread(), lists_line_);
  list.push(me);
  here.on().spend(here.its_thread(), here.home().price().park);
  co_await lock_.unlock_to_wait(here);
  co_await park(me);
}

step<void> channel::put(fiber& me, std::uint64_t value) {
  const std::size_t at = (first_ + count_) % values_.size();
  co_await me.at->on().write(me.at->its_thread(), ring_lines_[at / values_in_a_line]);
  values_[at] = value;
  ++count_;
}

step<std::uint64_t> channel::take(fiber& me) {
  const std::size_t at = first_;
  co_await me.at->on().read(me.at->its_thread(), ring_lines_[at / values_in_a_line]);
  first_ = (first_ + 1) % values_.size();
  --count_;
  co_return values_[at];
}

step<void> channel::send(fiber& me, std::uint64_t value) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  co_await lock_.lock(here);
  m.spend(t, here.home().price().channel);
  co_await m.read(t, lists_line_);
  if (!receivers_.empty()) {
    co_await m.write(t, lists_line_);
    fiber* const other = receivers_.pop();
    co_await m.write(t, other->word);
    *other->slot = value;
    co_await finish(me, other);
  } else if (count_ < values_.size()) {
    co_await m.write(t, head_line_);
    co_await put(me, value);
    co_await finish(me, nullptr);
  } else {
    co_await wait_in(me, senders_, value);
  }
}

step<bool> channel::receive(fiber& me, std::uint64_t& into) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  co_await lock_.lock(here);
  m.spend(t, here.home().price().channel);
  co_await m.read(t, lists_line_);
  if (count_ != 0) {
    co_await m.write(t, head_line_);
    into = co_await take(me);
    fiber* other = nullptr;
    if (!senders_.empty()) {
      co_await m.write(t, lists_line_);
      other = senders_.pop();
      co_await m.read(t, other->word);
      co_await put(me, *other->slot);
    }
    co_await finish(me, other);
    co_return true;
  }
  if (!senders_.empty()) {
    co_await m.write(t, lists_line_);
    fiber* const other = senders_.pop();
    co_await m.read(t, other->word);
    into = *other->slot;
    co_await finish(me, other);
    co_return true;
  }
  if (closed_) {
    co_await lock_.unlock(here);
    co_return false;
  }
  constexpr std::uint64_t none = ~std::uint64_t{0};
  into = none;
  co_await wait_in(me, receivers_, into);
  co_return into != none;
}

step<void> channel::close(fiber& me) {
  worker& here = *me.at;
  co_await lock_.lock(here);
  closed_ = true;
  fiber_list waiting;
  while (fiber* const one = receivers_.pop()) waiting.push(*one);
  co_await lock_.unlock(here);
  while (fiber* const one = waiting.pop()) co_await wake(me, *one);
}

}  // namespace scaling
