// What all headers of the C interface share: results, deadlines, the form of a callback.
//
// Results. A call returns 0, or a count where its comment says so, or a negative errno. errno
// itself is not used. These numbers mean the same everywhere:
//
//   -EINVAL     an argument is null, zero, out of range, or of the wrong size; nothing was done
//   -EAGAIN     with HILO_NO_WAIT: the call would have to wait
//   -ETIMEDOUT  the deadline came first
//   -ECANCELED  a stop request came first (hilo_stop, a scope that stops)
//   -EPIPE      the channel or the semaphore is closed
//   -ENOMEM     there is no memory, or no stack
//
// A misuse that cannot be reported ends the program with one line that names it, as in the C++
// interface: unlocking a mutex that another holds, destroying an object that a caller waits on.
//
// Exceptions never leave a call. An exception that leaves a callback ends the program.
//
// Options. A struct of options begins with its own size. Its initialiser, such as
// HILO_SPAWN_OPTIONS, sets this size and the defaults. A null pointer means all defaults. So a
// later version may add members, and a library that does not know a member refuses it with -EINVAL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "hilo/version.h"

// The same words as in hilo/detail/api.hpp, so that a C++ program may include both.
#define HILO_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define HILO_C_BEGIN extern "C" {
#define HILO_C_END }
#define HILO_C_NOEXCEPT noexcept
#define HILO_C_INT : int
#else
#define HILO_C_BEGIN
#define HILO_C_END
#define HILO_C_NOEXCEPT
#define HILO_C_INT  // the type of an enumeration, which C++ needs to be given to hold any number
#endif

// Calls whose result must not be ignored, because the wait may have ended early. g++'s older
// attribute does not accept a cast to void, so C before C23 gets it from clang only.
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define HILO_C_NODISCARD [[nodiscard]]
#elif defined(__clang__)
#define HILO_C_NODISCARD __attribute__((warn_unused_result))
#else
#define HILO_C_NODISCARD
#endif

HILO_C_BEGIN

// A callback, with the argument that was given with it.
typedef void* hilo_function(void* argument);

// Deadlines are times of CLOCK_MONOTONIC in nanoseconds. A time that has passed ends a wait at
// once, with -ETIMEDOUT; what can be done without a wait is done nevertheless, except by calls for
// descriptors, which may find the deadline first.
#define HILO_FOREVER INT64_MAX  // no deadline
#define HILO_NO_WAIT INT64_MIN  // do it now, or return -EAGAIN

// A guard of 0 bytes, where the options take 0 for the default.
#define HILO_NO_GUARD SIZE_MAX

// Durations, in nanoseconds.
#define HILO_MICROSECOND INT64_C(1000)
#define HILO_MILLISECOND INT64_C(1000000)
#define HILO_SECOND INT64_C(1000000000)

// The present time, for deadlines. In a simulation, its time. Never parks.
HILO_API int64_t hilo_now(void) HILO_C_NOEXCEPT;
// The deadline so many nanoseconds from now: hilo_after(5 * HILO_SECOND). A duration too long to
// count gives HILO_FOREVER; a negative one gives a time that has passed. Never parks.
HILO_API int64_t hilo_after(int64_t nanoseconds) HILO_C_NOEXCEPT;
// The deadline at a time of CLOCK_REALTIME (TIME_UTC of C11). If that clock is set later, the
// deadline does not follow it. A null pointer, or tv_nsec out of range, gives a time that has
// passed.
HILO_API int64_t hilo_deadline_of(const struct timespec* realtime) HILO_C_NOEXCEPT;

// The version of the library that the program runs with, such as "0.1.0". The version that it was
// compiled for is HILO_VERSION.
HILO_API const char* hilo_version(void) HILO_C_NOEXCEPT;

HILO_C_END
