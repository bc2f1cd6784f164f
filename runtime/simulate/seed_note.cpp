#include "runtime/simulate/seed_note.hpp"

#include <array>
#include <csignal>
#include <mutex>

#include "hilo/kernel/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/simulate/simulation.hpp"

namespace hilo::simulated {
namespace {

constexpr std::array fatal{SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

kernel::mutex changing;
unsigned users = 0;                                     // guarded by changing
std::array<struct sigaction, fatal.size()> previous{};  // written before a handler is installed

void on_end(int signal, siginfo_t* info, void*) {
  if (sched::decider* const who = sched::current_decider()) {
    const auto& run = static_cast<const simulation&>(*who);
    const auto seed = static_cast<unsigned long long>(run.seed());
    base::report(
        "this was in the simulation with seed %llu, decision %llu; HILO_SEED=%llu replays it", seed,
        static_cast<unsigned long long>(run.decisions()), seed);
  }
  for (std::size_t i = 0; i < fatal.size(); ++i) {
    if (fatal[i] == signal) ::sigaction(signal, &previous[i], nullptr);
  }
  // A fault comes again by itself. A signal that was sent does not.
  if (info->si_code <= 0) ::raise(signal);
}

}  // namespace

seed_note::seed_note() noexcept {
  const std::scoped_lock guard(changing);
  if (users++ != 0) return;
  struct sigaction action {};
  action.sa_sigaction = on_end;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < fatal.size(); ++i) ::sigaction(fatal[i], &action, &previous[i]);
}

seed_note::~seed_note() {
  const std::scoped_lock guard(changing);
  if (--users != 0) return;
  for (std::size_t i = 0; i < fatal.size(); ++i) ::sigaction(fatal[i], &previous[i], nullptr);
}

}  // namespace hilo::simulated
