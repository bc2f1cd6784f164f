// Reads the rings of events of a process while it writes them, and asks it to do so
// (runtime/sched/trace/tracer.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "runtime/tool/trace_json.hpp"
#include "tools/hilo/layout.hpp"

namespace hilo::command {

struct placed_event {
  tool::trace_json::place where;
  sched::trace_event what;
};

class trace_reader {
 public:
  // Throws a failure if another command reads the events, or the process cannot be written.
  trace_reader(target& where, const std::vector<found_hilo>& hilos);
  // The process records no longer, if it is still there.
  ~trace_reader() { stop(); }
  trace_reader(const trace_reader&) = delete;
  trace_reader& operator=(const trace_reader&) = delete;

  // Has the process record for a while longer. False: it has ended, or runs another program.
  bool renew();
  void stop() noexcept;
  // Appends the events since the last call. Workers that are new are added to `names` first.
  void read(std::vector<placed_event>& into, tool::trace_json& names);

  std::uint64_t lost() const noexcept { return lost_; }
  std::size_t workers() const noexcept { return rings_.size(); }

 private:
  struct ring_view {
    tool::trace_json::place where{};
    std::uint64_t next = 0;  // the number of the first event that was not read
    bool named = false;
    int thread = 0;
  };

  // Calls f(hilo's index, its layout, runtime's number, worker) for each worker.
  template <class F>
  void for_each_worker(F f);
  void find_rings(bool skip_old);
  void read_ring(const layout& at, address ring, ring_view& its, std::vector<placed_event>& into);
  bool is_there(const found_hilo& its);
  bool ask_until(const found_hilo& its, std::int64_t time);

  target& where_;
  const std::vector<found_hilo>& hilos_;
  std::map<std::pair<std::size_t, address>, ring_view> rings_;  // by hilo and ring
  std::uint64_t lost_ = 0;
  bool asked_ = false;
};

}  // namespace hilo::command
