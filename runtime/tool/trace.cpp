// The trace from inside (hilo/trace.hpp): begins it, collects the events of all workers, and writes
// them. The workers write their rings meanwhile (sched/trace/trace_ring.hpp).
//
// Events of a runtime that ends are kept here until the trace is written, the newest up to a limit.
// For HILO_TRACE an exit handler writes the file. The handler is registered while the first runtime
// begins. So it runs after the destructor of that runtime, also if the runtime is a static object.
#include "hilo/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/kernel/mutex.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/trace/tracer.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/tool/parked.hpp"
#include "runtime/tool/trace_json.hpp"

namespace hilo::tool {
namespace {

using sched::trace_event;
using sched::trace_ring;

constexpr std::size_t most_kept = std::size_t{1} << 20;  // events of runtimes that have ended

struct worker_record {
  trace_json::place where{};
  int thread = 0;
  std::uint64_t lost = 0;
  std::vector<trace_event> events;
};

struct session {
  std::int64_t since = 0;
  std::vector<worker_record> ended;  // of runtimes that have ended, the oldest first
  std::uint64_t lost = 0;            // of those that were too many
  std::string path;                  // of HILO_TRACE; empty: hilo::trace::start began it
};

constinit kernel::mutex state_lock;
constinit session* running = nullptr;         // guarded by state_lock
constinit session* left_by_fork = nullptr;    // so that a leak checker finds it
constinit bool environment_was_read = false;  // guarded by state_lock

// The events since the begin of the trace.
worker_record record_of(sched::scheduler& its, const sched::worker& one, const trace_ring& ring,
                        std::int64_t since) {
  worker_record all;
  all.where = {its.number(), one.index()};
  all.thread = one.its_trace().thread();
  std::uint64_t from = ring.first();
  all.lost = ring.read(from, all.events);
  const auto begin = std::find_if(all.events.begin(), all.events.end(),
                                  [since](const trace_event& each) { return each.time >= since; });
  // What was lost is older than what is there.
  if (begin != all.events.begin()) all.lost = 0;
  all.events.erase(all.events.begin(), begin);
  return all;
}

void add_records(sched::scheduler& its, std::int64_t since, std::vector<worker_record>& into) {
  for (std::size_t i = 0; i < its.workers(); ++i) {
    const sched::worker& one = its.at(i);
    const trace_ring* const ring = one.its_trace().ring();
    if (ring == nullptr) continue;
    worker_record its_record = record_of(its, one, *ring, since);
    if (!its_record.events.empty()) into.push_back(std::move(its_record));
  }
}

// Drops the oldest records above the limit.
void bound_records(session& its) {
  std::size_t sum = 0;
  for (const worker_record& one : its.ended) sum += one.events.size();
  auto first = its.ended.begin();
  for (; sum > most_kept && first != its.ended.end(); ++first) {
    sum -= first->events.size();
    its.lost += first->events.size() + first->lost;
  }
  its.ended.erase(its.ended.begin(), first);
}

std::unique_ptr<session> take_session() {
  const std::scoped_lock guard(state_lock);
  sched::trace_wanted.inside.store(0, std::memory_order_relaxed);
  return std::unique_ptr<session>(std::exchange(running, nullptr));
}

void add_living(session& its) {
  const sched::runtimes_kept kept;
  for_each_runtime([&](sched::scheduler& one) { add_records(one, its.since, its.ended); });
}

// Returns the errno of a write that failed, or 0.
int write_session(session& its, int fd, trace::summary& said) {
  struct placed {
    trace_json::place where;
    const trace_event* what;
  };
  std::vector<placed> order;
  trace_file out(fd);
  trace_json writer(
      out,
      {.literal =
           [](std::uint64_t text) { return std::string(reinterpret_cast<const char*>(text)); },
       .call = [](std::uint64_t call) { return call_site(reinterpret_cast<const void*>(call)); }},
      ::getpid(), program_invocation_short_name);
  std::uint64_t lost = its.lost;
  for (const worker_record& one : its.ended) {
    lost += one.lost;
    writer.add_worker(one.where, one.thread);
    for (const trace_event& each : one.events) order.push_back({one.where, &each});
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const placed& a, const placed& b) { return a.what->time < b.what->time; });
  for (const placed& one : order) writer.add(one.where, *one.what);
  writer.end(detail::monotonic_now(), lost);
  said = {.events = writer.events(), .lost = lost};
  return out.error();
}

constexpr const char* what_is_left = "; the trace has ended, and its events are gone";

std::string reason_for(int error) {
  return error == ENOSPC ? "no room is left on the disk" : std::generic_category().message(error);
}

int open_file(const std::string& path, int flags) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
}

// Writes the file, and returns errno or 0.
int write_file(session& its, const std::string& path, trace::summary& said) {
  const int fd = open_file(path, O_TRUNC);
  if (fd < 0) return errno;
  const int error = write_session(its, fd, said);
  // NFS tells of a full disk here. The descriptor is closed also if an error is returned.
  if (::close(fd) != 0 && error == 0 && errno != EINTR) return errno;
  return error;
}

