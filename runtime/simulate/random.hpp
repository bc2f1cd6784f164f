// Random numbers from a seed: the same on every machine.
#pragma once

#include <cstdint>

namespace hilo::simulated {

// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): neighbouring seeds give different sequences.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    return mix(state_);
  }
  // From 0 to count - 1; the bias of 2^-32 does not matter here.
  std::uint64_t below(std::uint64_t count) noexcept { return (next() >> 32) * count >> 32; }
  // True once in 2^bits.
  bool one_in_power(unsigned bits) noexcept { return (next() >> (64 - bits)) == 0; }

  static std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace hilo::simulated
