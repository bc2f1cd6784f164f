#include "tools/hilo/target.hpp"

#include <charconv>
#include <system_error>

#include "tools/hilo/failure.hpp"

namespace hilo::command {

std::optional<std::string> memory::text(address from, std::size_t most) {
  std::string all;
  constexpr std::size_t step = 32;
  while (all.size() < most) {
    // A step does not cross a page, because the next page may not exist.
    char some[step];
    const std::size_t bytes = step - from % step;
    if (!read(from, some, bytes)) return std::nullopt;
    for (std::size_t i = 0; i < bytes; ++i) {
      if (some[i] == '\0' || all.size() == most) return all;
      all += some[i];
    }
    from += bytes;
  }
  return all;
}

std::unique_ptr<target> open_target(const std::string& which) {
  int number = 0;
  const char* const end = which.data() + which.size();
  const auto [rest, error] = std::from_chars(which.data(), end, number);
  if (error == std::errc() && rest == end && number > 0) return open_process(number);
  return open_core(which);
}

}  // namespace hilo::command
