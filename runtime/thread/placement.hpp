// Where and how much a thread runs: CPU affinity, nice, scheduling class.
//
// The kernel lets a thread set these for itself. So a new thread sets them before its callable
// runs, and the starting thread waits for the outcome. If the kernel refuses a setting, the start
// fails. It works the same for both backends, because it only wraps the body.
#pragma once

#include <span>
#include <vector>

#include "hilo/thread.hpp"

#include "runtime/thread/backend.hpp"

namespace hilo::kernel {

// A set of CPUs in the form that the kernel takes.
class cpu_mask {
 public:
  // Throws std::system_error EINVAL for numbers that no machine has.
  explicit cpu_mask(std::span<const unsigned> numbers);
  static cpu_mask of_caller();

  [[nodiscard]] std::vector<unsigned> numbers() const;
  [[nodiscard]] const unsigned long* words() const noexcept { return words_.data(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }

 private:
  std::vector<unsigned long> words_;
};

// The functions act on the calling thread.
struct placement_failure {
  enum class part { none, cpus, nice, scheduling } which = part::none;
  int error = 0;
};
placement_failure set_cpus(const cpu_mask& mask) noexcept;
placement_failure set_nice(int nice) noexcept;
placement_failure set_scheduling(scheduling_class scheduling, int priority) noexcept;

// Throws the error that the failure stands for. Returns if there was no failure.
void throw_failure(const placement_failure& failure);

// Starts a thread on the backend. If the options ask for a placement, the body runs once it is in
// force.
detail::kernel_thread* start_placed(backend& threads, const thread_options& options,
                                    const detail::thread_body& body);

}  // namespace hilo::kernel
