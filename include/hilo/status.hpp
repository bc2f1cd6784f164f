// How a call ended, for calls that may end in several ways in a correct program.
#pragma once

#include <cstdint>

#include "hilo/detail/api.hpp"

namespace hilo {

// Returned where an exception would be wrong: a closed channel is not an error of the program. If
// ignoring the status would lose a value, the call is marked [[nodiscard]].
enum class status : std::uint32_t {
  ok,           // done
  closed,       // the other side is gone: nothing more can be sent, or all was received
  would_block,  // a try_ call found that it would have to wait
  timed_out,    // the deadline passed first
  cancelled,    // the caller was asked to stop first
  lagged,       // a receiver was too slow, and messages were lost (hilo/broadcast.hpp)
  failed,       // the kernel refused; hilo::result says why
};

// The enumerator's name, for messages.
constexpr const char* to_string(status value) noexcept {
  switch (value) {
    case status::ok:
      return "ok";
    case status::closed:
      return "closed";
    case status::would_block:
      return "would_block";
    case status::timed_out:
      return "timed_out";
    case status::cancelled:
      return "cancelled";
    case status::lagged:
      return "lagged";
    case status::failed:
      return "failed";
  }
  return "no status";
}

// The last argument of a call that a stop request or a limit may end (hilo/limit.hpp). Without it,
// a call that has the name and the result of a call of the standard library keeps the standard's
// contract: it returns only when the event that it waits for has come.
//
//   if (gate.wait(hilo::interruptible) != hilo::status::ok) return;
struct interruptible_t {
  explicit interruptible_t() = default;
};
inline constexpr interruptible_t interruptible{};

}  // namespace hilo
