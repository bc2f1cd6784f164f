// Signals in hilo threads: sent to one thread, handled on a stack of the thread's own.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

namespace {

std::atomic<long> handled_by = 0;
std::atomic<std::uintptr_t> handler_frame = 0;

void note(int) {
  int local = 0;
  handler_frame.store(reinterpret_cast<std::uintptr_t>(&local), std::memory_order_relaxed);
  handled_by.store(::syscall(SYS_gettid), std::memory_order_release);
}

// Installs note() for SIGUSR1 while it lives.
struct handler {
  struct sigaction before {};
  explicit handler(int flags) {
    handled_by.store(0, std::memory_order_relaxed);
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = flags;
    ::sigaction(SIGUSR1, &action, &before);
  }
  ~handler() { ::sigaction(SIGUSR1, &before, nullptr); }
};

void wait_until_handled() {
  while (handled_by.load(std::memory_order_acquire) == 0) ::sched_yield();
}

}  // namespace

TEST_CASE("signal: pthread_kill and tgkill reach the very thread they name") {
  for (const bool by_number : {false, true}) {
    const handler installed(0);
    std::atomic<pthread_t> self = pthread_t{};
    hilo::thread target([&] {
      self.store(::pthread_self(), std::memory_order_release);
      wait_until_handled();
    });
    const auto number = target.native_id();
    pthread_t who{};
    while ((who = self.load(std::memory_order_acquire)) == pthread_t{}) ::sched_yield();
    if (by_number) {
      CHECK(::syscall(SYS_tgkill, ::getpid(), number, SIGUSR1) == 0);
    } else {
      CHECK(::pthread_kill(who, SIGUSR1) == 0);
    }
    target.join();
    CHECK(handled_by.load(std::memory_order_relaxed) == number);
  }
}

TEST_CASE("signal: a thread raises a signal for itself and interrupts its own sleep") {
  const handler installed(0);
  bool raised = false;
  hilo::thread([&] { raised = ::raise(SIGUSR1) == 0; }).join();
  CHECK(raised);
  CHECK(handled_by.load(std::memory_order_relaxed) != ::syscall(SYS_gettid));

  handled_by.store(0, std::memory_order_relaxed);
  int result = 0;
  hilo::thread sleeper([&] {
    const timespec hour{3600, 0};
    result = ::nanosleep(&hour, nullptr);
  });
  // The handler may come before the sleep: again until the sleep has ended.
  while (!sleeper.join_for(std::chrono::milliseconds(1))) {
    ::syscall(SYS_tgkill, ::getpid(), sleeper.native_id(), SIGUSR1);
  }
  CHECK(result == -1);
}

TEST_CASE("signal: a handler runs on the thread's alternate stack, which the next one lacks") {
  if (HILO_ASAN)
    HILO_SKIP("the address sanitizer frees the alternate stack of a thread as its own");
  const handler installed(SA_ONSTACK);
  alignas(16) static unsigned char alternate[65536];
  bool inside = false;
  hilo::thread([&] {
    stack_t stack{};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    ::sigaltstack(&stack, nullptr);
    ::raise(SIGUSR1);
    const auto frame = handler_frame.load(std::memory_order_relaxed);
    const auto low = reinterpret_cast<std::uintptr_t>(alternate);
    inside = frame >= low && frame < low + sizeof alternate;
  }).join();
  CHECK(inside);
  int flags = 0;
  hilo::thread([&] {
    stack_t stack{};
    ::sigaltstack(nullptr, &stack);
    flags = stack.ss_flags;
  }).join();
  CHECK(flags == SS_DISABLE);
}
