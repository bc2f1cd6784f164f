// Looks that never park: in a loop on the only carrier, one that fails lets the others run.

#include <chrono>
#include <mutex>
#include <stop_token>
#include <type_traits>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

namespace {

// Loops over `look` on one carrier until another fiber, which has to run for that, did `act`.
template <class Look, class Act>
void others_run_meanwhile(Look look, Act act) {
  hilo::run({.carriers = 1}, [&] {
    auto other = hilo::spawn(act);
    while (!look()) {
    }
    other.join();
  });
}

// Loops over `look` on one carrier while another fiber holds `guard`, which it gives up at its next
// turn.
template <class Mutex, class Look, class GiveUp>
void holder_runs_meanwhile(Mutex& guard, Look look, GiveUp give_up) {
  hilo::run({.carriers = 1}, [&] {
    hilo::event locked;
    auto holder = hilo::spawn([&] {
      guard.lock();
      locked.set();
      hilo::yield();
      guard.unlock();
    });
    locked.wait();
    while (!look()) {
    }
    give_up();
    holder.join();
  });
}

}  // namespace

TEST_CASE_TEMPLATE("look: a loop over a failed try_lock lets the holder run on the only carrier",
                   Mutex, hilo::mutex, hilo::recursive_mutex, hilo::shared_mutex) {
  Mutex guard;
  holder_runs_meanwhile(
      guard, [&] { return guard.try_lock(); }, [&] { guard.unlock(); });
  if constexpr (std::is_same_v<Mutex, hilo::shared_mutex>) {
    holder_runs_meanwhile(
        guard, [&] { return guard.try_lock_shared(); }, [&] { guard.unlock_shared(); });
  }
}

TEST_CASE("look: a loop over a failed look lets the others run on the only carrier") {
  SUBCASE("semaphore") {
    hilo::semaphore none(0);
    others_run_meanwhile([&] { return none.try_acquire(); }, [&] { none.release(); });
    others_run_meanwhile([&] { return none.try_acquire_for(std::chrono::seconds(0)); },
                         [&] { none.release(); });
  }
  SUBCASE("latch") {
    hilo::latch gate(1);
    others_run_meanwhile([&] { return gate.try_wait(); }, [&] { gate.count_down(); });
  }
  SUBCASE("event") {
    hilo::event gate;
    others_run_meanwhile([&] { return gate.is_set(); }, [&] { gate.set(); });
  }
  SUBCASE("the limits of the fiber") {
    hilo::run({.carriers = 1}, [&] {
      auto looking = hilo::spawn([] {
        while (hilo::this_fiber::limit_reached() == hilo::status::ok) {
        }
      });
      hilo::yield();
      looking.request_stop();
      looking.join();
    });
  }
  SUBCASE("condition_variable with a stop_token that was stopped") {
    hilo::mutex guard;
    hilo::condition_variable changed;
    std::stop_source stopped;
    stopped.request_stop();
    bool done = false;
    const auto look = [&] {
      std::unique_lock lock(guard);
      (void)changed.wait(lock, stopped.get_token(), [] { return false; });
      return done;
    };
    others_run_meanwhile(look, [&] { done = true; });
  }
  SUBCASE("ticker") {
    hilo::ticker ticks(std::chrono::hours(1));
    bool done = false;
    others_run_meanwhile([&] { return (void)ticks.next_tick(), done; }, [&] { done = true; });
    done = false;
    others_run_meanwhile([&] { return (void)ticks.skipped(), done; }, [&] { done = true; });
  }
  SUBCASE("auto_reset_event") {
    hilo::auto_reset_event gate;
    others_run_meanwhile([&] { return gate.try_wait(); }, [&] { gate.set(); });
  }
}
