// C11's <threads.h> with fibers as threads: include this header in its place, and start the program
// by hilo_run (hilo/c/fiber.h). docs/c.md has an example.
//
//   int work(void *argument) { return 0; }
//   ...
//   thrd_t one;
//   if (thrd_create(&one, work, NULL) == thrd_success) thrd_join(one, NULL);
//
// The names are macros for functions of hilo (hilo/c/threads.h). The libc's header is included
// first if there is one, so that a later #include of it changes nothing. thread_local variables
// belong to the kernel thread, unless the runtime's options say HILO_TLS_OWN; tss_t belongs to the
// fiber.
#pragma once

#ifdef __cplusplus
#error "hilo/threads.h is for C; in C++ include hilo/hilo.hpp, or hilo/hilo.h for the C interface"
#endif

#include <stdlib.h>  // C23 declares once_flag there too

#if defined(__has_include)
#if __has_include(<threads.h>)
#include <threads.h>
#endif
#endif

#include "hilo/c/threads.h"

#undef ONCE_FLAG_INIT
#undef TSS_DTOR_ITERATIONS
#define ONCE_FLAG_INIT HILO_ONCE
#define TSS_DTOR_ITERATIONS 4

#define thrd_t hilo_thrd_t
#define thrd_start_t hilo_thrd_start_t
#define mtx_t hilo_mtx_t
#define cnd_t hilo_cnd_t
#define tss_t hilo_tss_t
#define tss_dtor_t hilo_tss_dtor_t
#define once_flag hilo_once

#define thrd_success hilo_thrd_success
#define thrd_nomem hilo_thrd_nomem
#define thrd_timedout hilo_thrd_timedout
#define thrd_busy hilo_thrd_busy
#define thrd_error hilo_thrd_error
#define mtx_plain hilo_mtx_plain
#define mtx_recursive hilo_mtx_recursive
#define mtx_timed hilo_mtx_timed

#define thrd_create hilo_thrd_create
#define thrd_current hilo_thrd_current
#define thrd_equal hilo_thrd_equal
#define thrd_join hilo_thrd_join
#define thrd_detach hilo_thrd_detach
#define thrd_exit hilo_thrd_exit
#define thrd_sleep hilo_thrd_sleep
#define thrd_yield hilo_thrd_yield
#define mtx_init hilo_mtx_init
#define mtx_destroy hilo_mtx_destroy
#define mtx_lock hilo_mtx_lock
#define mtx_trylock hilo_mtx_trylock
#define mtx_timedlock hilo_mtx_timedlock
#define mtx_unlock hilo_mtx_unlock
#define cnd_init hilo_cnd_init
#define cnd_destroy hilo_cnd_destroy
#define cnd_signal hilo_cnd_signal
#define cnd_broadcast hilo_cnd_broadcast
#define cnd_wait hilo_cnd_wait
#define cnd_timedwait hilo_cnd_timedwait
#define tss_create hilo_tss_create
#define tss_delete hilo_tss_delete
#define tss_get hilo_tss_get
#define tss_set hilo_tss_set
#define call_once(flag, function) ((void)hilo_call_once(flag, function))
