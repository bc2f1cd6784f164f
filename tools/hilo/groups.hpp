// Fibers that do the same in the same place, together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/hilo/picture.hpp"
#include "tools/hilo/symbols.hpp"

namespace hilo::command {

struct group {
  fiber_state state = fiber_state::waiting;
  std::string reason;              // empty unless they wait
  std::uint32_t stack = no_stack;  // the number of their backtrace
  address spawned_at = 0;          // where all were spawned; 0: at several places
  std::vector<const fiber_view*> fibers;
};

// The largest group first.
std::vector<group> group_fibers(const picture& all);

// The first frame of a backtrace, or of what is inlined at an address, that belongs to the program
// and not to a library. Null if there is none.
const frame* find_user_frame(symbols& names, const backtrace& stack);
const frame* find_user_frame(symbols& names, address code);
// The place where a fiber was spawned, for the address to which the call of spawn returned.
const frame& find_spawn_site(symbols& names, address returned_to);

// "site_3() at many.cpp:33", or the module and the address in it.
std::string describe(const frame& one);
// The same for the place where a fiber was spawned.
std::string describe_spawn_site(symbols& names, address returned_to);

}  // namespace hilo::command
