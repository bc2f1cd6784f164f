// Waiting for the first of several cases.
//
// Two passes. The first pass tries each case by itself, under its own lock. Most selects end there:
// a case that is found ready is taken. The second pass holds the locks of all cases at once, taken
// in the order of their addresses, and tries again. Only the second pass can find that no case is
// ready. The first pass looks at different moments: between two looks a value can move from a later
// case to a case that was looked at before. So a select with `otherwise` decides under all locks,
// and so does select_first, because the cases before the one that it takes must not be ready at
// that moment. A select that waits links a node into each wait list before it releases any lock.
// While it holds the locks, no waker can find its nodes. So a select never meets itself, and it
// need not claim its own wait to serve another's.
//   Rejected: linking one node after the other, and claiming both sides if two selects meet
//   (Reppy's Parallel CML): two selects that meet each other have to back off, and a select that
//   finds another select half claimed has to spin.
//
// State without a lock. A time and a stop request become ready and stay ready. So if the look under
// the locks finds them not ready, they were not ready at any time before. A descriptor belongs to
// the kernel, and a look at it may sleep (poll(2) of a file system in user space). So a descriptor
// is looked at in the first pass and never under locks.
//
// Order. select_first tries the cases as they are written. All others try them in a random
// permutation. So if several cases are ready, each is the first equally often, regardless of the
// cases before it. The first place is drawn alone, because most selects need no other place. Each
// further place is drawn when the case before it was not ready. The permutation is kept in the
// cases themselves. Nodes are linked in that order too: a channel that is in several cases wakes
// the first of them.
//   Rejected: a rotation from a random start. A ready case behind cases that are not ready is also
//   taken if the rotation starts at one of them, so it is taken more often than others.
//
// The nodes are contested (hilo/detail/waiter.hpp): the first waker claims the wait, and stores in
// the waiter's `slot` which node it was. The owner unlinks all other nodes, which is O(1) each.
//
// A waker may say "try again" instead of serving the select. Then the select begins anew. A driver
// of I/O does so, because it knows that a descriptor was ready and not that it still is. The select
// tells a driver to look only once its node is linked. It tells all drivers to stop looking before
// it waits for any of them.
#include "hilo/select.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

#include "hilo/detail/decision.hpp"

#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/queues/random.hpp"

namespace hilo::detail {
namespace {

// Room for as many pointers as there are cases. If they are few, the room is in this object.
class lock_order {
 public:
  explicit lock_order(std::span<select_case* const> cases) {
    if (cases.size() > few_.size()) many_ = std::make_unique<spin_lock*[]>(cases.size());
    first_ = many_ != nullptr ? many_.get() : few_.data();
    last_ = first_;
    for (select_case* one : cases) {
      if (!one->enabled()) continue;
      if (spin_lock* const its = one->lock()) *last_++ = its;
    }
    std::sort(first_, last_);
    last_ = std::unique(first_, last_);  // a channel may be in several cases
  }

  // lock() and unlock() make this Lockable, so that a scoped lock holds all of them.
  void lock() noexcept {
    for (spin_lock** one = first_; one != last_; ++one) (*one)->lock();
  }
  void unlock() noexcept {
    for (spin_lock** one = first_; one != last_; ++one) (*one)->unlock();
  }

 private:
  std::array<spin_lock*, 16> few_;
  std::unique_ptr<spin_lock*[]> many_;
  spin_lock** first_;
  spin_lock** last_;
};

// Locks that are taken in any order. Only the first may be waited for.
class gathered_locks {
 public:
  // Returns false if it would have to wait, or if there is no room.
  bool gather(spin_lock& one) noexcept {
    if (count_ == 0) {
      one.lock();
    } else {
      for (std::size_t i = 0; i < count_; ++i) {
        if (all_[i] == &one) return true;  // a channel may be in several cases
      }
      if (count_ == all_.size() || !one.try_lock()) return false;
    }
    all_[count_++] = &one;
    return true;
  }

  // Makes this usable by unique_lock. lock() is never called.
  void lock() noexcept {}
  void unlock() noexcept {
    while (count_ > 0) all_[--count_]->unlock();
  }

 private:
  std::array<spin_lock*, 8> all_;
  std::size_t count_ = 0;
};

}  // namespace

struct select_wait {
  std::span<select_case* const> cases;
  select_order order;
  std::uint64_t chance;   // 32 bits of it at the beginning
  std::size_t first = 0;  // the number of the case in place 0 of the order
  std::size_t drawn = 1;  // places of the order that have a case
  // The order, four bits a place. If there are more than `few` cases, the order is in their turn_.
  static constexpr std::size_t few = 16;
  std::uint64_t places = 0xfedcba9876543210U;

  select_wait(std::span<select_case* const> all, select_order which) noexcept
      : cases(all), order(which), chance(0) {
    if (which == select_order::first || all.size() < 2) return;
    chance = sched::random_word();
    first = static_cast<std::size_t>((chance * all.size()) >> 32);
  }

