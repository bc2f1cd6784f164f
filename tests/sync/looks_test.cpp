// Looks that never park: in a loop on the only carrier, one that fails lets the others run.

#include <chrono>
#include <shared_mutex>

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

}  // namespace

TEST_CASE("look: a loop over a failed look lets the others run on the only carrier") {
  SUBCASE("mutex") {
    hilo::mutex guard;
    bool locked = false;
    hilo::run({.carriers = 1}, [&] {
      auto holder = hilo::spawn([&] {
        guard.lock();
        locked = true;
        hilo::yield();
        guard.unlock();
      });
      while (!locked) hilo::yield();
      while (!guard.try_lock()) {
      }
      guard.unlock();
      holder.join();
    });
  }
  SUBCASE("recursive_mutex") {
    hilo::recursive_mutex guard;
    bool locked = false;
    hilo::run({.carriers = 1}, [&] {
      auto holder = hilo::spawn([&] {
        guard.lock();
        locked = true;
        hilo::yield();
        guard.unlock();
      });
      while (!locked) hilo::yield();
      while (!guard.try_lock()) {
      }
      guard.unlock();
      holder.join();
    });
  }
  SUBCASE("shared_mutex") {
    hilo::shared_mutex guard;
    int locked = 0;
    hilo::run({.carriers = 1}, [&] {
      auto holder = hilo::spawn([&] {
        for (int i = 0; i < 2; ++i) {
          guard.lock();
          ++locked;
          hilo::yield();
          guard.unlock();
        }
      });
      while (locked < 1) hilo::yield();
      while (!guard.try_lock_shared()) {
      }
      guard.unlock_shared();
      while (locked < 2) hilo::yield();
      while (!guard.try_lock()) {
      }
      guard.unlock();
      holder.join();
    });
  }
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
  SUBCASE("auto_reset_event") {
    hilo::auto_reset_event gate;
    others_run_meanwhile([&] { return gate.try_wait(); }, [&] { gate.set(); });
  }
}
