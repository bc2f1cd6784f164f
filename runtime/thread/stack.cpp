#include "runtime/thread/stack.hpp"

#include <cerrno>
#include <cstdint>
#include <utility>

#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/pages.hpp"
#include "runtime/base/sanitizers.hpp"
#include "runtime/sys/syscall.hpp"

#if HILO_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace hilo::kernel {
namespace {

// The stack that libc's own functions may need below a frame. glibc says how much on this CPU.
std::size_t smallest_stack() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN));
  return size;
}

// Half of the address space of a process on the narrowest CPU: more cannot be mapped.
constexpr std::size_t largest_stack = std::size_t{1} << 37;

[[noreturn, gnu::cold]] void fail_to_map(int error, std::size_t bytes) {
  std::string hint;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    hint = "RLIMIT_AS is " + base::format_bytes(limit.rlim_cur) + "; raise it";
  } else {
    hint = "memory or vm.max_map_count is used up; run fewer threads";
  }
  base::fail(error, "map " + base::format_bytes(bytes) + " for the stack of a thread",
             hint + " or set a smaller thread_options.stack_size");
}

}  // namespace

void check_stack_options(const thread_options& options) {
  const std::string hint = "thread_options.stack_size must be between " +
                           base::format_bytes(smallest_stack()) + " and " +
                           base::format_bytes(largest_stack);
  if (options.stack_size < smallest_stack() || options.stack_size > largest_stack) {
    base::fail(EINVAL, "start a thread with a stack of " + base::format_bytes(options.stack_size),
               hint);
  }
  if (options.guard_size > largest_stack) {
    base::fail(EINVAL, "start a thread with a guard of " + base::format_bytes(options.guard_size),
               "thread_options.guard_size is usually one page");
  }
}

stack stack::map(const thread_options& options) {
  check_stack_options(options);
  stack made;
  const std::size_t guard = base::to_pages(options.guard_size);
  const std::size_t bytes = base::to_pages(options.stack_size) + guard;
  // NORESERVE: a stack is mainly address space. STACK keeps huge pages away from it.
  const long address = sys::call(SYS_mmap, nullptr, bytes, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (address < 0 && address > -4096) fail_to_map(static_cast<int>(-address), bytes);
  made.base_ = reinterpret_cast<unsigned char*>(address);
  made.mapped_ = bytes;
  made.guard_ = guard;
  made.forget_frames();  // the frames of an earlier stack here whose thread never returned
  if (guard != 0) {
    const long error = sys::call(SYS_mprotect, made.base_, guard, PROT_NONE);
    if (error < 0) fail_to_map(static_cast<int>(-error), bytes);
  }
  return made;
}

bool stack::serves(const thread_options& options) const noexcept {
  // A stack up to four times too big is better than a new stack. A still bigger stack is kept for
  // threads that need it.
  return base_ != nullptr && options.stack_size >= smallest_stack() &&
         size() >= options.stack_size && size() / 4 <= base::to_pages(options.stack_size) &&
         guard_ == base::to_pages(options.guard_size);
}

void forget_frames([[maybe_unused]] const void* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if HILO_ASAN
  __asan_unpoison_memory_region(low, bytes);
#endif
}

stack::stack(stack&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      guard_(std::exchange(other.guard_, 0)) {}

stack& stack::operator=(stack&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(mapped_, other.mapped_);
  std::swap(guard_, other.guard_);
  return *this;
}

stack::~stack() {
  if (base_ == nullptr || sys::call(SYS_munmap, base_, mapped_) == 0) return;
  // The kernel may lack memory for its own table. Then give the stack's memory back first: that
  // helps more than giving its addresses back.
  sys::call(SYS_madvise, base_, mapped_, MADV_DONTNEED);
  sys::call(SYS_munmap, base_, mapped_);
}

}  // namespace hilo::kernel
