#include "runtime/base/error.hpp"

#include <cstring>
#include <iterator>
#include <stdexcept>

namespace hilo::base {

std::string errno_name(int error) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  if (const char* name = ::strerrorname_np(error)) return name;
#endif
  return "errno " + std::to_string(error);
}

void fail(int error, const std::string& what, const std::string& hint) {
  // system_error appends ": <strerror text>" to what it is given; the line is built here instead,
  // so that the hint ends it.
  class described_error : public std::system_error {
   public:
    described_error(int code, const std::string& text)
        : std::system_error(code, std::generic_category()), text_(text) {}
    const char* what() const noexcept override { return text_.what(); }

   private:
    std::runtime_error text_;  // copies without throwing, as an exception must
  };
  throw described_error(error,
                        "hilo: cannot " + what + ": " + errno_name(error) + " (" + hint + ")");
}

std::string format_bytes(std::size_t bytes) {
  static constexpr const char* units[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(units)) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + units[unit];
}

}  // namespace hilo::base
