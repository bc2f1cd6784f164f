// The head of a thread block on x86-64. Compiled code relies on it (fs:0 is the thread pointer
// itself, fs:0x28 the stack guard), so it is as fixed as a calling convention.
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

// Precedes every abort handler of a restartable sequence, so glibc and hilo must agree on it.
inline constexpr std::uint32_t rseq_signature = 0x53053053;

inline void* thread_pointer() noexcept {
  void* result;
  asm("mov %%fs:0, %0" : "=r"(result));
  return result;
}

// The calling thread's copy of a module's variables that has this place in every thread block.
inline unsigned char* variables_at(std::ptrdiff_t place) noexcept {
  return static_cast<unsigned char*>(thread_pointer()) - place;
}

// Checks the header of the calling thread. `block` and `block_size` are the caller's block. On this
// CPU the block begins where the thread pointer points; the program's variables lie before it.
inline bool header_is_understood(const void* block, std::size_t /*block_size*/) noexcept {
  const auto* header = static_cast<const thread_header*>(thread_pointer());
  return header == block && header->thread_pointer == header && header->self == header &&
         header->dtv != nullptr;
}

// `own` is the caller's block. The process must have had a second thread.
inline void prepare_header(void* block, const void* own) noexcept {
  const auto* mine = static_cast<const thread_header*>(own);
  auto* header = static_cast<thread_header*>(block);
  header->thread_pointer = block;
  header->self = block;
  header->several_threads = 1;
  header->vdso = mine->vdso;
  header->stack_guard = mine->stack_guard;
  header->pointer_guard = mine->pointer_guard;
}

}  // namespace hilo::kernel::cpu
