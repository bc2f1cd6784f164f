#include "runtime/sched/watch/watched_carrier.hpp"

#include <mutex>
#include <utility>

#include <unistd.h>

namespace hilo::sched {

void watched_carrier::begin() noexcept {
  tid_.store(static_cast<int>(::gettid()), std::memory_order_relaxed);
}

bool watched_carrier::show(bool keep_open) noexcept {
  sys::own_descriptor file;
  if (keep_open) file = open_call_file();
  if (read_call_file(file) == carrier_state::unknown) return false;
  const std::scoped_lock guard(lock_);
  file_ = std::move(file);
  out_of_sight_.store(false, std::memory_order_relaxed);
  shares_for_good_.store(false, std::memory_order_relaxed);
  return true;
}

void watched_carrier::hide() noexcept {
  const std::scoped_lock guard(lock_);
  file_ = sys::own_descriptor();
}

carrier_state watched_carrier::exact_state(bool thorough, bool& newly_lost) noexcept {
  {
    const std::scoped_lock guard(lock_);
    if (file_.is_open()) {
      const carrier_state found = read_call_file(file_);
      if (found != carrier_state::unknown) return found;
      file_ = sys::own_descriptor();
      out_of_sight_.store(true, std::memory_order_relaxed);
      newly_lost = true;
    }
  }
  return thorough ? look_at_thread(id()) : carrier_state::unknown;
}

}  // namespace hilo::sched
