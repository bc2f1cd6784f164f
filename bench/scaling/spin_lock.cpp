#include "bench/scaling/spin_lock.hpp"

#include <algorithm>

#include "bench/scaling/worker.hpp"

// Each function does the steps of the function of the same name in runtime/base/spin_lock.cpp or
// include/hilo/detail/spin_lock.hpp, where they are explained. The numbers are those of hilo.
namespace scaling {
namespace {

constexpr std::uint8_t enough = 32;
constexpr int quick_answer = 16;
constexpr int patience = 100;
constexpr int long_patience = 2000;
constexpr std::uint8_t trusted = 20, most_credit = 32, slow_costs = 4;

}  // namespace

step<void> spin_lock::lock(worker& by) {
  machine& m = by.on();
  thread& t = by.its_thread();
  co_await m.read(t, home_);
  if (owner_ == by.name()) {
    co_await m.write(t, home_);
    inside_ = true;
    co_await m.read(t, home_);
    if ((owner_ & ~asked) == by.name()) co_return;
    co_await m.write(t, home_);
    inside_ = false;
  }
  co_await lock_word(by);
}

step<void> spin_lock::lock_word(worker& by) {
  machine& m = by.on();
  thread& t = by.its_thread();
  co_await m.read(t, home_);
  if (owner_ == (by.name() | asked)) {
    co_await m.write(t, home_);
    inside_ = true;
    co_await m.read(t, home_);
    if (owner_ == (by.name() | asked)) co_return;
    co_await m.write(t, home_);
    inside_ = false;
  }
  co_await m.update(t, home_);
  const bool held = word_;
  word_ = true;
  if (held) co_await wait_for_word(by);
  if (owner_ != nobody) co_await settle_owner(by);
}

step<void> spin_lock::wait_for_word(worker& by) {
  machine& m = by.on();
  thread& t = by.its_thread();
  constexpr unsigned first_spins = 32, most_spins = 1024;
  for (unsigned spins = first_spins; spins < most_spins; spins *= 2) {
    by.relax(spins);
    co_await m.read(t, home_);
    if (word_) continue;
    co_await m.update(t, home_);
    if (!word_) {
      word_ = true;
      co_return;
    }
  }
  constexpr int yields = 64;
  constexpr picoseconds nap = microseconds(50);
  for (int round = 0;; ++round) {
    co_await m.update(t, home_);
    if (!word_) {
      word_ = true;
      co_return;
    }
    if (round < yields) {
      by.spend_on_kernel_switch();
      co_await m.yield(t);
    } else {
      co_await m.turn(t);
      (void)co_await m.sleep(t, t.now + nap);
    }
  }
}

step<void> spin_lock::leave(worker& by, giving when) {
  machine& m = by.on();
  thread& t = by.its_thread();
  co_await m.read(t, home_);
  if (inside_) {
    if (owner_ == by.name() && when != giving::unasked) {
      co_await m.write(t, home_);
      inside_ = false;
      co_return;
    }
    if ((owner_ & ~(revoked | asked)) == by.name()) {
      if (when != giving::never) {
        co_await m.update(t, home_);
        if ((owner_ & ~asked) == by.name()) owner_ = undecided;
      }
      co_await m.write(t, home_);
      inside_ = false;
      co_return;
    }
  }
  co_await m.write(t, home_);
  word_ = false;
}

step<bool> spin_lock::ask(worker& by, std::uint32_t owner) {
  machine& m = by.on();
  thread& t = by.its_thread();
  if (moves_) by.relax(patience_before_asking);
  co_await m.update(t, home_);
  if (owner_ != owner) co_return true;
  owner_ = owner | asked;
  const int looks = credit_ >= trusted ? long_patience : patience;
  for (int look = 0; look < looks; ++look) {
    by.relax(1);
    co_await m.read(t, home_);
    if (owner_ == (owner | asked)) continue;
    if (look < quick_answer) {
      credit_ = std::min<std::uint8_t>(static_cast<std::uint8_t>(credit_ + 1), most_credit);
    } else {
      credit_ = static_cast<std::uint8_t>(credit_ - std::min(credit_, slow_costs));
    }
    co_return true;
  }
  co_await m.update(t, home_);
  if (owner_ != (owner | asked)) co_return true;
  owner_ = owner | revoked;
  co_return false;
}

step<void> spin_lock::settle_owner(worker& by) {
  machine& m = by.on();
  thread& t = by.its_thread();
  co_await m.read(t, home_);
  const std::uint32_t owner = owner_;
  std::uint32_t after = owner;
  if (owner == undecided && moves_) {
    co_await wait_until_out(by);
    after = by.name();
  } else if (owner == (by.name() | undecided)) {
    if (++holders_ == enough) after = by.name();
  } else if (owner == undecided) {
    holders_ = 1;
    after = by.name() | undecided;
  } else if ((owner & undecided) != 0) {
    after = nobody;
  } else {
    const bool answered = co_await ask(by, owner);
    if (!answered) by.spend_on_membarrier();
    co_await wait_until_out(by);
    moves_ = moves_ || answered;
    after = !answered || credit_ == 0 ? nobody : by.name();
  }
  if (after == owner) co_return;
  co_await m.write(t, home_);
  owner_ = after;
}

step<void> spin_lock::wait_until_out(worker& by) {
  machine& m = by.on();
  thread& t = by.its_thread();
  while (true) {
    co_await m.read(t, home_);
    if (!inside_) co_return;
    by.relax(1);
  }
}

}  // namespace scaling
