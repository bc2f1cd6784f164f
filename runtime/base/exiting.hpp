// Whether exit(3) is running on the caller's stack. Asked by destructors of static objects and by
// exit handlers.
//
// exit() destroys static objects while other threads and fibers run on. So a few things are normal
// there that are misuse elsewhere: a mutex is destroyed while fibers wait for it, or a runtime is
// destroyed by one of its own fibers. A flag cannot tell, because the handler that sets the flag
// would run after the destructors of objects that are older than the handler. So the stack is
// unwound. That takes some microseconds, so only the cold path of a check calls in_exit(). False if
// the stack cannot be unwound up to exit().
#pragma once

namespace hilo::base {

bool in_exit() noexcept;

}  // namespace hilo::base
