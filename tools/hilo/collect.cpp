#include <algorithm>
#include <utility>

#include "runtime/sched/time/coarse_clock.hpp"
#include "tools/hilo/failure.hpp"
#include "tools/hilo/fibers.hpp"
#include "tools/hilo/picture.hpp"

namespace hilo::command {
namespace {

// While it lives, the target is stopped.
class stopped {
 public:
  explicit stopped(target& where) : where_(where) { where.pause(); }
  ~stopped() { where_.resume(); }
  stopped(const stopped&) = delete;
  stopped& operator=(const stopped&) = delete;

 private:
  target& where_;
};

// The frames of fibers of a stopped target, until it goes on.
class kept_frames {
 public:
  void keep(std::uint32_t fiber, const frames_copy& frames) {
    all_.push_back({fiber, frames, bytes_.size()});
    bytes_.insert(bytes_.end(), frames.bytes.begin(), frames.bytes.end());
  }

  void unwind(picture& all, unwinder& unwinds) {
    for (auto& one : all_) {
      one.frames.bytes = std::span(bytes_).subspan(one.begin, one.frames.bytes.size());
      all.fibers[one.fiber].stack = unwinds.number_of(one.frames);
    }
  }

 private:
  struct kept {
    std::uint32_t fiber;
    frames_copy frames;
    std::size_t begin;
  };
  std::vector<kept> all_;
  std::vector<std::byte> bytes_;
};

// The registers of a running fiber are those of its carrier's thread.
void unwind_running(target& where, picture& all, unwinder& unwinds) {
  for (const runtime_view& runtime : all.runtimes) {
    for (const worker_view& worker : runtime.workers) {
      const auto found = all.fibers_at.find(worker.fiber);
      if (worker.fiber == 0 || found == all.fibers_at.end()) continue;
      fiber_view& one = all.fibers[found->second];
      const auto registers = where.registers_of(worker.thread);
      if (!registers || !one.on_cpu) continue;
      one.sp = registers->sp;
      one.stack = unwinds.number_of(*registers);
    }
  }
}

}  // namespace

const std::string& picture::reason_of(const fiber_view& one) const {
  static const std::string none;
  const auto found = reasons.find(one.parked_on);
  return found == reasons.end() || one.state != fiber_state::waiting ? none : found->second;
}

std::optional<std::chrono::milliseconds> picture::waited(const fiber_view& one) const {
  const runtime_view& its = runtimes[one.runtime];
  if (one.state != fiber_state::waiting || one.parked_at == 0 || !its.tells_time) {
    return std::nullopt;
  }
  // Nobody keeps the clock of a core.
  const std::uint32_t at = now ? sched::coarse_time(*now) : its.hilo->clock;
  // The clock may be read a little later than the fiber was.
  const auto time = static_cast<std::int32_t>(at - one.parked_at);
  return std::chrono::milliseconds(std::max(time, 0));
}

const fiber_view* picture::fiber_at(address block) const {
  const auto found = fibers_at.find(block);
  return found == fibers_at.end() ? nullptr : &fibers[found->second];
}

std::string picture::label(const fiber_view& one) {
  std::string text = "#" + std::to_string(one.id);
  if (!one.its_name().empty()) text += " \"" + std::string(one.its_name()) + "\"";
  return text;
}

picture collect(target& where, const collecting& how, unwinder* unwinds) {
  picture all;
  all.target = where.name();
  all.program = where.program();
  kept_frames kept;
  {
    std::unique_ptr<stopped> stop;
    if (how.pause) stop = std::make_unique<stopped>(where);
    all.still = where.still();
    all.now = where.now();
    all.hilos = find_hilos(where);
    for (const found_hilo& hilo : all.hilos) {
      for (const address one : hilo.runtimes) {
        all.runtimes.push_back(read_runtime(where, hilo, one));
      }
    }
    for (std::uint32_t i = 0; i < all.runtimes.size(); ++i) {
      if (all.runtimes[i].left_behind) continue;
      all.missing_stacks += read_fibers(where, all.runtimes[i], how.stacks,
                                        [&](const fiber_view& one, const frames_copy& frames) {
                                          const auto index =
                                              static_cast<std::uint32_t>(all.fibers.size());
                                          all.fibers_at[one.at] = index;
                                          all.fibers.push_back(one);
                                          all.fibers.back().runtime = i;
                                          if (unwinds == nullptr || frames.bytes.empty()) return;
                                          if (how.pause) {
                                            kept.keep(index, frames);
                                          } else {
                                            all.fibers.back().stack = unwinds->number_of(frames);
                                          }
                                        });
    }
    // The stacks of a process that goes on may be closed while they are read.
    if (!all.still) all.missing_stacks = 0;
    all.threads = where.threads();
    find_states(where, all);
    find_awaited(where, all);
    if (unwinds != nullptr) unwind_running(where, all, *unwinds);
    if (where.gone()) {
      throw failure(exit_code::unreadable, where.name() + " ended while it was read");
    }
  }
  if (unwinds != nullptr) kept.unwind(all, *unwinds);
  return all;
}

}  // namespace hilo::command
