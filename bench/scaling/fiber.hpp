// A simulated fiber: a coroutine, and the state that the protocols of hilo read and write.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>

#include "bench/scaling/machine.hpp"
#include "bench/scaling/step.hpp"

namespace scaling {

class worker;

struct fiber {
  std::optional<step<void>> program;
  std::coroutine_handle<> next;  // where it goes on
  worker* at = nullptr;          // the worker that runs it
  bool on_cpu = false;           // it has not left its stack yet
  bool started = false;          // until it first runs it is new work, which any worker may take
  std::uint32_t lives = 0;       // begun so far, for the check that each ends once

  line block{part::fiber};  // the control block and the first frames: they move together

  // How the end meets the handle (runtime/sched/fibers/fiber.hpp). In `word`.
  line word{part::join};
  enum class state : std::uint8_t { running, joined, detached, ended } join = state::ended;
  fiber* joiner = nullptr;

  fiber* after = nullptr;         // in a wait list, a chain of free fibers, or the injector
  std::uint64_t* slot = nullptr;  // where a value is handed over
  bool wants_hand_over = false;   // of a mutex
};

// First in, first out.
class fiber_list {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  void push(fiber& one) noexcept {
    one.after = nullptr;
    (last_ != nullptr ? last_->after : first_) = &one;
    last_ = &one;
  }
  void push_front(fiber& one) noexcept {
    one.after = first_;
    first_ = &one;
    if (last_ == nullptr) last_ = &one;
  }
  fiber* pop() noexcept {
    fiber* const one = first_;
    if (one == nullptr) return nullptr;
    first_ = one->after;
    if (first_ == nullptr) last_ = nullptr;
    return one;
  }

 private:
  fiber* first_ = nullptr;
  fiber* last_ = nullptr;
};

}  // namespace scaling
