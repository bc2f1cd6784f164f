// The look for deadlocks: whether nothing of this process can run again.
//
// A report ends the process, so it must never be wrong. The look therefore reports only if all of
// this is true at one moment:
//
//   workers   all workers of all runtimes sleep
//   fibers    each fiber is parked, for a reason that only a fiber or a thread can end; no waker
//             has ended its wait (population::is_parked)
//   timers    none is armed; so no wait has a deadline
//   I/O       no call waits for a descriptor
//   threads   each kernel thread of the process is a carrier, a monitor, or sleeps in a wait of
//             hilo without a deadline (sched/idling/parked_threads.hpp)
//   signals   the program has installed no handler, except for faults: a handler may do anything
//   memory    the program has made no child that shares its memory (hilo/clone.hpp)
//
// How it is one moment. The look reads whether the workers sleep and how often they switched, then
// reads all else, then reads the first part again. If both are equal, no fiber has run in between:
// a worker that ran one has counted a switch, and one that runs is not asleep. A thread that was
// awake in between has been seen as one thread too many, or has changed the number of parked
// threads.
//
// What the look cannot see makes it say nothing. So a program with a thread of its own, such as a
// thread of another library or of a sanitizer, has no report, also if it hangs.
#include "runtime/sched/watch/deadlock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/io/pending.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/idling/parked_threads.hpp"
#include "runtime/sched/watch/busy_report.hpp"
#include "runtime/sched/watch/dump_signal.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/thread/shared_memory.hpp"
#include "runtime/tool/parked.hpp"

namespace hilo::tool {
namespace {

using sched::standstill;

// What must not change during the look.
struct moment {
  bool quiet = true;
  std::uint64_t switches = 0;
  std::int64_t parked_threads = 0;
  std::uint64_t alive = 0;
  bool operator==(const moment&) const = default;
};

moment see_moment() {
  moment now;
  for_each_runtime([&](sched::scheduler& its) {
    const std::size_t places = its.carriers() + its.spare().extra_places();
    if (its.decides() != nullptr || its.stopping() || its.idle().sleepers() < places) {
      now.quiet = false;
    }
    for (std::size_t i = 0; i < its.workers(); ++i) now.switches += its.at(i).its_queue().tick();
    const std::size_t alive = its.live_fibers();
    now.alive += alive;
    // A thread in the destructor sleeps until the last fiber has ended.
    if (its.is_drained() && alive != 0) ++now.parked_threads;
  });
  now.parked_threads += sched::parked_threads.load(std::memory_order_relaxed);
  return now;
}

bool timers_are_armed() {
  bool some = false;
  for_each_runtime([&](sched::scheduler& its) {
    for (unsigned i = 0; i < its.carriers(); ++i) some = some || its.wheel(i).size() != 0;
  });
  return some;
}

bool calls_are_in_flight() {
  bool some = false;
  io::for_each_slot([&](io::slot& one) {
    const std::scoped_lock guard(one.lock);
    some = some || one.first != nullptr;
  });
  return some;
}

bool is_fault(int signal) noexcept {
  constexpr int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
  return std::find(std::begin(faults), std::end(faults), signal) != std::end(faults);
}

bool program_handles_signals() {
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction now {};
    if (is_fault(signal) || ::sigaction(signal, nullptr, &now) != 0) continue;
    if ((now.sa_flags & SA_SIGINFO) == 0 &&
        (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)) {
      continue;
    }
    if (!sched::is_question_handler(now) && !sched::is_dump_handler(now)) return true;
  }
  return false;
}

// The number of kernel threads that are neither carriers nor monitors; -1 if that is not known.
std::int64_t count_other_threads() {
  std::vector<int> ours;
  for_each_runtime([&](sched::scheduler& its) {
    ours.push_back(its.watching().thread_id());
    for (std::size_t i = 0; i < its.workers(); ++i) ours.push_back(its.at(i).its_carrier().id());
  });
  std::sort(ours.begin(), ours.end());
  struct closing {
    void operator()(DIR* one) const noexcept { ::closedir(one); }
  };
  const std::unique_ptr<DIR, closing> tasks(::opendir("/proc/self/task"));
  if (tasks == nullptr) return -1;
  std::int64_t others = 0;
  while (const dirent* const entry = ::readdir(tasks.get())) {
    int tid = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, tid).ptr != end) continue;  // "." and ".."
    if (!std::binary_search(ours.begin(), ours.end(), tid)) ++others;
  }
  return others;
}

