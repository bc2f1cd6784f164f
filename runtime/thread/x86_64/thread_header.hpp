// The head of a thread block on x86-64, which the compiler's own code relies on (fs:0 is the thread
// pointer itself, fs:0x28 the stack guard), so it is as fixed as a calling convention.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hilo::kernel::cpu {

struct thread_header {
  void* thread_pointer;          // points at itself
  void* dtv;                     // addresses of the modules' TLS; _dl_allocate_tls fills it
  void* self;                    // pthread_self()
  std::int32_t several_threads;  // nonzero: libc's cheap atomics take the lock prefix
  std::int32_t reserved;
  std::uintptr_t vdso;
  std::uintptr_t stack_guard;    // the canary: one value for the whole process
  std::uintptr_t pointer_guard;  // mixed into saved code pointers (setjmp, atexit)
};
static_assert(offsetof(thread_header, stack_guard) == 0x28);
static_assert(offsetof(thread_header, pointer_guard) == 0x30);

// Precedes every abort handler of a restartable sequence, so glibc and we must agree on it.
inline constexpr std::uint32_t rseq_signature = 0x53053053;

inline void* thread_pointer() noexcept {
  void* result;
  asm("mov %%fs:0, %0" : "=r"(result));
  return result;
}

// The thread pointer is the address of the block (`struct pthread`) on this CPU.
inline void* block_of(void* thread_pointer) noexcept {
  return thread_pointer;
}
inline void* thread_pointer_of(void* block) noexcept {
  return block;
}

inline bool header_is_understood() noexcept {
  const auto* header = static_cast<const thread_header*>(thread_pointer());
  return header->thread_pointer == header && header->self == header && header->dtv != nullptr;
}

inline void prepare_header(void* block) noexcept {
  const auto* mine = static_cast<const thread_header*>(thread_pointer());
  auto* header = static_cast<thread_header*>(block);
  header->thread_pointer = block;
  header->self = block;
  header->several_threads = 1;
  header->vdso = mine->vdso;
  header->stack_guard = mine->stack_guard;
  header->pointer_guard = mine->pointer_guard;
}

}  // namespace hilo::kernel::cpu
