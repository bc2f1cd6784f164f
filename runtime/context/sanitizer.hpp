// Everything that address sanitizer, thread sanitizer and valgrind must be told about stacks and
// switches. No other file knows them. Without them everything here is empty and costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/base/sanitizers.hpp"

#if HILO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if HILO_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HILO_VALGRIND 1
#else
#define HILO_VALGRIND 0
#endif

namespace hilo::context {

inline constexpr bool sanitizing = HILO_ASAN || HILO_TSAN;

// Makes the address sanitizer forget the frames in [low, low + bytes), which will never return.
inline void forget_frames([[maybe_unused]] const void* low,
                          [[maybe_unused]] std::size_t bytes) noexcept {
#if HILO_ASAN
  __asan_unpoison_memory_region(low, bytes);
#endif
}

// The sanitizers' half of a context.
struct sanitizer_context {
#if HILO_ASAN
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
#endif
#if HILO_TSAN
  void* fiber = nullptr;
#endif

  // One of our stacks starts a new life; its bounds are [low, low + bytes).
  void create([[maybe_unused]] const void* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if HILO_ASAN
    bottom = low;
    size = bytes;
    fake_stack = nullptr;
    forget_frames(low, bytes);
#endif
#if HILO_TSAN
    fiber = __tsan_create_fiber(0);
#endif
  }

  // The context is the kernel thread's own stack.
  void adopt([[maybe_unused]] const void* low, [[maybe_unused]] std::size_t bytes) noexcept {
#if HILO_ASAN
    bottom = low;
    size = bytes;
#endif
#if HILO_TSAN
    fiber = __tsan_get_current_fiber();
#endif
  }

  // The life ends. Must be called from another stack.
  void destroy() noexcept {
#if HILO_TSAN
    if (fiber != nullptr) __tsan_destroy_fiber(fiber);
    fiber = nullptr;
#endif
  }

  // on_cpu: the word that the switch stores to with release. It does so in assembly, which the
  // sanitizer cannot see. Inlined without optimisation, too: the thread sanitizer keeps a stack of
  // calls for each fiber, and a call that begins on one and returns on the other spoils both.
  [[gnu::always_inline]] void leave([[maybe_unused]] sanitizer_context& to,
                                    [[maybe_unused]] bool dying,
                                    [[maybe_unused]] void* on_cpu) noexcept {
#if HILO_ASAN
    if (dying) __asan_handle_no_return();  // forgets the frames up to here
    __sanitizer_start_switch_fiber(dying ? nullptr : &fake_stack, to.bottom, to.size);
#endif
#if HILO_TSAN
    __tsan_release(on_cpu);
    __tsan_switch_to_fiber(to.fiber, 0);
#endif
  }

  void arrive() noexcept {
#if HILO_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }
};

// Tells valgrind about stacks, so that a switch does not look like a jump of the stack pointer.
// Under valgrind only, keeps the numbers that valgrind gives the stacks.
class stack_registry {
 public:
  // `count` stacks of `bytes` each, the first at `low`, each `stride` above the one before.
  // Callable from any thread.
  void add([[maybe_unused]] const char* low, [[maybe_unused]] std::size_t bytes,
           [[maybe_unused]] std::size_t stride, [[maybe_unused]] std::size_t count) noexcept {
#if HILO_VALGRIND
    if (RUNNING_ON_VALGRIND == 0) return;
    const std::scoped_lock guard(lock_);
    for (std::size_t i = 0; i < count; ++i, low += stride) {
      names_.push_back(VALGRIND_STACK_REGISTER(low, low + bytes));
    }
#endif
  }

  void forget_all() noexcept {
#if HILO_VALGRIND
    for ([[maybe_unused]] const unsigned name : names_) VALGRIND_STACK_DEREGISTER(name);
    names_.clear();
#endif
  }

#if HILO_VALGRIND
 private:
  detail::spin_lock lock_;
  std::vector<unsigned> names_;  // guarded by lock_
#endif
};

// Silences valgrind while the caller reads or paints memory below the stack pointer of a stack.
// Valgrind takes that memory for unused.
class unreported_access {
 public:
#if HILO_VALGRIND
  unreported_access() noexcept {
    VALGRIND_DISABLE_ERROR_REPORTING;
  }
  ~unreported_access() {
    VALGRIND_ENABLE_ERROR_REPORTING;
  }
#else
  unreported_access() noexcept {}
#endif
  // Returns the result of such a read. Memcheck takes a loop's `inside && word == pattern` for one
  // value. So a word that was never written makes the address where the loop ends look unwritten
  // too.
  const char* found([[maybe_unused]] const char* at) const noexcept {
#if HILO_VALGRIND
    (void)VALGRIND_MAKE_MEM_DEFINED(&at, sizeof at);
#endif
    return at;
  }
  unreported_access(const unreported_access&) = delete;
  unreported_access& operator=(const unreported_access&) = delete;
};

}  // namespace hilo::context
