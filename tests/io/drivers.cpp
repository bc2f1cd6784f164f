#include "tests/io/drivers.hpp"

#include <string>
#include <system_error>

namespace hilo::test {

bool has_uring() {
  static const bool there = [] {
    try {
      return run(runtime_options{.carriers = 1, .io = io_driver::uring}, [] { return true; });
    } catch (const std::system_error& error) {
      MESSAGE("without io_uring: ", std::string(error.what()));
      return false;
    }
  }();
  return there;
}

}  // namespace hilo::test
