#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "tools/hilo/groups.hpp"
#include "tools/hilo/reports.hpp"
#include "tools/hilo/wording.hpp"

namespace hilo::command {
namespace {

constexpr std::size_t most_listed = 8;  // fibers of a group

class text_report {
 public:
  text_report(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names)
      : out_(out), all_(all), stacks_(stacks), names_(names) {}

  void print_head() {
    say(all_.target + (all_.program.empty() ? "" : ": " + all_.program) + ", hilo " +
        all_.hilos.front().version);
    for (const found_hilo& hilo : all_.hilos) {
      if (hilo.unlisted != 0) {
        say(count_of(hilo.unlisted, "further runtime") + " cannot be found: the registry is full");
      }
    }
    for (std::uint32_t i = 0; i < all_.runtimes.size(); ++i) print_runtime(i);
    if (all_.missing_stacks != 0) {
      say(count_of(all_.missing_stacks, "stack") +
          " cannot be read. gcore of gdb leaves stacks out of a core, and the kernel does not: "
          "take "
          "the core by kill -ABRT");
    }
    if (all_.runtimes.empty()) say("no runtime is alive");
  }

  void print_groups() {
    for (const group& one : group_fibers(all_)) {
      say("");
      if (one.fibers.size() == 1) {
        print_fiber(*one.fibers.front());
      } else {
        print_group(one);
      }
    }
  }

  void print_fiber(const fiber_view& one) {
    std::string what = to_string(one.state);
    if (const std::string& reason = all_.reason_of(one); !reason.empty()) what += ", " + reason;
    if (const std::string rest = describe_deadline(all_, one); !rest.empty()) what += " " + rest;
    say("fiber " + picture::label(one) + ": " + what);
    if (const std::string its = describe_awaited(all_, names_, one); !its.empty()) {
      say("  waits for " + its);
    }
    if (const auto time = all_.waited(one)) say("  has waited for " + duration(*time));
    if (one.stop_requested) say("  was asked to stop");
    if (one.owns_tls) say("  owns its thread-local storage");
    say("  stack " + with_commas((one.top - one.low) / 1024) + " KiB" +
        (one.stack_used() == 0 ? "" : ", " + with_commas(one.stack_used()) + " bytes used now"));
    print_code(one.stack, one.state, one.invoke);
    say("  spawned at " + describe_spawn_site(names_, one.spawned_at));
  }

  void print_workers() {
    say("");
    say("workers");
    for (std::uint32_t i = 0; i < all_.runtimes.size(); ++i) {
      for (const worker_view& one : all_.runtimes[i].workers) print_worker(i, one);
    }
    say("");
    say("kernel threads");
    for (const kernel_thread& one : all_.threads) {
      say("  " + std::to_string(one.number) + " " + one.name +
          (one.state == '?'
               ? ""
               : std::string(one.name.empty() ? "" : " ") + "(" + state_word(one.state) + ")"));
    }
  }

 private:
  void say(const std::string& line) { std::fprintf(out_, "%s\n", line.c_str()); }

  static const char* state_word(char state) {
    switch (state) {
      case 'R':
        return "runs";
      case 'S':
        return "sleeps";
      case 'D':
        return "waits for a device";
      case 'T':
        return "stopped";
      case 't':
        return "stopped by a debugger";
      default:
        return "ends";
    }
  }

  void print_runtime(std::uint32_t index) {
    const runtime_view& its = all_.runtimes[index];
    std::string line = "runtime " + std::to_string(index + 1) + ": ";
    if (its.left_behind) {
      say(line + "left behind by a fork; nothing of it runs here");
      return;
    }
    std::map<fiber_state, std::size_t> counts;
    for (const fiber_view& one : all_.fibers) {
      if (one.runtime == index) ++counts[one.state];
    }
    std::size_t sum = 0;
    std::string parts;
    for (const auto& [state, count] : counts) {
      sum += count;
      parts += (parts.empty() ? "" : ", ") + with_commas(count) + " " + to_string(state);
    }
    line += count_of(its.carriers, "carrier") + ", " + count_of(sum, "fiber");
    if (!parts.empty()) line += ": " + parts;
    if (its.unjoined != 0) line += "; " + with_commas(its.unjoined) + " more ended and not joined";
    say(line);
  }

