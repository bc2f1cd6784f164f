// Progress: one fiber asks MPI for completions, on behalf of all fibers that wait.
//
// It lives only while fibers wait, so it holds no runtime up and costs nothing in between. The
// requests of all waits lie in one table, and one call of MPI_Testsome asks for all of them. Waits
// with a question of their own (MPI_Waitany, MPI_Probe, a case of select) are asked one by one.
//
// Back-off. While completions and new waits come, the fiber asks again after each yield, so fibers
// that can run have the carrier in between. After 200 us of silence it naps, unless other fibers
// use the carrier for so long that its looks take a 50th of the time only. A nap takes an eighth of
// the silence and 2 ms at most, or so long that the looks take a 50th of the time, whichever is
// longer. A new wait ends the nap.
//
// Orders. Waiters hand their waits over, and take them back, by a list without a lock. `state_`
// says whether there is a fiber that will look at the list:
//
//   waiter: (G1) push the order, seq_cst     progress: (G3) state := absent or napping, seq_cst
//           (G2) read state, seq_cst                   (G4) read the list, seq_cst
//
// Of (G2) and (G4) at least one sees the other side's store. The waiter that sees `absent` starts
// the fiber, the one that sees `napping` ends the nap; both by a compare-exchange to `awake`, so
// only one does. Forbidden: an order in the list, and no fiber that comes to look.
// (G1) release, (G5) acquire: the order, and the wait that it names.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hilo/detail/mpi_pending.hpp"
#include "hilo/latch.hpp"

namespace hilo::mpi::detail {

class progress {
 public:
  // The one of the process. Never destroyed: fibers may wait while handlers of exit(3) run.
  static progress& of_process() noexcept;

  // Hands an order over. Never parks, unless it has to run the progress itself because no fiber
  // can be started.
  void give(order& one) noexcept;

  // Whether no fiber waits for MPI.
  bool idle() const noexcept { return state_.load(std::memory_order_relaxed) == absent; }

 private:
  enum state : std::uint32_t { absent, awake, napping };

  // A request in the table, at the same place as its handle.
  struct entry {
    pending* whose;
    std::uint32_t number;  // among the requests of its wait
  };

  void start() noexcept;
  void run() noexcept;
  bool carry_out_orders() noexcept;
  void add(pending& one) noexcept;
  bool make_room(std::size_t more) noexcept;
  void remove(pending& one) noexcept;
  void remove_at(std::uint32_t place) noexcept;
  bool look() noexcept;
  bool look_at_table() noexcept;
  static void note(const entry& which, MPI_Request now, const MPI_Status& about,
                   pending*& over) noexcept;
  bool look_at_questions() noexcept;
  void pause(std::int64_t begun) noexcept;

  std::atomic<order*> orders_{nullptr};       // (G1), (G4), (G5); newest first
  std::atomic<std::uint32_t> state_{absent};  // (G2), (G3)
  hilo::auto_reset_event bell_;               // ends a nap

  // Only for the progress fiber.
  std::vector<MPI_Request> handles_;  // the table, and
  std::vector<entry> entries_;        // whose each of its requests is
  std::vector<int> done_;             // what MPI_Testsome fills: at least as long as the table
  std::vector<MPI_Status> statuses_;  // likewise
  pending* questions_ = nullptr;
  std::int64_t last_event_ = 0;  // when it last got an order or found a completion
};

}  // namespace hilo::mpi::detail
