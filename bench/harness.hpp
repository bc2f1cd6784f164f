// What every C++ benchmark program shares. A program holds the workloads of one implementation, so
// that nobody pays for another's runtime, and speaks the driver's protocol (see driver.py), which
// programs in other languages can speak as well:
//
//   PROGRAM list
//     one line of JSON a workload: {"workload": "yield", "unit": "ns", "carriers": [1], "note":
//     ""}, or {"workload": "yield", "missing": "why"}
//   PROGRAM run WORKLOAD CARRIERS SECONDS [key=value…]
//     measures once, checks the answer and prints {"value": 12.5} in the unit listed, or {"skip":
//     "why"}; a wrong answer ends the program with a message and a failure
//
// The loops are Google Benchmark's; SECONDS is its minimum time.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

namespace bench {

enum class unit { ns, ms, bytes };

// How often the body of `for (auto _ : state)` runs: as often as fills the time, or once because
// one pass is long.
enum class repeat { fill, once };

struct workload {
  const char* name;
  bench::unit unit;
  bench::repeat repeat;
  unsigned max_carriers;  // 1: only with one; 2: with one and with two
  void (*run)(benchmark::State& state, unsigned carriers);
  const char* note = "";          // what a reader of the number must know; printed below the table
  const char* missing = nullptr;  // why this implementation has none; then only the name counts
};

// A workload that the implementation cannot run, with the reason that the table's footer prints.
constexpr workload absent(const char* name, const char* why) {
  return {name, unit::ns, repeat::fill, 0, nullptr, "", why};
}

// The main of a program. Pins the process to as many CPUs as there are carriers, before the first
// thread starts, so that every implementation runs on the same ones.
int run_program(int argc, char** argv, std::initializer_list<workload> workloads);

// Says how many operations the timed loop did in all (for ms: how many whole passes; a fraction
// where the implementation ran a smaller one). The value is time divided by this.
void set_operations(benchmark::State& state, double operations);

// Reports a size instead of a time.
void set_bytes(benchmark::State& state, double bytes);

// Ends the program unless the answer is right.
void expect(std::string_view what, std::uint64_t got, std::uint64_t wanted);

// The value of "key=value" on the command line; ends the program when it is not there.
std::string argument(std::string_view key);

// Resident memory of this process in bytes, exact where /proc/self/statm is only near.
std::uint64_t resident_bytes();

}  // namespace bench
