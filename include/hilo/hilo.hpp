// All of hilo. Read in this order: runtime and fiber (start here), channel (with its ends and its
// kin: broadcast, watch, oneshot with shared_result and packaged_task) and select, scope for fibers
// that belong together, limit for deadlines and stopping, mutex, then all else to wait for (latch,
// semaphore, condition_variable, shared_mutex, once, timer); fork_join for work to divide; io for
// descriptors, with result, then file, pipe, process, net and signal_set; simulate to test all
// that; blocking and stack_usage when you need them; last the kernel floor: thread, kernel for the
// waits of threads, and clone with child.
//
// No call may be made in a signal handler, except io::signal_event::set,
// kernel::counting_semaphore::release and kernel::event::set (hilo/signal_event.hpp).
#pragma once

#include "hilo/blocking.hpp"
#include "hilo/broadcast.hpp"
#include "hilo/channel.hpp"
#include "hilo/child.hpp"
#include "hilo/clone.hpp"
#include "hilo/condition_variable.hpp"
#include "hilo/descriptor.hpp"
#include "hilo/ends.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fiber_local.hpp"
#include "hilo/file.hpp"
#include "hilo/fork_join.hpp"
#include "hilo/io.hpp"
#include "hilo/kernel.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/mutex.hpp"
#include "hilo/net.hpp"
#include "hilo/once.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/packaged_task.hpp"
#include "hilo/pipe.hpp"
#include "hilo/process.hpp"
#include "hilo/result.hpp"
#include "hilo/runtime.hpp"
#include "hilo/scope.hpp"
#include "hilo/select.hpp"
#include "hilo/semaphore.hpp"
#include "hilo/shared_mutex.hpp"
#include "hilo/shared_result.hpp"
#include "hilo/signal_event.hpp"
#include "hilo/signal_set.hpp"
#include "hilo/simulate.hpp"
#include "hilo/stack_usage.hpp"
#include "hilo/status.hpp"
#include "hilo/thread.hpp"
#include "hilo/timer.hpp"
#include "hilo/watch.hpp"
