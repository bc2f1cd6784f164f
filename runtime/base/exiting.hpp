// Whether exit(3) is running on the caller's stack: a destructor of a static object, or an exit
// handler, asks.
//
// exit() destroys static objects while other threads and fibers run on. Some misuse is usual
// there: a mutex is destroyed while fibers wait for it, and a runtime by one of its own
// fibers. No flag can tell: the handler that sets it would run after the objects that are older
// than it. So the stack is unwound, which takes some microseconds; only the cold path of a check
// asks. False where the stack cannot be unwound up to exit().
#pragma once

namespace hilo::base {

bool in_exit() noexcept;

}  // namespace hilo::base
