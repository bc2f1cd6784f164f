// The dump from inside (hilo/dump.hpp): all fibers with their backtraces, and the workers.
//
// The process goes on meanwhile. So the backtrace of a waiting fiber is taken while the fiber is
// held (context::hold): a carrier that wants to run it waits, as for a fiber that is still leaving
// its stack. Some fibers are held at a time, because each time costs one membarrier(2) for all.
// All is copied first, then formatted and written when nothing is held any more.
#include "hilo/dump.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <unistd.h>

#include "hilo/detail/deadline.hpp"

#include "runtime/base/code_address.hpp"
#include "runtime/context/backtrace.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/parking.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/time/coarse_clock.hpp"
#include "runtime/sched/watch/dump_signal.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/tool/held_fibers.hpp"
#include "runtime/tool/metrics.hpp"
#include "runtime/tool/parked.hpp"
#include "runtime/tool/root.hpp"

namespace hilo::tool {
namespace {

constexpr std::size_t held_at_a_time = 32;  // guess: less than a millisecond
constexpr std::size_t most_frames = 64;
constexpr std::size_t most_listed = 8;  // fibers of a group

enum class state : std::uint8_t { waiting, fresh, runnable, running };

const char* to_string(state one) noexcept {
  switch (one) {
    case state::waiting:
      return "waiting";
    case state::fresh:
      return "not started";
    case state::runnable:
      return "runnable";
    case state::running:
      return "running";
  }
  return "unknown";
}

using backtrace = std::vector<std::uintptr_t>;

// What is written of a fiber.
struct fiber_record {
  std::uint64_t id = 0;
  std::string name;
  state what = state::runnable;
  std::string reason;  // of a wait
  std::string wait;    // the same with the object
  std::uint32_t parked_at = 0;
  const sched::worker* carrier = nullptr;  // that runs it
  std::string spawned_at;
  backtrace stack;
};

// Code addresses as text. A look-up reads a file, so each is made once.
class code_names {
 public:
  const std::string& at(std::uintptr_t address) {
    const auto [found, is_new] = names_.try_emplace(address);
    if (is_new) {
      char text[600];
      base::format_code_address(reinterpret_cast<const void*>(address), text, sizeof text);
      found->second = text;
    }
    return found->second;
  }

 private:
  std::map<std::uintptr_t, std::string> names_;
};

// Takes the records of all fibers of a runtime. The caller keeps its slots open.
class fiber_taker {
 public:
  fiber_taker(const population& all, code_names& names, std::vector<fiber_record>& into)
      : all_(all), names_(names), into_(into), held_(all, held_at_a_time) {}

  void take(sched::scheduler& its) {
    its.for_each_kept([&](fiber& one) {
      if (one.join.load(std::memory_order_acquire) == sched::join_word::ended) return;
      if (!held_.hold(one)) return record(one, false);
      if (held_.full()) take_held();
    });
    take_held();
  }

 private:
  void take_held() {
    held_.settle();
    for (const fiber* const one : held_.all()) record(*one, held_.waits(*one));
    held_.let_go();
  }

  void record(const fiber& one, bool held) {
    fiber_record& its = into_.emplace_back();
    its.id = one.id;
    its.name = name_of(one);
    its.spawned_at = names_.at(reinterpret_cast<std::uintptr_t>(one.spawned_at) - 1);
    std::array<std::uintptr_t, most_frames> code;
    std::size_t frames = 0;
    if (held) {
      its.what = state::waiting;
      its.reason = reason_of(one);
      its.wait = all_.describe_wait(one);
      its.parked_at = one.parked_at;
      frames = context::walk_suspended(one.context, one.top, sched::is_parking, code.data(),
                                       code.size());
    } else if (!one.started) {
      its.what = state::fresh;
    } else if (!one.context.off_cpu() && !one.context.is_held()) {
      its.what = state::running;
      its.carrier = one.carrier;
      const sched::worker* const here = sched::current_worker();
      if (here != nullptr && here->forks == &one) {
        frames = context::walk_here(code.data(), code.size());
      }
    }
    its.stack.assign(code.data(), code.data() + frames);
  }

