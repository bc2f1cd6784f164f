// Keeps the module that contains hilo in memory: the program, libhilo.so, or a plugin that is
// linked with libhilo.a. Some of hilo's code runs after the last use that a program sees: threads
// that end, signal handlers, handlers of fork, and destructors of thread_local objects. So
// dlclose(3) must not unmap it.
#pragma once

namespace hilo::kernel {

// Called before the first of these is installed. Does nothing in a static program.
void stay_loaded() noexcept;

}  // namespace hilo::kernel
