// Reads the counts of a runtime, and writes them for Prometheus.
//
// The text format is described at prometheus.io/docs/instrumenting/exposition_formats: for each
// metric a line HELP, a line TYPE, and one line for each set of labels.
#include "hilo/metrics.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <numeric>

#include "hilo/detail/deadline.hpp"

#include "runtime/base/error.hpp"
#include "runtime/sched/current.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/tool/metrics.hpp"

namespace hilo {
namespace tool {
namespace {

void add_to(worker_metrics& sums, const worker_metrics& one) noexcept {
  sums.spawned += one.spawned;
  sums.ended += one.ended;
  sums.switches += one.switches;
  sums.parks += one.parks;
  sums.stolen += one.stolen;
  sums.injected += one.injected;
  sums.io_submitted += one.io_submitted;
  sums.io_completed += one.io_completed;
  sums.idle += one.idle;
}

// The value of a label: backslash, quote and line end are escaped.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char one : value) {
    if (one == '\n') {
      text += "\\n";
    } else {
      if (one == '\\' || one == '"') text += '\\';
      text += one;
    }
  }
  return text;
}

std::string seconds(double ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", ns * 1e-9);
  // The program may have a locale with a decimal comma.
  std::replace(text, text + sizeof text, ',', '.');
  return text;
}

class prometheus_text {
 public:
  prometheus_text(const runtime_metrics& counts, std::string_view name)
      : counts_(counts), runtime_(name.empty() ? "" : "runtime=\"" + escaped(name) + "\"") {}

  std::string take() { return std::move(text_); }

  void begin(const char* name, const char* type, const char* help) {
    name_ = name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  void value(const std::string& number, const std::string& label = {}, const char* suffix = "") {
    std::string labels = runtime_;
    if (!label.empty()) labels += (labels.empty() ? "" : ",") + label;
    if (!labels.empty()) labels = "{" + labels + "}";
    text_ += name_ + suffix + labels + " " + number + "\n";
  }

  template <class F>
  void by_worker(const char* name, const char* help, F&& number_of) {
    begin(name, "counter", help);
    for (std::size_t i = 0; i < counts_.workers.size(); ++i) {
      value(number_of(counts_.workers[i]), "worker=\"" + std::to_string(i) + "\"");
    }
  }
  void by_worker(const char* name, const char* help, std::uint64_t worker_metrics::*count,
                 bool outside = false) {
    by_worker(name, help,
              [count](const worker_metrics& one) { return std::to_string(one.*count); });
    if (outside) value(std::to_string(counts_.outside.*count), "worker=\"outside\"");
  }

  void histogram(const char* name, const char* help, const wakeup_histogram& times) {
    begin(name, "histogram", help);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < times.buckets.size(); ++i) {
      sum += times.buckets[i];
      const bool last = i + 1 == times.buckets.size();
      const std::string limit = last ? "+Inf" : seconds(static_cast<double>(std::uint64_t{1} << i));
      value(std::to_string(sum), "le=\"" + limit + "\"", "_bucket");
    }
    value(seconds(static_cast<double>(times.sum.count())), {}, "_sum");
    value(std::to_string(sum), {}, "_count");
  }

 private:
  const runtime_metrics& counts_;
  const std::string runtime_;  // the label
  std::string name_;           // of the metric
  std::string text_;
};

}  // namespace

worker_metrics read_worker(const sched::worker& one, std::int64_t now) noexcept {
  worker_metrics its;
  its.ended = one.ended_count.read();
  its.spawned = one.spawned_count.read();
  const sched::run_queue::turn_counts turns = one.its_queue().read_turns();
  its.switches = turns.switches;
  its.parks = turns.parks;
  its.stolen = one.its_queue().stolen();
  its.injected = one.its_queue().injected();
  its.io_completed = one.io_completed.read();
  its.io_submitted = one.io_submitted.read();
  its.idle = std::chrono::nanoseconds(one.idle_time().read(now));
  return its;
}

// The ends are read before the spawns, as scheduler::all_ended() does.
runtime_metrics read_runtime(sched::scheduler& its) {
  runtime_metrics all;
  all.fibers = its.live_fibers();
  const std::int64_t now = detail::monotonic_now();
  const std::size_t workers = its.workers();
  all.workers.reserve(workers);
  if (its.measures_wakeups()) all.wakeups.emplace();
  for (std::size_t i = 0; i < workers; ++i) {
    const sched::worker& one = its.at(i);
    all.workers.push_back(read_worker(one, now));
    if (all.wakeups) one.wakeups()->add_to(*all.wakeups);
  }
  all.outside.ended = its.guests_ended();
  all.outside.spawned = its.guests_spawned();
  return all;
}

}  // namespace tool

std::uint64_t wakeup_histogram::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

worker_metrics runtime_metrics::total() const noexcept {
  worker_metrics sums = outside;
  for (const worker_metrics& one : workers) tool::add_to(sums, one);
  return sums;
}

runtime_metrics runtime::metrics() const {
  return tool::read_runtime(*scheduler_);
}

runtime_metrics metrics() {
  sched::worker* const here = sched::current_worker();
  if (here == nullptr) {
    base::fail(EINVAL, "read the metrics",
               "the caller is in no runtime; call metrics() inside hilo::run, or use "
               "runtime::metrics");
  }
  return tool::read_runtime(here->home());
}

std::string to_prometheus(const runtime_metrics& counts, std::string_view name) {
  tool::prometheus_text text(counts, name);
  text.begin("hilo_fibers", "gauge", "Fibers that are alive.");
  text.value(std::to_string(counts.fibers));
  text.by_worker("hilo_spawned_total", "Fibers spawned.", &worker_metrics::spawned, true);
  text.by_worker("hilo_ended_total", "Fibers that have ended.", &worker_metrics::ended, true);
  text.by_worker("hilo_switches_total", "Choices of what runs next.", &worker_metrics::switches);
  text.by_worker("hilo_parks_total", "Waits of fibers that were begun.", &worker_metrics::parks);
  text.by_worker("hilo_stolen_total", "Fibers taken from other workers.", &worker_metrics::stolen);
  text.by_worker("hilo_injected_total", "Fibers taken from the queue that all workers share.",
                 &worker_metrics::injected);
  text.by_worker("hilo_io_submitted_total", "Calls handed to the I/O driver.",
                 &worker_metrics::io_submitted);
  text.by_worker("hilo_io_completed_total", "Calls of the I/O driver that are over.",
                 &worker_metrics::io_completed);
  text.by_worker("hilo_idle_seconds_total", "Time that the carrier slept without work.",
                 [](const worker_metrics& one) {
                   return tool::seconds(static_cast<double>(one.idle.count()));
                 });
  if (counts.wakeups) {
    text.histogram("hilo_wakeup_seconds", "Time from the wake of a fiber to its run.",
                   *counts.wakeups);
  }
  return text.take();
}

std::string metrics_text() {
  return to_prometheus(metrics());
}

}  // namespace hilo
