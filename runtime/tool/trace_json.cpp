#include "runtime/tool/trace_json.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include "runtime/tool/call_name.hpp"
#include "runtime/tool/json_text.hpp"

namespace hilo::tool {
namespace {

using sched::trace_event;
using sched::trace_what;

constexpr std::size_t written_at_a_time = 256 * 1024;  // bytes

std::string json_of(std::string_view value) {
  std::string text;
  append_json_text(text, value);
  return text;
}

std::string json_of_number(std::uint64_t value) {
  return std::to_string(value);
}

// The format counts in microseconds.
void append_time(std::string& into, std::int64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03lld", static_cast<long long>(ns / 1000),
                static_cast<long long>(ns % 1000));
  into += text;
}

std::string label_of(std::uint64_t fiber, const std::string& name) {
  return "fiber #" + std::to_string(fiber) + (name.empty() ? "" : " \"" + name + "\"");
}

// The runtime in front; nobody spawns 2^44 fibers.
constexpr unsigned fiber_bits = 44;

}  // namespace

void trace_file::flush_if_full() {
  if (text_.size() >= written_at_a_time) flush();
}

void trace_file::flush() {
  std::string_view rest = text_;
  while (error_ == 0 && !rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      error_ = written == 0 ? ENOSPC : errno;
    }
  }
  text_.clear();
}

trace_json::trace_json(trace_file& out, meanings what, int process, std::string_view program)
    : out_(out),
      what_(std::move(what)),
      program_(std::string(program) + " (" + std::to_string(process) + ")") {
  out_.text() += "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
}

void trace_json::learn(const trace_event& one) {
  if (one.what == trace_what::parks) (void)reason_at(one.text);
  if (one.what == trace_what::spawned) (void)call_at(one.text);
}

const std::string& trace_json::reason_at(std::uint64_t literal) {
  std::string& known = texts_.try_emplace(literal).first->second;
  if (known.empty()) known = what_.literal(literal);
  return known;
}

const std::string& trace_json::call_at(std::uint64_t return_address) {
  std::string& known = calls_.try_emplace(return_address).first->second;
  if (known.empty()) known = what_.call(return_address);
  return known;
}

std::uint64_t trace_json::key_of(std::uint32_t runtime, std::uint64_t fiber) noexcept {
  return (std::uint64_t{runtime} << fiber_bits) | fiber;
}

// --- the events of the format ---

void trace_json::head(const char* phase, const track& on, std::int64_t time,
                      std::string_view name) {
  std::string& text = out_.text();
  text += first_ ? "\n{\"ph\":\"" : ",\n{\"ph\":\"";
  first_ = false;
  text += phase;
  text += "\",\"pid\":" + std::to_string(on.process) + ",\"tid\":" + std::to_string(on.number);
  text += ",\"ts\":";
  append_time(text, time);
  text += ",\"name\":";
  append_json_text(text, name);
}

void trace_json::tail(std::initializer_list<argument> arguments) {
  std::string& text = out_.text();
  if (arguments.size() != 0) {
    const char* before = ",\"args\":{\"";
    for (const auto& [name, value] : arguments) {
      text += before;
      text += name;
      text += "\":" + value;
      before = ",\"";
    }
    text += '}';
  }
  text += '}';
  out_.flush_if_full();
}

void trace_json::slice(track& on, std::int64_t from, std::int64_t until, std::string_view name,
                       std::initializer_list<argument> arguments) {
  from = std::max(from, on.last);
  until = std::max(from, until);
  on.last = until;
  head("X", on, from, name);
  out_.text() += ",\"dur\":";
  append_time(out_.text(), until - from);
  tail(arguments);
}

void trace_json::instant(const track& on, std::int64_t time, std::string_view name,
                         std::initializer_list<argument> arguments) {
  head("i", on, time, name);
  out_.text() += ",\"s\":\"t\"";
  tail(arguments);
}

