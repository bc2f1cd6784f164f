// Simulates the scheduler of hilo with many carriers in virtual time: docs/scaling.md.
#include <cstdio>
#include <string>
#include <vector>

#include "bench/scaling/check.hpp"
#include "bench/scaling/options.hpp"
#include "bench/scaling/report.hpp"

namespace scaling {
namespace {

int run_all(const options& given) {
  std::vector<result> all;
  for (const std::string& workload : given.workloads) {
    double of_one = 0;
    for (const unsigned carriers : given.carriers) {
      result one{.asked = given.of(workload, carriers), .found = {}};
      one.found = simulate(given.inputs, one.asked);
      if (!one.found.wrong.empty()) {
        std::fprintf(stderr, "bench_scaling: %s with %u carriers: %s\n", workload.c_str(), carriers,
                     one.found.wrong.c_str());
        return 1;
      }
      if (carriers == 1) of_one = one.found.ns;
      if (one.found.ns > 0) one.speed_up = of_one / one.found.ns;
      all.push_back(one);
    }
  }
  const std::string text = given.json ? as_json(all, given.inputs) : as_text(all);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int run(int argc, char** argv) {
  options given;
  const std::string wrong = read_options(given, {argv + 1, argv + argc});
  if (!wrong.empty()) {
    std::fprintf(stderr, "bench_scaling: %s\n", wrong.c_str());
    return 2;
  }
  if (given.help) return std::fputs(usage, stdout) < 0 ? 1 : 0;
  if (given.print_costs) return std::fputs(write_costs(given.inputs).c_str(), stdout) < 0 ? 1 : 0;
  if (!given.check.empty()) return check_against_measured(given);
  return run_all(given);
}

}  // namespace
}  // namespace scaling

int main(int argc, char** argv) {
  return scaling::run(argc, argv);
}
