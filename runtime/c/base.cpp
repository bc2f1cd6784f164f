// The functions of hilo/c/base.h.
#include "hilo/c/base.h"

#include <chrono>

#include "hilo/detail/deadline.hpp"

int64_t hilo_now() noexcept {
  return hilo::detail::monotonic_now();
}

int64_t hilo_after(int64_t nanoseconds) noexcept {
  return hilo::detail::deadline_after(std::chrono::nanoseconds(nanoseconds));
}

int64_t hilo_deadline_of(const timespec* realtime) noexcept {
  using std::chrono::nanoseconds, std::chrono::seconds, std::chrono::system_clock;
  if (realtime == nullptr || realtime->tv_nsec < 0 || realtime->tv_nsec >= HILO_SECOND) return 0;
  const auto since = hilo::detail::nanoseconds_of(seconds(realtime->tv_sec));
  if (since >= hilo::detail::no_deadline - realtime->tv_nsec) return HILO_FOREVER;
  return hilo::detail::deadline_at(system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(nanoseconds(since + realtime->tv_nsec))));
}

const char* hilo_version() noexcept {
  return HILO_VERSION;
}
