// Checks that stay in release builds. A broken invariant ends the process with one line that names
// it. So does a misuse that cannot be reported to its caller. A runtime that goes on after either
// loses wake-ups, and a lost wake-up is far harder to find.
#pragma once

namespace hilo::base {

// Writes "hilo: <message>\n" to standard error in one write(2) and aborts. Async-signal-safe,
// except for the formatting of floating point, which no message uses.
[[noreturn, gnu::cold, gnu::format(printf, 1, 2)]] void die(const char* format, ...) noexcept;

// Writes the same line and does not abort. For reports before the process ends in another way (a
// re-raised signal).
[[gnu::cold, gnu::format(printf, 1, 2)]] void report(const char* format, ...) noexcept;

}  // namespace hilo::base

#define HILO_CHECK(condition, ...) \
  (__builtin_expect(!(condition), 0) ? ::hilo::base::die(__VA_ARGS__) : void())
