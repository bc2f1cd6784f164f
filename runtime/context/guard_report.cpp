#include "runtime/context/guard_report.hpp"

#include <atomic>
#include <csignal>
#include <cstring>

#include <sys/mman.h>

#include "runtime/base/check.hpp"
#include "runtime/context/crash_report.hpp"
#include "runtime/context/stack_arena.hpp"

namespace hilo::context {
namespace {

// A fixed array, so that the handler walks it without a lock. If there are more arenas, the rest
// are not watched: an overflow there is a bare SIGSEGV. There is one arena for each stack size of
// each runtime.
constexpr std::size_t most_arenas = 64;
// A slot is filled by watch (release) and read by the handler (acquire): publishes the arena.
std::atomic<const stack_arena*> arenas[most_arenas];
std::atomic<describe_function> describer{nullptr};  // set once, before the first fiber runs
std::atomic<describe_running_function> running_describer{nullptr};  // likewise
struct sigaction previous;  // written before the handler is installed

constexpr std::size_t alternate_size = 64 * 1024;  // guess: the handler unwinds a stack

// From then on a fault ends the program, with a core dump and the status of the signal.
void set_default(int signal) noexcept {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
}

bool install(int signal, void (*handler)(int, siginfo_t*, void*)) noexcept {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(signal, &action, nullptr) == 0;
}

// Called once the default action is set: if the report faults itself, the process ends at once.
void report_running(int signal, const void* address) noexcept {
  char who[700];
  const auto describe = running_describer.load(std::memory_order_acquire);
  if (describe == nullptr || !describe(who, sizeof who)) return;
  report_crash(signal, address, who);
}

void on_fault(int signal, siginfo_t* info, void* machine) {
  for (const auto& slot : arenas) {
    const stack_arena* arena = slot.load(std::memory_order_acquire);
    char* top = arena == nullptr ? nullptr : arena->guarded_by(info->si_addr);
    if (top == nullptr) continue;
    char who[700] = "a fiber";
    if (auto describe = describer.load(std::memory_order_acquire)) describe(top, who, sizeof who);
    base::report(
        "stack overflow in %s: its stack of %zu KiB is full (raise runtime_options.stack_size or "
        "spawn_options.stack_size, or look for endless recursion; addr2line -i shows the line)",
        who, arena->stack_size() / 1024);
    set_default(signal);
    return;  // the instruction faults again
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, machine);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    return previous.sa_handler(signal);
  }
  ::sigaction(signal, &previous, nullptr);
  if (info->si_code > 0) report_running(signal, info->si_addr);
  // A signal sent by kill() does not come again by itself, but a fault does.
  if (info->si_code <= 0) ::raise(signal);
}

// The program had no handler for these when the first runtime started. If it has one now, this one
// is gone.
void on_other_fault(int signal, siginfo_t* info, void*) {
  set_default(signal);
  if (info->si_code > 0) {
    report_running(signal, info->si_addr);
  } else {
    ::raise(signal);
  }
}

void install_for_other_faults() {
  for (const int signal : {SIGBUS, SIGILL, SIGFPE}) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0) continue;
    if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) continue;
    (void)install(signal, on_other_fault);
  }
}

bool install_handler() {
  install_for_other_faults();
  ::sigaction(SIGSEGV, nullptr, &previous);
  return install(SIGSEGV, on_fault);
}

}  // namespace

void describe_stacks_with(describe_function describe) noexcept {
  describer.store(describe, std::memory_order_release);
}

void describe_running_with(describe_running_function describe) noexcept {
  running_describer.store(describe, std::memory_order_release);
}

void watch_guards(const stack_arena& arena) {
  [[maybe_unused]] static const bool installed = install_handler();
  for (auto& slot : arenas) {
    const stack_arena* none = nullptr;
    if (slot.compare_exchange_strong(none, &arena, std::memory_order_release,
                                     std::memory_order_relaxed)) {
      return;
    }
  }
}

void unwatch_guards(const stack_arena& arena) noexcept {
  for (auto& slot : arenas) {
    const stack_arena* mine = &arena;
    // relaxed: the handler can no longer fault in an arena whose fibers are gone
    slot.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed);
  }
}

alternate_stack::alternate_stack() {
  stack_t current{};
  if (::sigaltstack(nullptr, &current) == 0 && (current.ss_flags & SS_DISABLE) == 0) return;
  void* memory =
      ::mmap(nullptr, alternate_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // A spare carrier may start when no memory is left. It then has no alternate stack, and an
  // overflow there is a bare SIGSEGV.
  if (memory == MAP_FAILED) return;
  stack_t mine{};
  mine.ss_sp = memory;
  mine.ss_size = alternate_size;
  ::sigaltstack(&mine, nullptr);
  memory_ = memory;
}

alternate_stack::~alternate_stack() {
  if (memory_ == nullptr) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
  ::munmap(memory_, alternate_size);
}

}  // namespace hilo::context
