// hilo for C: the whole interface, C11 or newer, and C++. docs/c.md has a first program, and says
// how to link. Include it as <hilo/hilo.h>.
//
// Read in this order: base for results and deadlines; fiber (start here); channel, then select;
// sync; scope for fibers that belong together; local; io; thread for kernel threads. C11's names,
// thrd_create and so on, are in hilo/threads.h.
//
// A signal handler must not call hilo.
#pragma once

#include "hilo/c/base.h"
#include "hilo/c/channel.h"
#include "hilo/c/fiber.h"
#include "hilo/c/io.h"
#include "hilo/c/local.h"
#include "hilo/c/scope.h"
#include "hilo/c/select.h"
#include "hilo/c/sync.h"
#include "hilo/c/thread.h"
