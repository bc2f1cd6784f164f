// Waiters are served by hand-over: whoever lets go last finds `waiting` set, takes queue_lock_ and
// gives the lock to the first waiter, or to all readers up to the next writer, before it wakes
// them. A waiter that is woken holds the lock; it never competes, so nobody starves.
//
// No waiter is missed: it sets `waiting` by the same exchange that tells it the lock is held, under
// queue_lock_, and links itself before it lets queue_lock_ go. The holder it saw lets go later,
// sees the bit in its own exchange, and then has to take queue_lock_.

#include "hilo/shared_mutex.hpp"

#include "runtime/base/check.hpp"

namespace hilo {
namespace {

char as_reader;
char as_writer;

}  // namespace

shared_mutex::~shared_mutex() {
  // An unlock may still be inside; releasing queue_lock_ is its last access.
  constexpr const char* message = "a shared_mutex is destroyed while it is locked or waited for";
  detail::retire(waiters_, queue_lock_, message);
  HILO_CHECK(state_.load(std::memory_order_relaxed) == 0, "%s", message);
}

bool shared_mutex::lock_slow(std::int64_t deadline) noexcept {
  queue_lock_.lock();
  // (V1) acquire: the lock may turn out to be free.
  const std::uint32_t before = state_.fetch_or(waiting, std::memory_order_acquire);
  if (before == 0) {
    state_.store(writer, std::memory_order_relaxed);  // `waiting` was set: only we can change it
    queue_lock_.unlock();
    return true;
  }
  return wait_turn(&as_writer, deadline);
}

bool shared_mutex::lock_shared_slow(std::int64_t deadline) noexcept {
  queue_lock_.lock();
  // (V3) acquire: the lock may turn out to be free, or read by others with nobody waiting.
  const std::uint32_t before = state_.fetch_or(waiting, std::memory_order_acquire);
  if ((before & (writer | waiting)) == 0) {
    // In this order: the last of the other readers must not find `waiting` and nobody in the list.
    state_.fetch_add(reader, std::memory_order_relaxed);
    state_.fetch_and(~waiting, std::memory_order_relaxed);
    queue_lock_.unlock();
    return true;
  }
  return wait_turn(&as_reader, deadline);
}

// Queues the caller and waits until the lock was handed to it. queue_lock_ is held.
bool shared_mutex::wait_turn(const char* how, std::int64_t deadline) noexcept {
  const status end =
      detail::wait_in_until(waiters_, queue_lock_, const_cast<char*>(how), deadline,
                            how == &as_writer ? "shared_mutex" : "shared_mutex shared");
  if (end == status::ok) return true;
  // A writer that gave up may have kept readers waiting behind it.
  queue_lock_.lock();
  detail::wait_node* const granted = grant();
  queue_lock_.unlock();
  detail::wake_all(granted, status::ok);
  return false;
}

// Both slow unlocks let go under queue_lock_: from then until grant() nobody else can take the
// lock, and the destructor, which takes queue_lock_, waits for their last access.
void shared_mutex::unlock_slow() noexcept {
  queue_lock_.lock();
  HILO_CHECK((state_.load(std::memory_order_relaxed) & writer) != 0,
             "unlock of a shared_mutex that is not locked exclusively");
  state_.fetch_and(~writer, std::memory_order_release);  // (V2)
  detail::wait_node* const granted = grant();
  queue_lock_.unlock();
  detail::wake_all(granted, status::ok);
}

void shared_mutex::unlock_shared_slow() noexcept {
  queue_lock_.lock();
  HILO_CHECK(state_.load(std::memory_order_relaxed) >= reader,
             "unlock of a shared_mutex that is not locked shared");
  state_.fetch_sub(reader, std::memory_order_release);  // (V4)
  detail::wait_node* const granted = grant();
  queue_lock_.unlock();
  detail::wake_all(granted, status::ok);
}

// Hands the lock to whom it can be handed now, under queue_lock_. Returns them, unlinked and linked
// to each other by next, for the caller to wake once it released queue_lock_.
detail::wait_node* shared_mutex::grant() noexcept {
  detail::wait_node* granted = nullptr;
  detail::wait_node** end = &granted;
  while (detail::wait_node* first = waiters_.first()) {
    // (V1), (V3) acquire: what the last holders did happens before the wake of the next.
    const std::uint32_t now = state_.load(std::memory_order_acquire);
    const bool writes = first->slot == &as_writer;
    if ((now & writer) != 0 || (writes && now >= reader)) break;
    if (!waiters_.take(*first)) continue;  // it is giving up
    // relaxed: the wake orders the new holder after us. `waiting` keeps all others out.
    state_.fetch_add(writes ? writer : reader, std::memory_order_relaxed);
    first->next = nullptr;
    *end = first;
    end = &first->next;
  }
  // Also where the bit is left from one that gave up.
  if (waiters_.empty()) state_.fetch_and(~waiting, std::memory_order_relaxed);
  return granted;
}

}  // namespace hilo
