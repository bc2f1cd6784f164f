// Fiber-local storage in C: a pointer of which each fiber, and each kernel thread, has its own.
// hilo/fiber_local.hpp says more.
#pragma once

#include "hilo/c/base.h"

HILO_C_BEGIN

typedef struct hilo_local hilo_local;

// Makes a variable. At the end of a fiber, destroy(value) is called for its value if that is not
// null, with the variable reset to null before. `destroy` may be null. If destructors set values
// anew, they are called again, in 4 rounds at most. Errors: -EINVAL: no place for it; -ENOMEM.
HILO_API int hilo_local_create(hilo_local** made, void (*destroy)(void* value)) HILO_C_NOEXCEPT;
// Ends the variable. Values that fibers still have are forgotten, and not destroyed. No fiber may
// use the variable any more. Errors: -EINVAL.
HILO_API int hilo_local_destroy(hilo_local* local) HILO_C_NOEXCEPT;

// The caller's value; null if it was not set, and for a null variable. Never parks. Callable from:
// any fiber or thread.
HILO_API void* hilo_local_get(const hilo_local* local) HILO_C_NOEXCEPT;
// Sets the caller's value; the old value is not destroyed. Never parks. Callable from: any fiber or
// thread. Errors: -EINVAL, -ENOMEM.
HILO_API int hilo_local_set(hilo_local* local, void* value) HILO_C_NOEXCEPT;

HILO_C_END
