// The signal that has a dump written (runtime_options::dump_signal, HILO_DUMP_SIGNAL).
//
// A handler must not allocate, lock or unwind. So it only wakes the monitor of a runtime, and the
// monitor writes. The handler stays installed when the runtime ends, because the signal's default
// action may be to end the process; without a runtime the signal has no effect.
#pragma once

#include <csignal>

namespace hilo::sched {

// What HILO_DUMP_SIGNAL says, and otherwise `wanted`; 0: no signal. Throws std::system_error for an
// unknown signal, or if it cannot be used.
int dump_signal_of_environment(int wanted);

// Installs the handler. Throws std::system_error if the program handles the signal itself.
void install_dump_signal(int signal);

bool is_dump_handler(const struct sigaction& action) noexcept;

// Writes the dump. Implemented in runtime/tool.
void write_dump(int fd) noexcept;

}  // namespace hilo::sched
