// Compares the simulation with measured figures.
#pragma once

#include "bench/scaling/options.hpp"

namespace scaling {

// Prints a line for each figure of 1 and 2 carriers that the file has. Returns the exit status: 1
// if one differs by more than the tolerance, 2 if the file cannot be read or has none of them.
int check_against_measured(const options& given);

}  // namespace scaling
