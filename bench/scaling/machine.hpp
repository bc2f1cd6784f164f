// The simulated machine: virtual time, CPUs, kernel threads, and cache lines.
//
// Time. Each kernel thread has a clock of its own. A thread that only computes adds to its clock. A
// thread that is about to touch a cache line first waits until no other thread is behind it (in
// turn). So all accesses to lines come in the order of virtual time, each is one event, and the
// same inputs always give the same order.
//
// Lines. A line belongs to the CPU that wrote it last. Others get copies by reading it. A read
// without a copy, and a write to a line that others have, cost a transfer from the farthest CPU
// that is concerned. Transfers of one line come one after the other. A plain store does not wait
// for its transfer (the store buffer), but a locked instruction waits for all stores before it.
//
// Threads. A CPU runs one thread. A thread that is woken goes to a CPU that is idle, else it waits
// for one; a thread gives its CPU up when it sleeps, or at the end of its slice.
#pragma once

#include <array>
#include <bitset>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <limits>
#include <queue>
#include <vector>

#include "bench/scaling/costs.hpp"

namespace scaling {

inline constexpr unsigned most_cpus = 256;

using picoseconds = std::int64_t;
inline constexpr picoseconds forever = std::numeric_limits<picoseconds>::max();

// What a line holds, for the count of transfers.
enum class part : std::uint8_t {
  top,       // of a ring: where thieves take
  bottom,    // where the owner pushes
  slots,     // the fibers in it
  slot,      // a worker's next slot
  turns,     // its count of switches
  counts,    // its counts of fibers that began and ended
  wanted,    // the wish for a fork
  bed,       // where it sleeps
  idle,      // the word of searchers and sleepers
  sleepers,  // their list, and its lock
  injector,
  pool,     // chains of free stacks
  fiber,    // all lines of a fiber
  join,     // where a fiber's end meets its handle
  channel,  // the lock and the indices of a channel
  waiters,  // its wait lists
  values,   // its ring
  mutex,
  data,  // what a workload shares
};
inline constexpr std::size_t parts = 19;
extern const char* const part_names[parts];

struct line {
  static constexpr unsigned nobody = most_cpus;

  explicit line(part holds) noexcept : of(holds) {}

  part of;

  unsigned owner = nobody;         // the CPU that wrote it last
  std::bitset<most_cpus> holders;  // the CPUs that have it, the owner among them
  bool changed = false;            // since others got copies: the owner is the only holder
  picoseconds free_at = 0;         // the end of its last transfer
};

// What a thread does, for the report.
enum class doing : std::uint8_t { work, search, sleep, wait_for_cpu };
inline constexpr std::size_t doings = 4;

struct thread {
  unsigned cpu = 0;
  picoseconds now = 0;
  picoseconds stored_at = 0;  // when all of its stores are visible
  std::coroutine_handle<> next;

  // For the machine.
  bool asleep = false;
  bool ready = false;      // waits for a CPU
  bool timed_out = false;  // the last sleep ended by its time
  std::uint64_t sleeps = 0;
  doing what = doing::work;
  picoseconds since = 0;
  std::array<picoseconds, doings> times{};
};

class machine {
 public:
  machine(const costs& inputs, unsigned cpus, unsigned threads);
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  thread& at(unsigned number) { return threads_[number]; }
  const thread& at(unsigned number) const { return threads_[number]; }

  // Before run(): the thread begins there.
  void begin(thread& one, std::coroutine_handle<> first);
  // Runs until stop(). False: nothing can happen any more, although stop() was not called.
  bool run();
  void stop() noexcept { stopped_ = true; }

  // --- for the program of a thread ---

  void spend(thread& one, picoseconds time) noexcept { one.now += time; }
  void turn_to(thread& one, doing what) noexcept;

