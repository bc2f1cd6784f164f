#include "bench/scaling/check.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/scaling/json.hpp"

namespace scaling {
namespace {

// The benchmarks that are simulated, by their names in docs/benchmarks.md.
struct benchmark {
  const char* name;
  const char* workload;
};
constexpr benchmark benchmarks[] = {
    {"spawn_many", "spawn_many"}, {"fib_spawn", "fib_spawn"}, {"fib_fork_join", "fib_fork_join"},
    {"pingpong", "pingpong"},     {"channel_4x4", "channel"}, {"mutex_8", "mutex"},
};

// bench/results.py: distances between CPUs are alike within this factor.
constexpr double alike = 1.5;

struct figure {
  double ns = 0;
  double near = 0;  // half of the round trip of a line before it was measured; 0: not recorded
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> numbers(const json* list) {
  std::vector<double> found;
  if (list == nullptr) return found;
  for (const json& each : list->items) {
    if (each.is == json::kind::number) found.push_back(each.number);
  }
  return found;
}

// Of values with distances, those count that were measured at a distance like the median of them.
figure figure_of(const json& cell) {
  figure found;
  std::vector<double> values = numbers(cell.find("values"));
  const std::vector<double> distances = numbers(cell.find("distances"));
  if (const json* const given = cell.find("median"); values.empty() && given != nullptr) {
    values.push_back(given->number);
  }
  if (values.empty()) return found;
  if (distances.size() == values.size()) {
    const double usual = median(distances);
    found.near = usual / 2;
    std::vector<double> kept;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::max(distances[i], usual) <= alike * std::min(distances[i], usual)) {
        kept.push_back(values[i]);
      }
    }
    values = kept.empty() ? values : kept;
  }
  found.ns = median(values);
  return found;
}

bool is_text(const json* one, const char* text) {
  return one != nullptr && one->is == json::kind::text && one->text == text;
}

// The figure of hilo; 0 if the file has none.
figure find_figure(const json& cells, const char* name, unsigned carriers) {
  for (const json& each : cells.items) {
    const json* const count = each.find("carriers");
    if (is_text(each.find("workload"), name) && is_text(each.find("impl"), "hilo") &&
        is_text(each.find("unit"), "ns") && count != nullptr && count->number == carriers) {
      return figure_of(each);
    }
  }
  return {};
}

}  // namespace

int check_against_measured(const options& given) {
  json file;
  if (const std::string wrong = read_json(file, given.check); !wrong.empty()) {
    std::fprintf(stderr, "bench_scaling: %s\n", wrong.c_str());
    return 2;
  }
  const json* const listed = file.find("cells");
  const json& cells = listed != nullptr ? *listed : file;
  int compared = 0;
  int off = 0;
  for (const benchmark& each : benchmarks) {
    if (std::find(given.workloads.begin(), given.workloads.end(), each.workload) ==
        given.workloads.end()) {
      continue;
    }
    for (const unsigned carriers : {1U, 2U}) {
      const figure measured = find_figure(cells, each.name, carriers);
      if (!(measured.ns > 0)) continue;
      costs inputs = given.inputs;
      if (measured.near > 0) inputs.near = measured.near;
      const outcome simulated = simulate(inputs, given.of(each.workload, carriers));
      const double ratio = simulated.ns / measured.ns;
      const bool good = simulated.wrong.empty() && ratio <= 1 + given.tolerance &&
                        ratio * (1 + given.tolerance) >= 1;
      ++compared;
      off += good ? 0 : 1;
      std::printf("%-14s %u carrier%s  measured %8.2f ns  simulated %8.2f ns  ratio %5.2f  %s\n",
                  each.name, carriers, carriers == 1 ? " " : "s", measured.ns, simulated.ns, ratio,
                  good ? "ok" : "OFF");
    }
  }
  if (compared == 0) {
    std::fprintf(stderr, "bench_scaling: %s has no figure of hilo that is simulated\n",
                 given.check.c_str());
    return 2;
  }
  std::printf("%d of %d figures are within a factor of %.2f\n", compared - off, compared,
              1 + given.tolerance);
  return off == 0 ? 0 : 1;
}

}  // namespace scaling
