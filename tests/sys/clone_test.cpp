// The bare clone: a child on a stack of its own, in the same memory, without a thread block.
#include "runtime/sys/clone.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <new>

#include <linux/sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sys/futex.hpp"
#include "runtime/sys/syscall.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace sys = hilo::sys;

namespace {

// What the child saw when it entered C++. It runs on the parent's thread pointer, so it makes raw
// system calls only.
struct observed {
  std::uintptr_t return_address = 1;
  std::uintptr_t address_of_local = 0;
  long tid = 0;
};

[[noreturn, gnu::noinline]] void child(void* argument) {
  auto& seen = *static_cast<observed*>(argument);
  int local = 0;
  seen.return_address = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  seen.address_of_local = reinterpret_cast<std::uintptr_t>(&local);
  seen.tid = sys::call(SYS_gettid);
  for (;;) sys::call(SYS_exit, 42);
}

alignas(16) unsigned char child_stack[65536];

}  // namespace

TEST_CASE("clone: a child that shares memory starts on its own stack, with no frame above it") {
  HILO_NEEDS(clone_flags);
  observed seen;
  auto* top = child_stack + sizeof child_stack - sizeof(sys::clone_start);
  auto* start = ::new (top) sys::clone_start{child, &seen};
  std::uint32_t parent_tid = 0;
  sys::futex_word alive = 1;
  const long tid =
      sys::hilo_sys_clone(CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, start,
                          &parent_tid, reinterpret_cast<std::uint32_t*>(&alive), nullptr);
  REQUIRE(tid > 0);
  CHECK(parent_tid == static_cast<std::uint32_t>(tid));
  while (alive.load(std::memory_order_acquire) != 0) {
    sys::futex_wait(alive, 1, sys::futex_scope::shared);
  }
  int status = 0;
  CHECK(::waitpid(static_cast<pid_t>(tid), &status, 0) == tid);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
  CHECK(seen.tid == tid);
  CHECK(seen.return_address == 0);
  CHECK(seen.address_of_local > reinterpret_cast<std::uintptr_t>(child_stack));
  // The two words at `top` are taken off the stack before C++ is entered.
  CHECK(seen.address_of_local < reinterpret_cast<std::uintptr_t>(child_stack + sizeof child_stack));
}

TEST_CASE("clone: an impossible combination of flags makes no child and says why") {
  auto* top = child_stack + sizeof child_stack - sizeof(sys::clone_start);
  auto* start = ::new (top) sys::clone_start{child, nullptr};
  CHECK(sys::hilo_sys_clone(CLONE_THREAD | CLONE_VM, start, nullptr, nullptr, nullptr) == -EINVAL);
}
