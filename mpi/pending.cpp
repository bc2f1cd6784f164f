#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/mpi_pending.hpp"

#include "mpi/progress.hpp"

namespace hilo::mpi::detail {

namespace waits = hilo::detail;

void pending::begin() noexcept {
  progress::of_process().give(join);
}

status pending::sit_out(std::int64_t deadline) noexcept {
  status why = waits::try_again;
  lock.lock();
  while (!over && why == waits::try_again) {
    why = waits::wait_in_until(waiters, lock, nullptr, deadline, "mpi");
    lock.lock();
  }
  lock.unlock();
  return end() ? status::ok : why;
}

bool pending::end() noexcept {
  if (is_over()) return true;
  progress::of_process().give(leave);
  lock.lock();
  while (!left) {
    (void)waits::wait_in_until(waiters, lock, nullptr, waits::until_woken, "mpi");
    lock.lock();
  }
  const bool was_over = over;
  lock.unlock();
  return was_over;
}

bool pending::is_over() noexcept {
  lock.lock();
  const bool is = over;
  lock.unlock();
  return is;
}

// The last access: the waiter may be gone as soon as the lock is free.
void pending::tell(bool& what) noexcept {
  lock.lock();
  what = true;
  waits::wait_node* const one = waiters.pop();
  lock.unlock();
  if (one != nullptr) waits::wake(*one->owner, waits::try_again);
}

}  // namespace hilo::mpi::detail
