// lay_first_frame(): the first frame of a fiber, on the CPU this is built for.
#pragma once

#if defined(__x86_64__)
#include "runtime/context/x86_64/first_frame.hpp"
#elif defined(__aarch64__)
#include "runtime/context/aarch64/first_frame.hpp"
#elif defined(__riscv) && __riscv_xlen == 64
#include "runtime/context/riscv64/first_frame.hpp"
#else
#error "hilo: no switch for this CPU; add runtime/context/<cpu>/"
#endif
