// How floating point rounds and traps on x86-64: MXCSR and the x87 control word.
#pragma once

#include <cstdint>

namespace hilo::context {

struct fp_control {
  std::uint32_t mxcsr = 0;
  std::uint16_t x87 = 0;
};

inline fp_control read_fp_control() noexcept {
  fp_control now;
  asm volatile("stmxcsr %0" : "=m"(now.mxcsr));
  asm volatile("fnstcw %0" : "=m"(now.x87));
  return now;
}

inline void write_fp_control(const fp_control& wanted) noexcept {
  asm volatile("ldmxcsr %0" ::"m"(wanted.mxcsr));
  asm volatile("fldcw %0" ::"m"(wanted.x87));
}

}  // namespace hilo::context
