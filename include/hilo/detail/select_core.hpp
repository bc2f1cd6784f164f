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

// One case. The primitive that it waits for has a lock and a wait_list, like every primitive. The
// case lives in the frame of the select.
class select_case {
 public:
  select_case(const select_case&) = delete;
  select_case& operator=(const select_case&) = delete;

  // Whether it takes part. A case is turned off before the select begins.
  bool enabled() const noexcept { return enabled_; }

  // The lock; null for a case that only has a time.
  virtual spin_lock* lock() noexcept { return nullptr; }

  // Under the lock: does the operation if that needs no wait. Returns would_block if it would have
  // to wait, and any other status when it is done. An exception ends the select.
  virtual status attempt(partner& other) {
    (void)other;
    return status::would_block;
  }

  // Under the lock: the list in which it waits, and the slot for handing over.
  virtual wait_list* list() noexcept { return nullptr; }
  virtual void* slot() noexcept { return nullptr; }

  // The time at which the case fires by itself. When it comes, the select takes a case without a
  // lock. For a case with a lock, the time is that of the last attempt, and the select begins
  // again.
  virtual std::int64_t deadline() const noexcept { return no_deadline; }

  // After the wait, without a lock: this case was taken and ended without a value. Empties the
  // destination. The destinations of all other cases stay as they are.
  virtual void clear() noexcept {}

  // Before a select_list waits again: forgets the traces of the last wait in the case itself.
  virtual void renew() noexcept {}

  // Before the locks are taken to wait, and after the wait.
  virtual void prepare() noexcept {}
  virtual void dispose() noexcept {}

  // For a case whose waker, a driver of I/O, has to be told about the waiter. begin() is called
  // once the node is linked and all locks are released: it asks the driver to watch. give_up() is
  // called once the node is unlinked: the driver need not watch any more. dispose() waits for the
  // requests that these two began. begin() and give_up() never park.
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
  std::uint32_t turn_ = 0;         // random order of the select: the case at this place
  bool enabled_;
  const bool driven_;  // begin() and give_up() are not empty
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
