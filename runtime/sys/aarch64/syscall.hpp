// Raw system calls on aarch64. The number goes in x8, arguments in x0 to x5, the result is in x0.
// The kernel keeps all other general registers, and the low 128 bits of the vector registers. A
// call destroys the higher bits of the vector registers and the predicates (Linux, arm64/sve.rst,
// "System call behaviour"). Only a compiler that targets SVE can have values there.
#pragma once

#if defined(__ARM_FEATURE_SVE)
#define HILO_SYSCALL_CLOBBERS                                                                    \
  "memory", "z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "z10", "z11", "z12",     \
      "z13", "z14", "z15", "z16", "z17", "z18", "z19", "z20", "z21", "z22", "z23", "z24", "z25", \
      "z26", "z27", "z28", "z29", "z30", "z31", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7",  \
      "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15", "ffr"
#else
#define HILO_SYSCALL_CLOBBERS "memory"
#endif

namespace hilo::sys::cpu {

inline long call0(long number) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0");
  asm volatile("svc #0" : "=r"(x0) : "r"(x8) : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call1(long number, long a) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8) : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call2(long number, long a, long b) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call3(long number, long a, long b, long c) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call4(long number, long a, long b, long c, long d) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call5(long number, long a, long b, long c, long d, long e) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
               : HILO_SYSCALL_CLOBBERS);
  return x0;
}

inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : HILO_SYSCALL_CLOBBERS);
  return x0;
}

}  // namespace hilo::sys::cpu

#undef HILO_SYSCALL_CLOBBERS
