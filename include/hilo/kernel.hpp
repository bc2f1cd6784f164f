// Everything that kernel threads need to wait for each other. Each puts the whole thread to sleep,
// in a futex; in fibers use the types of the same name in namespace hilo.
#pragma once

#include "hilo/kernel/barrier.hpp"
#include "hilo/kernel/condition_variable.hpp"
#include "hilo/kernel/event.hpp"
#include "hilo/kernel/latch.hpp"
#include "hilo/kernel/mutex.hpp"
#include "hilo/kernel/once.hpp"
#include "hilo/kernel/recursive_mutex.hpp"
#include "hilo/kernel/semaphore.hpp"
#include "hilo/kernel/shared_mutex.hpp"
