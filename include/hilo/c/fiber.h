// Fibers in C: run, spawn, join, sleep, and stop requests. hilo/fiber.hpp says more of each.
//
//   void *answer(void *question) { return question; }
//
//   void *program(void *unused) {
//     hilo_fiber *asked;
//     void *result;
//     if (hilo_spawn(&asked, NULL, answer, unused) != 0) return NULL;
//     hilo_join(asked, &result);
//     return result;
//   }
//
//   int main(void) { return hilo_run(NULL, program, NULL, NULL) == 0 ? 0 : 1; }
#pragma once

#include "hilo/c/base.h"

HILO_C_BEGIN

typedef struct hilo_fiber hilo_fiber;

// Whose thread-local storage a fiber has, errno included (hilo::tls).
enum hilo_tls HILO_C_INT {
  HILO_TLS_INHERIT,  // as the runtime's options say
  HILO_TLS_CARRIER,  // that of the kernel thread that runs the fiber, shared with other fibers
  HILO_TLS_OWN,      // its own, as a kernel thread has; -ENOTSUP where that is not possible
};

// In which order the runnable fibers of a carrier take turns (hilo::priority).
enum hilo_priority HILO_C_INT {
  HILO_PRIORITY_HIGH = 1,
  HILO_PRIORITY_NORMAL = 0,
  HILO_PRIORITY_IDLE = -1
};

// How fibers wait for descriptors (hilo::io_driver).
enum hilo_io_driver HILO_C_INT { HILO_IO_ANY, HILO_IO_URING, HILO_IO_EPOLL };

typedef struct hilo_run_options {
  size_t size;        // of this struct
  unsigned carriers;  // kernel threads that run fibers, 1 to 1024; 0: one for each available CPU
  unsigned spare_carriers;  // for hilo_blocking, 1 to 32768; 0: 512
  size_t stack_size;        // of fibers whose options give none; 0: 256 KiB
  size_t
      guard_size;  // bytes below each stack that fault when touched; 0: 64 KiB; HILO_NO_GUARD: none
  enum hilo_tls tls;  // of fibers whose options say HILO_TLS_INHERIT; INHERIT here: CARRIER
  enum hilo_io_driver io;
} hilo_run_options;
#define HILO_RUN_OPTIONS \
  { sizeof(hilo_run_options), 0, 0, 0, 0, HILO_TLS_INHERIT, HILO_IO_ANY }

typedef struct hilo_spawn_options {
  size_t size;        // of this struct
  const char* name;   // for reports; at most 23 bytes are kept; null: none
  size_t stack_size;  // bytes, rounded up to a power of two, 16 KiB to 1 GiB; 0: the runtime's
  enum hilo_tls tls;
  enum hilo_priority priority;
  bool pinned;           // stays on the carrier that runs it first
  bool keep_fp_control;  // keeps rounding mode and floating-point traps with the fiber
  bool paint_stack;      // makes the report of its stack's use exact
} hilo_spawn_options;
#define HILO_SPAWN_OPTIONS                                                                     \
  {                                                                                            \
    sizeof(hilo_spawn_options), NULL, 0, HILO_TLS_INHERIT, HILO_PRIORITY_NORMAL, false, false, \
        false                                                                                  \
  }

// Starts a runtime, calls function(argument) as its first fiber, waits until all its fibers have
// ended, and ends the runtime. `result`, if not null, gets what the function returned. Callable
// from: a kernel thread. Errors: -EINVAL: no function, or an option out of range; -EAGAIN, -ENOMEM,
// -ENOSYS and others: the kernel refused threads, addresses or io_uring.
HILO_API int hilo_run(const hilo_run_options* options, hilo_function* function, void* argument,
                      void** result) HILO_C_NOEXCEPT;

