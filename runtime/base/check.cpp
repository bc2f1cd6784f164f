#include "runtime/base/check.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace hilo::base {
namespace {

// The whole line goes out in one write so that lines of several threads do not mix.
void write_line(const char* format, std::va_list arguments) noexcept {
  char line[1024] = "hilo: ";
  constexpr int prefix = 6;
  const int room = static_cast<int>(sizeof line) - prefix - 1;
  const int wanted =
      std::vsnprintf(line + prefix, static_cast<std::size_t>(room), format, arguments);
  const int length = prefix + std::clamp(wanted, 0, room - 1);
  line[length] = '\n';
  // If the write is short or fails, nothing better can be done than to go on.
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, line, static_cast<std::size_t>(length) + 1);
}

}  // namespace

void die(const char* format, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
  std::abort();
}

void report(const char* format, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}

}  // namespace hilo::base
