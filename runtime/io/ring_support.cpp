// Whether this kernel gives us rings, and of which kind.

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "hilo/kernel/mutex.hpp"

#include "runtime/base/error.hpp"
#include "runtime/context/sanitizer.hpp"
#include "runtime/io/forked.hpp"
#include "runtime/io/ring.hpp"

namespace hilo::io {
namespace {

constexpr unsigned completions = 4096;  // if more are in flight at once, each costs an allocation

}  // namespace

int set_up(io_uring& ring, unsigned entries, unsigned flags) noexcept {
  io_uring_params how{};
  how.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  how.cq_entries = std::max(completions, 2 * entries);
  const int result = ::io_uring_queue_init_params(entries, &ring, &how);
  if (result < 0) return result;
  // The address sanitizer did not see these mappings come. They may lie where a stack was.
  context::forget_frames(ring.sq.ring_ptr, ring.sq.ring_sz);
  context::forget_frames(ring.cq.ring_ptr, ring.cq.ring_sz);
  context::forget_frames(ring.sq.sqes, how.sq_entries * sizeof(io_uring_sqe));
  // A filter may allow the ring and refuse io_uring_enter(2). Then calls on the ring would not end.
  const int entered = ::io_uring_get_events(&ring);
  if (entered < 0) ::io_uring_queue_exit(&ring);
  return std::min(entered, 0);
}

namespace {

ring_support try_ring() {
  const between_forks guard;
  // From the best to the flags that all kernels from 6.0 on take.
  constexpr unsigned choices[] = {
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
  };
  ring_support result;
  for (const unsigned flags : choices) {
    io_uring ring{};
    result.error = -set_up(ring, 2, flags);
    if (result.error == EINVAL) continue;
    if (result.error != 0) break;
    io_uring_probe* const probe = ::io_uring_get_probe_ring(&ring);
    const bool able = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
    ::io_uring_free_probe(probe);
    ::io_uring_queue_exit(&ring);
    result.flags = flags;
    if (!able) result.error = EINVAL;
    break;
  }
  switch (result.error) {
    case 0:
      break;
    case EPERM:
    case EACCES:
      result.why = "EPERM (a seccomp filter, or kernel.io_uring_disabled, refuses io_uring)";
      break;
    case ENOSYS:
      result.why = "ENOSYS (this kernel has no io_uring, or a filter says so)";
      break;
    case EINVAL:
      result.why = "EINVAL (this kernel's io_uring is older than Linux 6.0's)";
      break;
    default:
      result.why = base::errno_name(result.error) +
                   " (descriptors: see ulimit -n; locked memory: "
                   "see ulimit -l)";
  }
  return result;
}

}  // namespace

bool ring_support::may_change() const noexcept {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

// If descriptors or memory were short before, asks again.
ring_support ring_supported() {
  // Never destroyed: exit handlers may start runtimes.
  static auto& lock = *new kernel::mutex;
  static auto& result = *new ring_support(try_ring());
  const std::scoped_lock guard(lock);
  if (result.may_change()) result = try_ring();
  return result;
}

}  // namespace hilo::io
