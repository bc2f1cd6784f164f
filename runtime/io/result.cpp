// The errors of hilo/result.hpp.
#include "hilo/result.hpp"

#include <new>
#include <string>

#include <netdb.h>

namespace hilo::detail {
namespace {

class name_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "name look-up"; }
  std::string message(int error) const override { return ::gai_strerror(error); }
};

}  // namespace

std::error_code io_error(int number) noexcept {
  // Never destroyed, because exit handlers may look at errors.
  alignas(name_category) static unsigned char room[sizeof(name_category)];
  static const auto& of_names = *::new (room) name_category;
  if (number < 0) return {number, of_names};
  return {number, std::system_category()};
}

}  // namespace hilo::detail
