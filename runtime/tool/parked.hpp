// The fibers of this process as a report from inside sees them: what each waits for, and which
// fiber could end that wait.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/scheduler.hpp"

namespace hilo::tool {

using sched::fiber;

// Calls f(runtime) for each runtime of this process. The caller keeps them from ending
// (sched::runtimes_kept).
template <class F>
void for_each_runtime(F f) {
  for (auto& place : sched::all_runtimes.runtimes) {
    sched::scheduler* const one = place.load(std::memory_order_acquire);  // (RR)
    if (one != nullptr && !one->left_behind()) f(*one);
  }
}

// All fibers that live, at one moment. It holds pointers, so it is of use only while no fiber ends.
class population {
 public:
  // Throws std::bad_alloc.
  population();
  // While the caller keeps the slots open.
  struct slots_are_kept {};
  explicit population(slots_are_kept);

  const std::vector<const fiber*>& alive() const noexcept { return alive_; }

  // The fiber for whose end `one` waits in the plain way; null if it does not.
  const fiber* joined_by(const fiber& one) const noexcept;
  // Whether nothing can end the wait of `one` but a waker, and none has done so.
  bool is_parked(const fiber& one) const noexcept;
  // The same for a fiber that is off its CPU, or held; also if fibers have run since the population
  // was made.
  bool still_waits(const fiber& one) const noexcept;

  // The fiber that must act before `one` can go on, if that is known: the holder of a mutex, or
  // the fiber to be joined. It may have ended.
  const fiber* awaited_by(const fiber& one) const noexcept;
  // `waits for mutex 0x7f00, held by fiber #3 "auditor"`.
  std::string describe_wait(const fiber& one) const;

  // Fibers each of which waits for the next, and the last for the first; awaited(fiber) is the one
  // that a fiber waits for, or null.
  std::vector<std::vector<const fiber*>> cycles(
      const std::function<const fiber*(const fiber&)>& awaited) const;

 private:
  void add(const fiber& one);
  void sort();
  const fiber* find(const void* block, const std::vector<const fiber*>& where) const noexcept;

  std::vector<const fiber*> alive_;                              // ordered by address
  std::vector<const fiber*> ended_;                              // likewise; still in their stacks
  std::vector<std::pair<std::uintptr_t, const fiber*>> joined_;  // by the joiner's waiter
};

// `fiber #7 "name"`.
std::string name_of(const fiber& one);
// The call that returns to this address, as `/usr/bin/server+0x1a2b`.
std::string call_site(const void* return_address);
// The call of spawn, likewise.
std::string spawn_site_of(const fiber& one);
// Writes a report, in one write(2) where possible. What cannot be written is lost.
void write_all(int fd, std::string_view text) noexcept;
// Why it parked; "" if it never did. Only for a fiber that is parked.
const char* reason_of(const fiber& one) noexcept;

}  // namespace hilo::tool