void begin_session(std::string path) {
  auto made = std::make_unique<session>();
  made->since = detail::monotonic_now();
  made->path = std::move(path);
  running = made.release();
  sched::trace_wanted.inside.store(1, std::memory_order_relaxed);
}

std::unique_ptr<session> end_session() {
  std::unique_ptr<session> its = take_session();
  if (its == nullptr) base::fail(EINVAL, "end a trace", "none was started; call trace::start");
  add_living(*its);
  return its;
}

void write_at_exit() {
  const std::unique_ptr<session> its = [] {
    {
      const std::scoped_lock guard(state_lock);
      if (running == nullptr || running->path.empty()) return std::unique_ptr<session>();
    }
    return take_session();
  }();
  if (its == nullptr) return;
  try {
    add_living(*its);
    trace::summary said;
    const int error = write_file(*its, its->path, said);
    if (error != 0) {
      base::report("cannot write the trace to HILO_TRACE=%s: %s", its->path.c_str(),
                   reason_for(error).c_str());
    } else if (said.lost != 0) {
      base::report("%s has the newest %llu events of the trace; %llu older ones were lost",
                   its->path.c_str(), static_cast<unsigned long long>(said.events),
                   static_cast<unsigned long long>(said.lost));
    }
  } catch (const std::exception& error) {
    base::report("cannot write the trace to HILO_TRACE=%s: %s", its->path.c_str(), error.what());
  }
}

// The path of HILO_TRACE; from the root on, because the program may change its directory. "%p" is
// the number of the process.
std::string path_of_environment(const std::string& said) {
  std::string path = said;
  if (const std::size_t at = path.find("%p"); at != path.npos) {
    path.replace(at, 2, std::to_string(::getpid()));
  }
  if (path.front() == '/') return path;
  const std::unique_ptr<char, void (*)(void*)> folder(::getcwd(nullptr, 0), std::free);
  return folder == nullptr ? path : std::string(folder.get()) + "/" + path;
}

}  // namespace
}  // namespace hilo::tool

namespace hilo::sched {

void begin_trace_of_environment() {
  const std::scoped_lock guard(tool::state_lock);
  if (std::exchange(tool::environment_was_read, true)) return;
  const char* const said = std::getenv("HILO_TRACE");
  if (said == nullptr || said[0] == '\0' || tool::running != nullptr) return;
  const std::string path = tool::path_of_environment(said);
  // Tells now what would fail at the end.
  const int fd = tool::open_file(path, 0);
  if (fd < 0) {
    const int error = errno;
    tool::environment_was_read = false;
    base::fail(error, "start a runtime",
               "HILO_TRACE is \"" + std::string(said) +
                   "\", and that file cannot be written: " + tool::reason_for(error));
  }
  ::close(fd);
  tool::begin_session(path);
  (void)std::atexit(tool::write_at_exit);
}

void keep_trace_of(scheduler& one) noexcept {
  if (trace_wanted.inside.load(std::memory_order_relaxed) == 0) return;
  const std::scoped_lock guard(tool::state_lock);
  if (tool::running == nullptr) return;
  try {
    tool::add_records(one, tool::running->since, tool::running->ended);
    tool::bound_records(*tool::running);
  } catch (const std::exception&) {
    for (std::size_t i = 0; i < one.workers(); ++i) {
      const trace_ring* const ring = one.at(i).trace().ring();
      if (ring != nullptr) tool::running->lost += ring->written() - ring->first();
    }
  }
}

void forget_trace() noexcept {
  std::construct_at(&tool::state_lock);
  trace_wanted.inside.store(0, std::memory_order_relaxed);
  trace_wanted.outside_until.store(0, std::memory_order_relaxed);
  tool::left_by_fork = std::exchange(tool::running, nullptr);
}

}  // namespace hilo::sched

namespace hilo::trace {

void start(const options& how) {
  if (how.events < sched::trace_ring::least_room || how.events > sched::trace_ring::most_room) {
    base::fail(EINVAL, "start a trace",
               "trace::options.events is " + std::to_string(how.events) + "; it must be from " +
                   std::to_string(sched::trace_ring::least_room) + " to " +
                   std::to_string(sched::trace_ring::most_room));
  }
  const std::scoped_lock guard(tool::state_lock);
  if (tool::running != nullptr) {
    base::fail(EALREADY, "start a trace",
               tool::running->path.empty() ? "one is on; call trace::stop first"
                                           : "HILO_TRACE has begun one");
  }
  sched::trace_wanted.room.store(static_cast<std::uint32_t>(how.events), std::memory_order_relaxed);
  tool::begin_session({});
}

summary stop(const char* path) {
  const auto its = tool::end_session();
  summary said;
  if (const int error = tool::write_file(*its, path, said)) {
    base::fail(error, "write the trace to " + std::string(path),
               tool::reason_for(error) + tool::what_is_left);
  }
  return said;
}

summary stop(int fd) {
  const auto its = tool::end_session();
  summary said;
  if (const int error = tool::write_session(*its, fd, said)) {
    base::fail(error, "write the trace to descriptor " + std::to_string(fd),
               tool::reason_for(error) + tool::what_is_left);
  }
  return said;
}

}  // namespace hilo::trace
