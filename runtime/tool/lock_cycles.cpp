// Warnings about locks (sched/watch/lock_warnings.hpp).
//
// A cycle that is reported is one for certain. The look holds some fibers at a time (context::hold)
// and notes which fiber each of them waits for: the holder of a mutex, or a fiber to be joined.
// These edges are of different moments, so a cycle of them is only a candidate. Then all fibers of
// the candidate are held at once. If each of them still waits for the next one, they do so at one
// moment, and none of them can end the wait of another. A wait that a deadline may end makes no
// edge.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

#include "hilo/detail/waiter.hpp"
#include "hilo/kernel/mutex.hpp"

#include "runtime/base/error.hpp"
#include "runtime/context/backtrace.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/watch/lock_warnings.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/tool/held_fibers.hpp"
#include "runtime/tool/parked.hpp"

namespace hilo::tool {
namespace {

constexpr std::size_t held_for_edges =
    256;  // guess: held for some 10 us, as little is read of each
constexpr std::size_t frames_of_leave = 16;

// What was reported already, so that it is reported once. Once it is full, nothing more is.
class reported {
 public:
  bool is_new(const void* one) noexcept {
    const std::scoped_lock guard(lock_);
    const auto end = seen_.begin() + static_cast<std::ptrdiff_t>(count_);
    if (count_ == room || std::find(seen_.begin(), end, one) != end) return false;
    seen_[count_++] = one;
    return true;
  }

 private:
  static constexpr std::size_t room = 64;

  kernel::mutex lock_;
  std::array<const void*, room> seen_{};
  std::size_t count_ = 0;
};
// A cycle by the lowest address of its fibers: it lasts, so no other fiber gets that address.
constinit reported cycles_reported;
constinit reported places_reported;

using edges = std::unordered_map<const fiber*, const fiber*>;  // from a fiber to the awaited one

// The fiber that alone can end the wait of a held fiber; null: there is no such fiber.
const fiber* awaited_by(const population& all, const held_fibers& held, const fiber& one) {
  if (!held.waits(one) || one.contested.load(std::memory_order_relaxed)) return nullptr;
  return all.awaited_by(one);
}

edges find_edges(const population& all) {
  edges found;
  held_fibers held(all, held_for_edges);
  const auto note_held = [&] {
    held.settle();
    for (fiber* const one : held.all()) {
      if (const fiber* const other = awaited_by(all, held, *one)) found.emplace(one, other);
    }
    held.let_go();
  };
  for_each_runtime([&](sched::scheduler& its) {
    its.for_each_kept([&](fiber& one) {
      if (held.hold(one) && held.full()) note_held();
    });
  });
  note_held();
  return found;
}

// The warning, or nothing if they do not wait for each other at one moment.
std::string confirm(const population& all, const std::vector<const fiber*>& cycle) {
  held_fibers held(all, cycle.size());
  for (const fiber* const one : cycle) {
    if (!held.hold(const_cast<fiber&>(*one))) return {};
  }
  held.settle();
  std::string text =
      "hilo: warning: these fibers wait for each other, so none of them can go on, though others "
      "still run:\n";
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const fiber& one = *cycle[i];
    if (awaited_by(all, held, one) != cycle[(i + 1) % cycle.size()]) return {};
    text += "  " + name_of(one) + " " + all.describe_wait(one) + "; spawned at " +
            spawn_site_of(one) + "\n";
  }
  return text;
}

void report_cycles() {
  std::string text;
  {
    const sched::runtimes_kept kept;
    std::list<sched::scheduler::slots_kept> open;
    for_each_runtime([&](sched::scheduler& its) { open.emplace_back(its); });
    const population all{population::slots_are_kept()};
    const edges found = find_edges(all);
    const auto awaited = [&found](const fiber& one) {
      const auto edge = found.find(&one);
      return edge != found.end() ? edge->second : nullptr;
    };
    for (const auto& cycle : all.cycles(awaited)) {
      const std::string warning = confirm(all, cycle);
      if (!warning.empty() &&
          cycles_reported.is_new(*std::min_element(cycle.begin(), cycle.end(), std::less<>())))
        text += warning;
    }
  }
  write_all(STDERR_FILENO, text);
}

void report_leave(const fiber& one, const char* reason, const sched::held_mutex& its) {
  char address[32];
  std::snprintf(address, sizeof address, "%p", its.mutex);
  std::string text = "hilo: warning: " + name_of(one) + " leaves its carrier (" + reason +
                     ") while it holds pthread mutex " + address + ", locked at " +
                     call_site(its.locked_at) +
                     ". A fiber that locks the mutex now blocks its carrier. Unlock it first, or "
                     "use hilo::mutex\n";
  std::array<std::uintptr_t, frames_of_leave> code;
  const std::size_t frames = context::walk_here(code.data(), code.size());
  for (std::size_t i = 0; i < frames; ++i) {
    text += (i < 10 ? "    " : "   ") + std::to_string(i) + " " +
            call_site(reinterpret_cast<const void*>(code[i] + 1)) + "\n";
  }
  write_all(STDERR_FILENO, text);
}

const void* current_holder() {
  return detail::current_holder();
}

}  // namespace
}  // namespace hilo::tool

namespace hilo::sched {

constinit std::atomic<mutex_question> mutexes_watched{nullptr};

bool lock_warnings_of_environment(bool wanted) {
  const char* const text = std::getenv("HILO_WARN");
  const std::string_view said = text != nullptr ? text : "";
  if (said.empty()) return wanted;
  if (said == "locks") return true;
  base::fail(EINVAL, "start a runtime",
             "HILO_WARN is \"" + std::string(said) + "\"; set it to locks, or not at all");
}

void report_lock_cycles() noexcept try { tool::report_cycles(); } catch (const std::exception&) {
  // No memory.
}

void watch_mutexes() noexcept {
  if (leaves_are_watched()) return;
  // As POSIX has it, a function's address from dlsym is an object's.
  const auto begin =
      reinterpret_cast<begin_mutex_watch>(::dlsym(RTLD_DEFAULT, "hilo_watch_mutexes"));
  if (begin != nullptr) {
    mutexes_watched.store(begin(tool::current_holder), std::memory_order_relaxed);
  }
}

void check_leave(const fiber& one, const char* reason) noexcept try {
  const held_mutex its =
      mutexes_watched.load(std::memory_order_relaxed)(static_cast<const detail::fork_list*>(&one));
  if (its.mutex == nullptr || !tool::places_reported.is_new(its.locked_at)) return;
  tool::report_leave(one, reason, its);
} catch (const std::exception&) {
  // No memory.
}

}  // namespace hilo::sched
