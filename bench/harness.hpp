// The shared part of all C++ benchmark programs. A program holds the workloads of one
// implementation, so that no implementation pays for another's runtime. It speaks the driver's
// protocol (see driver.py), which programs in other languages can speak too:
//
//   PROGRAM list
//     one line of JSON a workload: {"workload": "yield", "figures": {"yield": "ns"}, "carriers":
//     [1], "note": ""}, or {"workload": "yield", "missing": "why"}
//   PROGRAM run WORKLOAD CARRIERS SECONDS [key=value…]
//     measures once, checks the answer and prints each figure in its unit, {"yield": 12.5}, or
//     {"skip": "why"}; a wrong answer ends the program with a message and a failure
//
// The loops are Google Benchmark's; SECONDS is its minimum time.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

namespace bench {

enum class unit { ns, ms, bytes };

// How often the body of `for (auto _ : state)` runs: until the time is over, or once because one
// pass is long.
enum class repeat { fill, once };

// A measured value, by its name in the table.
struct figure {
  const char* name;
  bench::unit unit;
};

struct workload {
  const char* name;  // also the name of its first figure
  bench::unit unit;
  bench::repeat repeat;
  unsigned max_carriers;  // 1: only with one carrier; 2: with one and with two
  void (*run)(benchmark::State& state, unsigned carriers);
  const char* note = "";          // a warning for the reader, printed below the table
  std::vector<figure> more = {};  // the further figures of the same run
  const char* missing = nullptr;  // why this implementation has none; only the name counts
};

// A workload that the implementation cannot run, with the reason that the table's footer prints.
inline workload absent(const char* name, const char* why) {
  return {name, unit::ns, repeat::fill, 0, nullptr, "", {}, why};
}

// The main of a program. Pins the process to as many CPUs as there are carriers, or to N with the
// argument cpus=N, before the first thread starts, so that every implementation runs on the same
// CPUs.
int run_program(int argc, char** argv, std::initializer_list<workload> workloads);

// Ends the program: this machine cannot run the workload. The report says why, and the run goes on.
[[noreturn]] void leave_out(std::string_view why);

// Sets the number of operations that the timed loop did in all (for ms: the number of whole passes;
// a fraction if the implementation ran a smaller pass). The value is the time divided by this
// number.
void set_operations(benchmark::State& state, double operations);

// Gives a figure that is not the loop's time.
void set_figure(benchmark::State& state, const char* name, double value);

// Ends the program unless the answer is right.
void expect(std::string_view what, std::uint64_t got, std::uint64_t wanted);

// The value of "key=value" on the command line; ends the program if it is missing.
std::string argument(std::string_view key);

// How much memory this process takes.
struct memory_use {
  std::uint64_t resident;  // bytes, exact; /proc/self/statm is only near
  std::uint64_t tables;    // bytes of page tables, counted separately by the kernel
};
memory_use current_memory();

// Sets the figure NAME, resident bytes for each of `items` made since `before`, and the figure
// NAME_with_tables.
void set_memory(benchmark::State& state, const std::string& name, const memory_use& before,
                double items);

// The processor time this process used so far, in milliseconds.
double cpu_milliseconds();

// Sets the figures NAME_p50, NAME_p90, NAME_p99 and NAME_p999: the lateness that a half, a tenth, a
// hundredth and a thousandth of the sleepers exceed. No sleeper may be early.
void set_lateness(benchmark::State& state, const std::string& name,
                  std::vector<double> milliseconds);

}  // namespace bench
