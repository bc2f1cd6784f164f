// The results of the simulation, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "bench/scaling/options.hpp"
#include "bench/scaling/workloads.hpp"

namespace scaling {

struct result {
  request asked;
  outcome found;
  double speed_up = 0;  // over one carrier; 0: not known
};

std::string as_text(const std::vector<result>& all);
std::string as_json(const std::vector<result>& all, const costs& inputs);

}  // namespace scaling
