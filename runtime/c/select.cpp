// The functions of hilo/c/select.h.
//
// Each case of the caller becomes a case of detail::select_among, in place, because cases cannot be
// moved. A deadline is one more case, the last.
#include "hilo/c/select.h"

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <span>
#include <variant>

#include "hilo/io.hpp"
#include "hilo/select.hpp"

#include "runtime/c/channel.hpp"
#include "runtime/c/fiber.hpp"
#include "runtime/c/result.hpp"
#include "runtime/c/sync.hpp"

namespace {

using namespace hilo::c;
using hilo::status;
using hilo::detail::partner;
using hilo::detail::select_case;

class send_case final : public select_case {
 public:
  send_case(hilo_channel& to, const void* element) noexcept
      : select_case(true), to_(to), element_(element) {}
  hilo::detail::spin_lock* lock() noexcept override { return &to_.core.lock; }
  status attempt(partner& other) override { return to_.send_locked(element_, other); }
  hilo::detail::wait_list* list() noexcept override { return &to_.core.senders; }
  void* slot() noexcept override { return const_cast<void*>(element_); }

 private:
  hilo_channel& to_;
  const void* element_;
};

class receive_case final : public select_case {
 public:
  receive_case(hilo_channel& from, void* place) noexcept
      : select_case(true), from_(from), place_(place) {}
  hilo::detail::spin_lock* lock() noexcept override { return &from_.core.lock; }
  status attempt(partner& other) override { return from_.receive_locked(place_, other); }
  hilo::detail::wait_list* list() noexcept override { return &from_.core.receivers; }
  void* slot() noexcept override { return place_; }

 private:
  hilo_channel& from_;
  void* place_;
};

// One of the caller's cases.
class one_case {
 public:
  // Returns 0 or -EINVAL.
  int set(const hilo_case& given) {
    auto* const channel = static_cast<hilo_channel*>(given.what);  // of SEND and RECEIVE
    const auto wrong = [&](const void* where) {
      return channel == nullptr || where == nullptr || given.size != channel->core.element_size;
    };
    switch (given.kind) {
      case HILO_CASE_NONE:
        its_.emplace<hilo::detail::time_case>(hilo::detail::no_deadline, false);
        return 0;
      case HILO_CASE_SEND:
        if (wrong(given.element)) return -EINVAL;
        its_.emplace<send_case>(*channel, given.element);
        return 0;
      case HILO_CASE_RECEIVE:
        if (wrong(given.place)) return -EINVAL;
        its_.emplace<receive_case>(*channel, given.place);
        return 0;
      case HILO_CASE_SET:
        if (given.what == nullptr) return -EINVAL;
        its_.emplace<hilo::detail::event_case>(static_cast<hilo_event*>(given.what)->its, true);
        return 0;
      case HILO_CASE_ENDED:
        if (given.what == nullptr) return -EINVAL;
        its_.emplace<hilo::detail::end_case>(*borrowed(static_cast<hilo_fiber*>(given.what)), true);
        return 0;
      case HILO_CASE_READY:
        its_.emplace<hilo::detail::ready_case>(given.fd, given.events, ready_, true);
        return 0;
    }
    return -EINVAL;
  }

  select_case* get() noexcept {
    return std::visit(
        [](auto& one) -> select_case* {
          if constexpr (std::is_base_of_v<select_case, std::remove_cvref_t<decltype(one)>>) {
            return &one;
          } else {
            return nullptr;
          }
        },
        its_);
  }

  // The result of the case, if it is the one that was taken.
  int result(status end) const noexcept {
    if (!std::holds_alternative<hilo::detail::ready_case>(its_)) return number_of(end);
    return ready_ ? *ready_ : -ready_.error().value();
  }

 private:
  hilo::result<short> ready_ = short{0};
  std::variant<std::monostate, hilo::detail::time_case, send_case, receive_case,
               hilo::detail::event_case, hilo::detail::end_case, hilo::detail::ready_case>
      its_;
};

// So many on the stack; more are allocated.
constexpr std::size_t few = 4;

// `ours` and `all` have room for the cases, and `all` for one more.
int select_in(std::span<hilo_case> cases, one_case* ours, select_case** all, int64_t deadline) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (const int error = ours[i].set(cases[i]); error != 0) return error;
    all[i] = ours[i].get();
  }
  const bool no_wait = deadline == HILO_NO_WAIT;
  const bool timed = !no_wait && deadline != HILO_FOREVER;
  hilo::detail::time_case over(inner_deadline(deadline), timed);
  all[cases.size()] = &over;
  const hilo::detail::selected taken = hilo::detail::select_among(
      {all, cases.size() + (timed ? 1 : 0)}, hilo::detail::select_order::random, no_wait);
  if (taken.index == hilo::detail::no_case) return number_of(taken.end);
  if (taken.index == cases.size()) return -ETIMEDOUT;
  cases[taken.index].result = ours[taken.index].result(taken.end);
  return static_cast<int>(taken.index);
}

}  // namespace

int hilo_select(hilo_case* cases, size_t count, int64_t deadline) noexcept {
  if (cases == nullptr || count == 0 || count > INT_MAX) return -EINVAL;
  return guarded([&] {
    if (count <= few) {
      std::array<one_case, few> ours;
      std::array<select_case*, few + 1> all;
      return select_in({cases, count}, ours.data(), all.data(), deadline);
    }
    const auto ours = std::make_unique<one_case[]>(count);
    const auto all = std::make_unique<select_case*[]>(count + 1);
    return select_in({cases, count}, ours.get(), all.get(), deadline);
  });
}
