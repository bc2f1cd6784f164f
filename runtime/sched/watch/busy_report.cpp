#include "runtime/sched/watch/busy_report.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include <dlfcn.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hilo/kernel/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/sys/futex.hpp"

namespace hilo::sched {
namespace {

constexpr std::chrono::milliseconds patience(
    200);  // wait for the answer: the carrier may be off its CPU

// One question at a time, in the whole process.
kernel::mutex asking;

// tid: the thread that must answer; 0: there is no question. The answer belongs to the handler
// until it stores `answered` with release; the asker acquires it (B).
struct question {
  std::atomic<int> tid{0};
  sys::futex_word answered{0};
  std::uint32_t tick = 0;
  void* pc = nullptr;
  std::array<char, 160> who{};
} sample;

void* program_counter(const void* machine) noexcept {
  const auto& registers = static_cast<const ucontext_t*>(machine)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<void*>(registers.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void*>(registers.pc);
#elif defined(__riscv)
  return reinterpret_cast<void*>(registers.__gregs[REG_PC]);
#else
#error "which register is the program counter?"
#endif
}

void on_question(int, siginfo_t*, void* machine) {
  int mine = static_cast<int>(::syscall(SYS_gettid));
  // (B) acquire: the asker is done with the last answer
  if (!sample.tid.compare_exchange_strong(mine, 0, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
    return;
  }
  sample.who[0] = '\0';
  sample.pc = program_counter(machine);
  if (worker* const here = current_worker()) {
    sample.tick = here->its_queue().tick();
    if (&here->running() != &here->base()) {
      describe_fiber(here->running(), sample.who.data(), sample.who.size());
    }
  }
  sample.answered.store(1, std::memory_order_release);  // (B)
  sys::futex_wake_one(&sample.answered);
}

enum class handler : std::uint8_t { none, of_hilo, of_program };

handler installed() noexcept {
  struct sigaction now {};
  if (::sigaction(SIGURG, nullptr, &now) != 0) return handler::none;
  if (is_question_handler(now)) return handler::of_hilo;
  const bool none =
      (now.sa_flags & SA_SIGINFO) == 0 && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN);
  return none ? handler::none : handler::of_program;
}

bool ready_to_ask() noexcept {
  if (const handler there = installed(); there != handler::none) return there == handler::of_hilo;
  struct sigaction action {};
  action.sa_sigaction = on_question;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(SIGURG, &action, nullptr) == 0;
}

// True: the sample holds the answer of that thread.
bool ask(int tid) noexcept {
  if (!ready_to_ask()) return false;
  sample.answered.store(0, std::memory_order_relaxed);
  sample.tid.store(tid, std::memory_order_release);  // (B)
  const auto until = sys::futex_clock::now() + patience;
  if (::syscall(SYS_tgkill, ::getpid(), tid, SIGURG) == 0) {
    while (sample.answered.load(std::memory_order_acquire) == 0) {  // (B)
      if (sys::futex_wait_until(sample.answered, 0, until) == -ETIMEDOUT) break;
    }
  }
  int expected = tid;
  if (sample.tid.compare_exchange_strong(expected, 0, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
    return false;  // taken back: a late handler finds no question
  }
  while (sample.answered.load(std::memory_order_acquire) == 0) base::cpu_relax();  // (B)
  return true;
}

// "parse+0x41 (server+0x1a2b)", as far as the dynamic symbols allow.
std::string describe_place(void* pc) {
  Dl_info found{};
  char text[512];
  if (::dladdr(pc, &found) == 0 || found.dli_fname == nullptr) {
    std::snprintf(text, sizeof text, "%p", pc);
    return text;
  }
  const std::string_view path = found.dli_fname;
  const std::string file(path.substr(path.rfind('/') + 1));
  const auto offset = [pc](const void* from) {
    return static_cast<std::size_t>(static_cast<char*>(pc) - static_cast<const char*>(from));
  };
  if (found.dli_sname != nullptr) {
    std::snprintf(text, sizeof text, "%s+%#zx (%s+%#zx)", found.dli_sname, offset(found.dli_saddr),
                  file.c_str(), offset(found.dli_fbase));
  } else {
    std::snprintf(text, sizeof text, "%s+%#zx", file.c_str(), offset(found.dli_fbase));
  }
  return text;
}

}  // namespace

bool report_busy_fiber(worker& one, std::uint32_t tick, std::int64_t held, bool ask_it,
                       const std::function<void(std::string_view)>& sink) noexcept try {
  std::string who = "a fiber";
  std::string place = "an unknown place (no answer to SIGURG)";
  if (!ask_it) place = "an unknown place (a signal might end a system call of it)";
  if (ask_it) {
    const std::scoped_lock guard(asking);
    if (ask(one.its_carrier().id())) {
      if (sample.tick != tick || sample.who[0] == '\0') return false;
      who = sample.who.data();
      place = describe_place(sample.pc);
    }
  }
  if (one.its_queue().tick() != tick) return false;
  char line[1024];
  std::snprintf(line, sizeof line,
                "%s has kept carrier %u for %.1f s without a call that parks, and is at %s; let it "
                "yield, or run it in hilo::blocking",
                who.c_str(), one.index(), static_cast<double>(held) / 1e9, place.c_str());
  if (sink) {
    sink(line);
  } else {
    base::report("%s", line);
  }
  return true;
} catch (const std::exception&) {
  return false;  // no memory for the line
}

bool interrupt_call(int tid) noexcept {
  if (!ready_to_ask() && installed() == handler::none) return false;
  return ::syscall(SYS_tgkill, ::getpid(), tid, SIGURG) == 0;
}

bool is_question_handler(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_question;
}

void forget_question() noexcept {
  std::construct_at(&asking);
  sample.tid.store(0, std::memory_order_relaxed);
}

}  // namespace hilo::sched
