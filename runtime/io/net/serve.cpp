// What a server's loop says about a connection that ended early.
#include "hilo/net/serve.hpp"

#include <exception>

#include "runtime/base/check.hpp"

namespace hilo::detail {

void report_connection(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& its) {
    base::report("a connection ended by an exception: %s", its.what());
  } catch (...) {
    base::report("a connection ended by an exception that is not a std::exception");
  }
}

}  // namespace hilo::detail
