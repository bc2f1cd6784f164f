// Keeps the module that hilo is part of in memory: the program, libhilo.so, or a plugin that is
// linked with libhilo.a. Threads that end, signal handlers, handlers of fork, and destructors of
// thread_local objects are called after the last use that a program sees, so dlclose(3) must not
// unmap their code.
#pragma once

namespace hilo::kernel {

// Called before the first of those is installed. Does nothing in a static program.
void stay_loaded() noexcept;

}  // namespace hilo::kernel
