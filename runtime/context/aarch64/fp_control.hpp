// How floating point rounds and traps on aarch64: FPCR.
#pragma once

#include <cstdint>

namespace hilo::context {

struct fp_control {
  std::uint64_t fpcr = 0;
};

inline fp_control read_fp_control() noexcept {
  fp_control now;
  asm volatile("mrs %0, fpcr" : "=r"(now.fpcr));
  return now;
}

inline void write_fp_control(const fp_control& wanted) noexcept {
  asm volatile("msr fpcr, %0" ::"r"(wanted.fpcr));
}

}  // namespace hilo::context
