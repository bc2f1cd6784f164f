#include "runtime/base/signal_name.hpp"

#include <charconv>
#include <csignal>

namespace hilo::base {
namespace {

struct named {
  int signal;
  std::string_view name;
};
#define HILO_NAME(number) \
  { number, #number }
constexpr named names[] = {
    HILO_NAME(SIGABRT),   HILO_NAME(SIGALRM),  HILO_NAME(SIGBUS),  HILO_NAME(SIGCHLD),
    HILO_NAME(SIGCONT),   HILO_NAME(SIGFPE),   HILO_NAME(SIGHUP),  HILO_NAME(SIGILL),
    HILO_NAME(SIGINT),    HILO_NAME(SIGIO),    HILO_NAME(SIGKILL), HILO_NAME(SIGPIPE),
    HILO_NAME(SIGPROF),   HILO_NAME(SIGPWR),   HILO_NAME(SIGQUIT), HILO_NAME(SIGSEGV),
    HILO_NAME(SIGSYS),    HILO_NAME(SIGTERM),  HILO_NAME(SIGTRAP), HILO_NAME(SIGTSTP),
    HILO_NAME(SIGTTIN),   HILO_NAME(SIGTTOU),  HILO_NAME(SIGUSR1), HILO_NAME(SIGUSR2),
    HILO_NAME(SIGVTALRM), HILO_NAME(SIGWINCH), HILO_NAME(SIGXCPU), HILO_NAME(SIGXFSZ),
};
#undef HILO_NAME

// Whether the whole text is a number.
bool is_number(std::string_view text, int& number) noexcept {
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end;
}

}  // namespace

std::string signal_name(int signal) {
  for (const named& each : names) {
    if (each.signal == signal) return std::string(each.name);
  }
  return "signal " + std::to_string(signal);
}

int signal_number(std::string_view text) noexcept {
  constexpr std::string_view prefix = "SIG";
  constexpr std::string_view realtime = "RTMIN+";
  int number = 0;
  if (is_number(text, number)) return number;
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  if (text.starts_with(realtime)) {
    return is_number(text.substr(realtime.size()), number) && number >= 0 ? SIGRTMIN + number : 0;
  }
  for (const named& each : names) {
    if (each.name.substr(prefix.size()) == text) return each.signal;
  }
  return 0;
}

}  // namespace hilo::base
