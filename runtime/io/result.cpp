// The errors of hilo/result.hpp.
#include "hilo/result.hpp"

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
  static const auto& of_names = *new name_category;  // exit handlers may look at errors
  if (number < 0) return {number, of_names};
  return {number, std::system_category()};
}

}  // namespace hilo::detail
