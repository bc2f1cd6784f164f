// Mutual exclusion and other things to wait for in C, between fibers, kernel threads, or both. The
// C++ headers say more: mutex.hpp, condition_variable.hpp, semaphore.hpp, latch.hpp, once.hpp.
//
// Each object is made by a call with _create, which sets its first argument, and ended by the call
// with _destroy. Errors of all calls: -EINVAL for a null argument; -ENOMEM of _create. Destroying
// an object that a caller waits on, or a mutex that is held, ends the program.
//
// All waits park, and all calls are callable from any fiber or thread. Ordering: as of the C++
// calls.
#pragma once

#include "hilo/c/base.h"

HILO_C_BEGIN

typedef struct hilo_mutex hilo_mutex;
typedef struct hilo_condition hilo_condition;
typedef struct hilo_semaphore hilo_semaphore;
typedef struct hilo_event hilo_event;
typedef struct hilo_wait_group hilo_wait_group;

enum hilo_mutex_kind HILO_C_INT {
  HILO_MUTEX_PLAIN,
  HILO_MUTEX_RECURSIVE,  // its holder may take it again, and releases it as often
};

HILO_API int hilo_mutex_create(hilo_mutex** made, enum hilo_mutex_kind kind) HILO_C_NOEXCEPT;
HILO_API int hilo_mutex_destroy(hilo_mutex* mutex) HILO_C_NOEXCEPT;
// Takes the mutex. No stop request and no deadline ends the wait. A caller that holds a plain mutex
// already ends the program.
HILO_API int hilo_mutex_lock(hilo_mutex* mutex) HILO_C_NOEXCEPT;
// Takes the mutex, and waits until the deadline at most. Errors: -EAGAIN with HILO_NO_WAIT;
// -ETIMEDOUT; -ECANCELED.
HILO_C_NODISCARD HILO_API int hilo_mutex_lock_until(hilo_mutex* mutex,
                                                    int64_t deadline) HILO_C_NOEXCEPT;
// Releases the mutex. A caller that does not hold it ends the program. Never parks.
HILO_API int hilo_mutex_unlock(hilo_mutex* mutex) HILO_C_NOEXCEPT;

HILO_API int hilo_condition_create(hilo_condition** made) HILO_C_NOEXCEPT;
HILO_API int hilo_condition_destroy(hilo_condition* condition) HILO_C_NOEXCEPT;
// Releases the mutex, waits for a notification, and takes the mutex again. No stop request and no
// deadline ends the wait, and no wait ends without a notification.
HILO_API int hilo_condition_wait(hilo_condition* condition, hilo_mutex* mutex) HILO_C_NOEXCEPT;
// The same, and the deadline, a stop request or a deadline around the call ends the wait too. The
// caller holds the mutex again in any case. Errors: -ETIMEDOUT, -ECANCELED.
HILO_C_NODISCARD HILO_API int hilo_condition_wait_until(hilo_condition* condition,
                                                        hilo_mutex* mutex,
                                                        int64_t deadline) HILO_C_NOEXCEPT;
// Wake the waiter that waits longest, or all waiters. Never park.
HILO_API int hilo_condition_signal(hilo_condition* condition) HILO_C_NOEXCEPT;
HILO_API int hilo_condition_broadcast(hilo_condition* condition) HILO_C_NOEXCEPT;

HILO_API int hilo_semaphore_create(hilo_semaphore** made, uint32_t count) HILO_C_NOEXCEPT;
HILO_API int hilo_semaphore_destroy(hilo_semaphore* semaphore) HILO_C_NOEXCEPT;
// Takes `count`, all at once; first come, first served. Errors: -EINVAL: also a count of 0;
// -EAGAIN, -ETIMEDOUT, -ECANCELED; -EPIPE: closed. After an error nothing was taken.
HILO_C_NODISCARD HILO_API int hilo_semaphore_acquire(hilo_semaphore* semaphore, uint32_t count,
                                                     int64_t deadline) HILO_C_NOEXCEPT;
// Adds `count`. Never parks. Errors: -EINVAL: also a count of 0.
HILO_API int hilo_semaphore_release(hilo_semaphore* semaphore, uint32_t count) HILO_C_NOEXCEPT;
// Ends all waits with -EPIPE; from now on nothing can be taken. Never parks.
HILO_API int hilo_semaphore_close(hilo_semaphore* semaphore) HILO_C_NOEXCEPT;

// An event lets all callers through while it is set.
HILO_API int hilo_event_create(hilo_event** made, bool is_set) HILO_C_NOEXCEPT;
HILO_API int hilo_event_destroy(hilo_event* event) HILO_C_NOEXCEPT;
HILO_API int hilo_event_set(hilo_event* event) HILO_C_NOEXCEPT;
HILO_API int hilo_event_reset(hilo_event* event) HILO_C_NOEXCEPT;
// Errors: -EAGAIN, -ETIMEDOUT, -ECANCELED.
HILO_C_NODISCARD HILO_API int hilo_event_wait(hilo_event* event, int64_t deadline) HILO_C_NOEXCEPT;

// A wait group opens when hilo_wait_group_done was called for everything that was added. More calls
// of done than were added end the program.
HILO_API int hilo_wait_group_create(hilo_wait_group** made) HILO_C_NOEXCEPT;
HILO_API int hilo_wait_group_destroy(hilo_wait_group* group) HILO_C_NOEXCEPT;
// Call it before you start the fiber that will call done. Errors: -EINVAL: also a count of 0.
HILO_API int hilo_wait_group_add(hilo_wait_group* group, uint32_t count) HILO_C_NOEXCEPT;
HILO_API int hilo_wait_group_done(hilo_wait_group* group) HILO_C_NOEXCEPT;
// Errors: -EAGAIN, -ETIMEDOUT, -ECANCELED.
HILO_C_NODISCARD HILO_API int hilo_wait_group_wait(hilo_wait_group* group,
                                                   int64_t deadline) HILO_C_NOEXCEPT;

// A static or global hilo_once starts as HILO_ONCE.
typedef struct hilo_once {
  void* state;  // only for hilo_call_once
} hilo_once;
#define HILO_ONCE \
  { NULL }
// Calls function() unless a call through this flag has already done so; returns when it is done.
// Parks: while another caller runs the function; nothing ends this wait. Errors: -EINVAL; -EDEADLK:
// the function itself calls hilo_call_once with the same flag.
HILO_API int hilo_call_once(hilo_once* flag, void (*function)(void)) HILO_C_NOEXCEPT;

HILO_C_END
