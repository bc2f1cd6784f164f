#include "tools/hilo/runtimes.hpp"

#include <algorithm>

#include "runtime/sched/queues/run_queue.hpp"

namespace hilo::command {
namespace {

constexpr std::uint64_t most_workers = 1 << 17;
constexpr std::uint64_t longest_list = 1 << 26;  // a list that changes may lead in a circle

class reader {
 public:
  reader(target& where, const layout& its) : from_(where.bytes()), its_(its) {}

  template <class T>
  T value(address at) {
    return from_.value<T>(at);
  }
  address pointer(address at) { return value<address>(at); }

  // A std::vector: in each standard library it begins with the pointers to its first element and
  // behind its last one.
  std::vector<address> pointers(address vector) {
    const address first = pointer(vector);
    const address last = pointer(vector + sizeof first);
    if (last < first || (last - first) / sizeof first > longest_list) return {};
    std::vector<address> all((last - first) / sizeof first);
    if (!from_.read(first, all.data(), all.size() * sizeof first)) all.clear();
    return all;
  }

  std::uint64_t read_ring(address ring, std::unordered_set<address>& queued) {
    const auto top = value<std::uint32_t>(ring + its_.ring_top);
    const auto bottom = value<std::uint32_t>(ring + its_.ring_bottom);
    const std::uint32_t count = bottom - top;
    if (count > its_.ring_capacity) return 0;
    std::vector<address> slots(its_.ring_capacity);
    if (!from_.read(ring + its_.ring_slots, slots.data(), slots.size() * sizeof slots[0])) return 0;
    for (std::uint32_t i = top; i != bottom; ++i) queued.insert(slots[i % its_.ring_capacity]);
    return count;
  }

  std::uint64_t read_injector(address injector, std::unordered_set<address>& queued) {
    const auto size = value<std::uint64_t>(injector + its_.injector_size);
    address one = pointer(injector + its_.injector_first);
    for (std::uint64_t i = 0; one != 0 && i < std::min(size, longest_list); ++i) {
      queued.insert(one);
      one = pointer(one + its_.fiber_next_injected);
    }
    return size;
  }

  worker_view read_worker(address at, std::unordered_set<address>& queued) {
    worker_view one;
    one.at = at;
    one.index = value<std::uint32_t>(at + its_.worker_index);
    one.thread = value<int>(at + its_.worker_thread);
    const auto state = value<std::uint8_t>(at + its_.worker_activity);
    one.state = static_cast<worker_state>(std::min<std::uint8_t>(state, 3));
    const address running = pointer(at + its_.worker_running);
    if (running != at + its_.worker_base) one.fiber = running;
    one.blocking = value<std::uint32_t>(at + its_.worker_offer) != 0;
    one.has_place = pointer(at + its_.worker_place) != 0;
    const auto long_ticks = value<std::uint64_t>(at + its_.worker_long_ticks);
    const auto long_parks = value<std::uint64_t>(at + its_.worker_long_parks);
    const auto word = value<std::uint64_t>(at + its_.worker_turns);
    const auto turns = sched::run_queue::lengthen(long_ticks, long_parks, word);
    one.switches = turns.switches;
    one.parks = turns.parks;
    one.stolen = value<std::uint64_t>(at + its_.worker_stolen);
    one.spawned = value<std::uint64_t>(at + its_.worker_spawned_count);
    one.ended = value<std::uint64_t>(at + its_.worker_ended_count);
    if (const address next = pointer(at + its_.worker_slot)) {
      queued.insert(next);
      one.next = 1;
    }
    one.fresh = read_ring(at + its_.worker_spawned, queued);
    one.ready = read_ring(at + its_.worker_ready, queued);
    one.mail = read_injector(at + its_.worker_mail, queued);
    return one;
  }

  pool_view read_pool(address at) {
    pool_view one;
    one.base = pointer(at + its_.pool_base);
    one.stride = value<std::uint64_t>(at + its_.pool_stride);
    one.stack_size = value<std::uint64_t>(at + its_.pool_stack_size);
    const auto words = value<std::uint64_t>(at + its_.pool_used_words);
    if (words > longest_list) return one;
    one.built.resize(words);
    if (!from_.read(pointer(at + its_.pool_built), one.built.data(), words * sizeof words)) {
      one.built.clear();
    }
    return one;
  }

 private:
  memory& from_;
  const layout& its_;
};

}  // namespace

const char* to_string(worker_state one) noexcept {
  switch (one) {
    case worker_state::running:
      return "running";
    case worker_state::asleep:
      return "asleep";
    case worker_state::spare:
      return "spare";
    case worker_state::retired:
      return "retired";
  }
  return "unknown";
}

runtime_view read_runtime(target& where, const found_hilo& its, address at) {
  const layout& its_layout = its.at;
  reader from(where, its_layout);
  runtime_view all;
  all.at = at;
  all.hilo = &its;
  all.left_behind = from.value<std::uint32_t>(at + its_layout.runtime_process) != its.process;
  all.tells_time = from.value<std::int64_t>(at + its_layout.runtime_stuck_after) != 0 ||
                   from.value<std::int64_t>(at + its_layout.runtime_busy_after) != 0;
  all.carriers = from.value<std::uint32_t>(at + its_layout.runtime_carriers);
  const auto made = from.value<std::uint64_t>(at + its_layout.runtime_made);
  std::vector<address> workers = from.pointers(at + its_layout.runtime_workers);
  workers.resize(std::min<std::uint64_t>({made, workers.size(), most_workers}));
  auto spawned = from.value<std::uint64_t>(at + its_layout.runtime_guest_spawned);
  auto ended = from.value<std::uint64_t>(at + its_layout.runtime_guest_ended);
  auto returned = from.value<std::uint64_t>(at + its_layout.runtime_guest_returned);
  for (const address one : workers) {
    all.workers.push_back(from.read_worker(one, all.queued));
    spawned += all.workers.back().spawned;
    ended += all.workers.back().ended;
    returned += from.value<std::uint64_t>(one + its_layout.worker_returned_count);
  }
  all.unjoined = ended > returned && ended <= spawned ? ended - returned : 0;
  all.injected = from.read_injector(at + its_layout.runtime_injector, all.queued);
  for (unsigned lane = 0; lane < 2; ++lane) {
    all.injected += from.read_injector(
        at + its_layout.runtime_lanes + lane * its_layout.injector_bytes, all.queued);
  }
  for (std::uint32_t i = 0; i < its_layout.pool_count; ++i) {
    const address pool = from.pointer(at + its_layout.runtime_pools + i * sizeof(address));
    if (pool != 0) all.pools.push_back(from.read_pool(pool));
  }
  all.on_user_stacks = from.pointers(at + its_layout.runtime_user_stacks);
  return all;
}

}  // namespace hilo::command