  enum class kind : std::uint8_t { turn, read, write, update, rewrite, follow };
  struct access {
    machine& on;
    thread& by;
    line* which;
    kind how;
    line* along = nullptr;  // moves with it, at no cost
    bool await_ready() const noexcept { return on.in_turn(by); }
    void await_suspend(std::coroutine_handle<> self) const { on.postpone(by, self); }
    void await_resume() const noexcept {
      on.touch(by, which, how);
      if (along != nullptr) on.bring(by, *along);
    }
  };
  // After these the program reads or writes the value in the line, before it awaits again.
  access read(thread& by, line& one) noexcept { return {*this, by, &one, kind::read}; }
  access write(thread& by, line& one) noexcept { return {*this, by, &one, kind::write}; }
  access update(thread& by, line& one) noexcept { return {*this, by, &one, kind::update}; }
  // All lines of a fiber, which move together: one stands for them, and `along` is another of them.
  // To write them anew, or to run the fiber.
  access rewrite(thread& by, line& one, line& along) noexcept {
    return {*this, by, &one, kind::rewrite, &along};
  }
  access follow(thread& by, line& one, line& along) noexcept {
    return {*this, by, &one, kind::follow, &along};
  }
  // No line: waits until no other thread is behind.
  access turn(thread& by) noexcept { return {*this, by, nullptr, kind::turn}; }

  struct nap {
    machine& on;
    thread& by;
    picoseconds until;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const { on.fall_asleep(by, self, until); }
    bool await_resume() const noexcept { return by.timed_out; }
  };
  // Sleeps until it is woken, or until a time: then the result is true. After turn(), so that no
  // wake is in between.
  nap sleep(thread& by, picoseconds until) noexcept { return {*this, by, until}; }
  // Ends the sleep of a thread that sleeps. For the thread `by`, at its time.
  void wake(const thread& by, thread& sleeper);
  // Lets another thread of its CPU run, if there is one.
  struct yielding {
    machine& on;
    thread& by;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const { on.give_way(by, self); }
    void await_resume() const noexcept {}
  };
  yielding yield(thread& by) noexcept { return {*this, by}; }

  // --- what it cost ---

  const std::array<std::uint64_t, parts>& transfers() const noexcept { return transfers_; }
  void forget_transfers() noexcept { transfers_ = {}; }
  // Adds the time since the last change to what the thread does, for a thread that sleeps or waits
  // for a CPU until the time `at`, for others until their own.
  static void account(thread& one, picoseconds at) noexcept;

 private:
  struct event {
    picoseconds at;
    std::uint64_t order;  // of events at the same time
    thread* whose;
    std::uint64_t sleep;  // the number of the sleep whose time comes; 0: the thread goes on
    bool operator>(const event& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct cpu {
    thread* running = nullptr;
    std::deque<thread*> ready;
    picoseconds slice_end = 0;
  };

  bool in_turn(const thread& one) const noexcept;
  bool must_leave(const thread& one) const noexcept;
  void postpone(thread& one, std::coroutine_handle<> self);
  void fall_asleep(thread& one, std::coroutine_handle<> self, picoseconds until);
  void give_way(thread& one, std::coroutine_handle<> self);
  void touch(thread& by, line* which, kind how) noexcept;
  static void bring(const thread& by, line& one) noexcept;

  void add(picoseconds at, thread& whose, std::uint64_t sleep);
  void make_ready(thread& one, picoseconds at);
  void run_next_of(unsigned number, picoseconds at);
  unsigned choose_cpu(const thread& one) const noexcept;
  picoseconds distance(unsigned from, unsigned to) const noexcept;
  picoseconds to_farthest(unsigned from, const line& one) const noexcept;

  const unsigned group_size_, socket_size_;
  const picoseconds near_, group_, socket_, locked_, wake_latency_, nap_late_, kernel_switch_,
      slice_;
  const double rewrite_, follow_;
  std::vector<std::bitset<most_cpus>> groups_, sockets_;  // the CPUs of each
  std::vector<cpu> cpus_;
  std::deque<thread> threads_;
  std::priority_queue<event, std::vector<event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  std::array<std::uint64_t, parts> transfers_{};
  bool stopped_ = false;
};

// Costs are in nanoseconds, and may have a fraction.
picoseconds to_ps(double ns) noexcept;
constexpr picoseconds microseconds(std::int64_t us) noexcept {
  return us * 1'000'000;
}

}  // namespace scaling
