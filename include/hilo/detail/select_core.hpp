// select without the types of its cases. runtime/sync/select.cpp has the algorithm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "hilo/detail/api.hpp"
#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo::detail {

// One case: what it waits for is guarded by a lock and has a wait_list, like every primitive.
// It lives in the frame of the select.
class select_case {
 public:
  select_case(const select_case&) = delete;
  select_case& operator=(const select_case&) = delete;

  // Whether it takes part. A case is turned off before the select begins.
  bool enabled() const noexcept { return enabled_; }

  // The lock; null for one that only has a time.
  virtual spin_lock* lock() noexcept { return nullptr; }

  // Under the lock: does the operation if it need not wait, and then returns anything but
  // would_block. What it throws ends the select.
  virtual status attempt(partner& other) {
    (void)other;
    return status::would_block;
  }

  // Under the lock: where it waits, and what is handed over.
  virtual wait_list* list() noexcept { return nullptr; }
  virtual void* slot() noexcept { return nullptr; }

  // When it fires by itself: then the select takes it. The time of a case with a lock is that of
  // the last attempt, and when it has come the select begins anew.
  virtual std::int64_t deadline() const noexcept { return no_deadline; }

  // After the wait, without a lock: this case was taken and ended without a value. Empties the
  // destination. The destinations of all other cases stay as they are.
  virtual void clear() noexcept {}

  // Before a select_list waits again: forgets the traces of the last wait in the case itself.
  virtual void renew() noexcept {}

  // Before the locks are taken to wait, and after the wait.
  virtual void prepare() noexcept {}
  virtual void dispose() noexcept {}

  // Of a case whose waker has to be told whom to wake, a driver of I/O: once the node is linked,
  // and all locks are released; and once it is unlinked. The first says that somebody is to look,
  // the second that nobody needs to any more, and dispose() waits for what they began. Neither
  // parks.
  virtual void begin() noexcept {}
  virtual void give_up() noexcept {}

 protected:
  enum class woken_by : std::uint8_t { its_list, a_driver };
  explicit select_case(bool enabled, woken_by whom = woken_by::its_list) noexcept
      : enabled_(enabled), driven_(whom == woken_by::a_driver) {}
  virtual ~select_case() = default;

 private:
  friend struct select_wait;
  std::optional<wait_node> node_;  // while it waits
  std::uint32_t turn_ = 0;         // the random order of the select: which case has this place
  bool enabled_;
  const bool driven_;  // begin() and give_up() do something
};

inline constexpr std::size_t no_case = std::numeric_limits<std::size_t>::max();

struct selected {
  std::size_t index = no_case;  // no_case: `end` says why
  status end = status::ok;
};

enum class select_order : std::uint8_t { random, first };

// `otherwise`: does not wait. If no case is ready at one moment, returns no_case and would_block.
HILO_API selected select_among(std::span<select_case* const> cases, select_order order,
                               bool otherwise);

}  // namespace hilo::detail
