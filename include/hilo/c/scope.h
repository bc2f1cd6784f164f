// Scopes in C: fibers that belong to a block of code and never outlive it. hilo/scope.hpp says
// more.
//
//   hilo_scope *pages;
//   hilo_scope_open(&pages, NULL);
//   for (size_t i = 0; i < count; ++i) hilo_scope_spawn(pages, load, &urls[i]);
//   int error = hilo_scope_join(pages);  // of the first that failed
//   hilo_scope_close(pages);
//
// A child returns 0, or a negative errno if it has failed. The first failure asks the other
// children to stop, and hilo_scope_join returns it.
#pragma once

#include "hilo/c/base.h"
#include "hilo/c/fiber.h"

HILO_C_BEGIN

typedef struct hilo_scope hilo_scope;

// Returns 0, or a negative errno.
typedef int hilo_child(void* argument);

typedef struct hilo_scope_options {
  size_t size;                       // of this struct
  size_t limit;                      // children that run at the same time; 0: any number
  int64_t deadline;                  // when it comes, waits of the children end with -ETIMEDOUT
  const hilo_spawn_options* fibers;  // how the children are made; null: the defaults
} hilo_scope_options;
#define HILO_SCOPE_OPTIONS \
  { sizeof(hilo_scope_options), 0, HILO_FOREVER, NULL }

// Makes a scope. Only the fiber that made it uses it, except for hilo_scope_stop. Never parks.
// Errors: -EINVAL: no place for it, or an option out of range; -ENOMEM.
HILO_API int hilo_scope_open(hilo_scope** made, const hilo_scope_options* options) HILO_C_NOEXCEPT;

// Starts a child that calls child(argument). Parks: while `limit` children run; and as hilo_spawn.
// Callable from: the scope's fiber. Errors: -ECANCELED, -ETIMEDOUT: the scope was stopped, or a
// stop request or a deadline of the caller came before there was room; as hilo_spawn. After an
// error no child was started.
HILO_C_NODISCARD HILO_API int hilo_scope_spawn(hilo_scope* scope, hilo_child* child,
                                               void* argument) HILO_C_NOEXCEPT;

// Asks the children to stop, and refuses new ones. Callable from: any fiber or thread while the
// scope lives. Errors: -EINVAL.
HILO_API int hilo_scope_stop(hilo_scope* scope) HILO_C_NOEXCEPT;

// Waits until all children have ended, or until the deadline; the children are not asked to stop.
// Parks: until then. Callable from: the scope's fiber. Errors: -EINVAL, -EAGAIN, -ETIMEDOUT,
// -ECANCELED: a stop request of the caller.
HILO_C_NODISCARD HILO_API int hilo_scope_wait(hilo_scope* scope, int64_t deadline) HILO_C_NOEXCEPT;

// Waits until all children have ended. Returns 0; or the first failure of a child; or, if none
// failed, -ECANCELED or -ETIMEDOUT if the children were stopped. Parks: until all have ended; a
// stop request or a deadline of the caller asks the children to stop, and the wait goes on.
// Callable from: the scope's fiber. Errors: also -EINVAL.
HILO_C_NODISCARD HILO_API int hilo_scope_join(hilo_scope* scope) HILO_C_NOEXCEPT;

// Asks the children that still run to stop, waits for them, and ends the scope. Parks: until they
// have ended. Callable from: the scope's fiber. Errors: -EINVAL.
HILO_API int hilo_scope_close(hilo_scope* scope) HILO_C_NOEXCEPT;

HILO_C_END