  // Knuth's multiplier (MMIX). The upper half of such a number is good.
  std::size_t draw_below(std::size_t count) noexcept {
    chance = chance * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(((chance >> 32) * count) >> 32);
  }

  // The number of the case in this place of the order. Call it for place 0 first, and then leave no
  // place out.
  std::size_t at(std::size_t place) noexcept {
    if (place == 0) return first;
    if (order == select_order::first) return place;
    if (cases.size() > few) return at_of_many(place);
    if (place == drawn) {
      if (place == 1) exchange(0, first);
      exchange(place, place + draw_below(cases.size() - place));
      ++drawn;
    }
    return (places >> (4 * place)) & 15;
  }

  void exchange(std::size_t a, std::size_t b) noexcept {
    const std::uint64_t change = ((places >> (4 * a)) ^ (places >> (4 * b))) & 15;
    places ^= change << (4 * a) | change << (4 * b);  // 0 if a is b
  }

  [[gnu::noinline]] std::size_t at_of_many(std::size_t place) noexcept {
    if (place == drawn) {
      if (place == 1) {
        std::uint32_t number = 0;
        for (select_case* one : cases) one->turn_ = number++;
        std::swap(cases[0]->turn_, cases[first]->turn_);
      }
      std::swap(cases[place]->turn_, cases[place + draw_below(cases.size() - place)]->turn_);
      ++drawn;
    }
    return cases[place]->turn_;
  }

  // Tries one case whose lock `guard` holds. If the case fires: releases the lock and wakes the
  // other side.
  template <class L>
  [[gnu::always_inline]] bool attempt(std::size_t number, std::unique_lock<L>& guard,
                                      selected& result) const {
    select_case& one = *cases[number];
    partner other;
    try {
      result.end = one.attempt(other);
    } catch (...) {
      guard.unlock();
      if (other.who != nullptr) wake(*other.who->owner, try_again);
      one.clear();
      throw;
    }
    if (result.end == status::would_block) return false;
    guard.unlock();
    if (other.who != nullptr) wake(*other.who->owner, other.end);
    result.index = number;
    return true;
  }

  // The same for a case that has a time. `now` is 0 until the clock was read.
  static bool is_over(const select_case& one, std::int64_t& now) noexcept {
    if (one.deadline() <= 0) return true;
    if (now == 0) now = monotonic_now();
    return one.deadline() <= now;
  }

  // Tries each case by itself.
  bool try_each(selected& result) {
    std::int64_t now = 0;
    bool decided = true;  // the caller had the first decision point
    for (std::size_t place = 0; place < cases.size(); ++place) {
      const std::size_t number = at(place);
      select_case& one = *cases[number];
      if (!one.enabled()) continue;
      if (spin_lock* const its = one.lock()) {
        if (!std::exchange(decided, false)) decision_point();
        std::unique_lock guard(*its);
        if (attempt(number, guard, result)) return true;
      } else if (is_over(one, now)) {
        result = {number, status::ok};
        return true;
      }
    }
    return false;
  }

  // Tries the cases in the first `count` places at one moment, under `guard`, which releases all
  // locks. A select that `waits` has prepared its descriptors, so they are not looked at but asked
  // for what they know; otherwise they are left out. It looks at times only for the order: they end
  // its wait by themselves.
  template <class L>
  bool try_together(std::unique_lock<L>& guard, selected& result, std::size_t count, bool waits) {
    std::int64_t now = 0;
    for (std::size_t place = 0; place < count; ++place) {
      const std::size_t number = at(place);
      select_case& one = *cases[number];
      if (!one.enabled() || (one.driven_ && !waits)) continue;
      if (one.lock() != nullptr) {
        if (attempt(number, guard, result)) return true;
      } else if ((!waits || order == select_order::first) && is_over(one, now)) {
        result = {number, status::ok};
        return true;
      }
    }
    return false;
  }

  // Takes the first case that is ready. Before it looks at a descriptor, without other locks, it
  // sees that no case before that one is ready.
  bool try_in_order(selected& result) {
    lock_order all(cases);
    for (std::size_t place = 0;; ++place) {
      while (place < cases.size() && !(cases[place]->enabled() && cases[place]->driven_)) ++place;
      decision_point();
      if (std::unique_lock guard(all); try_together(guard, result, place, false)) return true;
      if (place == cases.size()) return false;
      if (std::unique_lock guard(*cases[place]->lock()); attempt(place, guard, result)) return true;
    }
  }

  // Tries all cases at one moment. Does so in one go if it has to wait for no lock: it keeps each
  // lock while it tries the next case.
  bool try_now(selected& result) {
    gathered_locks locks;
    {
      std::unique_lock guard(locks, std::adopt_lock);
      std::int64_t now = 0;
      std::size_t place = 0;
      for (; place < cases.size(); ++place) {
        const std::size_t number = at(place);
        select_case& one = *cases[number];
        if (!one.enabled()) continue;
        if (spin_lock* const its = one.lock()) {
          if (one.driven_ || !locks.gather(*its)) break;
          if (attempt(number, guard, result)) return true;
        } else if (is_over(one, now)) {
          result = {number, status::ok};
          return true;
        }
      }
      if (place == cases.size()) return false;
    }
    decision_point();
    if (order == select_order::first) return try_in_order(result);
    if (try_each(result)) return true;
    lock_order all(cases);
    decision_point();
    std::unique_lock guard(all);
    return try_together(guard, result, cases.size(), false);
  }

