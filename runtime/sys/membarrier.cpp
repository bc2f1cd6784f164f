// The heavy side of hilo/detail/fence.hpp.

#include <cerrno>

#include <linux/membarrier.h>

#include "hilo/detail/fence.hpp"

#include "runtime/sys/syscall.hpp"

namespace hilo::detail {
namespace {

bool register_process() noexcept {
  return sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

}  // namespace

// False until this initialiser ran, and a program with threads before that pays for a fence.
std::atomic<bool> light_fence_is_free{register_process()};

void heavy_fence() noexcept {
  long end = sys::call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  if (end == -EPERM && register_process()) {
    end = sys::call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  }
  // Refused: then it was refused at the start too, and the light sides are fences.
  if (end != 0) std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace hilo::detail
