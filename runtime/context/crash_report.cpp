#include "runtime/context/crash_report.hpp"

#include <csignal>
#include <cstdint>

#include <unistd.h>
#include <unwind.h>

#include "runtime/base/check.hpp"
#include "runtime/base/code_address.hpp"

namespace hilo::context {
namespace {

constexpr int most_frames = 64;
constexpr unsigned patience = 10;  // s, for the unwinder

const char* name_of(int signal) noexcept {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "a signal";
  }
}

// The walk begins in the handler. It shows frames from the interrupted one on, which is the first
// whose address is that of the instruction itself and not a return address.
struct walk {
  bool in_fiber = false;
  int frames = 0;
};

_Unwind_Reason_Code show_frame(_Unwind_Context* context, void* argument) {
  walk& so_far = *static_cast<walk*>(argument);
  int before = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(context, &before);
  if (address == 0) return _URC_END_OF_STACK;
  so_far.in_fiber = so_far.in_fiber || before != 0;
  if (!so_far.in_fiber) return _URC_NO_REASON;
  char place[600];
  base::format_code_address(reinterpret_cast<const void*>(address - (before != 0 ? 0 : 1)), place,
                            sizeof place);
  base::report("  %2d %s", so_far.frames, place);
  return ++so_far.frames < most_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

}  // namespace

void report_crash(int signal, const void* address, const char* who) noexcept {
  base::report("%s at address %p in %s; its backtrace follows (addr2line -i shows the lines)",
               name_of(signal), address, who);
  ::signal(SIGALRM, SIG_DFL);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  ::alarm(patience);
  walk all;
  _Unwind_Backtrace(show_frame, &all);
  ::alarm(0);
}

}  // namespace hilo::context
