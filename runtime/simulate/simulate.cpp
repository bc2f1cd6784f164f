#include "hilo/simulate.hpp"

#include <cstdlib>
#include <sstream>
#include <utility>

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/simulate/seed_note.hpp"
#include "runtime/simulate/simulation.hpp"

namespace hilo {

simulation_failure::simulation_failure(const std::string& what, const simulation_report& the_run,
                                       std::exception_ptr why, std::vector<waiting_fiber> left)
    : std::runtime_error(what), run(the_run), cause(std::move(why)), waiting(std::move(left)) {}
simulation_failure::~simulation_failure() = default;

namespace detail {

simulation_report simulate_once(const simulation_options& options, std::uint64_t seed,
                                const std::function<void()>& f) {
  simulated::simulation one(options);
  const simulated::seed_note note;
  return one.run(seed, f, __builtin_return_address(0));
}

exploration explore_seeds(const explore_options& options, const std::function<void()>& f) {
  const void* const site = __builtin_return_address(0);
  explore_options wanted = options;
  if (const char* const given = std::getenv("HILO_SEED")) {
    char* end = nullptr;
    wanted.first_seed = std::strtoull(given, &end, 0);
    wanted.seeds = 1;
    if (*given == '\0' || *end != '\0') {
      base::fail(EINVAL, "explore", std::string("HILO_SEED is \"") + given + "\", no number");
    }
  }
  simulated::simulation one(options.each);
  const simulated::seed_note note;
  exploration result;
  try {
    for (; result.runs < wanted.seeds; ++result.runs) {
      const simulation_report run = one.run(wanted.first_seed + result.runs, f, site);
      result.decisions += run.decisions;
      result.trace = simulated::random_source::mix(result.trace ^ run.trace);
    }
  } catch (const simulation_failure& failure) {
    std::istringstream lines(failure.what());
    for (std::string line; std::getline(lines, line);) base::report("%s", line.c_str());
    throw;
  }
  return result;
}

}  // namespace detail
}  // namespace hilo
