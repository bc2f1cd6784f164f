#include "runtime/thread/placement.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>

#include <sched.h>
#include <sys/resource.h>

#include "runtime/base/error.hpp"
#include "runtime/sys/futex.hpp"
#include "runtime/sys/syscall.hpp"

namespace hilo::kernel {
namespace {

constexpr unsigned word_bits = 8 * sizeof(unsigned long);
constexpr unsigned most_cpus = 1 << 16;  // eight times what Linux can be built for

placement_failure outcome(placement_failure::part which, long result) noexcept {
  if (result >= 0) return {};
  return {which, static_cast<int>(-result)};
}

int policy_of(scheduling_class scheduling) noexcept {
  switch (scheduling) {
    case scheduling_class::batch:
      return SCHED_BATCH;
    case scheduling_class::idle:
      return SCHED_IDLE;
    case scheduling_class::fifo:
      return SCHED_FIFO;
    case scheduling_class::round_robin:
      return SCHED_RR;
    case scheduling_class::inherit:
    case scheduling_class::normal:
      break;
  }
  return SCHED_OTHER;
}

// Lives on the starting thread's stack until that thread has read the outcome.
struct placing {
  const thread_options* options;
  const cpu_mask* cpus;  // null: stay with the starter's
  placement_failure failure{};
  // 1 once the outcome has been stored.
  sys::futex_word decided{0};

  placement_failure place() const noexcept {
    placement_failure result;
    if (options->scheduling != scheduling_class::inherit || options->priority != 0) {
      result = set_scheduling(options->scheduling, options->priority);
    }
    if (result.error == 0 && options->nice.has_value()) result = set_nice(*options->nice);
    if (result.error == 0 && cpus != nullptr) result = set_cpus(*cpus);
    return result;
  }
};

// Lies before the user's closure, in the same memory.
struct placed_closure {
  placing* how;
  std::size_t offset;  // of the user's closure
  void (*destroy)(void* closure) noexcept;
  void (*run_and_destroy)(void* closure) noexcept;

  void* inner() noexcept { return reinterpret_cast<std::byte*>(this) + offset; }
};

struct building {
  placed_closure front;
  const detail::thread_body* body;
};

void construct(void* place, void* context) {
  const auto& from = *static_cast<building*>(context);
  auto* front = ::new (place) placed_closure(from.front);
  from.body->construct(front->inner(), from.body->context);
}

void destroy(void* closure) noexcept {
  auto& self = *static_cast<placed_closure*>(closure);
  self.destroy(self.inner());
}

void run_and_destroy(void* closure) noexcept {
  auto& self = *static_cast<placed_closure*>(closure);
  const placement_failure failure = self.how->place();
  self.how->failure = failure;
  sys::futex_word& decided = self.how->decided;
  // (W1) release: publishes the failure to (W2). From here on the starting thread may be gone.
  decided.store(1, std::memory_order_release);
  sys::futex_wake_all(&decided);
  if (failure.error == 0) {
    self.run_and_destroy(self.inner());
  } else {
    self.destroy(self.inner());
  }
}

}  // namespace

cpu_mask::cpu_mask(std::span<const unsigned> numbers) {
  for (const unsigned cpu : numbers) {
    if (cpu >= most_cpus) {
      base::fail(EINVAL, "let a thread run on CPU " + std::to_string(cpu),
                 "CPUs are numbered from 0: see lscpu");
    }
    if (cpu / word_bits >= words_.size()) words_.resize(cpu / word_bits + 1);
    words_[cpu / word_bits] |= 1UL << cpu % word_bits;
  }
}

cpu_mask cpu_mask::of_caller() {
  cpu_mask mask({});
  mask.words_.resize(most_cpus / word_bits);
  const long bytes = sys::call(SYS_sched_getaffinity, 0, mask.bytes(), mask.words_.data());
  mask.words_.resize(bytes < 0 ? 0 : static_cast<std::size_t>(bytes) / sizeof(unsigned long));
  return mask;
}

std::vector<unsigned> cpu_mask::numbers() const {
  std::vector<unsigned> found;
  for (unsigned cpu = 0; cpu < words_.size() * word_bits; ++cpu) {
    if ((words_[cpu / word_bits] >> cpu % word_bits & 1) != 0) found.push_back(cpu);
  }
  return found;
}

placement_failure set_cpus(const cpu_mask& mask) noexcept {
  return outcome(placement_failure::part::cpus,
                 sys::call(SYS_sched_setaffinity, 0, mask.bytes(), mask.words()));
}

placement_failure set_nice(int nice) noexcept {
  // The kernel would silently clamp it to the range.
  if (nice < -20 || nice > 19) return {placement_failure::part::nice, EINVAL};
  return outcome(placement_failure::part::nice, sys::call(SYS_setpriority, PRIO_PROCESS, 0, nice));
}

placement_failure set_scheduling(scheduling_class scheduling, int priority) noexcept {
  sched_param parameters{};
  parameters.sched_priority = priority;
  return outcome(placement_failure::part::scheduling,
                 sys::call(SYS_sched_setscheduler, 0, policy_of(scheduling), &parameters));
}

void throw_failure(const placement_failure& failure) {
  using part = placement_failure::part;
  switch (failure.which) {
    case part::none:
      return;
    case part::cpus:
      base::fail(failure.error, "set the CPUs of a thread",
                 failure.error == EINVAL
                     ? "none of thread_options.cpus is a CPU that this process may use: see "
                       "/proc/self/status, Cpus_allowed_list"
                     : "sched_setaffinity is refused here");
    case part::nice:
      base::fail(failure.error, "set the nice value of a thread",
                 failure.error == EINVAL
                     ? "thread_options.nice must be between -20 and 19"
                     : "a value below the present one needs CAP_SYS_NICE or a higher RLIMIT_NICE");
    case part::scheduling:
      base::fail(failure.error, "set the scheduling class of a thread",
                 failure.error == EINVAL
                     ? "thread_options.priority must be 1 to 99 for fifo and round_robin, else 0"
                     : "fifo and round_robin need CAP_SYS_NICE or a higher RLIMIT_RTPRIO, and a "
                       "share of real time in the cgroup");
  }
}

detail::kernel_thread* start_placed(backend& threads, const thread_options& options,
                                    const detail::thread_body& body) {
  if (options.cpus.empty() && !options.nice.has_value() && options.priority == 0 &&
      options.scheduling == scheduling_class::inherit) {
    return threads.start(options, body);
  }
  const cpu_mask mask(options.cpus);
  placing how{&options, options.cpus.empty() ? nullptr : &mask};
  const std::size_t offset =
      (sizeof(placed_closure) + body.alignment - 1) / body.alignment * body.alignment;
  building context{{&how, offset, body.destroy, body.run_and_destroy}, &body};
  detail::kernel_thread* thread =
      threads.start(options, {.size = offset + body.size,
                              .alignment = std::max(body.alignment, alignof(placed_closure)),
                              .context = &context,
                              .construct = construct,
                              .destroy = destroy,
                              .run_and_destroy = run_and_destroy});
  // (W2) acquire: pairs with (W1)
  while (how.decided.load(std::memory_order_acquire) == 0) sys::futex_wait(how.decided, 0);
  if (how.failure.error != 0) {
    threads.join(thread, std::nullopt);
    throw_failure(how.failure);
  }
  return thread;
}

}  // namespace hilo::kernel
