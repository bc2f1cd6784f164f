// The two forms of a dump: text for people, JSON for programs.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>

#include "tools/hilo/picture.hpp"
#include "tools/hilo/symbols.hpp"
#include "tools/hilo/unwinder.hpp"

namespace hilo::command {

// Prints all fibers in groups, and the workers; or only the fibers with this number. `stacks` is
// null if no backtraces were taken.
void print_text(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names,
                std::optional<std::uint64_t> only);
void print_json(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names,
                std::optional<std::uint64_t> only);

}  // namespace hilo::command
