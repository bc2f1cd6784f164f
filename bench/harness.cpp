#include "bench/harness.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <sched.h>

namespace bench {
namespace {

std::vector<std::string> arguments;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

// Pins to the first CPUs that this process may use; false if there are too few.
bool pin(unsigned cpus) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&chosen) < static_cast<int>(cpus); ++cpu)
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &chosen);
  return CPU_COUNT(&chosen) == static_cast<int>(cpus) &&
         ::sched_setaffinity(0, sizeof chosen, &chosen) == 0;
}

// The value of "key=value" on the command line.
std::optional<std::string> find_argument(std::string_view key) {
  for (const std::string& each : arguments)
    if (each.starts_with(std::string(key) + "=")) return each.substr(key.size() + 1);
  return std::nullopt;
}

// The number after a word in one of the kernel's files.
std::uint64_t kibibytes(const char* path, const std::string& word) {
  std::ifstream file(path);
  for (std::string each; file >> each;) {
    std::uint64_t value = 0;
    if (each == word && file >> value) return value;
  }
  give_up("cannot read " + word + " from " + path);
}

// What stopped the run; null if nothing did. Google Benchmark 1.8 gave these members other names.
template <class R>
const std::string* failure_of(const R& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred ? &run.error_message : nullptr;
  } else {
    return run.skipped ? &run.skip_message : nullptr;
  }
}

// Turns the one run into the protocol's line.
class line_reporter : public benchmark::BenchmarkReporter {
 public:
  explicit line_reporter(const workload& of) : of_(of) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (const std::string* const why = failure_of(run)) give_up(*why);
      std::printf("{\"%s\": %.9g", of_.name, first(run));
      for (const figure& each : of_.more) std::printf(", \"%s\": %.9g", each.name, set(run, each));
      std::printf("}\n");
      printed_ = true;
    }
  }

  bool printed() const { return printed_; }

 private:
  // The value that the loop set, or its time for one operation.
  double first(const Run& run) const {
    const auto operations = run.counters.find("operations");
    if (operations == run.counters.end()) return set(run, {of_.name, of_.unit});
    const double scale = of_.unit == unit::ns ? 1e9 : 1e3;
    return run.real_accumulated_time * scale / operations->second.value;
  }

  static double set(const Run& run, const figure& which) {
    const auto counter = run.counters.find(which.name);
    if (counter == run.counters.end()) give_up("the benchmark set no " + std::string(which.name));
    return counter->second.value;
  }

  const workload& of_;
  bool printed_ = false;
};

const char* name_of(unit u) {
  switch (u) {
    case unit::ns:
      return "ns";
    case unit::ms:
      return "ms";
    case unit::bytes:
      return "bytes";
  }
  return "?";
}

int list(std::initializer_list<workload> workloads) {
  for (const workload& each : workloads) {
    if (each.missing != nullptr) {
      std::printf("{\"workload\": \"%s\", \"missing\": \"%s\"}\n", each.name, each.missing);
      continue;
    }
    std::printf("{\"workload\": \"%s\", \"figures\": {\"%s\": \"%s\"", each.name, each.name,
                name_of(each.unit));
    for (const figure& more : each.more)
      std::printf(", \"%s\": \"%s\"", more.name, name_of(more.unit));
    std::printf("}, \"carriers\": %s, \"note\": \"%s\"}\n",
                each.max_carriers == 1 ? "[1]" : "[1, 2]", each.note);
  }
  return 0;
}

int run(const workload& chosen, unsigned carriers, double seconds) {
  const auto given = find_argument("cpus");
  const unsigned cpus = given ? static_cast<unsigned>(std::stoul(*given)) : carriers;
  if (!pin(cpus)) leave_out("needs " + std::to_string(cpus) + " CPUs");
  // The CPU timer of one thread means nothing if fibers migrate; the timer of the process does.
  auto* registered = benchmark::RegisterBenchmark(
      chosen.name, [&](benchmark::State& state) { chosen.run(state, carriers); });
  registered->UseRealTime()->MeasureProcessCPUTime();
  if (chosen.repeat == repeat::once)
    registered->Iterations(1);
  else
    registered->MinTime(seconds);
  line_reporter reporter(chosen);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  if (!reporter.printed()) give_up("the benchmark reported nothing");
  return 0;
}

}  // namespace

int run_program(int argc, char** argv, std::initializer_list<workload> workloads) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 1 && words[0] == "list") return list(workloads);
  if (words.size() < 4 || words[0] != "run")
    give_up("usage: " + std::string(argv[0]) +
            " list | run WORKLOAD CARRIERS SECONDS [key=value…]");
  arguments.assign(words.begin() + 4, words.end());
  for (const workload& each : workloads)
    if (each.missing == nullptr && words[1] == each.name)
      return run(each, static_cast<unsigned>(std::stoul(words[2])), std::stod(words[3]));
  give_up("no workload is called " + words[1]);
}

void leave_out(std::string_view why) {
  std::printf("{\"skip\": \"%.*s\"}\n", static_cast<int>(why.size()), why.data());
  std::exit(0);
}

void set_operations(benchmark::State& state, double operations) {
  state.counters["operations"] = operations;
}

void set_figure(benchmark::State& state, const char* name, double value) {
  state.counters[name] = value;
}

void expect(std::string_view what, std::uint64_t got, std::uint64_t wanted) {
  if (got == wanted) return;
  give_up("wrong answer: " + std::string(what) + " is " + std::to_string(got) + ", must be " +
          std::to_string(wanted));
}

std::string argument(std::string_view key) {
  if (const auto found = find_argument(key)) return *found;
  give_up("needs the argument " + std::string(key) + "=…");
}

memory_use current_memory() {
  return {.resident = kibibytes("/proc/self/smaps_rollup", "Rss:") * 1024,
          .tables = kibibytes("/proc/self/status", "VmPTE:") * 1024};
}

void set_memory(benchmark::State& state, const std::string& name, const memory_use& before,
                double items) {
  const memory_use now = current_memory();
  const double resident = double(now.resident) - double(before.resident);
  const double tables = double(now.tables) - double(before.tables);
  set_figure(state, name.c_str(), resident / items);
  set_figure(state, (name + "_with_tables").c_str(), (resident + tables) / items);
}

double cpu_milliseconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

void set_lateness(benchmark::State& state, const std::string& name,
                  std::vector<double> milliseconds) {
  const auto early =
      std::count_if(milliseconds.begin(), milliseconds.end(), [](double late) { return late < 0; });
  expect("the number of early wake-ups", static_cast<std::uint64_t>(early), 0);
  std::sort(milliseconds.begin(), milliseconds.end());
  constexpr std::pair<const char*, std::size_t> percentiles[] = {
      {"_p50", 500}, {"_p90", 900}, {"_p99", 990}, {"_p999", 999}};
  for (const auto& [suffix, thousandths] : percentiles) {
    const double at = milliseconds[milliseconds.size() * thousandths / 1000];
    set_figure(state, (name + suffix).c_str(), at);
  }
}

}  // namespace bench
