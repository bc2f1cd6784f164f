// The report of a fiber that computes for a long time: its name, and where it is.
//
// The report asks the carrier by a signal, SIGURG. The signal's handler writes down the fiber's
// name and the program counter: only the carrier itself can read them while it runs. Go uses SIGURG
// for the same purpose: without a handler the signal is ignored, and programs that use it expect
// stray ones. The handler is installed at the first report, and only if the program has no handler
// of its own. If it has one, or if the carrier does not answer, the report does not name the place.
// The same signal ends a system call in which a carrier sleeps and cannot be woken in another way
// (runtime/io/port_sleep.hpp).
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <string_view>

namespace hilo::sched {

class worker;

// Reports the fiber that runs on `one` since the switch `tick`, for `held` nanoseconds. False: the
// worker has switched meanwhile. `ask`: the carrier is not in a system call, which the signal could
// end. `sink` gets the line; if `sink` is empty, the line goes to standard error.
bool report_busy_fiber(worker& one, std::uint32_t tick, std::int64_t held, bool ask,
                       const std::function<void(std::string_view)>& sink) noexcept;

// Sends SIGURG to a carrier that sleeps in a system call of hilo's own, which then ends. Returns
// false if the signal cannot be sent, or has no handler. A handler of the program's own will do.
bool interrupt_call(int tid) noexcept;

// Whether the action of a signal is the question of this report, and so not the program's.
bool is_question_handler(const struct sigaction& action) noexcept;

// In the child of a fork: drops a question that was under way in the parent.
void forget_question() noexcept;

}  // namespace hilo::sched
