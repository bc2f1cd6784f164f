// How floating point rounds on riscv64: fcsr.
#pragma once

#include <cstdint>

namespace hilo::context {

struct fp_control {
  std::uint32_t fcsr = 0;
};

inline fp_control read_fp_control() noexcept {
  fp_control now;
  asm volatile("frcsr %0" : "=r"(now.fcsr));
  return now;
}

inline void write_fp_control(const fp_control& wanted) noexcept {
  asm volatile("fscsr %0" ::"r"(wanted.fcsr));
}

}  // namespace hilo::context