void trace_json::name_process(std::uint64_t process, const std::string& name) {
  head("M", {process, 0}, 0, "process_name");
  tail({{"name", json_of(name)}});
  head("M", {process, 0}, 0, "process_sort_index");
  tail({{"sort_index", std::to_string(process)}});
}

void trace_json::name_track(const track& one, const std::string& name) {
  head("M", one, 0, "thread_name");
  tail({{"name", json_of(name)}});
}

void trace_json::arrow(const source& from, const track& to, std::int64_t time) {
  const std::string id = std::to_string(++arrows_);
  head("s", from.from, from.time, "makes runnable");
  out_.text() += ",\"cat\":\"wake\",\"id\":" + id;
  tail({});
  head("f", to, std::max(time, from.time), "makes runnable");
  out_.text() += ",\"cat\":\"wake\",\"bp\":\"e\",\"id\":" + id;
  tail({});
}

// --- the states ---

void trace_json::add_worker(place where, int thread) {
  if (!runtimes_[where.runtime]) {
    runtimes_[where.runtime] = true;
    const std::string which =
        where.runtime == 1 ? "" : " of runtime " + std::to_string(where.runtime);
    name_process(2 * std::uint64_t{where.runtime} - 1, program_ + ": workers" + which);
    name_process(2 * std::uint64_t{where.runtime}, program_ + ": fibers" + which);
  }
  worker_state& its = workers_[key_of(where.runtime, where.worker)];
  its.its = {2 * std::uint64_t{where.runtime} - 1, where.worker + std::uint64_t{1}};
  name_track(its.its,
             "worker " + std::to_string(where.worker) + ", thread " + std::to_string(thread));
}

trace_json::fiber_state& trace_json::fiber_of(std::uint32_t runtime, const trace_event& one) {
  const auto [found, is_new] = fibers_.try_emplace(key_of(runtime, one.fiber));
  fiber_state& its = found->second;
  const std::string name(one.name, ::strnlen(one.name, sizeof one.name));
  if (is_new) its.its = {2 * std::uint64_t{runtime}, ++tracks_};
  if (is_new || name != its.name) {
    its.name = name;
    name_track(its.its, label_of(one.fiber, name));
  }
  return its;
}

void trace_json::end_state(fiber_state& its, std::int64_t now) {
  if (its.now == state::parked) {
    slice(its.its, its.since, now, "parked: " + its.reason, {});
  } else if (its.now == state::runnable) {
    slice(its.its, its.since, now, "runnable", {});
  }
  its.since = now;
}

void trace_json::end_run(worker_state& here, std::int64_t now, const std::string& how) {
  if (here.fiber == 0) return;
  const auto found = fibers_.find(here.fiber);
  if (found != fibers_.end()) {
    fiber_state& its = found->second;
    const std::uint64_t number = here.fiber & ((std::uint64_t{1} << fiber_bits) - 1);
    slice(here.its, here.since, now, label_of(number, its.name),
          {{"fiber", json_of_number(number)}, {"end", json_of(how)}});
    slice(its.its, here.since, now, "running",
          {{"worker", json_of_number(here.its.number - 1)}, {"end", json_of(how)}});
    its.now = state::unknown;
    its.since = now;
  }
  here.fiber = 0;
}

void trace_json::begins(place where, worker_state& here, const trace_event& one) {
  end_run(here, one.time, "not recorded");
  fiber_state& its = fiber_of(where.runtime, one);
  end_state(its, one.time);
  here.fiber = key_of(where.runtime, one.fiber);
  here.since = one.time;
  if (its.made_runnable.known) arrow(its.made_runnable, here.its, one.time);
  its.made_runnable = {};
  its.woken = false;
  its.now = state::running;
}

