// The inputs of the simulation: what a step costs, in nanoseconds, and how the CPUs are arranged.
//
// The costs of a machine are of instructions and of the kernel. The costs of hilo are those of one
// carrier, without its locked instructions: the simulation adds these where the protocols have
// them, and it adds all transfers of cache lines. docs/scaling.md says where each number here is
// from; measure.py measures them on another machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace scaling {

struct costs {
  // How long a cache line takes from one CPU to another: of the same group (they share a cache),
  // of the same socket, and of another socket.
  double near = 51.5;
  double group = 51.5;
  double socket = 51.5;
  double group_size = 256;   // CPUs in a group
  double socket_size = 256;  // CPUs in a socket

  double locked = 2.8;  // a locked instruction on a line that is here
  // The lines of a fiber that comes from another CPU, as a multiple of one transfer. `rewrite`: a
  // spawn writes them anew, and the transfers overlap. `follow`: a carrier runs the fiber, and each
  // line leads to the next: the saved stack pointer, the frame, the task, the word of the join.
  double rewrite = 1.5;
  double follow = 4;
  double relax = 24;  // the pause of a spin loop
  double clock = 28;  // reading the clock
  double look = 2;    // a look at a victim whose lines are here

  double system_call = 250;      // a wake of no sleeper
  double futex_wake = 10'000;    // for the caller, with a sleeper
  double wake_latency = 36'000;  // from that call until the sleeper runs
  double nap_late = 33'000;      // how much later than asked a sleep with a time ends
  double kernel_switch = 1'760;  // to another thread of the same CPU
  double slice = 4'000'000;      // how long a thread runs before another of its CPU
  double membarrier = 11'400;    // with a peer that runs

  double spawn = 10.2;   // making a fiber and its entry into a queue
  double life = 4;       // the first and the last steps of a fiber on its stack
  double pick = 5.1;     // choosing the next fiber
  double swap = 5.1;     // the switch to it
  double join = 11.6;    // of a fiber's handle
  double park = 0.4;     // entering a wait list, and the wake of the other side
  double channel = 4.9;  // a send or a receive that does not wait
  double section = 4.3;  // lock and unlock of a mutex by the carrier that owns its lock
  double fork = 5.4;     // a fork that no other carrier asked for
};

// One cost: its name in files and on the command line.
struct cost_name {
  const char* name;
  double costs::*value;
};
const std::vector<cost_name>& cost_names();

// Sets one cost from "name=value". Returns what is wrong with the text; empty if nothing.
std::string set_cost(costs& all, std::string_view text);
// Sets all costs that a JSON object has. It may have other members whose names begin with '_'.
std::string read_costs(costs& all, const std::string& path);
// The costs as a JSON object.
std::string write_costs(const costs& all);

// A machine with published transfer times. docs/scaling.md names the sources.
struct known_machine {
  const char* name;
  const char* about;
  double near, group, socket, group_size, socket_size;
};
const std::vector<known_machine>& known_machines();
std::string set_machine(costs& all, std::string_view name);

}  // namespace scaling
