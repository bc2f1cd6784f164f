// The thread header of the CPU this is built for; one folder a CPU.
#pragma once

#if defined(__x86_64__)
#include "runtime/thread/x86_64/thread_header.hpp"
#elif defined(__aarch64__)
#include "runtime/thread/aarch64/thread_header.hpp"
#elif defined(__riscv) && __riscv_xlen == 64
#include "runtime/thread/riscv64/thread_header.hpp"
#else
#error "hilo: no thread header for this CPU; add runtime/thread/<cpu>/thread_header.hpp"
#endif
