// The floating-point control words of the CPU this is built for: read_fp_control() and
// write_fp_control(). A switch does not change them, so they stay with the carrier. A fiber may ask
// to keep its own.
#pragma once

#if defined(__x86_64__)
#include "runtime/context/x86_64/fp_control.hpp"
#elif defined(__aarch64__)
#include "runtime/context/aarch64/fp_control.hpp"
#elif defined(__riscv) && __riscv_xlen == 64
#include "runtime/context/riscv64/fp_control.hpp"
#else
#error "hilo: no floating-point control for this CPU; add runtime/context/<cpu>/fp_control.hpp"
#endif
