// All primitives that kernel threads need to wait for each other, in namespace hilo::kernel. Each
// of them puts the whole thread to sleep, in a futex. In fibers use the types of namespace hilo.
// barrier, condition_variable, event, latch, mutex, recursive_mutex and shared_mutex have the same
// names there. For counting_semaphore and binary_semaphore use hilo::semaphore; for once use
// hilo::once_flag with hilo::call_once.
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
