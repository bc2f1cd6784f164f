// Kernel threads in C: each is one `clone`, and libc treats it like its own threads.
// hilo/thread.hpp says more. For thousands of concurrent tasks use fibers (hilo/c/fiber.h).
#pragma once

#include <sys/types.h>

#include "hilo/c/base.h"

HILO_C_BEGIN

typedef struct hilo_thread hilo_thread;

// How the kernel shares out its CPUs (hilo::scheduling_class, sched(7)).
enum hilo_scheduling HILO_C_INT {
  HILO_SCHEDULING_INHERIT,
  HILO_SCHEDULING_NORMAL,
  HILO_SCHEDULING_BATCH,
  HILO_SCHEDULING_IDLE,
  HILO_SCHEDULING_FIFO,
  HILO_SCHEDULING_ROUND_ROBIN,
};

// The value of hilo_thread_options.nice that keeps the starting thread's.
#define HILO_NICE_INHERIT 100

typedef struct hilo_thread_options {
  size_t size;        // of this struct
  const char* name;   // the kernel keeps 15 bytes; null: the starting thread's
  size_t stack_size;  // bytes; 0: 8 MiB
  size_t guard_size;  // bytes below the stack that fault when touched; 0: 4096; HILO_NO_GUARD: none
  const unsigned* cpus;  // the numbers of the CPUs that it may run on; null: as the starting thread
  size_t cpu_count;
  int nice;      // -20 to 19, or HILO_NICE_INHERIT
  int priority;  // 1 to 99 for FIFO and ROUND_ROBIN, else 0
  enum hilo_scheduling scheduling;
} hilo_thread_options;
#define HILO_THREAD_OPTIONS                                                 \
  {                                                                         \
    sizeof(hilo_thread_options), NULL, 0, 0, NULL, 0, HILO_NICE_INHERIT, 0, \
        HILO_SCHEDULING_INHERIT                                             \
  }

// Starts a kernel thread that calls function(argument), and sets `made` to its handle, which must
// be joined or detached once. Callable from: anywhere except a signal handler. Errors: -EINVAL: a
// null argument or an option out of range; -EPERM: an option is not permitted; -EAGAIN, -ENOMEM.
HILO_API int hilo_thread_start(hilo_thread** made, const hilo_thread_options* options,
                               hilo_function* function, void* argument) HILO_C_NOEXCEPT;
// Waits for the end of the thread. `result`, if not null, gets what its function returned; the
// handle is then gone. Parks: a fiber, while the thread runs. Errors: -EINVAL; -EDEADLK: a thread
// joins itself, and the handle stays valid.
HILO_API int hilo_thread_join(hilo_thread* thread, void** result) HILO_C_NOEXCEPT;
// The same, and waits until the deadline at most. Errors: also -EAGAIN, -ETIMEDOUT, -ECANCELED: the
// handle then stays valid.
HILO_C_NODISCARD HILO_API int hilo_thread_join_until(hilo_thread* thread, void** result,
                                                     int64_t deadline) HILO_C_NOEXCEPT;
// Lets the thread run on without a handle, which is then gone. Errors: -EINVAL.
HILO_API int hilo_thread_detach(hilo_thread* thread) HILO_C_NOEXCEPT;
// The kernel's number for the thread (gettid(2)); 0 for a null handle.
HILO_API pid_t hilo_thread_id(const hilo_thread* thread) HILO_C_NOEXCEPT;

HILO_C_END
