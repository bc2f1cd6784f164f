// Where and how much a thread runs: CPU affinity, nice, scheduling class.
//
// The kernel lets a thread set these for itself, so a new thread does it before its callable runs,
// and its starter waits for the outcome: what is refused is an error of the start. It is the same
// for both backends, since it is a wrapping of the body.
#pragma once

#include <span>
#include <vector>

#include "hilo/thread.hpp"

#include "runtime/thread/backend.hpp"

namespace hilo::kernel {

// A set of CPUs as the kernel takes it.
class cpu_mask {
 public:
  // Throws std::system_error EINVAL for numbers beyond any machine.
  explicit cpu_mask(std::span<const unsigned> numbers);
  static cpu_mask of_caller();

  [[nodiscard]] std::vector<unsigned> numbers() const;
  [[nodiscard]] const unsigned long* words() const noexcept { return words_.data(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }

 private:
  std::vector<unsigned long> words_;
};

// Each acts on the calling thread.
struct placement_failure {
  enum class part { none, cpus, nice, scheduling } which = part::none;
  int error = 0;
};
placement_failure set_cpus(const cpu_mask& mask) noexcept;
placement_failure set_nice(int nice) noexcept;
placement_failure set_scheduling(scheduling_class scheduling, int priority) noexcept;

// Throws what it stands for; returns if it is none.
void throw_failure(const placement_failure& failure);

// Starts a thread on the backend; where the options say so, its body runs once they are in force.
detail::kernel_thread* start_placed(backend& threads, const thread_options& options,
                                    const detail::thread_body& body);

}  // namespace hilo::kernel
