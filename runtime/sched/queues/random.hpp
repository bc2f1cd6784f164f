// Random numbers where fairness needs them. Cheap, of low quality.
#pragma once

#include <cstdint>

namespace hilo::sched {

// A number from 0 to count - 1, from the carrier's generator or the thread's.
std::uint32_t random_below(std::uint32_t count) noexcept;

// 32 random bits from the same generator.
std::uint32_t random_word() noexcept;

}  // namespace hilo::sched