// Starts a fiber that calls function(argument). Before the new fiber runs, `made` is set to its
// handle. Each handle must be joined or detached once. Parks: the new fiber may run first. Callable
// from: a fiber. Errors: -EINVAL: a null argument, an option out of range, or the caller is not a
// fiber; -ENOTSUP: own TLS is not possible here; -ENOMEM and others: there is no stack.
HILO_API int hilo_spawn(hilo_fiber** made, const hilo_spawn_options* options,
                        hilo_function* function, void* argument) HILO_C_NOEXCEPT;

// Waits until the fiber has ended. `result`, if not null, gets what its function returned. The
// handle is then gone. Parks: until then; no stop request and no deadline ends the wait. Callable
// from: any fiber or thread. Errors: -EINVAL; -EDEADLK: the caller is this fiber, and the handle
// stays valid.
HILO_API int hilo_join(hilo_fiber* fiber, void** result) HILO_C_NOEXCEPT;

// Waits until the fiber has ended, or until the deadline. The handle stays valid. Parks, callable
// from: as hilo_join. Errors: -EINVAL, -EDEADLK, -ETIMEDOUT, -ECANCELED; -EAGAIN with HILO_NO_WAIT.
HILO_C_NODISCARD HILO_API int hilo_wait(hilo_fiber* fiber, int64_t deadline) HILO_C_NOEXCEPT;

// Lets the fiber run on without a handle, which is then gone. Never parks. Callable from: anywhere
// except a signal handler. Errors: -EINVAL.
HILO_API int hilo_detach(hilo_fiber* fiber) HILO_C_NOEXCEPT;

// Asks the fiber to stop: the call in which it waits, and later calls that would wait, return
// -ECANCELED. Calls that promise something on return go on: hilo_join, hilo_mutex_lock,
// hilo_condition_wait. Never parks. Callable from: as hilo_detach. Errors: -EINVAL.
HILO_API int hilo_stop(hilo_fiber* fiber) HILO_C_NOEXCEPT;
// Whether the calling fiber was asked to stop. False in a kernel thread. Never parks.
HILO_API bool hilo_stop_requested(void) HILO_C_NOEXCEPT;

// The fiber's number, unique in its runtime; 0 for a null handle.
HILO_API uint64_t hilo_fiber_id(const hilo_fiber* fiber) HILO_C_NOEXCEPT;
// The calling fiber's number; 0 in a kernel thread that runs no fiber.
HILO_API uint64_t hilo_self_id(void) HILO_C_NOEXCEPT;

// Lets other fibers run. Parks: until the caller's turn. Callable from: anywhere except a signal
// handler.
HILO_API void hilo_yield(void) HILO_C_NOEXCEPT;

// Wait for a duration, and until a time of CLOCK_MONOTONIC (hilo_now). Return 0 when it is over.
// Park: until then. Callable from: any fiber or thread. Errors: -ECANCELED; -ETIMEDOUT: a deadline
// around the call came first (hilo_with_deadline).
HILO_API int hilo_sleep(int64_t nanoseconds) HILO_C_NOEXCEPT;
HILO_API int hilo_sleep_until(int64_t time) HILO_C_NOEXCEPT;

// Calls function(argument), and gives `result`, if not null, what it returned. Until it returns,
// the deadline holds for every call that waits, at any depth (hilo/limit.hpp). Errors: -EINVAL: no
// function.
HILO_API int hilo_with_deadline(int64_t deadline, hilo_function* function, void* argument,
                                void** result) HILO_C_NOEXCEPT;
// The same, but no stop request and no deadline around this call ends a wait in the function: for
// cleaning up.
HILO_API int hilo_shielded(hilo_function* function, void* argument, void** result) HILO_C_NOEXCEPT;

// Calls function(argument) on the calling kernel thread, while another thread runs the other
// fibers: for calls that block (hilo/blocking.hpp). Parks: as hilo::blocking. Callable from: any
// fiber or thread. Errors: -EINVAL: no function.
HILO_API int hilo_blocking(hilo_function* function, void* argument, void** result) HILO_C_NOEXCEPT;

HILO_C_END
