// Waiting for the first of several cases.
//
// Two passes. The first tries each case by itself, from a random one on, and most selects end
// there. The second holds the locks of all cases at once, in the order of their addresses, tries
// again, and links a node into each wait list before it lets any of them go. So no case can become
// ready between the look at it and the wait. While it holds the locks nobody can find its nodes,
// hence it never meets itself, and it need not claim its own wait to serve another's.
//   Rejected: linking one after the other with a claim of both sides where two meet (Reppy's
//   Parallel CML): two selects that meet each other have to back off, and who finds one of them
//   half claimed has to spin.
//
// The nodes are contested (hilo/detail/waiter.hpp): whoever wakes it first claims it, and leaves in
// `slot` of the waiter which node it was. The owner unlinks all others, which is O(1) each.
//
// A waker may say "try again" instead of serving it: then all begins anew. So does a driver of I/O,
// which knows that a descriptor was ready, and not that it still is. It is told to look only once
// its node is linked; all drivers are told to stop looking before the select waits for any of them.
#include "hilo/select.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "hilo/detail/decision.hpp"

#include "runtime/sched/fiber.hpp"
#include "runtime/sched/random.hpp"

namespace hilo::detail {
namespace {

// Room for as many pointers as there are cases: here if they are few.
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

  // Lockable, for a scoped lock over all of them.
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

}  // namespace

struct select_wait {
  std::span<select_case* const> cases;
  std::size_t start;

  select_case& at(std::size_t turn) const noexcept {
    const std::size_t index = start + turn;
    return *cases[index < cases.size() ? index : index - cases.size()];
  }
  std::size_t index_of(const select_case& one) const noexcept {
    return static_cast<std::size_t>(std::find(cases.begin(), cases.end(), &one) - cases.begin());
  }

  // Tries one case whose lock `guard` has; if it fires, releases that and wakes whom it served.
  template <class L>
  bool attempt(select_case& one, std::unique_lock<L>& guard, selected& result) const {
    partner other;
    result.end = attempt_under(guard, other, [&one](partner& its) { return one.attempt(its); });
    if (result.end == status::would_block) return false;
    guard.unlock();
    if (other.who != nullptr) wake(*other.who->owner, other.end);
    result.index = index_of(one);
    return true;
  }

  bool try_each(selected& result) const {
    for (std::size_t turn = 0; turn < cases.size(); ++turn) {
      select_case& one = at(turn);
      if (!one.enabled()) continue;
      spin_lock* const its = one.lock();
      if (its == nullptr) {
        if (one.deadline() > 0 && one.deadline() > monotonic_now()) continue;
        result = {index_of(one), status::ok};
        return true;
      }
      std::unique_lock guard(*its);
      if (attempt(one, guard, result)) return true;
    }
    return false;
  }

  // The case whose time comes first.
  select_case* earliest() const noexcept {
    select_case* first = nullptr;
    for (select_case* one : cases) {
      if (!one->enabled() || one->deadline() == no_deadline) continue;
      if (first == nullptr || one->deadline() < first->deadline()) first = one;
    }
    return first;
  }

  selected wait() {
    waiter& self = current_waiter();
    select_case* const timed = earliest();
    const std::int64_t own = timed != nullptr ? timed->deadline() : no_deadline;
    std::int64_t deadline = own;
    status end = limit_wait(self, deadline);
    if (end != status::ok) {
      count_eager();
      return {no_case, end};
    }
    lock_order locks(cases);
    {
      std::unique_lock guard(locks);
      selected result;
      for (std::size_t turn = 0; turn < cases.size(); ++turn) {
        select_case& one = at(turn);
        if (!one.enabled() || one.lock() == nullptr) continue;
        if (attempt(one, guard, result)) return result;
      }
      self.slot = nullptr;
      open_wait(self);
      for (select_case* one : cases) {
        if (!one->enabled() || one->lock() == nullptr) continue;
        one->node_.emplace(self);
        one->node_->slot = one->slot();
        one->list()->push(*one->node_);
      }
      show_wait(self);
    }
    for (select_case* one : cases) {
      if (one->driven_ && one->node_.has_value()) one->begin();
    }
    end = sit_out(self, deadline, "select");
    // A node in `slot`: its waker claimed us. Else it was our time, a limit or a stop request.
    const auto* const fired = static_cast<wait_node*>(self.slot);
    selected result{no_case, end};
    for (std::size_t i = 0; i < cases.size(); ++i) {
      select_case& one = *cases[i];
      if (!one.node_.has_value()) continue;
      if (&*one.node_ == fired) {
        result.index = i;
      } else {
        const std::scoped_lock guard(*one.lock());
        one.list()->leave(*one.node_);
      }
      one.node_.reset();
      if (one.driven_) one.give_up();
    }
    close_wait(self);
    if (fired == nullptr && end == status::timed_out && deadline == own) {
      result = {index_of(*timed), status::ok};
    }
    return result;
  }
};

selected select_among(std::span<select_case* const> cases, select_order order, bool otherwise) {
  const std::size_t start = order == select_order::first || cases.size() < 2
                                ? 0
                                : sched::random_below(static_cast<std::uint32_t>(cases.size()));
  select_wait one{cases, start};
  while (true) {
    decision_point();
    selected result;
    if (one.try_each(result) || otherwise) {
      count_eager();
      if (result.index == no_case) result.end = status::would_block;
      return result;
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
    const preparation prepared(cases);
    decision_point();
    result = one.wait();
    if (result.end != try_again) return result;
  }
}

void stop_case::wake_waiter() noexcept {
  const undecided section;  // in a stop_callback
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
