// Waiters are served by hand-over. The last holder to unlock sees `waiting` set and takes
// queue_lock_. It gives the lock to the first waiter, or to all readers up to the next writer,
// before it wakes them. A woken waiter already holds the lock and never competes, so no waiter
// starves.
//
// No waiter is missed. A waiter sets `waiting` under queue_lock_, by the same exchange that tells
// it that the lock is held, and it links itself before it releases queue_lock_. The holder that it
// saw unlocks later, sees the bit in its own exchange, and then has to take queue_lock_.

#include "hilo/shared_mutex.hpp"

#include "runtime/base/check.hpp"

namespace hilo {
namespace {

char as_reader;
char as_writer;

}  // namespace

shared_mutex::~shared_mutex() {
  // An unlock may still be running. Releasing queue_lock_ is its last access.
  constexpr const char* message = "a shared_mutex is destroyed while it is locked or waited for";
  detail::retire(waiters_, queue_lock_, message);
  HILO_CHECK(state_.load(std::memory_order_relaxed) == 0, "%s", message);
}

void shared_mutex::refuse_own(std::int64_t deadline, const char* call) noexcept {
  if (writer_.load(std::memory_order_relaxed) != detail::current_holder()) return;
  if (deadline != detail::until_woken && deadline != detail::no_deadline) return;
  base::die("%s of a shared_mutex that the caller holds for writing already", call);
}

void shared_mutex::refuse_unlock() noexcept {
  base::die(writer_.load(std::memory_order_relaxed) == nullptr
                ? "unlock of a shared_mutex that is not locked exclusively"
                : "unlock of a shared_mutex that another fiber or thread holds");
}

bool shared_mutex::lock_slow(std::int64_t deadline) noexcept {
  refuse_own(deadline, "lock");
  queue_lock_.lock();
  // (V1) acquire: the lock may turn out to be free.
  const std::uint32_t before = state_.fetch_or(waiting, std::memory_order_acquire);
  if (before == 0) {
    state_.store(writer, std::memory_order_relaxed);  // `waiting` was set: only we can change it
    writer_.store(detail::current_holder(), std::memory_order_relaxed);
    queue_lock_.unlock();
    return true;
  }
  return wait_turn(&as_writer, deadline);
}

bool shared_mutex::lock_shared_slow(std::int64_t deadline) noexcept {
  refuse_own(deadline, "lock_shared");
  queue_lock_.lock();
  // (V3) acquire: the lock may turn out to be free, or held by readers with no waiter.
  const std::uint32_t before = state_.fetch_or(waiting, std::memory_order_acquire);
  if ((before & (writer | waiting)) == 0) {
    // In this order: the last of the other readers must not see `waiting` with an empty list.
    state_.fetch_add(reader, std::memory_order_relaxed);
    state_.fetch_and(~waiting, std::memory_order_relaxed);
    queue_lock_.unlock();
    return true;
  }
  return wait_turn(&as_reader, deadline);
}

// Queues the caller and waits until the lock is handed to it. The caller holds queue_lock_.
bool shared_mutex::wait_turn(const char* how, std::int64_t deadline) noexcept {
  const status end =
      detail::wait_in_until(waiters_, queue_lock_, const_cast<char*>(how), deadline,
                            how == &as_writer ? "shared_mutex" : "shared_mutex shared");
  if (end == status::ok) return true;
  // A writer that gave up may have blocked readers behind it.
  queue_lock_.lock();
  detail::wait_node* const granted = grant();
  queue_lock_.unlock();
  detail::wake_all(granted, status::ok);
  return false;
}

// Both slow unlocks give the lock up under queue_lock_. Until grant() no other caller can take the
// lock, and the destructor, which takes queue_lock_, waits for their last access.
void shared_mutex::unlock_slow() noexcept {
  queue_lock_.lock();
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

// Under queue_lock_: hands the lock to the waiters at the front of the list that may hold it now.
// Returns them, unlinked and linked to each other by next. The caller wakes them after it released
// queue_lock_.
detail::wait_node* shared_mutex::grant() noexcept {
  detail::wait_node* granted = nullptr;
  detail::wait_node** end = &granted;
  while (detail::wait_node* first = waiters_.first()) {
    // (V1), (V3) acquire: what the last holders did happens before the wake of the next.
    const std::uint32_t now = state_.load(std::memory_order_acquire);
    const bool writes = first->slot == &as_writer;
    if ((now & writer) != 0 || (writes && now >= reader)) break;
    if (!waiters_.take(*first)) continue;  // this waiter is giving up
    if (writes) writer_.store(detail::holder_of(*first->owner), std::memory_order_relaxed);
    // relaxed: the wake orders the new holder after us. `waiting` keeps all other callers out.
    state_.fetch_add(writes ? writer : reader, std::memory_order_relaxed);
    first->next = nullptr;
    *end = first;
    end = &first->next;
  }
  // Also clears the bit if a waiter that gave up has left it set.
  if (waiters_.empty()) state_.fetch_and(~waiting, std::memory_order_relaxed);
  return granted;
}

}  // namespace hilo
