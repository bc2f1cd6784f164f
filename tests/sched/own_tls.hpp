// What the tests of fibers that own their thread-local storage share.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <vector>

#include "hilo/hilo.hpp"

#include "runtime/base/sanitizers.hpp"
#include "runtime/context/tls_block.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

// Skips the test case where there is nothing to test; "refused" in own_tls_test.cpp tests that.
#define NEEDS_OWN_TLS() \
  if (!hilo::context::tls_refusal().empty()) HILO_SKIP(hilo::context::tls_refusal())

namespace own_tls {

inline constexpr hilo::spawn_options own{.tls = hilo::tls::own};

// Parks in several ways, so that others run on this carrier, and this fiber perhaps on another.
inline void wander(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    if (i % 8 == 7) {
      hilo::sleep_for(std::chrono::microseconds(50));
    } else {
      hilo::yield();
    }
  }
}

// Set by on_each_own_runtime below: whether there is another carrier to go to.
inline bool alone = true;

// Parks and goes on on another carrier, if there is one.
inline void move() {
  if (alone) return hilo::yield();
  hilo::test::migrate();
}

template <class F>
void on_each_own_runtime(F body) {
  for (const unsigned carriers : {1U, 2U, 4U, 8U}) {
    CAPTURE(carriers);
    alone = carriers == 1;
    hilo::run(hilo::runtime_options{.carriers = carriers}, body);
  }
}

// Own fibers and plain ones side by side, each running body(i) and checking what it returns.
template <class F>
void run_crowd(F body) {
  std::vector<hilo::fiber<bool>> all;
  std::atomic<bool> go_on{true};
  std::vector<hilo::fiber<void>> plain;
  for (int i = 0; i < 8; ++i) {
    plain.push_back(hilo::spawn([&] {
      while (go_on.load(std::memory_order_relaxed)) {
        errno = 4242;  // the carriers'
        hilo::sleep_for(std::chrono::microseconds(20));
      }
    }));
  }
  for (int i = 0; i < 24; ++i) all.push_back(hilo::spawn(own, body, i));
  for (auto& one : all) CHECK(one.join());
  go_on.store(false, std::memory_order_relaxed);
  for (auto& one : plain) one.join();
}

}  // namespace own_tls
