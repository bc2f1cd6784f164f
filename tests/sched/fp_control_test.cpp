// Floating-point control words: the carrier's, or a fiber's that asks for it.

#include <cfenv>
#include <vector>

#include "hilo/runtime.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;

TEST_CASE("spawn: a fiber that asks for it keeps its rounding mode") {
  on_each_runtime([] {
    const int outside = std::fegetround();
    std::vector<hilo::fiber<bool>> all;
    for (int i = 0; i < 12; ++i) {
      const bool keeps = i % 3 != 0;
      all.push_back(hilo::spawn({.keep_fp_control = keeps}, [i, keeps] {
        const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO};
        const int mine = modes[i % 3];  // those that do not keep it leave it as it is
        bool right = std::fegetround() == FE_TONEAREST;
        if (keeps) std::fesetround(mine);
        for (int round = 0; round < 50; ++round) {
          hilo::yield();
          right = right && std::fegetround() == mine;
          volatile double little = 1e-30;
          volatile double sum = 1.0 + little;  // rounded as set
          right = right && (sum > 1.0) == (mine == FE_UPWARD);
        }
        return right;
      }));
    }
    for (auto& one : all) CHECK(one.join());
    CHECK(std::fegetround() == outside);
  });
}

TEST_CASE("spawn: a fiber that keeps its rounding mode starts with its spawner's, and migrates") {
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    hilo::spawn({.keep_fp_control = true}, [] {
      std::fesetround(FE_UPWARD);
      hilo::test::migrate();
      CHECK(std::fegetround() == FE_UPWARD);
      auto child = hilo::spawn({.keep_fp_control = true}, [] {
        hilo::test::migrate();
        return std::fegetround();
      });
      CHECK(child.join() == FE_UPWARD);
    }).join();
    CHECK(std::fegetround() == FE_TONEAREST);
  });
}
