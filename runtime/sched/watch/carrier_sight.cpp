#include "runtime/sched/watch/carrier_sight.hpp"

#include <cstdio>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"

#include "runtime/sys/syscall.hpp"

namespace hilo::sched {
namespace {

carrier_state read_state(int file) noexcept {
  char text[16] = "";
  if (sys::call(SYS_pread64, file, text, sizeof text - 1, 0) <= 0) return carrier_state::unknown;
  return text[0] >= '0' && text[0] <= '9' ? carrier_state::in_call : carrier_state::computes;
}

// The kernel's encoding of a thread's clocks by its number (glibc names only the clock of a
// pthread): user and kernel mode counted in ticks, user mode counted in ticks, and all CPU time to
// the nanosecond.
enum : unsigned { by_ticks_clock = 0, user_clock = 1, all_clock = 2 };

std::int64_t thread_clock(int tid, unsigned which) noexcept {
  constexpr unsigned per_thread = 4;
  const auto id = static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | per_thread | which);
  timespec time{};
  if (::clock_gettime(id, &time) != 0) return -1;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

sys::own_descriptor open_call_file() noexcept {
  return sys::own_descriptor(static_cast<int>(
      sys::call(SYS_openat, AT_FDCWD, "/proc/thread-self/syscall", O_RDONLY | O_CLOEXEC)));
}

carrier_state read_call_file(const sys::own_descriptor& file) noexcept {
  return file.is_ours() ? read_state(file.number()) : carrier_state::unknown;
}

carrier_state look_at_thread(int tid) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
  const long file = sys::call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return carrier_state::unknown;
  const carrier_state found = read_state(static_cast<int>(file));
  sys::call(SYS_close, file);
  return found;
}

cpu_use cpu_use_of(int tid) noexcept {
  return {.all = thread_clock(tid, all_clock),
          .kernel = thread_clock(tid, by_ticks_clock) - thread_clock(tid, user_clock)};
}

bool computes_for_certain(int tid, const cpu_use& before) noexcept {
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 300'000};
  const std::int64_t begin = detail::monotonic_now();
  const std::int64_t first = thread_clock(tid, all_clock);
  (void)sys::call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, nullptr);
  const cpu_use now = cpu_use_of(tid);
  const std::int64_t length = detail::monotonic_now() - begin;
  if (first < 0 || now.all < 0 || before.all < 0) return false;
  return (now.all - first) * 10 >= length * 9 &&
         (now.kernel - before.kernel) * 4 <= now.all - before.all;
}

}  // namespace hilo::sched
