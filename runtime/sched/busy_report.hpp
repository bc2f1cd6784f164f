// The report of a fiber that computes for long: which it is, and where.
//
// Its carrier is asked by a signal, SIGURG, whose handler writes down the fiber's name and the
// program counter: only the carrier itself can read them while it runs. SIGURG is what Go takes for
// the same end: without a handler it is ignored, and programs that use it expect strays. The
// handler is installed at the first report, and only where the program has none of its own; else,
// and when the carrier does not answer, the report goes without the place.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace hilo::sched {

class worker;

// Reports the fiber that runs on `one` since the switch `tick`, for `held` nanoseconds. False: it
// has switched meanwhile. `ask`: the carrier is not in a system call, which the signal could end.
// `sink`: gets the line; if it is empty, standard error does.
bool report_busy_fiber(worker& one, std::uint32_t tick, std::int64_t held, bool ask,
                       const std::function<void(std::string_view)>& sink) noexcept;

// In the child of a fork: a question that was under way in the parent is nobody's there.
void forget_question() noexcept;

}  // namespace hilo::sched
