#include "bench/scaling/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace scaling {

const char* const usage =
    R"(usage: bench_scaling [OPTION…]

Simulates the scheduler of hilo with 1 to 256 carriers in virtual time. docs/scaling.md says what is
simulated and what is not.

  --workload NAME,…    spawn_many, fib_spawn, fib_fork_join, pingpong, channel, mutex, combining (all)
  --carriers N,…       1 to 256 (1,2,4,8,16,32,64,128,256)
  --cpus N             CPUs that the carriers share (as many as carriers)
  --machine NAME       published transfer times: epyc, xeon, mesh (those measured here)
  --costs FILE         costs as a JSON object; --print-costs prints all of them
  --cost NAME=NS       one cost
  --seed N             of the order in which thieves look at victims (1)
  --operations N       how many (each workload has a number of its own)
  --fibers N, Nx       pairs, senders or lockers: N, or N for each carrier (as in the benchmark)
  --work NS            what each task, message or critical section computes (0)
  --batch N            mutex: pauses before a carrier asks the owner for the lock (32)
  --json               the results as JSON
  --check FILE         compares 1 and 2 carriers with the figures of hilo in a file of ./dev bench;
                       the exit status is 1 if one of them is off by more than the tolerance
  --tolerance PART     0.3: neither value is more than 1.3 times the other (0.3)
)";

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

template <class N>
std::string read_number(N& into, const std::string& name, const std::string& text,
                        std::uint64_t least, std::uint64_t most) {
  const auto value = whole_number(text);
  if (!value || *value < least || *value > most) {
    return name + " " + text + ": must be a whole number from " + std::to_string(least) + " to " +
           std::to_string(most);
  }
  into = static_cast<N>(*value);
  return "";
}

std::string read_real(double& into, const std::string& name, const std::string& text, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= most)) {
    return name + " " + text + ": must be a number from 0 to " +
           std::to_string(static_cast<std::uint64_t>(most));
  }
  into = value;
  return "";
}

std::string read_carriers(options& into, const std::string& text) {
  into.carriers.clear();
  for (const std::string& part : parts_of(text)) {
    unsigned& one = into.carriers.emplace_back();
    if (std::string wrong = read_number(one, "--carriers", part, 1, most_carriers); !wrong.empty())
      return wrong;
  }
  return "";
}

std::string read_workloads(options& into, const std::string& text) {
  into.workloads = parts_of(text);
  for (const std::string& each : into.workloads) {
    const auto& all = workload_names();
    if (std::none_of(all.begin(), all.end(), [&](const auto& w) { return w.name == each; })) {
      return "--workload " + each + ": there is no such workload; --help lists them";
    }
  }
  return "";
}

std::string read_fibers(options& into, const std::string& text) {
  into.fibers_per_carrier = text.ends_with('x');
  const std::string number = into.fibers_per_carrier ? text.substr(0, text.size() - 1) : text;
  return read_number(into.fibers, "--fibers", number, 1, 100'000);
}

using option_reader = std::function<std::string(options&, const std::string&)>;

// The options that take a value.
const std::vector<std::pair<std::string, option_reader>>& option_readers() {
  static const std::vector<std::pair<std::string, option_reader>> all = {
      {"--workload", read_workloads},
      {"--carriers", read_carriers},
      {"--cpus",
       [](options& o, auto& s) { return read_number(o.cpus, "--cpus", s, 1, most_carriers); }},
      {"--machine", [](options& o, auto& s) { return set_machine(o.inputs, s); }},
      {"--costs", [](options& o, auto& s) { return read_costs(o.inputs, s); }},
      {"--cost", [](options& o, auto& s) { return set_cost(o.inputs, s); }},
      {"--seed",
       [](options& o, auto& s) { return read_number(o.seed, "--seed", s, 0, 0xffffffff); }},
      {"--operations",
       [](options& o, auto& s) {
         return read_number(o.operations, "--operations", s, 1, 100'000'000);
       }},
      {"--fibers", read_fibers},
      {"--work", [](options& o, auto& s) { return read_real(o.work, "--work", s, 1e9); }},
      {"--batch",
       [](options& o, auto& s) { return read_number(o.batch, "--batch", s, 0, 1'000'000); }},
      {"--check",
       [](options& o, auto& s) {
         o.check = s;
         return std::string(s.empty() ? "--check: needs a file" : "");
       }},
      {"--tolerance",
       [](options& o, auto& s) { return read_real(o.tolerance, "--tolerance", s, 100); }},
  };
  return all;
}

}  // namespace

request options::of(const std::string& workload, unsigned count) const {
  return {.workload = workload,
          .carriers = count,
          .cpus = cpus == 0 ? count : std::min(cpus, count),
          .seed = seed,
          .operations = operations,
          .fibers = fibers_per_carrier ? fibers * count : fibers,
          .work = work,
          .batch = batch};
}

std::string read_options(options& into, const std::vector<std::string>& words) {
  const std::pair<const char*, bool options::*> flags[] = {{"--json", &options::json},
                                                           {"--print-costs", &options::print_costs},
                                                           {"--help", &options::help}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto flag = std::find_if(std::begin(flags), std::end(flags),
                                   [&](const auto& each) { return each.first == word; });
    if (flag != std::end(flags)) {
      into.*flag->second = true;
      continue;
    }
    const auto found = std::find_if(option_readers().begin(), option_readers().end(),
                                    [&](const auto& each) { return each.first == word; });
    if (found == option_readers().end())
      return word + ": there is no such option; --help lists them";
    if (++i == words.size()) return word + " needs a value";
    if (std::string wrong = found->second(into, words[i]); !wrong.empty()) return wrong;
  }
  if (into.workloads.empty()) {
    for (const workload_name& each : workload_names()) into.workloads.emplace_back(each.name);
  }
  return "";
}

}  // namespace scaling
