#include "runtime/sched/trace/trace_clock.hpp"

#include <algorithm>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"

namespace hilo::sched {
namespace {

constexpr std::int64_t ms = 1'000'000;               // ns
constexpr std::int64_t shortest_measure = ms;        // for a tick that is right to 5e-5
constexpr std::int64_t longest_measure = 1000 * ms;  // the product with the fraction fits in a word
constexpr std::int64_t used_for = ms / 10;           // ns; a look each 0.1 ms costs nothing
// A look that took more ticks was interrupted. Some 100 are usual, and 1,000 after a cache miss.
constexpr std::uint64_t longest_look = 2000;

// What the kernel tells the time by now; Documentation/ABI/testing/sysfs-devices-clocksource.
bool kernel_counts_by_tsc() noexcept {
#if defined(__x86_64__)
  const int file = ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                          O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[16];
  const ssize_t got = ::read(file, text, sizeof text);
  ::close(file);
  return got > 0 && std::string_view(text, static_cast<std::size_t>(got)) == "tsc\n";
#else
  return false;
#endif
}

}  // namespace

void trace_clock::begin() noexcept {
  *this = {};
  counts_ = kernel_counts_by_tsc();
}

// The counter is taken as in the middle of the look.
std::int64_t trace_clock::look() noexcept {
  usable_ = 0;
  const std::uint64_t before = counter();
  const std::int64_t clock = detail::monotonic_now();
  last_ = std::max(last_, clock);
  if (!counts_) return last_;
  const std::uint64_t took = counter() - before;
  if (took > longest_look) return last_;
  seen_ = clock;
  looked_at_ = before + took / 2;
  measure_tick();
  if (tick_ != 0) usable_ = (static_cast<std::uint64_t>(used_for) << fraction_bits) / tick_;
  return last_;
}

void trace_clock::measure_tick() noexcept {
  const std::int64_t passed = seen_ - from_;
  if (passed < shortest_measure) return;
  const std::uint64_t ticks = looked_at_ - from_counter_;
  if (from_ != 0 && passed <= longest_measure) {
    const std::uint64_t fresh =
        (static_cast<std::uint64_t>(passed) << fraction_bits) / std::max(ticks, std::uint64_t{1});
    // From 20 MHz to 20 GHz. Else the counter was set in between: the machine moved.
    constexpr std::uint64_t one_ns = std::uint64_t{1} << fraction_bits;
    tick_ = fresh > one_ns / 20 && fresh < 50 * one_ns ? fresh : 0;
  }
  from_ = seen_;
  from_counter_ = looked_at_;
}

}  // namespace hilo::sched
