#include "runtime/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include "runtime/base/libc.hpp"

namespace hilo::base {

std::string errno_name(int error) {
#if HILO_GLIBC(2, 32)
  if (const char* name = ::strerrorname_np(error)) return name;
#else
  // The errors that hilo's calls can fail with.
#define HILO_NAME(code) \
  { code, #code }
  static constexpr struct {
    int error;
    const char* name;
  } names[] = {
      HILO_NAME(E2BIG),         HILO_NAME(EACCES),          HILO_NAME(EADDRINUSE),
      HILO_NAME(EADDRNOTAVAIL), HILO_NAME(EAFNOSUPPORT),    HILO_NAME(EAGAIN),
      HILO_NAME(EALREADY),      HILO_NAME(EBADF),           HILO_NAME(EBUSY),
      HILO_NAME(ECANCELED),     HILO_NAME(ECHILD),          HILO_NAME(ECONNABORTED),
      HILO_NAME(ECONNREFUSED),  HILO_NAME(ECONNRESET),      HILO_NAME(EDEADLK),
      HILO_NAME(EDESTADDRREQ),  HILO_NAME(EEXIST),          HILO_NAME(EFAULT),
      HILO_NAME(EFBIG),         HILO_NAME(EHOSTUNREACH),    HILO_NAME(EINPROGRESS),
      HILO_NAME(EINTR),         HILO_NAME(EINVAL),          HILO_NAME(EIO),
      HILO_NAME(EISCONN),       HILO_NAME(EISDIR),          HILO_NAME(ELOOP),
      HILO_NAME(EMFILE),        HILO_NAME(EMSGSIZE),        HILO_NAME(ENAMETOOLONG),
      HILO_NAME(ENETUNREACH),   HILO_NAME(ENFILE),          HILO_NAME(ENOBUFS),
      HILO_NAME(ENODEV),        HILO_NAME(ENOENT),          HILO_NAME(ENOEXEC),
      HILO_NAME(ENOMEM),        HILO_NAME(ENOSPC),          HILO_NAME(ENOSYS),
      HILO_NAME(ENOTCONN),      HILO_NAME(ENOTDIR),         HILO_NAME(ENOTEMPTY),
      HILO_NAME(ENOTSOCK),      HILO_NAME(ENXIO),           HILO_NAME(EOPNOTSUPP),
      HILO_NAME(EOVERFLOW),     HILO_NAME(EPERM),           HILO_NAME(EPIPE),
      HILO_NAME(EPROTO),        HILO_NAME(EPROTONOSUPPORT), HILO_NAME(EPROTOTYPE),
      HILO_NAME(ERANGE),        HILO_NAME(EROFS),           HILO_NAME(ESPIPE),
      HILO_NAME(ESRCH),         HILO_NAME(ETIMEDOUT),       HILO_NAME(ETXTBSY),
      HILO_NAME(EUSERS),        HILO_NAME(EXDEV),
  };
#undef HILO_NAME
  for (const auto& each : names) {
    if (each.error == error) return each.name;
  }
#endif
  return "errno " + std::to_string(error);
}

void fail(int error, const std::string& what, const std::string& hint) {
  // system_error appends ": <strerror text>" to its text. Here the hint must come last, so this
  // class builds the line itself.
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
