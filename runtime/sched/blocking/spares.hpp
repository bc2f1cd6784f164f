// The right to run fibers, and the workers that do not have it.
//
// A runtime has as many places as carriers. A worker runs fibers only while it holds a place; a
// place brings its timers along. Workers without a place are spares: their carriers sleep here, and
// end after a while. So any number of fibers may block their kernel threads, and the number of
// carriers that run fibers stays the same.
//
// A fiber that blocks by intent (blocking.cpp) offers its worker's place and sends a spare. The
// spare takes the place together with all fibers in the queue. If the call returns before that, the
// offer is withdrawn and nothing has changed. Otherwise the fiber's worker is now a spare: it gives
// the fiber to the injector, and its carrier sleeps here.
//
//   held_place::offer_   kept -> offered        before the call, its own carrier (H1)
//                    offered -> kept        after the call (H2)
//                    offered -> moving      by the spare (H3)
//                    moving -> moved        the queue is the spare's (H4)
//                    moved -> kept          its own carrier, now without a place (H5)
//
// From (H1) on the queue has no owner. The carrier that changes `offered` gets it: by one
// compare-exchange either its old carrier (H2) or the spare (H3), never both.
//
// A fiber that blocks by surprise, in a system call of its own, keeps its worker. The worker may
// come back at any time, so no spare can take its place. The monitor (monitor.hpp) opens an extra
// place for a spare. This spare steals from the held-up worker like any thief and fires its timers.
// When that worker moves again, the extra place is closed: its holder leaves it at its next look
// (worker::attend). A holder that sleeps there is woken. This works as with mail (lanes.cpp): the
// closer sets the mark and then looks for the holder among the sleepers, under their lock. The
// holder enters the sleepers and then looks at the mark. A holder left asleep would not be a spare.
// If all spares were asleep like this, a fiber that waits for a spare would wait for ever.
//
// A holder to which fibers are pinned overstays: it cannot leave before these fibers let it, and
// they may wait for fibers that wait for a spare. So such a holder does not count as a spare, and
// another may be started. A carrier that retired (retire.cpp) does not count either: its place is
// its successor's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/sched/blocking/held_place.hpp"

namespace hilo::sched {

class scheduler;

class spares {
 public:
  // At most `most` carriers in addition to the first carriers of the runtime and those that
  // overstay.
  spares(scheduler& owner, unsigned most) noexcept : scheduler_(owner), most_(most) {}
  void reserve(std::size_t workers);

  // Returns a worker without a place; the caller then sends it somewhere. Null if the kernel gives
  // no thread. If all are in use, parks until one is free. If a limit, a stop request or the
  // deadline ended that wait, returns null with `end` not ok (detail::until_woken: nothing ends
  // it).
  worker* take(std::int64_t deadline, status& end) noexcept;
  // The same without a wait: null also if all are in use.
  worker* take_free() noexcept;

  // For a carrier that retires: a spare, or one more, even if all are in use. It is made by a
  // thread that runs no fiber, where there is one (monitor::start_spare). Null if the kernel gives
  // no thread, or if the number of workers is at its limit. Waits for that thread, and does not
  // park.
  worker* take_successor() noexcept;
  // Called by the carrier that retires, before it sends its successor to `left`. The carrier is no
  // longer one of the runtime's carriers, and does not count as a spare.
  void begin_retired(place& left) noexcept;
  // Called by a worker that retired: its kernel thread ends now.
  void end_retired(worker& self) noexcept;

  // Called by a worker without a place, on its carrier: sleeps until a caller takes it and sends
  // it. False: its carrier must end.
  bool wait(worker& self) noexcept;

  // Lets others steal from `held`, in two steps, because `held` must learn of thieves before they
  // come. Between the two steps the caller makes sure that it does (run_queue::share()). The second
  // step opens a place beside `held` and sends a spare there. It returns null, and undoes the first
  // step, if there is no spare. If the caller changes its mind it undoes the first step by
  // drop_extra().
  void begin_extra(worker& held) noexcept;
  place* open_extra(worker& held) noexcept;
  void drop_extra() noexcept;
  // Makes its holder leave. The place may be gone when the call returns.
  void close_extra(place& one) noexcept;
  // Called by the holder of a closed place: it cannot leave yet.
  void overstay(place& one) noexcept;
  // Called by the holder when it has left.
  void left_extra(place& one) noexcept;
  // The number of open extra places. acquire: pairs with the release in drop_extra() (X); a reader
  // that sees none sees the last thief's last theft.
  unsigned extra_places() const noexcept { return extra_.load(std::memory_order_acquire); }

  // Whether there are carriers besides the holders of the first places: extra ones, or retired
  // ones, from which others must steal. acquire: as extra_places().
  bool carriers_beside() const noexcept {
    return extra_places() != 0 || retired_.load(std::memory_order_relaxed) != 0;
  }

  // Wakes all waiting carriers; no fiber blocks any more.
  void stop() noexcept;

 private:
  // Called with the lock, which the call releases: takes a sleeping spare, or makes a new one by
  // start(worker).
  template <class F>
  worker* take_one(F&& start) noexcept;
  worker* take_one() noexcept;

  scheduler& scheduler_;
  const unsigned most_;
  detail::spin_lock lock_;
  // Carriers in addition to the first ones and those that overstay; guarded by lock_.
  unsigned started_ = 0;
  std::vector<worker*> idle_;                   // carriers asleep in wait(); guarded by lock_
  std::vector<worker*> unmanned_;               // workers whose carrier ended; guarded by lock_
  detail::wait_list waiting_;                   // callers that want a spare; guarded by lock_
  std::vector<std::unique_ptr<place>> places_;  // all extra places; guarded by lock_
  std::vector<place*> free_places_;             // guarded by lock_
  std::atomic<unsigned> extra_{0};              // extra places in use
  // Carriers that retired and have not ended. Relaxed: a successor gets the count with its errand
  // (K1), and so do later holders of the place.
  std::atomic<unsigned> retired_{0};
};

}  // namespace hilo::sched
