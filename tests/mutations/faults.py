"""The faults that the seeded tests must find: a missing wake, a wrong order, a dropped recheck, ..."""

from fault import Fault
from timer_faults import TIMER_FAULTS
from trace_faults import TRACE_FAULTS

FAULTS = [
    Fault(
        "mutex: unlock wakes nobody",
        "runtime/sync/mutex.cpp",
        "  if (next != nullptr) detail::wake(*next->owner, status::ok);\n",
        "",
    ),
    Fault(
        "mutex: a locker queues without looking again",
        "runtime/sync/mutex.cpp",
        "  lock_.lock();\n  if (take(me)) {",
        "  lock_.lock();\n  if (false) {",
    ),
    Fault(
        "mutex: a hand-over opens it",
        "runtime/sync/mutex.cpp",
        "handed ? reinterpret_cast<name>(detail::holder_of(*next->owner)) : 0;",
        "0;",
    ),
    Fault(
        "mutex: a hand-over is taken for a chance",
        "runtime/sync/mutex.cpp",
        "  return end == status::ok;  // it was handed over; the wake orders us after the last holder\n",
        "  return end == status::ok && lock_slow(deadline);\n",
    ),
    Fault(
        "mutex: a waiter that lost goes to the end",
        "runtime/sync/mutex.cpp",
        "  if (end == status::ok) waiters_.move_last_to_front();\n",
        "",
    ),
    Fault(
        "mutex: the next is woken while one is on its way",
        "runtime/sync/mutex.cpp",
        "detail::wait_node* const next = waking_ ? nullptr : waiters_.pop();",
        "detail::wait_node* const next = waiters_.pop();",
    ),
    Fault(
        "mutex: unlock forgets that others still wait",
        "runtime/sync/mutex.cpp",
        "after | (waiters_.empty() ? 0 : awaited)",
        "after",
    ),
    Fault(
        "mutex: a waiter is not noted",
        "runtime/sync/mutex.cpp",
        "  note_waiter();\n  if (detail::wait_in_until(",
        "  if (detail::wait_in_until(",
    ),
    Fault(
        "recursive_mutex: given up by the first unlock",
        "runtime/sync/mutex.cpp",
        "if (--times_ != 0) return;",
        "--times_;",
    ),
    Fault(
        "shared_mutex: a writer is let in beside readers",
        "runtime/sync/shared_mutex.cpp",
        "if ((now & writer) != 0 || (writes && now >= reader)) break;",
        "if ((now & writer) != 0) break;",
    ),
    Fault(
        "shared_mutex: one that gives up does not let those behind it in",
        "runtime/sync/shared_mutex.cpp",
        "  detail::wait_node* const granted = grant();\n  queue_lock_.unlock();\n"
        "  detail::wake_all(granted, status::ok);\n  return false;",
        "  queue_lock_.unlock();\n  return false;",
    ),
    Fault(
        "shared_mutex: the last reader wakes nobody",
        "runtime/sync/shared_mutex.cpp",
        "state_.fetch_sub(reader, std::memory_order_release);  // (V4)\n"
        "  detail::wait_node* const granted = grant();",
        "state_.fetch_sub(reader, std::memory_order_release);  // (V4)\n"
        "  detail::wait_node* const granted = nullptr;",
    ),
    Fault(
        "condition_variable: notify_all wakes one",
        "runtime/sync/condition_variable.cpp",
        "waiters_.take_all()",
        "waiters_.pop()",
    ),
    Fault(
        "condition_variable: the lock goes before the caller queues",
        "include/hilo/condition_variable.hpp",
        "    status end = enqueue(self, deadline);\n    try {\n      lock.unlock();\n",
        "    lock.unlock();\n    status end = enqueue(self, deadline);\n    try {\n",
        "locks_seeds",
    ),
    Fault(
        "semaphore: what was handed over is counted too",
        "runtime/sync/semaphore.cpp",
        "    count_ -= wanted_by(*first);\n",
        "",
    ),
    Fault(
        "semaphore: the newest is served first",
        "runtime/sync/semaphore.cpp",
        "  while (detail::wait_node* const first = waiters_.first()) {\n",
        "  while (detail::wait_node* first = waiters_.first()) {\n"
        "    while (first->next != nullptr) first = first->next;\n",
    ),
    Fault(
        "semaphore: one that wants few overtakes one that wants many",
        "runtime/sync/semaphore.cpp",
        "  if (waiters_.empty() && count_ >= count) {",
        "  if (count_ >= count) {",
    ),
    Fault(
        "semaphore: one that gives up does not let those behind it in",
        "runtime/sync/semaphore.cpp",
        "  detail::wait_node* const served = grant();\n  lock_.unlock();\n"
        "  detail::wake_all(served, status::ok);\n  return end;",
        "  lock_.unlock();\n  return end;",
    ),
    Fault(
        "semaphore: close forgets those that wait",
        "runtime/sync/semaphore.cpp",
        "  detail::wait_node* const all = waiters_.take_all();\n",
        "  detail::wait_node* const all = nullptr;\n",
    ),
    Fault(
        "auto_reset_event: stays set although it let one through",
        "runtime/sync/latch.cpp",
        "  if (one == nullptr) set_ = true;\n",
        "  set_ = true;\n",
    ),
    Fault(
        "call_once: no second look under the lock",
        "include/hilo/once.hpp",
        "  if (flag.done_.load(std::memory_order_relaxed)) return;  // written under the mutex we hold\n",
        "",
        "locks_seeds",
    ),
    Fault(
        "latch: opens one early",
        "runtime/sync/latch.cpp",
        "wait_node* const all = count_ == 0 ? waiters_.take_all() : nullptr;",
        "wait_node* const all = count_ <= 1 ? waiters_.take_all() : nullptr;",
    ),
    Fault(
        "event: set after those that wait were taken",
        "runtime/sync/latch.cpp",
        "  set_ = true;\n  detail::wait_node* const all = waiters_.take_all();\n  lock_.unlock();\n"
        "  detail::wake_all(all, status::ok);\n",
        "  detail::wait_node* const all = waiters_.take_all();\n  lock_.unlock();\n"
        "  detail::wake_all(all, status::ok);\n  lock_.lock();\n  set_ = true;\n  lock_.unlock();\n",
    ),
    Fault(
        "barrier: the next round begins after the wake",
        "runtime/sync/barrier.cpp",
        "    lock_.unlock();\n"
        "    detail::wake_all(all, status::ok);  // unless `again`, the barrier may be gone from here on\n",
        "    const auto next = std::exchange(missing_, 0);\n    lock_.unlock();\n"
        "    detail::wake_all(all, status::ok);\n    missing_ = next;\n",
    ),
    Fault(
        "barrier: who arrives during a completion is counted for the round that ends",
        "runtime/sync/barrier.cpp",
        "    missing_ = participants_ - early_;\n",
        "    missing_ = participants_;\n",
    ),
    Fault(
        "barrier: a completion wakes those of the next round",
        "runtime/sync/barrier.cpp",
        "    return round_ + 1;\n",
        "    return round_;\n",
    ),
    Fault(
        "barrier: a round that filled up during a completion is not ended",
        "runtime/sync/barrier.cpp",
        "    completing_ = missing_ == 0 && early_ != 0;  // if true, the next round is full\n",
        "    completing_ = false;\n",
    ),
    Fault(
        "select: a timer's time is taken for its case",
        "runtime/sync/select.cpp",
        "      if (timed->lock() != nullptr) return {no_case, try_again};\n",
        "",
    ),
    Fault(
        "select: a timer that fired is looked at only after the select has let go of it",
        "runtime/sync/select.cpp",
        "        if (undecided_times && one.deadline() != no_deadline) {",
        "        if (false) {",
    ),
    Fault(
        "channel: close forgets the senders",
        "runtime/sync/channel.cpp",
        "  wait_node* const waiting_senders = senders.take_all();\n",
        "  wait_node* const waiting_senders = nullptr;\n",
    ),
    Fault(
        "channel: a value is queued past a receiver that waits",
        "include/hilo/channel.hpp",
        "    if (detail::wait_node* const receiver = core_.receivers.pop()) {",
        "    if (detail::wait_node* const receiver =\n"
        "            core_.count == core_.room ? core_.receivers.pop() : nullptr) {",
        "channel_seeds",
    ),
    Fault(
        "channel: room that is made is not given to the sender that waits",
        "include/hilo/channel.hpp",
        "      other.who = core_.senders.pop();\n      if (other.who != nullptr) refill(other);\n",
        "",
        "channel_seeds",
    ),
    Fault(
        "channel: a sender that waits goes before what is in the ring",
        "include/hilo/channel.hpp",
        "    if (core_.count != 0) {\n      T* const oldest",
        "    if (core_.count != 0 && core_.senders.empty()) {\n      T* const oldest",
        "channel_seeds",
    ),
    Fault(
        "ends: any sender that goes closes",
        "include/hilo/ends.hpp",
        "if (senders.fetch_sub(1, std::memory_order_acq_rel) == 1)",
        "if (senders.fetch_sub(1, std::memory_order_acq_rel) != 0)",
        "channel_seeds",
    ),
    Fault(
        "ends: what is buffered outlives the last receiver",
        "include/hilo/ends.hpp",
        "if (receivers.fetch_sub(1, std::memory_order_acq_rel) == 1) what.abandon();",
        "if (receivers.fetch_sub(1, std::memory_order_acq_rel) == 1) what.close();",
        "channel_seeds",
    ),
    Fault(
        "channel: what the last receiver leaves can still be received, and is destroyed too",
        "runtime/sync/channel.cpp",
        "  std::swap(count, rest.count);\n",
        "  rest.count = count;\n",
    ),
    Fault(
        "channel: a receive that ends without a value leaves the former one",
        "include/hilo/channel.hpp",
        "  [[nodiscard]] status receive_for(std::optional<T>& result, "
        "std::chrono::duration<R, P> patience) {\n    empty(result);\n",
        "  [[nodiscard]] status receive_for(std::optional<T>& result, "
        "std::chrono::duration<R, P> patience) {\n",
        "channel_seeds",
    ),
    Fault(
        "broadcast: who waits is not woken",
        "runtime/sync/broadcast.cpp",
        "  wake_all(all, status::ok);\n",
        "",
    ),
    Fault(
        "broadcast: a receiver waits without looking again",
        "runtime/sync/broadcast.cpp",
        "    const status end = wait_in_until(",
        "    lock.unlock();\n    lock.lock();\n    const status end = wait_in_until(",
    ),
    Fault(
        "broadcast: a message that was handed over is still missing",
        "runtime/sync/broadcast.cpp",
        "  for (const wait_node* one = all; one != nullptr; one = one->next) --its.missing;\n",
        "",
    ),
    Fault(
        "broadcast: a second gap makes the first forgotten",
        "runtime/sync/broadcast.cpp",
        "place.lost += oldest()",
        "place.lost = oldest()",
    ),
    Fault(
        "broadcast: the end comes before what was sent",
        "runtime/sync/broadcast.cpp",
        "  if (place.next == sent) return senders == 0 ? status::closed : status::would_block;\n",
        "  if (senders == 0) return status::closed;\n"
        "  if (place.next == sent) return status::would_block;\n",
    ),
    Fault(
        "broadcast: a receiver that goes leaves what it has not taken",
        "runtime/sync/broadcast.cpp",
        "    while (place.next < until && message == nullptr) take_next(place, message);\n",
        "    (void)until;\n",
    ),
    Fault(
        "broadcast: what a select was handed is not counted as taken",
        "include/hilo/broadcast.hpp",
        "    ++place_.next;\n",
        "",
        "messages_seeds",
    ),
    Fault(
        "watch: any sender that goes ends it",
        "runtime/sync/watch.cpp",
        "wait_node* const all = --senders == 0 ? waiters.take_all() : nullptr;",
        "--senders;\n  wait_node* const all = waiters.take_all();",
    ),
    Fault(
        "watch: a change is told before its value is there",
        "runtime/sync/watch.cpp",
        "  value.swap(next);\n  const std::uint64_t now = ++version;\n",
        "  const std::uint64_t now = ++version;\n"
        "  lock.unlock();\n  lock.lock();\n  value.swap(next);\n",
    ),
    Fault(
        "watch: who was woken has not seen the change",
        "runtime/sync/watch.cpp",
        "    *static_cast<std::uint64_t*>(one->slot) = now;\n",
        "    (void)now;\n",
    ),
    Fault(
        "watch: the end comes before the last value",
        "runtime/sync/watch.cpp",
        "const status now = look(seen);",
        "const status now = senders == 0 ? status::closed : look(seen);",
    ),
    Fault(
        "watch: wait goes by the value it saw before the change",
        "include/hilo/watch.hpp",
        "    while (true) {\n      std::shared_ptr<const T> now = borrow_and_update();\n",
        "    std::shared_ptr<const T> now = borrow_and_update();\n    while (true) {\n",
        "messages_seeds",
    ),
    Fault(
        "oneshot: a sender that goes wakes nobody",
        "runtime/sync/oneshot.cpp",
        "  sending = false;\n  wait_node* const all = waiters.take_all();\n",
        "  sending = false;\n  wait_node* const all = nullptr;\n",
    ),
    Fault(
        "oneshot: the receiver waits without looking again",
        "runtime/sync/oneshot.cpp",
        "    const status end = wait_in_until(",
        "    lock.unlock();\n    lock.lock();\n    const status end = wait_in_until(",
    ),
    Fault(
        "oneshot: a value may be taken twice",
        "runtime/sync/oneshot.cpp",
        "  if (now == status::ok) state = oneshot_state::taken;\n",
        "",
    ),
    Fault(
        "oneshot: a wake is taken for the value",
        "runtime/sync/oneshot.cpp",
        "  wake_all(all, try_again);\n",
        "  wake_all(all, status::ok);\n",
    ),
    Fault(
        "shared_result: only the first copy gets the value",
        "runtime/sync/oneshot.cpp",
        "use == oneshot_use::alone ? take() : look();",
        "take();",
    ),
    Fault(
        "shared_result: any receiver that goes counts as the last",
        "runtime/sync/oneshot.cpp",
        "  --receivers;\n",
        "  receivers = 0;\n",
    ),
    Fault(
        "oneshot: a value is sent after its receiver went",
        "include/hilo/oneshot.hpp",
        "return !*this || !this->shared()->has_receiver();",
        "return !*this;",
        "oneshot_seeds",
    ),
    Fault(
        "select: no second look under the locks",
        "runtime/sync/select.cpp",
        "      if (try_together(guard, result, cases.size(), true)) return result;\n",
        "",
    ),
    Fault(
        "select: without waiting it looks at one case after the other",
        "runtime/sync/select.cpp",
        "    if (at_one_moment ? one.try_now(result) : one.try_each(result)) {",
        "    if (one.try_each(result)) {",
    ),
    Fault(
        "select: select_first looks at one case after the other",
        "runtime/sync/select.cpp",
        "otherwise || order == select_order::first;",
        "otherwise;",
    ),
    Fault(
        "select: select_first looks at one case after the other where a lock is taken",
        "runtime/sync/select.cpp",
        "    if (order == select_order::first) return try_in_order(result);\n",
        "",
    ),
    Fault(
        "select: the order is the written one from a random first case on",
        "runtime/sync/select.cpp",
        "    if (place == drawn) {\n      if (place == 1) exchange(0, first);",
        "    if (order == select_order::random) return (first + place) % cases.size();\n"
        "    if (place == drawn) {\n      if (place == 1) exchange(0, first);",
    ),
    Fault(
        "select: nodes are linked in the written order",
        "runtime/sync/select.cpp",
        "        select_case& one = *cases[at(place)];\n"
        "        if (!one.enabled() || one.lock() == nullptr) continue;\n"
        "        one.node_.emplace(self);",
        "        select_case& one = *cases[place];\n"
        "        if (!one.enabled() || one.lock() == nullptr) continue;\n"
        "        one.node_.emplace(self);",
    ),
    Fault(
        "select: a case that ends without a value leaves its destination as it was",
        "runtime/sync/select.cpp",
        "    if (result.end != status::ok && result.index != no_case) cases[result.index]->clear();\n",
        "",
    ),
    Fault(
        "scope: a child that comes after the stop is not stopped",
        "runtime/sync/scope.cpp",
        "  if (stop_.stop_requested()) {\n    begin_stop",
        "  if (false) {\n    begin_stop",
    ),
    Fault(
        "scope: a child that ends leaves no room",
        "runtime/sync/scope.cpp",
        "  if (bounded_) free_.release();\n  running_.done();",
        "  running_.done();",
    ),
    Fault(
        "join: an end wakes none of those that watch it",
        "runtime/sched/fibers/spawn.cpp",
        "      detail::wake_all(all, status::ok);  // our stack is ours until we are off it\n",
        "      (void)all;\n",
    ),
    Fault(
        "stop: a wait is ended without leaving its list",
        "runtime/sched/wait.cpp",
        "  const std::scoped_lock guard(*who.guard);\n  who.list->leave(who);\n",
        "",
    ),
    Fault(
        "sleep: a stop that came before is not seen",
        "runtime/sched/wait.cpp",
        "  return self.stop_requested.load(std::memory_order_acquire) ? status::cancelled : status::ok;",
        "  return status::ok;",
    ),
    Fault(
        "auto_reset_event: the newest waiter is let through",
        "runtime/sync/latch.cpp",
        "  detail::wait_node* const one = waiters_.pop();\n",
        "  detail::wait_node* one = waiters_.first();\n"
        "  while (one != nullptr && one->next != nullptr) one = one->next;\n"
        "  if (one != nullptr && !waiters_.take(*one)) one = nullptr;\n",
    ),
    *TIMER_FAULTS,
    *TRACE_FAULTS,
]
