// The events that one worker records while the runtime is traced (hilo/trace.hpp). The worker
// writes. Threads of this process read, and so does `hilo trace` from outside.
//
// A ring that is full loses its oldest event. Events are numbered, so a reader knows how many it
// missed. A reader copies cells that the worker may be writing again, and then finds out which
// copies count:
//
//   worker, event n                          reader
//   (TR1) written_ is n, by event n - 1      copy the cells of the numbers below written_
//   (TR2) fence, release                     (TR3) fence, acquire
//   write the cell of event n                read written_ again
//
// Forbidden: a copy has a part of event n, and the second read sees less than n. If a copy has such
// a part, (TR3) follows (TR2), and (TR1) comes before (TR2). So the second read sees n or more, and
// the reader drops the copy of n - capacity, which had the same cell. A reader from outside copies
// and reads again in two system calls.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

namespace hilo::sched {

enum class trace_what : std::uint8_t {
  none,        // a cell that was never written
  runs,        // the fiber begins to run; name
  yields,      // the fiber gives way, and stays runnable
  parks,       // the fiber waits; text: the reason
  ends,        // the fiber has ended
  moves,       // the fiber goes on in another worker, because it is about to block
  spawned,     // fiber: the new one; other: its spawner, 0 none; text: the call; name
  wakes,       // fiber: the woken one; other: the waker, 0 none; number: the runtime of the fiber
  steals,      // fiber: the first that was stolen; number: the worker it was taken from
  hands_over,  // the fiber is about to block; number: the worker that takes the place
  takes_back,  // the fiber has blocked, and keeps its place
  submits,     // an I/O call is handed over; fiber: whose, 0 not known; number: the descriptor
  completes,   // an I/O call is over; likewise
  fires,       // number: the timers that were fired together
  counts,      // number: fibers in the worker's queues; other: fibers in the injector
};

struct trace_event {
  static constexpr std::size_t name_room = 24;

  std::int64_t time = 0;    // CLOCK_MONOTONIC in ns
  std::uint64_t fiber = 0;  // its number in its runtime
  std::uint64_t other = 0;
  std::uint64_t text = 0;  // an address in the traced process
  char name[name_room] = "";
  std::uint32_t number = 0;
  trace_what what = trace_what::none;
  std::uint8_t call = 0;  // io::request::call
  std::uint16_t unused = 0;
};
static_assert(sizeof(trace_event) == 64);

class trace_ring {
 public:
  // Room for at least so many events. Null if there is no memory.
  static std::unique_ptr<trace_ring> make(std::size_t events) noexcept;
  ~trace_ring();
  trace_ring(const trace_ring&) = delete;
  trace_ring& operator=(const trace_ring&) = delete;

  static constexpr std::size_t least_room = 64;
  static constexpr std::size_t most_room = std::size_t{1} << 24;

  // For the worker. Inlined into what makes the event, so that its fields come from registers.
  [[gnu::always_inline]] void write(const trace_event& one) noexcept {
    const std::uint64_t number = written_.load(std::memory_order_relaxed);  // only we write it
    std::atomic_thread_fence(std::memory_order_release);                    // (TR2)
    put(one, cells_[number & mask_]);
    written_.store(number + 1, std::memory_order_release);  // (TR1) publishes the cell
  }
  // The events of a new trace begin here.
  void begin() noexcept { first_.store(written(), std::memory_order_relaxed); }

  // For any thread. Appends the events from number `from` on, in their order. Returns how many of
  // them were lost, and moves `from` behind the last one. Throws std::bad_alloc.
  std::uint64_t read(std::uint64_t& from, std::vector<trace_event>& into) const;
  // (TR1) acquire: the events below this number are complete.
  std::uint64_t written() const noexcept { return written_.load(std::memory_order_acquire); }
  // The first event of the last trace. relaxed: a hint, the time of an event decides.
  std::uint64_t first() const noexcept { return first_.load(std::memory_order_relaxed); }
  std::size_t room() const noexcept { return mask_ + 1; }

  // The oldest event that a reader has whole, if `written` is what it read after its copies.
  static constexpr std::uint64_t oldest_whole(std::uint64_t written, std::uint64_t room) noexcept {
    return written < room ? 0 : written - room + 1;
  }

 private:
  using words = std::array<std::uint64_t, sizeof(trace_event) / sizeof(std::uint64_t)>;
  using cell = std::array<std::atomic<std::uint64_t>, std::tuple_size_v<words>>;
  static_assert(sizeof(cell) == sizeof(trace_event));

  // The words of std::bit_cast, which would write the small fields to memory and read them back.
  // relaxed: (TR1) publishes them to a reader in time, and (TR2) covers a reader that is late.
  [[gnu::always_inline]] static void put(const trace_event& one, cell& into) noexcept {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t name[3];
    std::memcpy(name, one.name, sizeof one.name);
    into[0].store(static_cast<std::uint64_t>(one.time), std::memory_order_relaxed);
    into[1].store(one.fiber, std::memory_order_relaxed);
    into[2].store(one.other, std::memory_order_relaxed);
    into[3].store(one.text, std::memory_order_relaxed);
    into[4].store(name[0], std::memory_order_relaxed);
    into[5].store(name[1], std::memory_order_relaxed);
    into[6].store(name[2], std::memory_order_relaxed);
    into[7].store(one.number | static_cast<std::uint64_t>(one.what) << 32 |
                      static_cast<std::uint64_t>(one.call) << 40,
                  std::memory_order_relaxed);
  }

  trace_ring(cell* cells, std::size_t room) noexcept : cells_(cells), mask_(room - 1) {}

  cell* const cells_;
  const std::uint64_t mask_;
  std::atomic<std::uint64_t> written_{0};  // events so far; written by the worker (TR1)
  std::atomic<std::uint64_t> first_{0};
};

}  // namespace hilo::sched
