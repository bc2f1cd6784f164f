// The functions behind the names of C11's <threads.h> (hilo/threads.h). Each keeps the contract of
// C11 7.26 for the function of that name, with fibers as threads: so no stop request and no
// deadline around a call ends it, except hilo_thrd_sleep.
#pragma once

#include "hilo/c/base.h"
#include "hilo/c/fiber.h"
#include "hilo/c/local.h"
#include "hilo/c/sync.h"

HILO_C_BEGIN

typedef hilo_fiber* hilo_thrd_t;
typedef int (*hilo_thrd_start_t)(void* argument);
typedef hilo_mutex* hilo_mtx_t;
typedef hilo_condition* hilo_cnd_t;
typedef hilo_local* hilo_tss_t;
typedef void (*hilo_tss_dtor_t)(void* value);

enum hilo_thrd_result HILO_C_INT {
  hilo_thrd_success,
  hilo_thrd_nomem,
  hilo_thrd_timedout,
  hilo_thrd_busy,
  hilo_thrd_error,
};
enum hilo_mtx_type HILO_C_INT { hilo_mtx_plain = 0, hilo_mtx_recursive = 1, hilo_mtx_timed = 2 };

// Starts a fiber. Callable from: a fiber; elsewhere it returns thrd_error.
HILO_API int hilo_thrd_create(hilo_thrd_t* made, hilo_thrd_start_t function,
                              void* argument) HILO_C_NOEXCEPT;
// In a kernel thread that runs no fiber, the result can only be compared.
HILO_API hilo_thrd_t hilo_thrd_current(void) HILO_C_NOEXCEPT;
HILO_API int hilo_thrd_equal(hilo_thrd_t one, hilo_thrd_t other) HILO_C_NOEXCEPT;
HILO_API int hilo_thrd_join(hilo_thrd_t thread, int* result) HILO_C_NOEXCEPT;
HILO_API int hilo_thrd_detach(hilo_thrd_t thread) HILO_C_NOEXCEPT;
// Ends the calling fiber by a longjmp to its beginning: destructors of C++ objects on its stack do
// not run. Aborts in a fiber that hilo_thrd_create did not make.
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
HILO_API void
hilo_thrd_exit(int result) HILO_C_NOEXCEPT;
// A stop request or a deadline around the call ends it as a signal ends C11's: it returns -1.
HILO_API int hilo_thrd_sleep(const struct timespec* duration,
                             struct timespec* remaining) HILO_C_NOEXCEPT;
HILO_API void hilo_thrd_yield(void) HILO_C_NOEXCEPT;

HILO_API int hilo_mtx_init(hilo_mtx_t* mutex, int type) HILO_C_NOEXCEPT;
HILO_API void hilo_mtx_destroy(hilo_mtx_t* mutex) HILO_C_NOEXCEPT;
HILO_API int hilo_mtx_lock(hilo_mtx_t* mutex) HILO_C_NOEXCEPT;
HILO_API int hilo_mtx_trylock(hilo_mtx_t* mutex) HILO_C_NOEXCEPT;
HILO_API int hilo_mtx_timedlock(hilo_mtx_t* mutex, const struct timespec* when) HILO_C_NOEXCEPT;
HILO_API int hilo_mtx_unlock(hilo_mtx_t* mutex) HILO_C_NOEXCEPT;

HILO_API int hilo_cnd_init(hilo_cnd_t* condition) HILO_C_NOEXCEPT;
HILO_API void hilo_cnd_destroy(hilo_cnd_t* condition) HILO_C_NOEXCEPT;
HILO_API int hilo_cnd_signal(hilo_cnd_t* condition) HILO_C_NOEXCEPT;
HILO_API int hilo_cnd_broadcast(hilo_cnd_t* condition) HILO_C_NOEXCEPT;
HILO_API int hilo_cnd_wait(hilo_cnd_t* condition, hilo_mtx_t* mutex) HILO_C_NOEXCEPT;
HILO_API int hilo_cnd_timedwait(hilo_cnd_t* condition, hilo_mtx_t* mutex,
                                const struct timespec* when) HILO_C_NOEXCEPT;

HILO_API int hilo_tss_create(hilo_tss_t* key, hilo_tss_dtor_t destroy) HILO_C_NOEXCEPT;
HILO_API void hilo_tss_delete(hilo_tss_t key) HILO_C_NOEXCEPT;
HILO_API void* hilo_tss_get(hilo_tss_t key) HILO_C_NOEXCEPT;
HILO_API int hilo_tss_set(hilo_tss_t key, void* value) HILO_C_NOEXCEPT;

HILO_C_END