  void print_group(const group& one) {
    const fiber_view& first = *one.fibers.front();
    say(count_of(one.fibers.size(), "fiber") + ": " + to_string(one.state) +
        (one.reason.empty() ? "" : ", " + one.reason));
    print_awaited(one);
    print_waited(one);
    std::string list = "  fibers";
    for (std::size_t i = 0; i < std::min(one.fibers.size(), most_listed); ++i) {
      list += (i == 0 ? " " : ", ") + picture::label(*one.fibers[i]);
    }
    if (one.fibers.size() > most_listed) {
      list += " and " + with_commas(one.fibers.size() - most_listed) + " more";
    }
    say(list);
    print_code(one.stack, one.state, first.invoke);
    say(one.spawned_at != 0 ? "  spawned at " + describe_spawn_site(names_, one.spawned_at)
                            : "  spawned at several places");
  }

  // The object, if all wait for the same; else how many different objects there are.
  void print_awaited(const group& one) {
    std::vector<std::pair<address, std::uint64_t>> different;
    for (const fiber_view* each : one.fibers) {
      const awaited& its = each->waits_for;
      if (its.what == awaited::kind::unknown || its.what == awaited::kind::time) return;
      different.emplace_back(its.at, its.what == awaited::kind::descriptor ? its.count : 0);
    }
    std::sort(different.begin(), different.end());
    different.erase(std::unique(different.begin(), different.end()), different.end());
    const std::string first = describe_awaited(all_, names_, *one.fibers.front());
    if (first.empty()) return;
    say(different.size() == 1
            ? "  all wait for " + first
            : "  they wait for " + with_commas(different.size()) + " different things, #" +
                  std::to_string(one.fibers.front()->id) + " for " + first);
  }

  void print_waited(const group& one) {
    std::optional<std::chrono::milliseconds> least, most;
    for (const fiber_view* each : one.fibers) {
      const auto time = all_.waited(*each);
      if (!time) continue;
      least = std::min(*time, least.value_or(*time));
      most = std::max(*time, most.value_or(*time));
    }
    if (!least) return;
    say("  have waited for " + duration(*least) +
        (*least == *most ? std::string() : " to " + duration(*most)));
  }

  void print_code(std::uint32_t stack, fiber_state state, address invoke) {
    if (invoke != 0) say("  will run " + describe_task(invoke));
    if (stacks_ == nullptr) return;
    if (stack == no_stack) {
      if (state == fiber_state::running || state == fiber_state::blocking) {
        say("  its stack can be read with --pause only, because it runs");
      }
      return;
    }
    int number = 0;
    const backtrace& its = stacks_->at(stack);
    for (const address code : its.code) {
      for (const frame& one : names_.at(code)) {
        char prefix[16];
        std::snprintf(prefix, sizeof prefix, "  %3d ", number++);
        if (one.inlined && is_plumbing(one.function)) continue;
        say(prefix + describe(one) + (one.inlined ? " (inlined)" : ""));
      }
    }
    if (its.cut) say("      and more frames");
  }

  // Functions by which the standard library calls a callable; only JSON shows them.
  static bool is_plumbing(const std::string& function) {
    const std::string name = short_name(function);
    return name.starts_with("std::__") || name.starts_with("std::invoke<") ||
           name.starts_with("std::apply<");
  }

  // The name of a task's function tells the type of the callable, and so does the symbol.
  std::string describe_task(address invoke) {
    const frame& one = names_.at(invoke).back();
    return one.function.empty() ? describe(one) : short_name(one.function);
  }

  void print_worker(std::uint32_t runtime, const worker_view& one) {
    const fiber_view* const running = all_.fiber_at(one.fiber);
    std::string line = "  " + std::to_string(one.index);
    if (all_.runtimes.size() > 1) line += " of runtime " + std::to_string(runtime + 1);
    line += ", thread " + std::to_string(one.thread) + ": " + to_string(one.state);
    if (one.fiber != 0) {
      line += running != nullptr ? " fiber " + picture::label(*running) : " a fiber";
      if (one.blocking) line += ", which blocks";
    }
    line += "; " + with_commas(one.switches) + " switches, " + with_commas(one.parks) + " parks, " +
            with_commas(one.stolen) + " stolen, " + with_commas(one.spawned) + " spawned, " +
            with_commas(one.ended) + " ended; queues: next " + std::to_string(one.next) + ", new " +
            std::to_string(one.fresh) + ", ready " + std::to_string(one.ready) + ", pinned " +
            std::to_string(one.mail);
    say(line);
  }

  std::FILE* const out_;
  const picture& all_;
  const unwinder* const stacks_;
  symbols& names_;
};

}  // namespace

void print_text(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names,
                std::optional<std::uint64_t> only) {
  text_report report(out, all, stacks, names);
  if (only) {
    for (const fiber_view& one : all.fibers) {
      if (one.id == *only) report.print_fiber(one);
    }
    return;
  }
  report.print_head();
  report.print_groups();
  report.print_workers();
}

}  // namespace hilo::command