  const population& all_;
  code_names& names_;
  std::vector<fiber_record>& into_;
  held_fibers held_;
};

struct runtime_record {
  std::string head;
  std::vector<fiber_record> fibers;
  std::string workers;
};

std::string count_of(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string describe_worker(std::size_t number, const sched::worker& one,
                            const std::vector<fiber_record>& fibers) {
  using activity = sched::worker::activity;
  const activity now = one.now_doing();
  std::string text =
      "  " + std::to_string(number) + ", thread " + std::to_string(one.its_carrier().id()) + ": ";
  text += now == activity::running  ? "running"
          : now == activity::asleep ? "asleep"
          : now == activity::spare  ? "spare"
                                    : "retired";
  const auto running = std::find_if(fibers.begin(), fibers.end(),
                                    [&](const fiber_record& each) { return each.carrier == &one; });
  if (now == activity::running && running != fibers.end()) text += " " + running->name;
  const worker_metrics its = read_worker(one, detail::monotonic_now());
  return text + "; " + std::to_string(its.switches) + " switches, " + std::to_string(its.parks) +
         " parks, " + std::to_string(its.stolen) + " stolen, " + std::to_string(its.injected) +
         " injected, " + std::to_string(its.spawned) + " spawned, " + std::to_string(its.ended) +
         " ended; " + std::to_string(its.io_submitted) + " calls submitted, " +
         std::to_string(its.io_completed) + " completed; idle for " +
         std::to_string(its.idle.count() / 1'000'000) + " ms\n";
}

runtime_record take_runtime(sched::scheduler& its, const population& all, code_names& names) {
  runtime_record seen;
  fiber_taker(all, names, seen.fibers).take(its);
  std::sort(seen.fibers.begin(), seen.fibers.end(),
            [](const fiber_record& a, const fiber_record& b) { return a.id < b.id; });
  seen.head = count_of(its.carriers(), "carrier") + ", " + count_of(seen.fibers.size(), "fiber");
  for (std::size_t i = 0; i < its.workers(); ++i) {
    seen.workers += describe_worker(i, its.at(i), seen.fibers);
  }
  return seen;
}

// Fibers that do the same: equal state, reason and backtrace.
struct fiber_group {
  std::vector<const fiber_record*> fibers;
};

std::vector<fiber_group> group_records(const std::vector<fiber_record>& fibers) {
  std::map<std::tuple<state, std::string_view, const backtrace&>, std::size_t> places;
  std::vector<fiber_group> groups;
  for (const fiber_record& one : fibers) {
    const auto [found, is_new] =
        places.try_emplace({one.what, one.reason, one.stack}, groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].fibers.push_back(&one);
  }
  std::stable_sort(groups.begin(), groups.end(), [](const fiber_group& a, const fiber_group& b) {
    return a.fibers.size() > b.fibers.size();
  });
  return groups;
}

void add_group(std::string& text, const fiber_group& one, code_names& names, std::uint32_t now) {
  const fiber_record& first = *one.fibers.front();
  const bool single = one.fibers.size() == 1;
  text += "\n" + (single ? first.name : count_of(one.fibers.size(), "fiber")) + ": " +
          to_string(first.what) + (first.reason.empty() ? "" : ", " + first.reason) + "\n";
  if (!single) {
    text += "  ";
    for (std::size_t i = 0; i < std::min(one.fibers.size(), most_listed); ++i) {
      text += (i == 0 ? "" : ", ") + one.fibers[i]->name;
    }
    if (one.fibers.size() > most_listed) {
      text += " and " + std::to_string(one.fibers.size() - most_listed) + " more";
    }
    text += "\n";
  }
  if (!first.wait.empty()) text += "  " + (single ? "" : first.name + " ") + first.wait + "\n";
  std::uint32_t longest = 0;
  for (const fiber_record* each : one.fibers) {
    if (each->parked_at != 0) longest = std::max(longest, now - each->parked_at);
  }
  if (first.what == state::waiting && now != 0) {
    text += std::string("  ") + (single ? "" : "the longest ") + "has waited for " +
            std::to_string(longest) + " ms\n";
  }
  int number = 0;
  for (const std::uintptr_t code : first.stack) {
    text += (number < 10 ? "    " : "   ") + std::to_string(number) + " " + names.at(code) + "\n";
    ++number;
  }
  const bool same =
      std::all_of(one.fibers.begin(), one.fibers.end(),
                  [&](const fiber_record* each) { return each->spawned_at == first.spawned_at; });
  text += "  spawned at " + (same ? first.spawned_at : "several places") + "\n";
}

std::string take_dump() {
  code_names names;
  std::vector<runtime_record> runtimes;
  {
    const sched::runtimes_kept kept;
    std::list<sched::scheduler::slots_kept> open;
    for_each_runtime([&](sched::scheduler& its) { open.emplace_back(its); });
    const population all{population::slots_are_kept()};
    for_each_runtime(
        [&](sched::scheduler& its) { runtimes.push_back(take_runtime(its, all, names)); });
  }
  const std::uint32_t now = sched::coarse_ms.load(std::memory_order_relaxed) == 0
                                ? 0
                                : sched::coarse_time(detail::monotonic_now());
  std::string text = "process " + std::to_string(::getpid()) +
                     ", hilo " HILO_VERSION ", dumped from inside (addr2line -i shows the lines)\n";
  if (runtimes.empty()) text += "no runtime is alive\n";
  for (std::size_t i = 0; i < runtimes.size(); ++i) {
    text += "runtime " + std::to_string(i + 1) + ": " + runtimes[i].head + "\n";
  }
  for (std::size_t i = 0; i < runtimes.size(); ++i) {
    for (const fiber_group& one : group_records(runtimes[i].fibers)) {
      add_group(text, one, names, now);
    }
    text += "\nworkers" + (runtimes.size() == 1 ? "" : " of runtime " + std::to_string(i + 1)) +
            "\n" + runtimes[i].workers;
  }
  return text;
}

}  // namespace
}  // namespace hilo::tool

namespace hilo::sched {

void write_dump(int fd) noexcept try { hilo::dump(fd); } catch (const std::exception&) {
  // No memory.
}

}  // namespace hilo::sched

namespace hilo {

void dump(int fd) {
  tool::write_all(fd, tool::take_dump());
}

}  // namespace hilo
