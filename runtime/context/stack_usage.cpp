#include "runtime/context/stack_usage.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/pages.hpp"
#include "runtime/context/sanitizer.hpp"

namespace hilo::context {
namespace {

constexpr std::uint64_t pattern = 0xa5c3'5a3c'96e1'781eU;

std::uint64_t* word_at(const char* address) noexcept {
  return reinterpret_cast<std::uint64_t*>(
      const_cast<char*>(address));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

}  // namespace

void paint_stack(char* low, char* high) noexcept {
  const unreported_access quiet;
  std::fill(word_at(low), word_at(high), pattern);
}

// Reads memory that its fiber may be writing and that sanitizers take for dead frames. A word that
// is being written either still has the pattern or does not; both answers are right.
__attribute__((no_sanitize("address", "thread"))) const char* lowest_painted_over(
    const char* low, const char* top) noexcept {
  const unreported_access quiet;
  while (low < top && *static_cast<const volatile std::uint64_t*>(word_at(low)) == pattern) {
    low += sizeof pattern;
  }
  return quiet.found(low);
}

const char* lowest_page_in_use(const char* lowest, const char* end) {
  // One word a page (Documentation/admin-guide/mm/pagemap.rst).
  constexpr std::uint64_t present = std::uint64_t{1} << 63;
  constexpr std::uint64_t swapped = std::uint64_t{1} << 62;
  const std::size_t page = base::page_size();
  const char* low = lowest - reinterpret_cast<std::uintptr_t>(lowest) % page;
  const char* const top = end + (page - reinterpret_cast<std::uintptr_t>(end) % page) % page;
  const int file = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  std::array<std::uint64_t, 512> entries{};
  int error = file < 0 ? errno : 0;
  bool found = false;
  while (error == 0 && !found && low < top) {
    const std::size_t wanted =
        std::min(entries.size(), static_cast<std::size_t>(top - low) / page) * sizeof entries[0];
    const auto offset = reinterpret_cast<std::uintptr_t>(low) / page * sizeof entries[0];
    const ssize_t got = ::pread(file, entries.data(), wanted, static_cast<off_t>(offset));
    if (got <= 0) {
      error = got < 0 ? errno : EIO;
      break;
    }
    const std::uint64_t* const begin = entries.data();
    const std::uint64_t* const end = begin + static_cast<std::size_t>(got) / sizeof *begin;
    const std::uint64_t* const first = std::find_if(
        begin, end, [](std::uint64_t entry) { return (entry & (present | swapped)) != 0; });
    low += static_cast<std::size_t>(first - begin) * page;
    found = first != end;
  }
  if (file >= 0) ::close(file);
  if (error != 0) {
    base::fail(error, "read /proc/self/pagemap to see which pages of a stack have memory",
               "mount /proc, or spawn with spawn_options.paint_stack");
  }
  return std::clamp(low, lowest, end);
}

}  // namespace hilo::context
