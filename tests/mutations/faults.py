"""The faults that the seeded tests must find: a missing wake, a wrong order, a dropped recheck, ...

Of a source (.cpp) the library's part is compiled again; of a header the file of tests that `tests`
names.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    text: str
    instead: str
    tests: str | None = None


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
        "    if (take()) {",
        "    if (false) {",
    ),
    Fault(
        "mutex: a hand-over opens it",
        "runtime/sync/mutex.cpp",
        "  if (next == nullptr || next->slot != &hand_over) held_.store(",
        "  held_.store(",
    ),
    Fault(
        "mutex: a hand-over is taken for a chance",
        "runtime/sync/mutex.cpp",
        "    if (lost_before) return true;  // it was handed over, ordered by the wake\n",
        "",
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
        "    status end = enqueue(self, deadline);\n"
        "    if (end != status::ok) return end;\n    lock.unlock();\n",
        "    lock.unlock();\n    status end = enqueue(self, deadline);\n"
        "    if (end != status::ok) {\n      lock.lock();\n      return end;\n    }\n",
        "locks_seeds",
    ),
    Fault(
        "semaphore: what was handed over is counted too",
        "runtime/sync/semaphore.cpp",
        "  count_ += count;",
        "  count_ += count + (served != nullptr);",
    ),
    Fault(
        "semaphore: the newest is served first",
        "runtime/sync/semaphore.cpp",
        "detail::wait_node* const one = waiters_.pop();",
        "detail::wait_node* one = waiters_.first();\n"
        "    while (one != nullptr && one->next != nullptr) one = one->next;\n"
        "    if (one != nullptr && !waiters_.take(*one)) one = nullptr;",
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
        "runtime/sync/latch.cpp",
        "  missing_ = participants_;\n  detail::wait_node* const all = waiters_.take_all();\n"
        "  lock_.unlock();\n  detail::wake_all(all, status::ok);\n",
        "  detail::wait_node* const all = waiters_.take_all();\n"
        "  lock_.unlock();\n  detail::wake_all(all, status::ok);\n  missing_ = participants_;\n",
    ),
    Fault(
        "ticker: two waits get the same tick",
        "runtime/sync/timer.cpp",
        "  const std::int64_t mine = next_;\n  next_ += period_;\n",
        "  const std::int64_t mine = next_;\n",
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
        "std::chrono::duration<R, P> patience) {\n    result.reset();\n",
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
        "        if (attempt(one, guard, result)) return result;\n      }\n      self.slot = nullptr;",
        "      }\n      self.slot = nullptr;",
    ),
    Fault(
        "scope: a child that comes after the stop is not stopped",
        "runtime/sync/scope.cpp",
        "  if (stopped_) {",
        "  if (false) {",
    ),
    Fault(
        "scope: a child that ends leaves no room",
        "runtime/sync/scope.cpp",
        "  if (bounded_) free_.release();\n  running_.done();",
        "  running_.done();",
    ),
    Fault(
        "join: an end wakes none of those that watch it",
        "runtime/sched/spawn.cpp",
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
]
