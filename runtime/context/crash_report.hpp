// What is written of a fiber that crashes.
#pragma once

namespace hilo::context {

// Writes which signal the fiber `who` got, for which address, and the fiber's backtrace. Called in
// the handler of the signal, with the signal's default action set. Unwinding may take a lock that
// the crashed code holds. The process then ends by SIGALRM after some seconds.
void report_crash(int signal, const void* address, const char* who) noexcept;

}  // namespace hilo::context
