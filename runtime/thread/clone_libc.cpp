#include "runtime/thread/clone_libc.hpp"

#include <bit>
#include <cstddef>

#include <pthread.h>

#include "runtime/base/libc.hpp"
#include "runtime/base/sanitizers.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/thread.hpp"

namespace hilo::kernel {
namespace {

clone_layout decide() {
#if HILO_TSAN
  return {nullptr, "the thread sanitizer knows only threads made by pthread_create"};
#elif !HILO_GLIBC(2, 0)
  return {nullptr, "this libc is not glibc"};
#else
  layout_discovery found = discover_libc_layout();
  if (!found.understood) return {nullptr, "this glibc is not understood: " + found.reason};
  return {new libc_layout(found.layout), {}};  // as long as the process, with the records
#endif
}

// Finds the offset of the thread's number in libc's thread block. Returns 0 if it is not clear.
std::size_t find_number() {
#if HILO_GLIBC(2, 0)
  const clone_layout& libc = understood_layout();
  return libc.layout != nullptr ? libc.layout->tid : 0;
#else
  // On other libcs pthread_self() is the block, as far as known. Look in the first part of the
  // block for words that hold the thread's number, in this thread and in another thread. Exactly
  // one word must match in both.
  constexpr auto look = [](void* result) {
    const auto* block = reinterpret_cast<const std::uint32_t*>(::pthread_self());
    const auto number = static_cast<std::uint32_t>(sys::call(SYS_gettid));
    std::uint32_t found = 0;
    for (unsigned i = 0; i < 32; ++i) found |= std::uint32_t{block[i] == number} << i;
    *static_cast<std::uint32_t*>(result) = found;
  };
  std::uint32_t here = 0, there = 0;
  look(&here);
  join(start({}, look, &there));
  const std::uint32_t both = here & there;
  return std::has_single_bit(both) ? std::countr_zero(both) * sizeof(std::uint32_t) : 0;
#endif
}

}  // namespace

const clone_layout& understood_layout() {
  static const auto* decided = new clone_layout(decide());
  return *decided;
}

std::uint32_t* number_of_caller() {
  static const std::size_t offset = find_number();
  if (offset == 0) return nullptr;
  auto* block = reinterpret_cast<unsigned char*>(::pthread_self());
  auto* number = reinterpret_cast<std::uint32_t*>(block + offset);
  return *number == static_cast<std::uint32_t>(sys::call(SYS_gettid)) ? number : nullptr;
}

}  // namespace hilo::kernel
