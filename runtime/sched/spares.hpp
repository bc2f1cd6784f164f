// The right to run fibers, and the workers that do not have it.
//
// A runtime has as many places as carriers. A worker runs fibers only while it holds a place; a
// place brings its timers along. Workers without one are spares: their carriers sleep here, and end
// after a while. So any number of fibers may block their kernel threads, and as many others as
// before go on.
//
// A fiber that blocks by intent (blocking.cpp) offers its worker's place, and sends a spare that
// takes it, together with everything in the queue. When the call returns first, the offer is
// withdrawn and nothing happened. Otherwise its worker is the spare now: it gives the fiber to the
// injector, and its carrier sleeps here.
//
//   worker::offer_   kept -> offered        before the call, its own carrier (H1)
//                    offered -> kept        after the call (H2)
//                    offered -> moving      by the spare (H3)
//                    moving -> moved        the queue is the spare's (H4)
//                    moved -> kept          its own carrier, now without a place (H5)
//
// From (H1) on the queue is nobody's. Whoever changes `offered` has it: by one compare-exchange
// either its old carrier (H2) or the spare (H3), never both.
//
// A fiber that blocks by surprise, in a system call of its own, keeps its worker, which may come
// back at any time: nobody can take its place. The monitor (monitor.hpp) opens an extra place for a
// spare, which steals from the one held up like any thief and fires its timers. When that moves
// again the extra place is closed: its holder leaves it at its next look (worker::attend). One that
// sleeps there is woken. As with mail (lanes.cpp): whoever closes looks for it among the sleepers,
// under their lock, after the mark; it looks at the mark after it has entered them. Left asleep, it
// would be no spare, and with all of them so, who waits for a spare would wait for ever.
//
// A holder to which fibers are pinned overstays: it cannot leave before they let it, and they may
// wait for fibers that wait for a spare. So it does not count as one; another may be started. Nor
// does a carrier that retired (retire.cpp) count: its place is its successor's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/sched/timer_wheel.hpp"

namespace hilo::sched {

class scheduler;
class worker;

struct place {
  explicit place(timer_wheel& wheel) noexcept : timers(&wheel) {}

  timer_wheel* timers;  // an extra place has those of the worker it stands beside

  // The holder shall leave. Written by whoever opened an extra place, read by its holder; publishes
  // nothing: relaxed.
  std::atomic<bool> closing{false};
  // Who to prompt when it closes; written by the holder. Only a hint, but who follows it needs a
  // whole worker, which a spare has not been for long: (U) release, acquired.
  std::atomic<worker*> holder{nullptr};
  bool overstayed = false;  // the holder's
};

class spares {
 public:
  // At most `most` carriers beside those that the runtime began with and those that overstay.
  spares(scheduler& owner, unsigned most) noexcept : scheduler_(owner), most_(most) {}
  void reserve(std::size_t workers);

  // A worker without a place, for the caller to send somewhere. Null when the kernel gives no
  // thread. When all are in use: parks until one is not; null with `end` not ok when a limit, a
  // stop request or the deadline ended that wait (detail::until_woken: nothing does).
  worker* take(std::int64_t deadline, status& end) noexcept;
  // The same without a wait: null also when all are in use.
  worker* take_free() noexcept;

  // For a carrier that retires: a spare, or one more, though all are in use. It is made by a thread
  // that runs no fiber, where there is one (monitor::start_spare). Null when the kernel gives no
  // thread, or there are as many workers as there can be. Waits for that thread, and does not park.
  worker* take_successor() noexcept;
  // By the carrier that retires, before it sends its successor to `left`: it is none of the
  // carriers of the runtime any more, and does not count as a spare.
  void begin_retired(place& left) noexcept;
  // By one that retired: its kernel thread ends now.
  void end_retired(worker& self) noexcept;

  // By a worker without a place, on its carrier: sleeps until somebody took and sent it. False: its
  // carrier shall end.
  bool wait(worker& self) noexcept;

  // Lets others steal from `held`, in two steps, for it must learn of thieves before they come:
  // between them the caller makes sure that it does (worker::share()). The second opens a place
  // beside `held` and sends a spare there; null when none is to be had, and then, or if the caller
  // changed its mind, the first is undone.
  void begin_extra(worker& held) noexcept;
  place* open_extra(worker& held) noexcept;
  void drop_extra() noexcept;
  // Makes its holder leave. The place may be gone when this returns.
  void close_extra(place& one) noexcept;
  // By the holder of a place that is closed: it cannot leave yet.
  void overstay(place& one) noexcept;
  // By the holder: it left.
  void left_extra(place& one) noexcept;
  // How many are open. acquire: pairs with the release in drop_extra() (X); who sees none sees the
  // last thief's last theft.
  unsigned extra_places() const noexcept { return extra_.load(std::memory_order_acquire); }

  // Whether there are carriers beside those that hold the first places: extra ones, or retired
  // ones, from which others have to steal. acquire: as extra_places().
  bool carriers_beside() const noexcept {
    return extra_places() != 0 || retired_.load(std::memory_order_relaxed) != 0;
  }

  // Wakes all who wait; nobody blocks any more.
  void stop() noexcept;

 private:
  // With the lock, which it gives up: one that sleeps, else a new one, by start(worker).
  template <class F>
  worker* take_one(F&& start) noexcept;
  worker* take_one() noexcept;

  scheduler& scheduler_;
  const unsigned most_;
  detail::spin_lock lock_;
  // Carriers beyond the first ones and those that overstay; guarded by lock_.
  unsigned started_ = 0;
  std::vector<worker*> idle_;                   // carriers asleep in wait(); guarded by lock_
  std::vector<worker*> unmanned_;               // workers whose carrier ended; guarded by lock_
  detail::wait_list waiting_;                   // who wants a spare; guarded by lock_
  std::vector<std::unique_ptr<place>> places_;  // all extra places; guarded by lock_
  std::vector<place*> free_places_;             // guarded by lock_
  std::atomic<unsigned> extra_{0};              // extra places in use
  // Carriers that retired and have not ended. Relaxed: a successor, and the next holder of its
  // place, gets the count with the errand (K1).
  std::atomic<unsigned> retired_{0};
};

}  // namespace hilo::sched
