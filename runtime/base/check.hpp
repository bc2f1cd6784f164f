// Checks that stay in release builds. A broken invariant, or a misuse that cannot be reported to
// its caller, ends the process with one line that names it; a runtime that goes on after either
// loses wake-ups, which is far harder to find.
#pragma once

namespace hilo::base {

// Writes "hilo: <message>\n" to standard error in one write(2) and aborts. Async-signal-safe but
// for the formatting of floating point, which no message uses.
[[noreturn, gnu::cold, gnu::format(printf, 1, 2)]] void die(const char* format, ...) noexcept;

// The same line without the abort, for reports that precede another end (a re-raised signal).
[[gnu::cold, gnu::format(printf, 1, 2)]] void report(const char* format, ...) noexcept;

}  // namespace hilo::base

#define HILO_CHECK(condition, ...) \
  (__builtin_expect(!(condition), 0) ? ::hilo::base::die(__VA_ARGS__) : void())
