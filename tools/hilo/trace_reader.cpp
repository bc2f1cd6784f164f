#include "tools/hilo/trace_reader.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "runtime/tool/root.hpp"
#include "tools/hilo/failure.hpp"

namespace hilo::command {
namespace {

// For how long the process records after the last renewal.
constexpr std::int64_t lease = 2'000'000'000;  // ns

constexpr std::uint64_t most_traced_workers = 1 << 17;

// Two hilos of a process number their runtimes each for itself.
constexpr std::uint32_t most_runtimes_of_a_hilo = 1 << 16;

}  // namespace

trace_reader::trace_reader(target& where, const std::vector<found_hilo>& hilos)
    : where_(where), hilos_(hilos) {
  for (const found_hilo& one : hilos_) {
    const auto until = where_.bytes().value<std::int64_t>(one.trace + one.at.trace_outside_until);
    if (until > where_.now().value_or(0)) {
      throw failure(exit_code::unreadable,
                    "another hilo trace reads " + where_.name() +
                        "; wait until it ends, some 2 seconds if it was killed");
    }
  }
  find_rings(true);
}

// The process may have ended, and its number may be another process's. Or it runs another program
// now, whose memory must not be written.
bool trace_reader::is_there(const found_hilo& its) {
  tool::root head{};
  return where_.bytes().read(its.root, &head, offsetof(tool::root, table)) &&
         std::memcmp(head.magic, tool::root_magic, sizeof head.magic) == 0 &&
         head.layout == tool::layout_number && reinterpret_cast<address>(head.trace) == its.trace;
}

bool trace_reader::ask_until(const found_hilo& its, std::int64_t time) {
  return is_there(its) &&
         where_.bytes().write(its.trace + its.at.trace_outside_until, &time, sizeof time);
}

bool trace_reader::renew() {
  const std::int64_t until = where_.now().value_or(0) + lease;
  const bool first = !asked_;
  asked_ = true;
  for (const found_hilo& one : hilos_) {
    if (ask_until(one, until)) continue;
    if (first && is_there(one)) {
      throw failure(exit_code::unreadable, "cannot write to the memory of " + where_.name());
    }
    return false;
  }
  return true;
}

void trace_reader::stop() noexcept {
  if (!asked_) return;
  asked_ = false;
  for (const found_hilo& one : hilos_) (void)ask_until(one, 0);
}

template <class F>
void trace_reader::for_each_worker(F f) {
  memory& from = where_.bytes();
  for (std::size_t i = 0; i < hilos_.size(); ++i) {
    const found_hilo& its = hilos_[i];
    std::vector<address> runtimes(its.room);
    if (!from.read(its.registry, runtimes.data(), runtimes.size() * sizeof runtimes[0])) continue;
    for (const address one : runtimes) {
      if (one == 0 || from.value<std::uint32_t>(one + its.at.runtime_process) != its.process) {
        continue;
      }
      const auto number = from.value<std::uint32_t>(one + its.at.runtime_number);
      const auto made = from.value<std::uint64_t>(one + its.at.runtime_made);
      // A std::vector: in each standard library it begins with the pointer to its first element.
      const auto first = from.value<address>(one + its.at.runtime_workers);
      std::vector<address> workers(std::min(made, most_traced_workers));
      if (!from.read(first, workers.data(), workers.size() * sizeof first)) continue;
      for (const address worker : workers) {
        f(i, its.at, static_cast<std::uint32_t>(i) * most_runtimes_of_a_hilo + number, worker);
      }
    }
  }
}

void trace_reader::find_rings(bool skip_old) {
  memory& from = where_.bytes();
  for_each_worker([&](std::size_t hilo, const layout& at, std::uint32_t runtime, address worker) {
    const auto ring = from.value<address>(worker + at.worker_trace);
    if (ring == 0) return;
    const tool::trace_json::place where{runtime,
                                        from.value<std::uint32_t>(worker + at.worker_index)};
    ring_view& its = rings_[{hilo, ring}];
    // The memory of a ring that is gone may be that of another.
    if (its.named && (its.where.runtime != where.runtime || its.where.worker != where.worker)) {
      its = {};
    }
    its.where = where;
    its.thread = from.value<int>(worker + at.worker_thread);
    if (skip_old) its.next = from.value<std::uint64_t>(ring + at.trace_written);
  });
}

// As trace_ring::read(), of another process: the order of its two looks is that of the system
// calls.
void trace_reader::read_ring(const layout& at, address ring, ring_view& its,
                             std::vector<placed_event>& into) {
  memory& from = where_.bytes();
  const auto end = from.value<std::uint64_t>(ring + at.trace_written);
  const std::uint64_t room = from.value<std::uint64_t>(ring + at.trace_mask) + 1;
  const auto cells = from.value<address>(ring + at.trace_cells);
  if (end <= its.next || room > sched::trace_ring::most_room || cells == 0) return;
  const std::uint64_t begin = std::max(its.next, end - std::min(end, room));
  std::vector<sched::trace_event> events(end - begin);
  const std::uint64_t first_part = std::min(end - begin, room - begin % room);
  piece parts[] = {
      {.from = cells + (begin % room) * sizeof(sched::trace_event),
       .into = events.data(),
       .bytes = first_part * sizeof(sched::trace_event)},
      {.from = cells,
       .into = events.data() + first_part,
       .bytes = (events.size() - first_part) * sizeof(sched::trace_event)},
  };
  const bool wraps = parts[1].bytes != 0;
  from.read(std::span(parts, wraps ? 2 : 1));
  if (!parts[0].there || (wraps && !parts[1].there)) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto now = from.value<std::uint64_t>(ring + at.trace_written);
  const std::uint64_t whole = std::clamp(sched::trace_ring::oldest_whole(now, room), begin, end);
  lost_ += whole - its.next;
  its.next = end;
  const std::uint32_t base = its.where.runtime - its.where.runtime % most_runtimes_of_a_hilo;
  for (std::uint64_t i = whole; i < end; ++i) {
    sched::trace_event& one = events[i - begin];
    if (one.what == sched::trace_what::wakes) one.number += base;
    into.push_back({its.where, one});
  }
}

void trace_reader::read(std::vector<placed_event>& into, tool::trace_json& names) {
  find_rings(false);
  for (auto& [key, its] : rings_) {
    if (!its.named) names.add_worker(its.where, its.thread);
    its.named = true;
    read_ring(hilos_[key.first].at, key.second, its, into);
  }
}

}  // namespace hilo::command
