// Writes the events of a trace as JSON of the "Trace Event Format", for Perfetto and Chrome. Used
// by the library (hilo/trace.hpp) and by the hilo command.
//
// A runtime is two processes of that format: its workers, with a track each, and its fibers, with a
// track each. A slice on a worker's track is a run of a fiber. A fiber's track has slices for what
// the fiber is: running, parked or runnable. An arrow goes from the run of the waker, or of the
// spawner, to the run of the fiber that it made runnable.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/sched/trace/trace_ring.hpp"

namespace hilo::tool {

// A file that is written in large pieces. After an error it takes all, and writes nothing.
class trace_file {
 public:
  explicit trace_file(int fd) noexcept : fd_(fd) {}
  std::string& text() noexcept { return text_; }
  void flush_if_full();
  void flush();
  int error() const noexcept { return error_; }  // errno of the first write that failed; 0: none

 private:
  int fd_;
  int error_ = 0;
  std::string text_;
};

class trace_json {
 public:
  // What an address in the traced process means.
  struct meanings {
    std::function<std::string(std::uint64_t)> literal;  // a text of the program
    std::function<std::string(std::uint64_t)> call;     // a return address
  };
  trace_json(trace_file& out, meanings what, int process, std::string_view program);

  struct place {
    std::uint32_t runtime;  // its number
    std::uint32_t worker;   // its index
  };
  // Once for each worker, before its events.
  void add_worker(place where, int thread);
  // Events should come in the order of their times. If some are late, slices are cut so that those
  // of a track never overlap.
  void add(place where, const sched::trace_event& one);
  // Looks up what the addresses in an event mean, for an event that is added when the process may
  // have ended.
  void learn(const sched::trace_event& one);
  // Ends the slices that are open, and the file. `now`: the end of the trace.
  void end(std::int64_t now, std::uint64_t lost);

  std::uint64_t events() const noexcept { return events_; }

 private:
  enum class state : std::uint8_t { unknown, running, runnable, parked };
  struct track {
    std::uint64_t process = 0, number = 0;
    std::int64_t last = 0;  // the end of its last slice
  };
  // The moment that made a fiber runnable, for an arrow.
  struct source {
    bool known = false;
    std::int64_t time = 0;
    track from;
  };
  struct fiber_state {
    track its;
    std::string name;
    state now = state::unknown;
    std::int64_t since = 0;
    std::string reason;  // why it is parked
    bool woken = false;  // since it last ran
    source made_runnable;
  };
  struct worker_state {
    track its;
    std::uint64_t fiber = 0;  // the key of the fiber that runs; 0: none
    std::int64_t since = 0;
  };
  using argument = std::pair<const char*, std::string>;  // the second is JSON

  // Looked up once each.
  const std::string& reason_at(std::uint64_t literal);
  const std::string& call_at(std::uint64_t return_address);
  static std::uint64_t key_of(std::uint32_t runtime, std::uint64_t fiber) noexcept;
  fiber_state& fiber_of(std::uint32_t runtime, const sched::trace_event& one);
  void begins(place where, worker_state& here, const sched::trace_event& one);
  void leaves(place where, worker_state& here, const sched::trace_event& one);
  void is_woken(const worker_state& here, const sched::trace_event& one);
  void is_spawned(place where, const worker_state& here, const sched::trace_event& one);
  void note(place where, const worker_state& here, const sched::trace_event& one);
  void end_run(worker_state& here, std::int64_t now, const std::string& how);
  void end_state(fiber_state& its, std::int64_t now);

  void head(const char* phase, const track& on, std::int64_t time, std::string_view name);
  void tail(std::initializer_list<argument> arguments);
  void slice(track& on, std::int64_t from, std::int64_t until, std::string_view name,
             std::initializer_list<argument> arguments);
  void instant(const track& on, std::int64_t time, std::string_view name,
               std::initializer_list<argument> arguments);
  void name_process(std::uint64_t process, const std::string& name);
  void name_track(const track& one, const std::string& name);
  void arrow(const source& from, const track& to, std::int64_t time);

  trace_file& out_;
  meanings what_;
  const std::string program_;
  std::unordered_map<std::uint64_t, fiber_state> fibers_;
  std::unordered_map<std::uint64_t, worker_state> workers_;
  std::unordered_map<std::uint64_t, std::string> texts_;
  std::unordered_map<std::uint64_t, std::string> calls_;
  std::unordered_map<std::uint32_t, bool> runtimes_;
  std::uint64_t tracks_ = 0;  // of fibers, so far
  std::uint64_t arrows_ = 0;
  std::uint64_t events_ = 0;
  bool first_ = true;
};

}  // namespace hilo::tool
