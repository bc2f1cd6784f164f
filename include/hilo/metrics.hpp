// What the workers of a runtime have done so far: counts, times, and the same as text for
// Prometheus. A worker counts always, by plain stores to memory of its own; a reader sums.
//
//   hilo::run([] {
//     hilo::spawn([] { hilo::yield(); }).join();
//     const hilo::runtime_metrics now = hilo::metrics();
//     std::printf("%u spawned\n", static_cast<unsigned>(now.total().spawned));
//     std::printf("%s", hilo::to_prometheus(now).c_str());
//   });
//
// The counts of a worker that runs meanwhile are of slightly different moments. Each count only
// grows, so the difference of two readings is what happened in between.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hilo/detail/api.hpp"
#include "hilo/runtime.hpp"

namespace hilo {

struct worker_metrics {
  std::uint64_t spawned = 0;   // fibers
  std::uint64_t ended = 0;     // fibers
  std::uint64_t switches = 0;  // how often it chose what runs next, a fiber or its own search
  std::uint64_t parks = 0;     // how often a fiber began to wait
  std::uint64_t stolen = 0;    // fibers that it took from other workers
  std::uint64_t injected = 0;  // fibers that it took from the queue that all workers share
  // Calls handed to the ring and calls that wait by epoll, and how many of them are over. A call
  // that epoll has no need to wait for is not counted, nor is one that hilo::blocking makes. A
  // fiber may change its worker meanwhile, so only the totals belong together.
  std::uint64_t io_submitted = 0;
  std::uint64_t io_completed = 0;
  std::chrono::nanoseconds idle{0};  // how long its carrier slept because there was no work
};

// How long woken fibers waited until they ran.
struct wakeup_histogram {
  static constexpr std::size_t bucket_count = 40;
  // buckets[i]: the number of wake-ups that took less than 2^i ns, and not less than the bucket
  // before. The last bucket has also all that took longer.
  std::array<std::uint64_t, bucket_count> buckets{};
  std::chrono::nanoseconds sum{0};

  HILO_API std::uint64_t count() const noexcept;
};

struct runtime_metrics {
  std::vector<worker_metrics> workers;      // by number, as in `hilo dump`; spare carriers too
  worker_metrics outside;                   // spawns and ends by threads that are not carriers
  std::uint64_t fibers = 0;                 // that are alive
  std::optional<wakeup_histogram> wakeups;  // with runtime_options::measure_wakeups

  // The sums over all workers and `outside`.
  HILO_API worker_metrics total() const noexcept;
};

// Reads the counts of the calling fiber's runtime. Parks: never. Callable from: a fiber; a thread
// calls runtime::metrics(). Errors: std::system_error outside a runtime; std::bad_alloc.
HILO_API runtime_metrics metrics();

// Writes the counts in Prometheus' text format, version 0.0.4, to be served with the content type
// metrics_content_type. All names begin with hilo_; docs/debugging.md lists them. If `name` is not
// empty, each line has the label runtime="name". Errors: std::bad_alloc.
HILO_API std::string to_prometheus(const runtime_metrics& counts, std::string_view name = {});

// The same for metrics(). Errors: as these two.
HILO_API std::string metrics_text();

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace hilo
