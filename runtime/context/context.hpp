// The machine part of a fiber: where it continues, and the switch from one fiber to the next.
//
// A switch saves the registers that the calling convention makes a callee keep, on the stack of the
// fiber that it leaves. The stack pointer is the only word kept elsewhere. The switch leaves by an
// indirect jump and not by `ret`: the return address belongs to another fiber's call, so the return
// predictor is always wrong about it (measured: 10 ns with ret, 3.6 ns with the jump). For the same
// reason the functions that park tail-call the switch. The switch then returns their result
// straight to their caller.
//
// on_cpu: a waker may make a fiber runnable while the fiber is still on its way off its stack. So
// the switch itself clears on_cpu of the context it left, as its first store on the new stack. A
// worker that takes a fiber from a queue checks on_cpu before it switches there (scheduler, essay
// in sched/worker.hpp).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/context/first_frame.hpp"
#include "runtime/context/sanitizer.hpp"

namespace hilo::context {

struct context {
  void* sp = nullptr;  // valid while suspended: points at the saved registers

  static constexpr std::uint32_t held = 2;  // by hold()

  // 1 from just before a carrier switches here until that carrier has left this stack again.
  // Written by the carrier that runs the fiber, read by carriers that want to run it. (S) release
  // (in the switch): publishes sp and the stack's content; pairs with off_cpu().
  std::atomic<std::uint32_t> on_cpu{0};

  // The return value of the suspended call. The waker writes it before it makes the fiber runnable.
  std::uint32_t result = 0;

  [[no_unique_address]] sanitizer_context sanitizer;

  // (S) acquire: pairs with the release in the switch.
  bool off_cpu() const noexcept { return on_cpu.load(std::memory_order_acquire) == 0; }

  // Keeps a suspended context from being continued, so that its stack can be read (H). That is not
  // certain yet: a carrier may have found off_cpu() true before, and then stores 1 over this value.
  // So the holder makes a heavy_fence, and then looks whether the fiber still waits and, after
  // that, for is_held(). A carrier took the fiber from a queue before it looked at on_cpu, so a
  // waker has ended the wait before that. If the carrier looked before hold(), the fence has made
  // the waker's store visible, and the fiber does not wait any more. If the carrier looks after
  // hold(), it finds `held`, and waits.
  bool hold() noexcept {
    std::uint32_t free = 0;
    return on_cpu.compare_exchange_strong(free, held, std::memory_order_seq_cst,
                                          std::memory_order_relaxed);  // (H)
  }
  bool is_held() const noexcept { return on_cpu.load(std::memory_order_acquire) == held; }
  // Also after a carrier stored over it; does nothing then.
  void let_go() noexcept {
    std::uint32_t mine = held;
    (void)on_cpu.compare_exchange_strong(mine, 0, std::memory_order_release,
                                         std::memory_order_relaxed);
  }

  // Returns once off_cpu() is true. That takes some tens of instructions, unless the carrier lost
  // its CPU on the way out. Must not be called on a stack that another carrier may wait for in turn
  // (sched/worker.hpp, "Leaving a stack").
  void wait_off_cpu() const noexcept {
    if (!off_cpu()) [[unlikely]]
      wait_off_cpu_slow();
  }
  void wait_off_cpu_slow() const noexcept;
};

inline constexpr std::size_t context_sp = 0;
inline constexpr std::size_t context_on_cpu = 8;
inline constexpr std::size_t context_result = 12;
static_assert(offsetof(context, sp) == context_sp, "the switch in assembly uses this offset");
static_assert(offsetof(context, on_cpu) == context_on_cpu, "the switch in assembly uses it");
static_assert(offsetof(context, result) == context_result, "the switch in assembly uses it");

// Leaves `from` and continues `to`. Returns from.result when another switch continues `from`.
extern "C" std::uint32_t hilo_switch_context(context* from, context* to) noexcept;

// The same if one of the two has its own thread block: continues with that thread pointer.
extern "C" std::uint32_t hilo_switch_context_and_tls(context* from, context* to,
                                                     void* thread_pointer) noexcept;

// Leaves `from` for good and continues `to`. Ends a fiber's last function, which must be entered by
// tail calls from the fiber's entry on: then the return predictor is right about `to`
// (docs/decisions/switch.md).
extern "C" void hilo_leave_context(context* from, context* to) noexcept;

// Changes the calling kernel thread's thread pointer. Only for functions that use no thread-local
// variable themselves: a compiler may keep the address of such a variable across the call.
extern "C" void hilo_set_thread_pointer(void* thread_pointer) noexcept;

// Lays out `to` so that the first switch there calls entry(argument) on the stack that ends at
// `top` (16-byte aligned). entry ends by leave_context(); unwinding ends below it.
using entry_function = void (*)(void* argument);
inline void prepare_context(context& to, char* top, entry_function entry, void* argument) noexcept {
  to.sp = lay_first_frame(top, entry, argument);
}

// The switch, and its report to the sanitizers. `dying`: from is never continued.
inline std::uint32_t switch_context(context& from, context& to, bool dying = false) noexcept {
  to.on_cpu.store(1, std::memory_order_relaxed);  // no other thread reads it: `to` is ours to run
  if constexpr (sanitizing) {
    from.sanitizer.leave(to.sanitizer, dying, &from.on_cpu);
    const std::uint32_t result = hilo_switch_context(&from, &to);
    from.sanitizer.arrive();
    return result;
  } else {
    return hilo_switch_context(&from, &to);
  }
}

// The same when `from` has ended: it is never continued. Not marked as a function that never
// returns, because compilers make no tail call of such a function.
inline void leave_context(context& from, context& to) noexcept {
  to.on_cpu.store(1, std::memory_order_relaxed);  // as above
  if constexpr (sanitizing) from.sanitizer.leave(to.sanitizer, true, &from.on_cpu);
  hilo_leave_context(&from, &to);
}

// The same as switch_context() if one of the two has its own thread block. Does not report to the
// sanitizers: where a report is needed, such fibers are refused (context/tls_block.hpp).
inline std::uint32_t switch_context_and_tls(context& from, context& to,
                                            void* thread_pointer) noexcept {
  to.on_cpu.store(1, std::memory_order_relaxed);  // as above
  return hilo_switch_context_and_tls(&from, &to, thread_pointer);
}

}  // namespace hilo::context
