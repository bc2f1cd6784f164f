// A thread without a library: the system call, a stack, a thread pointer, a join. hilo::thread does
// this, and gives the thread a libc to call; this one may call nothing but the kernel.
#include <atomic>
#include <cstdint>
#include <cstdio>

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

thread_local int own = 0;  // found through the thread pointer
std::atomic<std::uint32_t> alive = 1;
int answer = 0;
int* address_of_own = nullptr;

alignas(64) unsigned char stack[64 * 1024];
alignas(64) unsigned char block[8 * 1024];  // thread_local variables, around the thread pointer

int body(void* argument) {
  own = 21;
  address_of_own = &own;
  answer = 2 * own + *static_cast<int*>(argument);
  return 0;
}

// The caller gets the child's number. The child starts on its own stack with the caller's
// registers; its first `ret` would need a frame there, so it calls body and ends right here.
long start(unsigned long flags, void* top, void* thread_pointer, int* argument) {
#if defined(__x86_64__)
  long result = SYS_clone;
  register auto child_tid asm("r10") = &alive;
  register void* tls asm("r8") = thread_pointer;
  register void* passed asm("r9") = argument;
  register auto function asm("r12") = body;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"            // not 0: we are the caller
      "xor %%ebp, %%ebp\n\t"  // no frame above ours
      "mov %%r9, %%rdi\n\t"   // the argument: registers are copied, stacks are not
      "call *%%r12\n\t"       // body
      "mov %[exit], %%eax\n\t"
      "xor %%edi, %%edi\n\t"
      "syscall\n\t"  // this thread alone ends; the kernel clears `alive`
      "1:"
      : "+a"(result)
      : "D"(flags), "S"(top), "d"(nullptr), "r"(child_tid), "r"(tls), "r"(passed),
        "r"(function), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory", "cc");
  return result;
#else
  return ::clone(body, top, static_cast<int>(flags), argument, nullptr, thread_pointer, &alive);
#endif
}

}  // namespace

int main() {
  void** thread_pointer = reinterpret_cast<void**>(block + sizeof block / 2);
#if defined(__x86_64__)
  // What the compiler itself looks for there: the pointer to itself, and the stack guard.
  auto** mine = static_cast<void**>(__builtin_thread_pointer());
  for (int word = 0; word < 8; ++word) thread_pointer[word] = mine[word];
  thread_pointer[0] = thread_pointer;
#endif
  int one = 1;
  const long id = start(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID,
                        stack + sizeof stack, thread_pointer, &one);
  if (id < 0) return 1;
  // The join. acquire: the kernel clears the word after the thread's last instruction.
  while (alive.load(std::memory_order_acquire) != 0) {
    ::syscall(SYS_futex, &alive, FUTEX_WAIT, 1, nullptr);  // woken by the kernel: not private
  }
  std::printf("the thread answered %d\n", answer);
  std::printf("its thread_local was %s, and ours is still %d\n",
              address_of_own != &own ? "another" : "ours", own);
}
