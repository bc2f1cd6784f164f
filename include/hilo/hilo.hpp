// All of hilo. Read in this order: runtime and fiber (start here); channel, with its ends and its
// relatives broadcast, watch, and oneshot with shared_result and packaged_task; select; scope for
// fibers that belong together; limit for deadlines and stopping; mutex; then the other things to
// wait for: latch, semaphore, condition_variable, shared_mutex, once, timer. Then fork_join for
// work to divide; io for descriptors, with result; file, pipe, process, net and signal_set;
// simulate to test code that uses all of these. Read blocking, coroutine, stack_usage, metrics and
// dump when you need them. Last comes the kernel floor: thread, kernel for the waits of threads,
// and clone with child.
//
// A signal handler must not call hilo, except io::signal_event::set,
// kernel::counting_semaphore::release and kernel::event::set (hilo/signal_event.hpp).
#pragma once

#include "hilo/blocking.hpp"
#include "hilo/broadcast.hpp"
#include "hilo/buffered_reader.hpp"
#include "hilo/channel.hpp"
#include "hilo/child.hpp"
#include "hilo/clone.hpp"
#include "hilo/condition_variable.hpp"
#include "hilo/coroutine.hpp"
#include "hilo/descriptor.hpp"
#include "hilo/directory.hpp"
#include "hilo/dump.hpp"
#include "hilo/ends.hpp"
#include "hilo/fiber.hpp"
#include "hilo/fiber_local.hpp"
#include "hilo/file.hpp"
#include "hilo/fork_join.hpp"
#include "hilo/io.hpp"
#include "hilo/kernel.hpp"
#include "hilo/latch.hpp"
#include "hilo/limit.hpp"
#include "hilo/metrics.hpp"
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
#include "hilo/trace.hpp"
#include "hilo/watch.hpp"
