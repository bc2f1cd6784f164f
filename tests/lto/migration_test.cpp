// The current worker, in a program that is compiled as a whole (-O3 -flto, the library's sources
// included): nothing that the compiler may inline into a loop of parks keeps it, or the address it
// is read from, across one.

#include <array>
#include <atomic>
#include <cstdint>

#include <unistd.h>

#include "hilo/hilo.hpp"

#include "runtime/context/tls_block.hpp"
#include "runtime/sched/worker.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

namespace {

using hilo::sched::worker;

// Which worker each kernel thread is. A fiber that asks with something kept from before a
// migration gets that of another thread.
class register_of_workers {
 public:
  bool agrees(worker* one) {
    const pid_t thread = ::gettid();
    for (entry& each : entries_) {
      pid_t known = each.thread.load(std::memory_order_acquire);
      if (known == 0 &&
          each.thread.compare_exchange_strong(known, thread, std::memory_order_acq_rel)) {
        each.who.store(one, std::memory_order_relaxed);  // only this thread looks
        return true;
      }
      if (known == thread) return each.who.load(std::memory_order_relaxed) == one;
    }
    return false;
  }

 private:
  struct entry {
    std::atomic<pid_t> thread{0};
    std::atomic<worker*> who{nullptr};
  };
  std::array<entry, 64> entries_;
};

// Everything in one function, and in a loop, for the compiler to make the most of.
bool wander(register_of_workers& known) {
  hilo::sched::fiber* const self = &hilo::sched::current_worker()->running();
  bool right = true;
  for (int i = 0; i < 40; ++i) {
    right = right && known.agrees(hilo::sched::current_worker());
    hilo::yield();
    right = right && &hilo::sched::current_worker()->running() == self;
    right = right && known.agrees(hilo::sched::current_worker());
    if (i % 8 == 0) {
      hilo::test::migrate();
      right = right && known.agrees(hilo::sched::current_worker());
    }
    const auto [one, two] = hilo::fork_join([] { return hilo::yield(), 1; }, [] { return 2; });
    right = right && one + two == 3 && &hilo::sched::current_worker()->running() == self;
    right = right && hilo::spawn([&known] {
                       const bool before = known.agrees(hilo::sched::current_worker());
                       hilo::yield();
                       return before && known.agrees(hilo::sched::current_worker());
                     }).join();
  }
  return right;
}

void wander_on(unsigned carriers, hilo::tls tls) {
  CAPTURE(carriers);
  hilo::run({.carriers = carriers, .tls = tls}, [] {
    register_of_workers known;
    std::array<hilo::fiber<bool>, 8> all;
    for (auto& one : all) one = hilo::spawn([&known] { return wander(known); });
    for (auto& one : all) CHECK(one.join());
  });
}

}  // namespace

TEST_CASE("lto: a fiber that migrates in a loop always finds the worker that runs it") {
  for (const unsigned carriers : {2U, 4U, 8U}) wander_on(carriers, hilo::tls::carrier);
}

TEST_CASE("lto: so does one with a thread block of its own") {
  if (!hilo::context::tls_refusal().empty()) HILO_SKIP(hilo::context::tls_refusal());
  for (const unsigned carriers : {2U, 4U, 8U}) wander_on(carriers, hilo::tls::own);
}
