// What libc keeps around the thread pointer (tpidr_el0) on aarch64. The program's thread-local
// variables lie above it, at offsets that the linker chose. So its two words are as fixed as a
// calling convention. The block (`struct pthread`) ends where the thread pointer points:
//
//       block                          thread pointer
//       |  several_threads ...        |  dtv  |  unused  |  variables ...
//
// The stack guard and the pointer guard are global variables here: nothing to copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hilo::kernel::cpu {

struct thread_header {
  void* dtv;  // addresses of the modules' TLS; _dl_allocate_tls fills it
  void* unused;
};
static_assert(sizeof(thread_header) == 16, "the linker places variables behind it");

// Precedes every abort handler of a restartable sequence, so glibc and hilo must agree on it.
inline constexpr std::uint32_t rseq_signature = 0xd428bc00;

inline void* thread_pointer() noexcept {
  void* result;
  asm("mrs %0, tpidr_el0" : "=r"(result));
  return result;
}

// The calling thread's copy of a module's variables that has this place in every thread block.
inline unsigned char* variables_at(std::ptrdiff_t place) noexcept {
  return static_cast<unsigned char*>(thread_pointer()) + place;
}

// Checks the header of the calling thread. `block` and `block_size` are the caller's block.
inline bool header_is_understood(const void* block, std::size_t block_size) noexcept {
  const auto* end = static_cast<const unsigned char*>(block) + block_size;
  const auto* header = static_cast<const thread_header*>(thread_pointer());
  return static_cast<const void*>(header) == end && header->dtv != nullptr;
}

// `own` is the caller's block. The process must have had a second thread.
inline void prepare_header(void* block, const void* own) noexcept {
  // The first word, if glibc uses it: nonzero means that there are several threads.
  std::memcpy(block, own, sizeof(std::int32_t));
}

}  // namespace hilo::kernel::cpu
