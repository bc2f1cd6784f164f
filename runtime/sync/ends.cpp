#include "hilo/detail/counted_end.hpp"

#include "runtime/base/check.hpp"

namespace hilo::detail {

void refuse_empty_end(const char* end, const char* call) noexcept {
  base::die(
      "%s on an empty %s: it was made by its default constructor or moved from; assign an end to "
      "it "
      "first, or use the end that it was moved to",
      call, end);
}

}  // namespace hilo::detail
