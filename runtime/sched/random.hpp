// Chance, where fairness wants it. Cheap and not to be relied on.
#pragma once

#include <cstdint>

namespace hilo::sched {

// A number from 0 to count - 1, from the carrier's generator or the thread's.
std::uint32_t random_below(std::uint32_t count) noexcept;

// 32 such bits.
std::uint32_t random_word() noexcept;

}  // namespace hilo::sched
