"""Faults in timers and tickers."""

from fault import Fault

TIMER_FAULTS = [
    Fault(
        "ticker: two waits get the same tick",
        "runtime/sync/timer.cpp",
        "  next_ = detail::nanoseconds_later(policy_ == missed_ticks::delay ? now : next_, period_);\n",
        "",
    ),
    Fault(
        "timer: the waits that a new time finds fired wait again",
        "runtime/sync/timer.cpp",
        "  const status how = had_fired ? status::ok : detail::try_again;",
        "  const status how = detail::try_again;",
    ),
    Fault(
        "timer: a fired one is taken back",
        "runtime/sync/timer.cpp",
        "  if (!set_ || is_due()) {\n    lock_.unlock();\n    return false;",
        "  if (!set_) {\n    lock_.unlock();\n    return false;",
    ),
    Fault(
        "timer: a new time does not wake selects",
        "runtime/sync/timer.cpp",
        "  detail::wake_all(selects, how);\n  return was_active;",
        "  detail::wake_all(nullptr, how);\n  return was_active;",
    ),
    Fault(
        "timer: a select forgets that it fired while it waited",
        "runtime/sync/timer.cpp",
        "  if (answer_ == status::ok || what_.is_due()) return status::ok;",
        "  if (what_.is_due()) return status::ok;",
    ),
    Fault(
        "ticker: the wait that takes a tick leaves the others without a time",
        "runtime/sync/timer.cpp",
        "    detail::wait_node* const next = pass_on(&mine);\n    lock_.unlock();\n"
        "    if (next != nullptr) detail::wake(*next->owner, detail::try_again);\n"
        "    detail::count_eager();",
        "    lock_.unlock();\n    detail::count_eager();",
    ),
    Fault(
        "ticker: a wait that a limit ends leaves the others without a time",
        "runtime/sync/timer.cpp",
        "        detail::wait_node* const next = pass_on(&mine);\n        lock_.unlock();\n",
        "        detail::wait_node* const next = nullptr;\n        lock_.unlock();\n",
    ),
    Fault(
        "select: it waits for the time that a timer had before the locks were taken",
        "runtime/sync/timer.cpp",
        "  answer_.reset();\n  due_ = what_.next();",
        "  answer_.reset();\n  if (due_ == no_deadline) due_ = what_.next();",
    ),
    Fault(
        "ticker: the newest wait is the next",
        "runtime/sync/timer.cpp",
        "  detail::wait_node* const next = waiters_.pop();\n",
        "  detail::wait_node* next = waiters_.first();\n"
        "  while (next != nullptr && next->next != nullptr) next = next->next;\n"
        "  if (next != nullptr && !waiters_.take(*next)) next = nullptr;\n",
    ),
    Fault(
        "ticker: a wait that begins takes a tick from an earlier one",
        "runtime/sync/timer.cpp",
        "first_ == nullptr || first_ == &mine",
        "true",
    ),
]
