#include "runtime/io/call.hpp"

#include <cerrno>
#include <new>
#include <system_error>

#include "hilo/detail/decision.hpp"

#include "runtime/io/driver.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::io {
namespace {

// A fiber's call, once.
outcome make_here(const request& what, std::int64_t deadline) noexcept try {
  return driver::port_of(*sched::current_worker()).make(what, deadline);
} catch (const std::system_error& error) {
  return {-error.code().value()};
} catch (const std::bad_alloc&) {
  return {-ENOMEM};
}

}  // namespace

outcome make(const request& what, std::int64_t deadline) noexcept {
  if (sched::current_worker() == nullptr) return make_in_thread(what, deadline);
  if (detail::simulating()) [[unlikely]]
    detail::refuse_simulated("I/O");
  while (true) {
    const outcome result = make_here(what, deadline);
    if (result.why != status::ok) return result;
    if (result.value == -EINTR || result.value == -ECANCELED) continue;
    if (result.value != -EAGAIN || what.what == request::call::poll) return result;
    // A descriptor in non-blocking mode, which the ring takes at its word.
    const readiness wanted = awaited(what);
    const request ready{
        .what = request::call::poll, .fd = wanted.fd, .flags = wanted.events, .from = wanted.other};
    const outcome waited = make(ready, deadline);
    if (waited.why != status::ok || waited.value < 0) return waited;
  }
}

}  // namespace hilo::io
