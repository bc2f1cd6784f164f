// Traces: which events a reader of a ring gets, and what the slices of a file look like when events
// come late.
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/sched/trace/trace_ring.hpp"
#include "runtime/tool/trace_json.hpp"
#include "tests/simulate/seeds.hpp"

namespace {

using hilo::sched::trace_event;
using hilo::sched::trace_ring;
using hilo::sched::trace_what;
using hilo::test::require;
using hilo::tool::trace_json;

HILO_SEEDED("trace_ring: each event is read once, or counted as lost") {
  const auto ring = trace_ring::make(64);
  constexpr std::uint64_t total = 1000;
  bool written = false;
  auto writer = hilo::spawn([&] {
    for (std::uint64_t i = 0; i < total; ++i) {
      trace_event one;
      one.fiber = i;
      ring->write(one);
      if (i % (i < 500 ? 8 : 100) == 0) hilo::yield();
    }
    written = true;
  });
  std::uint64_t from = 0;
  std::uint64_t next = 0;
  for (bool last = false; !last;) {
    last = written;
    std::vector<trace_event> some;
    const std::uint64_t waiting = ring->written() - from;
    const std::uint64_t lost = ring->read(from, some);
    require(lost == (waiting < 64 ? 0 : waiting - 63), "the wrong number of events is lost");
    next += lost;
    for (const trace_event& one : some) require(one.fiber == next++, "events are not in order");
    hilo::yield();
  }
  writer.join();
  require(next == total, "an event is neither read nor lost");
}

struct slice {
  std::string name;
  double begin;
  double end;
};

// A file of a trace, and what is in it.
class written_trace {
 public:
  written_trace() : fd_(::memfd_create("trace", MFD_CLOEXEC)), file_(fd_) {
    for (std::uint32_t i = 0; i < 2; ++i) json.add_worker({1, i}, 0);
  }
  ~written_trace() { ::close(fd_); }
  written_trace(const written_trace&) = delete;
  written_trace& operator=(const written_trace&) = delete;

  void add(std::uint32_t worker, trace_what what, std::uint64_t fiber, std::int64_t time,
           std::uint64_t other = 0) {
    trace_event one;
    one.time = time;
    one.what = what;
    one.fiber = fiber;
    one.other = other;
    one.number = 1;
    json.add({1, worker}, one);
  }

  void end(std::int64_t time) {
    json.end(time, 0);
    std::string text(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), ' ');
    require(::pread(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
            "the file cannot be read");
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      look_at(text.substr(at, text.find('\n', at) - at));
    }
  }

  // By process and track; 1 are the workers, and 2 are the fibers.
  std::map<std::pair<int, int>, std::vector<slice>> slices;
  int arrows = 0;

 private:
  trace_json::meanings all_alike() {
    return {.literal = [](std::uint64_t) { return std::string("mutex"); },
            .call = [](std::uint64_t) { return std::string("main"); }};
  }

  void look_at(const std::string& line) {
    int process = 0;
    int track = 0;
    slice one{};
    char name[64] = "";
    char phase = ' ';
    if (std::sscanf(line.c_str(),
                    "{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"ts\":%lf,\"name\":\"%63[^\"]\"", &phase,
                    &process, &track, &one.begin, name) != 5) {
      return;
    }
    if (phase == 's') ++arrows;
    if (phase != 'X') return;
    one.name = name;
    const std::size_t at = line.find("\"dur\":");
    one.end = one.begin + std::stod(line.substr(at + 6));
    slices[{process, track}].push_back(one);
  }

  int fd_;
  hilo::tool::trace_file file_;

 public:
  trace_json json{file_, all_alike(), 1, "test"};
};

// Two workers run three fibers. Each worker reads the clock, and may be held up before it writes.
HILO_SEEDED("trace_json: slices of a track do not overlap, and each run has one, in any order") {
  written_trace trace;
  std::vector<std::uint64_t> runnable = {1, 2, 3};
  std::int64_t clock = 1000;
  std::size_t runs = 0;
  const auto work = [&](std::uint32_t worker) {
    for (int i = 0; i < 10; ++i) {
      hilo::yield();
      const std::uint64_t fiber = runnable.back();
      runnable.pop_back();
      const std::int64_t begin = clock += 1000;
      hilo::yield();
      trace.add(worker, trace_what::runs, fiber, begin);
      ++runs;
      hilo::yield();
      const std::int64_t end = clock += 1000;
      runnable.push_back(fiber);
      // Some ends are lost.
      if (i % 4 == 3) continue;
      hilo::yield();
      trace.add(worker, i % 2 == 0 ? trace_what::parks : trace_what::yields, fiber, end);
    }
  };
  auto first = hilo::spawn([&] { work(0); });
  auto second = hilo::spawn([&] { work(1); });
  first.join();
  second.join();
  trace.end(clock + 1000);
  std::size_t shown = 0;
  for (const auto& [track, slices] : trace.slices) {
    if (track.first == 1) shown += slices.size();
    for (std::size_t i = 1; i < slices.size(); ++i) {
      require(slices[i - 1].end < slices[i].begin + 0.0005, "two slices overlap");
    }
  }
  require(shown == runs, "a run has no slice");
}

HILO_SEEDED("trace_json: a fiber that is woken before it has left was never parked") {
  written_trace trace;
  trace.add(0, trace_what::runs, 1, 10'000);
  trace.add(1, trace_what::runs, 2, 11'000);
  trace.add(1, trace_what::wakes, 1, 20'000, 2);
  trace.add(0, trace_what::parks, 1, 21'000);
  trace.add(0, trace_what::runs, 1, 30'000);
  trace.end(40'000);
  std::string names;
  for (const slice& one : trace.slices[{2, 1}]) names += one.name + ";";
  require(names == "running;runnable;running;", "a fiber is parked after its wake");
  require(trace.arrows == 1, "a wake is no arrow");
}

HILO_SEEDED("trace_json: a parked fiber is runnable from its wake on") {
  written_trace trace;
  trace.add(0, trace_what::runs, 1, 10'000);
  trace.add(0, trace_what::parks, 1, 20'000);
  trace.add(1, trace_what::runs, 2, 21'000);
  trace.add(1, trace_what::wakes, 1, 30'000, 2);
  trace.add(0, trace_what::runs, 1, 35'000);
  trace.end(40'000);
  const std::vector<slice>& its = trace.slices[{2, 1}];
  require(its.size() == 4 && its[1].name == "parked: mutex" && its[1].end == 30 &&
              its[2].name == "runnable" && its[2].end == 35,
          "the states of a fiber are wrong");
  require(trace.arrows == 1, "a wake is no arrow");
}

}  // namespace
