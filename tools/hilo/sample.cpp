#include "tools/hilo/sample.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/hilo/wording.hpp"

namespace hilo::command {
namespace {

constexpr std::size_t most_stays = 5;  // of each list that are shown

using clock = std::chrono::steady_clock;

double seconds_between(clock::time_point from, clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

void keep_longest(std::vector<long_stay>& all) {
  std::sort(all.begin(), all.end(), [](const long_stay& a, const long_stay& b) {
    return a.time != b.time ? a.time > b.time : a.fiber->id < b.fiber->id;
  });
  all.resize(std::min(all.size(), most_stays));
}

std::string per_second(double rate) {
  return with_commas(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
}

std::string column(const std::string& text, std::size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

void sort_groups(std::vector<load_group>& groups, symbols& names, top_order order) {
  if (order == top_order::count) return;
  const auto key = [&](const load_group& one) {
    switch (order) {
      case top_order::state:
        return std::string(to_string(one.its.state));
      case top_order::reason:
        return one.its.reason;
      default:
        return one.its.spawned_at == 0 ? std::string()
                                       : describe_spawn_site(names, one.its.spawned_at);
    }
  };
  std::stable_sort(groups.begin(), groups.end(),
                   [&](const load_group& a, const load_group& b) { return key(a) < key(b); });
}

}  // namespace

void sampler::take(target& where, sample& into) {
  into = sample();
  into.all = collect(where, {.stacks = false, .pause = false}, nullptr);
  into.at = clock::now();
  const double seconds = first_ ? 0 : seconds_between(last_, into.at);
  take_workers(into, seconds);
  take_fibers(into);
  keep_longest(into.waiting);
  keep_longest(into.computing);
  last_ = into.at;
  first_ = false;
}

void sampler::take_workers(sample& into, double seconds) {
  std::unordered_map<int, std::int64_t> cpu;
  for (const kernel_thread& one : into.all.threads) cpu[one.number] = one.cpu_ns;
  const auto rate = [seconds](auto change) {
    return seconds > 0 ? static_cast<double>(change) / seconds : 0.0;
  };
  for (std::uint32_t i = 0; i < into.all.runtimes.size(); ++i) {
    for (const worker_view& one : into.all.runtimes[i].workers) {
      worker_load& its = into.workers.emplace_back();
      its.runtime = i;
      its.its = &one;
      const auto [found, is_new] = workers_.try_emplace(one.at);
      counts& before = found->second;
      if (!is_new) {
        its.switches = rate(one.switches - before.switches);
        its.parks = rate(one.parks - before.parks);
        its.stolen = rate(one.stolen - before.stolen);
        into.switches += its.switches;
        into.parks += its.parks;
        into.stolen += its.stolen;
        into.spawned += rate(one.spawned - before.spawned);
        into.ended += rate(one.ended - before.ended);
        const auto used = cpu_.find(one.thread);
        if (used != cpu_.end() && cpu.contains(one.thread)) {
          its.cpu = rate(cpu[one.thread] - used->second) * 1e-9;
        }
      }
      const bool stays = !is_new && one.fiber != 0 && one.fiber == before.fiber &&
                         one.switches == before.switches && !one.blocking;
      before = {.switches = one.switches,
                .parks = one.parks,
                .stolen = one.stolen,
                .spawned = one.spawned,
                .ended = one.ended,
                .fiber = one.fiber,
                .since = stays ? before.since : into.at};
      const fiber_view* const running = into.all.fiber_at(one.fiber);
      if (stays && running != nullptr) {
        into.computing.push_back({running, into.at - before.since});
      }
    }
  }
  cpu_ = std::move(cpu);
}

void sampler::take_fibers(sample& into) {
  std::unordered_map<address, std::uint64_t> now;
  now.reserve(into.all.fibers.size());
  for (const fiber_view& one : into.all.fibers) {
    ++into.states[one.state];
    now[one.at] = one.id;
    if (const auto time = into.all.waited(one)) into.waiting.push_back({&one, *time});
  }
  const auto is_new = [&](const fiber_view& one) {
    const auto found = fibers_.find(one.at);
    return found == fibers_.end() || found->second != one.id;
  };
  for (group& one : group_fibers(into.all)) {
    load_group& its = into.groups.emplace_back();
    if (!first_) {
      its.fresh = static_cast<std::size_t>(
          std::count_if(one.fibers.begin(), one.fibers.end(),
                        [&](const fiber_view* each) { return is_new(*each); }));
    }
    its.its = std::move(one);
  }
  fibers_ = std::move(now);
}

top_text describe_sample(sample& one, symbols& names, top_order order, std::size_t most_groups) {
  top_text text;
  const auto say = [&](std::string line) { text.lines.push_back(std::move(line)); };
  say(one.all.target + (one.all.program.empty() ? "" : ": " + one.all.program) + ", hilo " +
      one.all.hilos.front().version);
  std::string head = count_of(one.all.fibers.size(), "fiber");
  for (const auto& [state, count] : one.states) {
    head += ", " + with_commas(count) + " " + to_string(state);
  }
  say(head);
  say("spawned " + per_second(one.spawned) + ", ended " + per_second(one.ended) + ", switches " +
      per_second(one.switches) + ", parks " + per_second(one.parks) + ", stolen " +
      per_second(one.stolen));
  say("");
  say("worker   thread     CPU     switches        parks     stolen  queued  does");
  for (const worker_load& each : one.workers) {
    const worker_view& its = *each.its;
    if (its.state == worker_state::spare) continue;
    const fiber_view* const running = one.all.fiber_at(its.fiber);
    std::string number = std::to_string(its.index);
    if (one.all.runtimes.size() > 1) number = std::to_string(each.runtime + 1) + "." + number;
    const auto percent = static_cast<std::uint64_t>(std::llround(100 * each.cpu));
    say(column(number, 6) + column(std::to_string(its.thread), 9) +
        column(std::to_string(percent) + " %", 8) + column(per_second(each.switches), 13) +
        column(per_second(each.parks), 13) + column(per_second(each.stolen), 11) +
        column(with_commas(its.next + its.fresh + its.ready + its.mail), 8) + "  " +
        to_string(its.state) + (running == nullptr ? "" : " " + picture::label(*running)) +
        (its.blocking ? ", which blocks" : ""));
  }
  say("");
  say("   count       new  fibers");
  sort_groups(one.groups, names, order);
  text.first_group = text.lines.size();
  text.groups = std::min(one.groups.size(), most_groups);
  for (std::size_t i = 0; i < text.groups; ++i) {
    const group& its = one.groups[i].its;
    say(column(with_commas(its.fibers.size()), 8) + column(with_commas(one.groups[i].fresh), 10) +
        "  " + to_string(its.state) + (its.reason.empty() ? "" : ", " + its.reason) +
        (its.spawned_at == 0 ? std::string(", spawned at several places")
                             : ", spawned at " + describe_spawn_site(names, its.spawned_at)));
  }
  if (text.groups < one.groups.size()) {
    say(column("", 18) + "  and " + count_of(one.groups.size() - text.groups, "more group"));
  }
  if (!one.computing.empty()) {
    say("");
    say("computing without a switch for");
    for (const long_stay& each : one.computing) {
      say(column(duration(each.time), 10) + "  " + picture::label(*each.fiber));
    }
  }
  if (!one.waiting.empty()) {
    say("");
    say("waiting for");
    for (const long_stay& each : one.waiting) {
      const std::string what = describe_awaited(one.all, names, *each.fiber);
      say(column(duration(each.time), 10) + "  " + picture::label(*each.fiber) + ": " +
          (what.empty() ? one.all.reason_of(*each.fiber) : what));
    }
  }
  return text;
}

}  // namespace hilo::command
