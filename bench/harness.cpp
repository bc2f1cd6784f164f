#include "bench/harness.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <sched.h>

namespace bench {
namespace {

std::vector<std::string> arguments;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

// Pins to the first CPUs that this process may use; false when there are too few.
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

// Turns the one run into the protocol's line.
class line_reporter : public benchmark::BenchmarkReporter {
 public:
  explicit line_reporter(bench::unit unit) : unit_(unit) {}

  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) give_up(run.error_message);
      std::printf("{\"value\": %.9g}\n", value(run));
      printed_ = true;
    }
  }

  bool printed() const { return printed_; }

 private:
  double value(const Run& run) const {
    const auto counter = run.counters.find(unit_ == unit::bytes ? "bytes" : "operations");
    if (counter == run.counters.end()) give_up("the benchmark set no result");
    if (unit_ == unit::bytes) return counter->second.value;
    const double scale = unit_ == unit::ns ? 1e9 : 1e3;
    return run.real_accumulated_time * scale / counter->second.value;
  }

  bench::unit unit_;
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
    if (each.missing != nullptr)
      std::printf("{\"workload\": \"%s\", \"missing\": \"%s\"}\n", each.name, each.missing);
    else
      std::printf("{\"workload\": \"%s\", \"unit\": \"%s\", \"carriers\": %s, \"note\": \"%s\"}\n",
                  each.name, name_of(each.unit), each.max_carriers == 1 ? "[1]" : "[1, 2]",
                  each.note);
  }
  return 0;
}

int run(const workload& chosen, unsigned carriers, double seconds) {
  if (!pin(carriers)) {
    std::printf("{\"skip\": \"needs %u CPUs\"}\n", carriers);
    return 0;
  }
  // The timer of one thread means nothing where fibers migrate; the process's does.
  auto* registered = benchmark::RegisterBenchmark(
      chosen.name, [&](benchmark::State& state) { chosen.run(state, carriers); });
  registered->UseRealTime()->MeasureProcessCPUTime();
  if (chosen.repeat == repeat::once)
    registered->Iterations(1);
  else
    registered->MinTime(seconds);
  line_reporter reporter(chosen.unit);
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

void set_operations(benchmark::State& state, double operations) {
  state.counters["operations"] = operations;
}

void set_bytes(benchmark::State& state, double bytes) {
  state.counters["bytes"] = bytes;
}

void expect(std::string_view what, std::uint64_t got, std::uint64_t wanted) {
  if (got == wanted) return;
  give_up("wrong answer: " + std::string(what) + " is " + std::to_string(got) + ", must be " +
          std::to_string(wanted));
}

std::string argument(std::string_view key) {
  for (const std::string& each : arguments)
    if (each.starts_with(std::string(key) + "=")) return each.substr(key.size() + 1);
  give_up("needs the argument " + std::string(key) + "=…");
}

std::uint64_t resident_bytes() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string word; rollup >> word;) {
    std::uint64_t kib = 0;
    if (word == "Rss:" && rollup >> kib) return kib * 1024;
  }
  give_up("cannot read Rss from /proc/self/smaps_rollup");
}

}  // namespace bench
