#include "runtime/io/call.hpp"

#include <cerrno>
#include <new>
#include <optional>
#include <system_error>

#include <sys/stat.h>

#include "hilo/detail/decision.hpp"
#include "hilo/limit.hpp"

#include "runtime/io/driver.hpp"
#include "runtime/io/fifo.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/io/vain_tries.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::io {
namespace {

// Whether the ring would block its thread in the call. If poll says that a terminal is ready, the
// ring makes the call at once, in whatever mode the terminal is. A write then waits for room for
// all of its bytes.
bool blocks_ring(const request& what) noexcept {
  using enum request::call;
  if (what.what != read && what.what != write && what.what != readv && what.what != writev) {
    return false;
  }
  slot* const its = what.fd < 0 ? nullptr : slot_of(what.fd);
  if (its == nullptr) return false;
  descriptor_kind kind = its->kind.load(std::memory_order_relaxed);
  if (kind == descriptor_kind::unknown) [[unlikely]] {
    struct stat about {};
    if (::fstat(what.fd, &about) != 0) return false;
    kind = S_ISCHR(about.st_mode) ? descriptor_kind::device : descriptor_kind::other;
    its->kind.store(kind, std::memory_order_relaxed);
  }
  return kind == descriptor_kind::device;
}

// A call by a path uses the root and the directory of the thread that makes it. A ring makes such
// calls in threads of its own, which may be older or younger than a taint() of the fiber's carrier.
bool goes_by_thread(const request& what) noexcept {
  return what.what == request::call::openat || what.what == request::call::statx;
}

// Makes a fiber's call once.
outcome make_here(const request& what, std::int64_t deadline) noexcept try {
  if (blocks_ring(what) || (goes_by_thread(what) && sched::current_worker()->retired()))
      [[unlikely]] {
    return make_at_once(what, deadline);
  }
  return driver::port_of(*sched::current_worker()).make(what, deadline);
} catch (const std::system_error& error) {
  return {-error.code().value()};
} catch (const std::bad_alloc&) {
  return {-ENOMEM};
}

// The pauses of a fiber between two tries of its call. Once it pauses, it keeps the descriptor from
// being closed. Otherwise no slot would know of the fiber during a pause, and the next try could
// meet another file with the same number.
class between_tries {
 public:
  between_tries(const request& what, std::int64_t deadline) noexcept
      : what_(what), deadline_(deadline) {}

  // Whether the tries before were in vain.
  bool vain() const noexcept { return open_.has_value(); }

  // Any result except ok ends the call.
  status pause_if_vain() noexcept {
    if (!tries_.add()) [[likely]]
      return status::ok;
    if (!open_ && what_.fd >= 0) open_.emplace(what_.fd);
    if (open_ && open_->refused()) return status::closed;
    if (deadline_ <= detail::monotonic_now()) return status::timed_out;
    return detail::sleep_until_ns(tries_.pause_end(deadline_));
  }

 private:
  const request& what_;
  const std::int64_t deadline_;
  vain_tries tries_;
  std::optional<operation> open_;
};

// Goes on with a call whose first try returned `last`, until the call is over.
//
// Nothing is done twice. A try may be cancelled because its carrier left a place, or because the
// cancellation was for the last call of the same frame. Such a try returns what it has done so far;
// it returns -ECANCELED or -EINTR only if it has done nothing. The exception is connect, which goes
// on in the kernel. The next try then returns -EALREADY, and the try after the socket is ready
// returns the result of the first. The deadline is a time, so all tries have the same deadline.
[[gnu::noinline]] outcome make_again(const request& what, std::int64_t deadline,
                                     outcome last) noexcept {
  between_tries between(what, deadline);
  bool begun = false;
  while (true) {
    if (last.value >= 0 || last.why != status::ok) return last;
    if (last.value != -EINTR && last.value != -ECANCELED) {
      if (what.what == request::call::connect && begun && last.value == -EISCONN) return {0};
      if (!waits(what, last.value)) return last;
      // The descriptor is in non-blocking mode, and the ring obeys that mode.
      const readiness wanted = awaited(what);
      const request ready{.what = request::call::poll,
                          .fd = wanted.fd,
                          .flags = wanted.events,
                          .from = wanted.other};
      const bool is_ready = between.vain() && attempt(ready) > 0;
      const outcome waited = is_ready ? outcome{1} : make(ready, deadline);
      if (waited.why != status::ok || waited.value < 0) return waited;
    }
    begun = true;
    const status end = between.pause_if_vain();
    if (end != status::ok) return {0, end};
    // The ring would wake its carrier twice for each vain try. In non-blocking mode the call itself
    // does not wait; of the two ends of a splice, one may be in another mode.
    const bool by_itself =
        between.vain() && last.value == -EAGAIN && what.what != request::call::splice;
    last = by_itself ? make_at_once(what, deadline) : make_here(what, deadline);
  }
}

}  // namespace

outcome make(const request& what, std::int64_t deadline) noexcept {
  if (sched::current_worker() == nullptr) return make_in_thread(what, deadline);
  if (detail::simulating()) [[unlikely]]
    detail::refuse_simulated("I/O");
  const outcome result = make_here(what, deadline);
  if (what.what == request::call::openat) [[unlikely]]
    return finish_open(what, deadline, make_again(what, deadline, result));
  if (result.value >= 0 || result.why != status::ok) [[likely]]
    return result;
  return make_again(what, deadline, result);
}

}  // namespace hilo::io
