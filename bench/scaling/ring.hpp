// The ring of a worker's runnable fibers, as runtime/sched/queues/work_ring.hpp: the same steps, in
// the same order, on three kinds of lines: top, bottom and the slots.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bench/scaling/fiber.hpp"

namespace scaling {

class ring {
 public:
  static constexpr std::uint32_t capacity = 256;

  // --- for the owner ---

  step<bool> push(machine& m, thread& t, fiber& one) {
    co_await m.read(t, top_line_);
    if (bottom_ - top_ >= capacity) co_return false;
    co_await m.write(t, line_of(bottom_));
    slots_[bottom_ % capacity] = &one;
    co_await m.write(t, bottom_line_);
    ++bottom_;
    co_return true;
  }

  step<fiber*> take_newest(machine& m, thread& t, bool shared) {
    const std::uint32_t b = bottom_ - 1;
    co_await m.read(t, top_line_);
    if (static_cast<std::int32_t>(b - top_) < 0) co_return nullptr;
    if (!shared) {
      bottom_ = b;
      co_return slots_[b % capacity];
    }
    co_await m.update(t, bottom_line_);
    bottom_ = b;
    co_await m.read(t, top_line_);
    if (static_cast<std::int32_t>(b - top_) > 0) co_return slots_[b % capacity];
    fiber* last = nullptr;
    if (top_ == b) {
      co_await m.update(t, top_line_);
      if (top_ == b) {
        last = slots_[b % capacity];
        ++top_;
      }
    }
    co_await m.write(t, bottom_line_);
    bottom_ = b + 1;
    co_return last;
  }

  step<fiber*> take_oldest(machine& m, thread& t, bool shared) {
    co_await m.read(t, top_line_);
    while (bottom_ != top_) {
      const std::uint32_t seen = top_;
      fiber* const one = slots_[seen % capacity];
      if (!shared) {
        ++top_;
        co_return one;
      }
      co_await m.update(t, top_line_);
      if (top_ == seen) {
        ++top_;
        co_return one;
      }
    }
    co_return nullptr;
  }

  bool full() const noexcept { return bottom_ - top_ >= capacity; }
  bool empty() const noexcept { return bottom_ == top_; }
  std::uint32_t room() const noexcept { return capacity - (bottom_ - top_); }

  // --- for others ---

  step<std::uint32_t> size(machine& m, thread& t) {
    co_await m.read(t, top_line_);
    const std::uint32_t seen = top_;
    co_await m.read(t, bottom_line_);
    const auto n = static_cast<std::int32_t>(bottom_ - seen);
    co_return n > 0 ? static_cast<std::uint32_t>(n) : 0;
  }

  step<fiber*> steal(machine& m, thread& t) {
    co_await m.read(t, top_line_);
    const std::uint32_t seen = top_;
    co_await m.read(t, bottom_line_);
    if (static_cast<std::int32_t>(bottom_ - seen) <= 0) co_return nullptr;
    co_await m.read(t, line_of(seen));
    fiber* const one = slots_[seen % capacity];
    co_await m.update(t, top_line_);
    if (top_ != seen) co_return nullptr;
    ++top_;
    co_return one;
  }

  // How many fibers were taken from it.
  step<std::uint32_t> taken(machine& m, thread& t) {
    co_await m.read(t, top_line_);
    co_return top_;
  }

 private:
  static constexpr std::uint32_t slots_in_a_line = 8;
  line& line_of(std::uint32_t index) noexcept {
    return slot_lines_[index % capacity / slots_in_a_line];
  }

  std::uint32_t top_ = 0, bottom_ = 0;
  std::array<fiber*, capacity> slots_{};
  line top_line_{part::top}, bottom_line_{part::bottom};
  std::vector<line> slot_lines_{capacity / slots_in_a_line, line(part::slots)};
};

}  // namespace scaling