  // The case whose time comes first.
  select_case* earliest() noexcept {
    select_case* best = nullptr;
    for (std::size_t place = 0; place < cases.size(); ++place) {
      select_case& one = *cases[at(place)];
      if (!one.enabled() || one.deadline() == no_deadline) continue;
      if (best == nullptr || one.deadline() < best->deadline()) best = &one;
    }
    return best;
  }
  std::size_t number_of(const select_case& one) const noexcept {
    return static_cast<std::size_t>(std::find(cases.begin(), cases.end(), &one) - cases.begin());
  }

  selected wait() {
    waiter& self = current_waiter();
    std::int64_t deadline = no_deadline;
    status end = limit_wait(self, deadline);
    if (end != status::ok) {
      count_eager();
      return {no_case, end};
    }
    select_case* timed = nullptr;
    lock_order locks(cases);
    {
      std::unique_lock guard(locks);
      selected result;
      if (try_together(guard, result, cases.size(), true)) return result;
      timed = earliest();
      if (timed != nullptr && timed->deadline() <= deadline) {
        deadline = timed->deadline();
      } else {
        timed = nullptr;
      }
      self.slot = nullptr;
      open_wait(self);
      for (std::size_t place = 0; place < cases.size(); ++place) {
        select_case& one = *cases[at(place)];
        if (!one.enabled() || one.lock() == nullptr) continue;
        one.node_.emplace(self);
        one.node_->slot = one.slot();
        one.list()->push(*one.node_);
      }
      show_wait(self);
    }
    for (select_case* one : cases) {
      if (one->driven_ && one->node_.has_value()) one->begin();
    }
    end = sit_out(self, deadline, "select");
    // A node in `slot`: its waker claimed us. Otherwise our time, a limit or a stop request ended
    // the wait.
    const auto* const fired = static_cast<wait_node*>(self.slot);
    selected result{no_case, end};
    // A case with a lock and a time decides under its lock whether its time counts. At that point
    // it still knows that the select waited for it.
    bool undecided_times =
        fired == nullptr ? end == status::timed_out && timed != nullptr : end == try_again;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      select_case& one = *cases[i];
      if (!one.node_.has_value()) continue;
      if (&*one.node_ == fired) {
        if (end != try_again) result.index = i;
      } else {
        decision_point();
        std::unique_lock guard(*one.lock());
        one.list()->leave(*one.node_);
        if (undecided_times && one.deadline() != no_deadline) {
          undecided_times = !attempt(i, guard, result);
        }
      }
      one.node_.reset();
      if (one.driven_) one.give_up();
    }
    close_wait(self);
    if (fired == nullptr && end == status::timed_out && undecided_times) {
      if (timed->lock() != nullptr) return {no_case, try_again};
      return {number_of(*timed), status::ok};
    }
    return result;
  }

  // All calls end with this. If a case was taken but ended without a value, its destination is
  // emptied.
  selected end_with(const selected& result) const noexcept {
    if (result.end != status::ok && result.index != no_case) cases[result.index]->clear();
    return result;
  }
};

selected select_among(std::span<select_case* const> cases, select_order order, bool otherwise) {
  select_wait one(cases, order);
  while (true) {
    decision_point();
    selected result;
    const bool at_one_moment = otherwise || order == select_order::first;
    if (at_one_moment ? one.try_now(result) : one.try_each(result)) {
      count_eager();
      return one.end_with(result);
    }
    if (otherwise) {
      count_eager();
      return {no_case, status::would_block};
    }
    struct preparation {
      explicit preparation(std::span<select_case* const> all) : cases(all) {
        for (; count < cases.size(); ++count) {
          if (cases[count]->enabled()) cases[count]->prepare();
        }
      }
      ~preparation() {
        while (count > 0) {
          if (cases[--count]->enabled()) cases[count]->dispose();
        }
      }
      std::span<select_case* const> cases;
      std::size_t count = 0;
    };
    {
      const preparation prepared(cases);
      decision_point();
      result = one.wait();
    }
    if (result.end != try_again) return one.end_with(result);
  }
}

void stop_case::wake_waiter() noexcept {
  const undecided section;  // we may be in a stop_callback
  lock_.lock();
  wait_node* const one = waiters_.pop();
  lock_.unlock();
  if (one != nullptr) wake(*one->owner, status::ok);
}

spin_lock* end_case::lock() noexcept {
  return &whose_->end_lock;
}

status end_case::attempt(partner&) {
  refuse_own_end(*whose_);
  return sched::watch_end(*whose_) ? status::ok : status::would_block;
}

wait_list* end_case::list() noexcept {
  return &whose_->end_waiters;
}

}  // namespace hilo::detail