// Waits that only another fiber or a thread can end, once no deadline is left.
bool is_wait_inside(std::string_view reason) {
  constexpr std::string_view inside[] = {"auto_reset_event",
                                         "barrier",
                                         "broadcast receive",
                                         "channel receive",
                                         "channel send",
                                         "channel ends",
                                         "condition_variable",
                                         "event",
                                         "join",
                                         "latch",
                                         "mutex",
                                         "oneshot receive",
                                         "scope",
                                         "select",
                                         "semaphore",
                                         "shared_mutex",
                                         "shared_mutex shared",
                                         "wait_group",
                                         "watch"};
  return std::find(std::begin(inside), std::end(inside), reason) != std::end(inside);
}

standstill look_at_fibers(const population& all) {
  for (const fiber* const one : all.alive()) {
    if (!all.is_parked(*one)) return standstill::unsure;
    if (!is_wait_inside(reason_of(*one))) return standstill::waits;
  }
  return standstill::over;
}

constexpr std::size_t most_described = 32;  // fibers; `hilo dump` shows all

std::string describe_cycle(const population& all, const std::vector<const fiber*>& cycle) {
  std::string text = "  cycle:\n";
  for (const fiber* const one : cycle) {
    text += "    " + name_of(*one) + " " + all.describe_wait(*one) + "\n";
  }
  return text;
}

// All of it goes out in one write(2) where possible, so that lines of several processes do not mix.
void write_report(const population& all, std::int64_t threads, bool ends) {
  std::string text = "hilo: deadlock: nothing can run again. " +
                     std::to_string(all.alive().size()) +
                     (all.alive().size() == 1 ? " fiber waits" : " fibers wait");
  if (threads != 0) {
    text += ", and " + std::to_string(threads) +
            (threads == 1 ? " kernel thread waits" : " kernel threads wait") + " for them";
  }
  text += "; there is no timer, no I/O and no other thread.\n";
  const auto awaited = [&all](const fiber& one) { return all.awaited_by(one); };
  for (const auto& cycle : all.cycles(awaited)) text += describe_cycle(all, cycle);
  std::vector<const fiber*> order = all.alive();
  std::sort(order.begin(), order.end(),
            [](const fiber* one, const fiber* other) { return one->id < other->id; });
  for (std::size_t i = 0; i < order.size() && i < most_described; ++i) {
    text += "  " + name_of(*order[i]) + " " + all.describe_wait(*order[i]) + "; spawned at " +
            spawn_site_of(*order[i]) + "\n";
  }
  if (order.size() > most_described) {
    text += "  and " + std::to_string(order.size() - most_described) + " more\n";
  }
  text += ends
              ? "hilo: the process ends. With HILO_DEADLOCK=report it stays, and `hilo dump` shows "
                "all stacks (docs/debugging.md).\n"
              : "hilo: the process stays. `hilo dump " + std::to_string(::getpid()) +
                    "` shows all stacks.\n";
  write_all(STDERR_FILENO, text);
}

// What the most careful runtime wants.
on_deadlock see_wish() {
  on_deadlock wish = on_deadlock::abort;
  for_each_runtime([&](sched::scheduler& its) { wish = std::max(wish, its.wish_at_deadlock()); });
  return sched::all_runtimes.unlisted.load(std::memory_order_relaxed) != 0 ? on_deadlock::off
                                                                           : wish;
}

standstill look() {
  const sched::runtimes_kept kept;
  const on_deadlock wish = see_wish();
  if (wish == on_deadlock::off) return standstill::waits;
  const moment before = see_moment();
  if (before.alive == 0) return standstill::waits;
  if (!before.quiet || timers_are_armed()) return standstill::unsure;
  if (calls_are_in_flight() || program_handles_signals() || kernel::memory_is_shared()) {
    return standstill::waits;
  }
  if (count_other_threads() != before.parked_threads) return standstill::unsure;
  const population all;
  const standstill found = look_at_fibers(all);
  if (found != standstill::over) return found;
  if (see_moment() != before || timers_are_armed()) return standstill::unsure;
  write_report(all, before.parked_threads, wish == on_deadlock::abort);
  if (wish == on_deadlock::abort) std::abort();
  return standstill::over;
}

}  // namespace
}  // namespace hilo::tool

namespace hilo::sched {

standstill look_for_deadlock() noexcept try { return tool::look(); } catch (const std::exception&) {
  return standstill::unsure;  // no memory
}

on_deadlock deadlock_of_environment(on_deadlock wanted) {
  const char* const text = std::getenv("HILO_DEADLOCK");
  const std::string_view said = text != nullptr ? text : "";
  if (said.empty()) return wanted;
  for (const on_deadlock each : {on_deadlock::abort, on_deadlock::report, on_deadlock::off}) {
    if (said == to_string(each)) return each;
  }
  base::fail(EINVAL, "start a runtime",
             "HILO_DEADLOCK is \"" + std::string(said) + "\"; set it to abort, report or off");
}

}  // namespace hilo::sched
