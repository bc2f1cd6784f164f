// The ends of the number line on the kernel floor: every timed call, with durations and times at
// the ends of their types.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <type_traits>

#include "hilo/clone.hpp"
#include "hilo/kernel.hpp"
#include "hilo/thread.hpp"

#include "tests/doctest.hpp"
#include "tests/timed_waits.hpp"

using namespace hilo::test;  // NOLINT(google-build-using-namespace)

namespace {

// check(name, wait, end): as in tests/timed_waits.hpp.
template <class V>
void each_call(V value, const timed_check& check) {
  using namespace hilo::kernel;
  each_gate<event, latch, counting_semaphore<4>>(value, check);
  each_condition_wait<hilo::kernel::mutex, hilo::kernel::condition_variable>(
      value, std::cv_status::no_timeout, check);
}

// A check: the wait goes on until end() ends it.
void ends(const char* name, timed_wait wait, end_of_wait end) {
  CAPTURE(name);
  hilo::thread partner([&] {
    std::this_thread::yield();
    end();
  });
  CHECK(wait());
}

// The same for locks, which are given up by the thread that holds them.
template <class M, class V>
void lock_by(V value, bool comes) {
  M m;
  hilo::kernel::event held;
  hilo::kernel::event enough;
  hilo::thread holder([&] {
    const std::scoped_lock lock(m);
    held.set();
    if (!comes) enough.wait();
  });
  held.wait();
  const bool taken = HILO_TIMED(m.try_lock, value);
  CHECK(taken == comes);
  if (taken) m.unlock();
  enough.set();
}

}  // namespace

TEST_CASE("number line: on the kernel floor a time that never comes ends no wait") {
  each_endless([](auto value) {
    each_call(value, ends);
    lock_by<hilo::kernel::mutex>(value, true);
    lock_by<hilo::kernel::shared_mutex>(value, true);
    lock_by<hilo::kernel::recursive_mutex>(value, true);
    hilo::thread quick([] { std::this_thread::yield(); });
    CHECK(HILO_TIMED(quick.join, value));
    hilo::child child = hilo::clone().start([] { return 3; });
    CHECK(HILO_TIMED(child.wait, value).has_value());
  });
}

TEST_CASE("number line: on the kernel floor a time that has passed ends each wait at once") {
  each_passed([](auto value) {
    each_call(value, ends_at_once);
    lock_by<hilo::kernel::mutex>(value, false);
    lock_by<hilo::kernel::shared_mutex>(value, false);
    lock_by<hilo::kernel::recursive_mutex>(value, false);
    hilo::kernel::event enough;
    hilo::thread slow([&] { enough.wait(); });
    CHECK_FALSE(HILO_TIMED(slow.join, value));
    enough.set();
  });
}
