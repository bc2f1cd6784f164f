// The counts of a worker, for hilo/metrics.hpp and for dumps.
#pragma once

#include <cstdint>

#include "hilo/metrics.hpp"

namespace hilo::sched {
class worker;
}

namespace hilo::tool {

// `now`: in ns, of the monotonic clock.
worker_metrics read_worker(const sched::worker& one, std::int64_t now) noexcept;

}  // namespace hilo::tool
