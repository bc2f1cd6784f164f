// Raw system calls on riscv64. The number goes in a7, arguments in a0 to a5, the result is in a0.
// The kernel keeps all other integer and floating-point registers. A call destroys the vector
// registers (Linux, riscv/vector.rst, "Vector Register State Across System Calls"). Only a compiler
// that targets them can have values there.
#pragma once

#if defined(__riscv_vector)
#define HILO_SYSCALL_CLOBBERS                                                                    \
  "memory", "vl", "vtype", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",    \
      "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", \
      "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#else
#define HILO_SYSCALL_CLOBBERS "memory"
#endif

namespace hilo::sys::cpu {

inline long call0(long number) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0");
  asm volatile("ecall" : "=r"(a0) : "r"(a7) : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call1(long number, long a) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  asm volatile("ecall" : "+r"(a0) : "r"(a7) : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call2(long number, long a, long b) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  register long a1 asm("a1") = b;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1) : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call3(long number, long a, long b, long c) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  register long a1 asm("a1") = b;
  register long a2 asm("a2") = c;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call4(long number, long a, long b, long c, long d) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  register long a1 asm("a1") = b;
  register long a2 asm("a2") = c;
  register long a3 asm("a3") = d;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call5(long number, long a, long b, long c, long d, long e) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  register long a1 asm("a1") = b;
  register long a2 asm("a2") = c;
  register long a3 asm("a3") = d;
  register long a4 asm("a4") = e;
  asm volatile("ecall"
               : "+r"(a0)
               : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4)
               : HILO_SYSCALL_CLOBBERS);
  return a0;
}

inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  register long a7 asm("a7") = number;
  register long a0 asm("a0") = a;
  register long a1 asm("a1") = b;
  register long a2 asm("a2") = c;
  register long a3 asm("a3") = d;
  register long a4 asm("a4") = e;
  register long a5 asm("a5") = f;
  asm volatile("ecall"
               : "+r"(a0)
               : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
               : HILO_SYSCALL_CLOBBERS);
  return a0;
}

}  // namespace hilo::sys::cpu

#undef HILO_SYSCALL_CLOBBERS
