#include "runtime/sched/watch/dump_signal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <string>

#include "runtime/base/error.hpp"
#include "runtime/base/signal_name.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/scheduler.hpp"

namespace hilo::sched {
namespace {

// Why a signal cannot be used; empty: it can.
std::string refusal_of(int signal) {
  constexpr int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
  const bool named = signal >= 1 && signal < 32;
  if (!named && (signal < SIGRTMIN || signal > SIGRTMAX)) return "there is no such signal";
  if (signal == SIGKILL || signal == SIGSTOP) return "no program can handle that signal";
  if (signal == SIGURG) return "hilo uses that signal for reports of busy fibers";
  const bool fault = std::find(std::begin(faults), std::end(faults), signal) != std::end(faults);
  return fault ? "that signal reports a crash" : "";
}

constexpr const char* remedy = "; choose another, such as USR1, or a number such as 10";

// The process-wide wish reaches one monitor. A runtime that ends waits until no handler reads the
// registry (unlist_runtime).
void on_dump_signal(int) {
  const int saved = errno;
  {
    const registry_reader section;
    for (auto& place : all_runtimes.runtimes) {
      scheduler* const one = place.load(std::memory_order_seq_cst);  // (RH2)
      if (one != nullptr && !one->left_behind() && one->watching().ask_for_dump()) break;
    }
  }
  errno = saved;
}

}  // namespace

int dump_signal_of_environment(int wanted) {
  const char* const text = std::getenv("HILO_DUMP_SIGNAL");
  const std::string said = text != nullptr ? text : "";
  const int signal = said.empty() ? wanted : base::signal_number(said);
  if (signal == 0 && said.empty()) return 0;
  const std::string refused = refusal_of(signal);
  if (!refused.empty()) {
    base::fail(EINVAL, "start a runtime",
               (said.empty() ? "runtime_options.dump_signal is " + std::to_string(signal)
                             : "HILO_DUMP_SIGNAL is \"" + said + "\"") +
                   ": " + refused + remedy);
  }
  return signal;
}

void install_dump_signal(int signal) {
  struct sigaction now {};
  if (::sigaction(signal, nullptr, &now) == 0) {
    if (is_dump_handler(now)) return;
    if ((now.sa_flags & SA_SIGINFO) != 0 ||
        (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)) {
      base::fail(EBUSY, "start a runtime",
                 "the program handles signal " + std::to_string(signal) +
                     ", which HILO_DUMP_SIGNAL or runtime_options.dump_signal names" + remedy);
    }
  }
  struct sigaction action {};
  action.sa_handler = on_dump_signal;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  (void)::sigaction(signal, &action, nullptr);  // it is a signal that can be handled
}

bool is_dump_handler(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_dump_signal;
}

}  // namespace hilo::sched
