#include "bench/scaling/report.hpp"

#include <cstdarg>
#include <cstdio>

namespace scaling {
namespace {

[[gnu::format(printf, 2, 3)]] void append(std::string& to, const char* format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  to += text;
}

double each(std::uint64_t count, const outcome& of) {
  return of.operations == 0 ? 0 : double(count) / double(of.operations);
}

}  // namespace

std::string as_text(const std::vector<result>& all) {
  std::string text;
  append(text, "%-14s %8s %5s %11s %9s %7s %7s %7s %9s %7s %7s %10s\n", "workload", "carriers",
         "CPUs", "ns each", "speed-up", "search", "asleep", "no CPU", "steals", "wakes", "naps",
         "lines each");
  for (const result& one : all) {
    const outcome& got = one.found;
    append(text, "%-14s %8u %5u %11.2f %9.2f %6.1f%% %6.1f%% %6.1f%% %9llu %7llu %7llu %10.3f\n",
           one.asked.workload.c_str(), one.asked.carriers, one.asked.cpus, got.ns, one.speed_up,
           got.searching * 100, got.asleep * 100, got.without_cpu * 100,
           static_cast<unsigned long long>(got.steals), static_cast<unsigned long long>(got.wakes),
           static_cast<unsigned long long>(got.naps), each(got.all_transfers(), got));
  }
  return text;
}

std::string as_json(const std::vector<result>& all, const costs& inputs) {
  std::string text = "{\"costs\": " + write_costs(inputs) + ", \"runs\": [";
  for (const result& one : all) {
    const outcome& got = one.found;
    append(text, "%s\n {\"workload\": \"%s\", \"carriers\": %u, \"cpus\": %u, \"seed\": %u",
           &one == &all.front() ? "" : ",", one.asked.workload.c_str(), one.asked.carriers,
           one.asked.cpus, one.asked.seed);
    append(text, ", \"operations\": %llu, \"ns\": %.6f, \"total_ns\": %.3f, \"speed_up\": %.4f",
           static_cast<unsigned long long>(got.operations), got.ns, got.total_ns, one.speed_up);
    append(text, ", \"searching\": %.6f, \"asleep\": %.6f, \"without_cpu\": %.6f", got.searching,
           got.asleep, got.without_cpu);
    const std::pair<const char*, std::uint64_t> counts[] = {
        {"steals", got.steals},
        {"searches", got.searches},
        {"wakes", got.wakes},
        {"naps", got.naps},
        {"switches", got.switches},
        {"transfers", got.all_transfers()},
        {"fibers_begun", got.fibers_begun},
        {"fibers_ended", got.fibers_ended},
        {"tasks_run_once", got.tasks_run_once},
    };
    for (const auto& [name, value] : counts) {
      append(text, ", \"%s\": %llu", name, static_cast<unsigned long long>(value));
    }
    text += ", \"lines\": {";
    for (std::size_t i = 0; i < parts; ++i) {
      append(text, "%s\"%s\": %.6f", i == 0 ? "" : ", ", part_names[i],
             each(got.transfers[i], got));
    }
    text += "}}";
  }
  return text + "\n]}\n";
}

}  // namespace scaling
