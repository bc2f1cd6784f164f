// A stack of free slots without locks, by compare-and-swap of its head. One that takes the head
// reads the slot below and then swaps; if the head was taken, and the same slot given back
// meanwhile, the swap succeeds and makes a slot the head that another holds (the ABA problem).
// hilo::simulation_point() marks where others may come between.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <stdexcept>

namespace {

constexpr std::uint32_t slots = 3;
constexpr std::uint32_t none = slots;

// The head is the index of a slot and, in the upper half, a count of its changes, which moves on by
// `Step`: with 0 a head that came back looks like one that never went.
template <std::uint64_t Step>
class free_slots {
 public:
  free_slots() {
    for (std::uint32_t i = 0; i < slots; ++i) below_[i].store(i + 1, std::memory_order_relaxed);
  }

  std::uint32_t take() {
    std::uint64_t seen = head_.load(std::memory_order_acquire);
    while (true) {
      const auto top = static_cast<std::uint32_t>(seen);
      if (top == none) return none;
      const std::uint32_t next = below_[top].load(std::memory_order_relaxed);
      hilo::simulation_point();
      if (swap(seen, next)) return top;
    }
  }
  void give(std::uint32_t slot) {
    std::uint64_t seen = head_.load(std::memory_order_relaxed);
    do {
      below_[slot].store(static_cast<std::uint32_t>(seen), std::memory_order_relaxed);
      hilo::simulation_point();
    } while (!swap(seen, slot));
  }

 private:
  bool swap(std::uint64_t& seen, std::uint32_t top) {
    const std::uint64_t changed = ((seen >> 32) + Step) << 32 | top;
    return head_.compare_exchange_strong(seen, changed, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  std::atomic<std::uint64_t> head_{0};
  std::array<std::atomic<std::uint32_t>, slots> below_{};
};

template <std::uint64_t Step>
void share_slots() {
  free_slots<Step> free;
  std::array<bool, slots> held{};
  const auto hold = [&] {
    const std::uint32_t slot = free.take();
    if (slot == none) return none;
    if (held[slot]) throw std::logic_error("a slot is held twice");
    held[slot] = true;
    return slot;
  };
  const auto release = [&](std::uint32_t slot) {
    if (slot == none) return;
    held[slot] = false;
    free.give(slot);
  };
  const auto use = [&] {
    for (int i = 0; i < 3; ++i) {
      const std::uint32_t first = hold();
      const std::uint32_t second = hold();
      release(first);
      release(second);
    }
  };
  auto one = hilo::spawn(use);
  auto other = hilo::spawn(use);
  one.join();
  other.join();
}

}  // namespace

int main() {
  try {
    hilo::explore({.seeds = 10'000}, share_slots<0>);
    std::puts("without a count: nothing found");
  } catch (const hilo::simulation_failure& failure) {
    try {
      std::rethrow_exception(failure.cause);
    } catch (const std::logic_error& cause) {
      std::printf("without a count: %s\n", cause.what());
    }
    // The seed is all it takes to see the same run again, under a debugger perhaps.
    try {
      hilo::simulate(failure.run.seed, share_slots<0>);
    } catch (const hilo::simulation_failure& again) {
      std::puts(again.run.trace == failure.run.trace ? "and again, the same run" : "another run");
    }
  }
  const auto runs = hilo::explore({.seeds = 10'000}, share_slots<1>).runs;
  std::printf("with a count: %llu runs, no failure\n", static_cast<unsigned long long>(runs));
}
