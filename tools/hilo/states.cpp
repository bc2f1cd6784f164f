// What each fiber does. A fiber has no field that says so; its state is where it is found.
#include <unordered_set>

#include "runtime/sched/fibers/fiber.hpp"
#include "tools/hilo/picture.hpp"

namespace hilo::command {
namespace {

using blocks = std::unordered_set<address>;

fiber_state state_of(const picture& all, const fiber_view& one, const blocks& blocking,
                     const blocks& joining) {
  const runtime_view& its = all.runtimes[one.runtime];
  if (one.on_cpu) return blocking.contains(one.at) ? fiber_state::blocking : fiber_state::running;
  if (one.changed) return fiber_state::moving;
  if (!one.started) return fiber_state::fresh;
  if (one.linked) return fiber_state::waiting;
  if (joining.contains(one.waiter)) return fiber_state::waiting;
  if (its.queued.contains(one.at)) return fiber_state::runnable;
  // It waits in no list, as for a cancellation; or it was woken after the queues were read.
  return all.still && one.parked_on != 0 ? fiber_state::waiting : fiber_state::moving;
}

}  // namespace

void find_states(target& where, picture& all) {
  blocks blocking;
  for (const runtime_view& runtime : all.runtimes) {
    for (const worker_view& worker : runtime.workers) {
      if (worker.blocking) blocking.insert(worker.fiber);
    }
  }
  // While a fiber is joined, its join word is the joiner's waiter.
  blocks joining;
  for (const fiber_view& one : all.fibers) {
    if (one.join >= sched::join_word::waiters) joining.insert(one.join);
  }
  for (fiber_view& one : all.fibers) {
    one.state = state_of(all, one, blocking, joining);
    if (one.state != fiber_state::waiting || all.reasons.contains(one.parked_on)) continue;
    auto text = where.bytes().text(one.parked_on);
    all.reasons[one.parked_on] = text ? *text : "unknown: the program's file cannot be read";
  }
}

}  // namespace hilo::command