void trace_json::leaves(place where, worker_state& here, const trace_event& one) {
  if (one.fiber == 0) return;  // it ran already when the trace began
  const std::uint64_t key = key_of(where.runtime, one.fiber);
  if (here.fiber != key) return;  // its begin was lost
  if (one.what == trace_what::ends) {
    end_run(here, one.time, "ended");
    fibers_.erase(key);
    return;
  }
  fiber_state& its = fibers_[key];
  if (one.what == trace_what::parks) its.reason = reason_at(one.text);
  end_run(here, one.time,
          one.what == trace_what::parks    ? "parked: " + its.reason
          : one.what == trace_what::yields ? "yielded"
                                           : "moved to another worker");
  // The waker may be faster than the fiber that leaves.
  its.now = one.what == trace_what::parks && !its.woken ? state::parked : state::runnable;
}

void trace_json::is_woken(const worker_state& here, const trace_event& one) {
  const auto found = fibers_.find(key_of(one.number, one.fiber));
  if (found == fibers_.end()) return;  // it has not run since the trace began
  fiber_state& its = found->second;
  its.woken = true;
  its.made_runnable = {here.fiber != 0 && one.other != 0, one.time, here.its};
  if (its.now != state::parked) return;
  end_state(its, one.time);
  its.now = state::runnable;
}

void trace_json::is_spawned(place where, const worker_state& here, const trace_event& one) {
  fiber_state& its = fiber_of(where.runtime, one);
  its.now = state::runnable;
  its.since = one.time;
  its.made_runnable = {here.fiber != 0 && one.other != 0, one.time, here.its};
  const std::string& call = call_at(one.text);
  instant(
      here.its, one.time, "spawn",
      {{"fiber", json_of_number(one.fiber)}, {"name", json_of(its.name)}, {"at", json_of(call)}});
}

// What needs no state.
void trace_json::note(place where, const worker_state& here, const trace_event& one) {
  const std::string fiber = json_of_number(one.fiber);
  const std::string number = json_of_number(one.number);
  switch (one.what) {
    case trace_what::steals:
      return instant(here.its, one.time, "steal", {{"fiber", fiber}, {"from worker", number}});
    case trace_what::hands_over:
      return instant(here.its, one.time, "hand-over", {{"fiber", fiber}, {"to worker", number}});
    case trace_what::takes_back:
      return instant(here.its, one.time, "keeps its place", {{"fiber", fiber}});
    case trace_what::submits:
      return instant(here.its, one.time, "I/O submitted",
                     {{"fiber", fiber},
                      {"call", json_of(call_name(one.call))},
                      {"descriptor", std::to_string(static_cast<std::int32_t>(one.number))}});
    case trace_what::completes:
      return instant(here.its, one.time, "I/O completed",
                     {{"fiber", fiber},
                      {"descriptor", std::to_string(static_cast<std::int32_t>(one.number))}});
    case trace_what::fires:
      return instant(here.its, one.time, "timers", {{"fired", number}});
    case trace_what::counts:
      head("C", here.its, one.time, "queue of worker " + std::to_string(where.worker));
      tail({{"fibers", number}});
      head("C", here.its, one.time, "injector");
      return tail({{"fibers", json_of_number(one.other)}});
    default:
      return;  // of a newer version
  }
}

void trace_json::add(place where, const trace_event& one) {
  const auto found = workers_.find(key_of(where.runtime, where.worker));
  if (found == workers_.end()) return;
  worker_state& here = found->second;
  ++events_;
  switch (one.what) {
    case trace_what::runs:
      return begins(where, here, one);
    case trace_what::yields:
    case trace_what::parks:
    case trace_what::ends:
    case trace_what::moves:
      return leaves(where, here, one);
    case trace_what::wakes:
      return is_woken(here, one);
    case trace_what::spawned:
      return is_spawned(where, here, one);
    default:
      return note(where, here, one);
  }
}

void trace_json::end(std::int64_t now, std::uint64_t lost) {
  for (auto& [key, one] : workers_) end_run(one, now, "the trace ended");
  for (auto& [key, one] : fibers_) end_state(one, now);
  out_.text() += "\n],\"otherData\":{\"events\":" + json_of_number(events_) +
                 ",\"events lost\":" + json_of_number(lost) + "}}\n";
  out_.flush();
}

}  // namespace hilo::tool
