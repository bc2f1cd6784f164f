// usage: simulate_seeds [SEEDS [BEGINNING]]
//
// Explores each seeded test, or those whose names begin so, under SEEDS seeds (2000), and prints a
// line for each that fails and a total. Ends at the first failure when SEEDS is given, for then it
// is asked whether there is one.
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <sys/time.h>
#include <unistd.h>

#include "tests/simulate/seeds.hpp"

namespace hilo::test {
namespace {

constexpr std::uint64_t usual_seeds = 2000;
constexpr unsigned most_seconds = 300;
// Processor time for a test with one seed, which takes less than a millisecond. SIGPROF then ends
// the program. Not a limit for all of them together: a slow machine would pass it.
constexpr unsigned most_seconds_of_one = 3;

std::vector<seeded>& all() {
  static std::vector<seeded> tests;  // filled while the sources are initialised, in any order
  return tests;
}

std::uint64_t divisor() {
  const char* const text = std::getenv("HILO_TEST_DIVISOR");
  const std::uint64_t value = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  return value == 0 ? 1 : value;
}

void limit_one_run() {
  const itimerval most{.it_interval = {},
                       .it_value = {.tv_sec = most_seconds_of_one, .tv_usec = 0}};
  if (::setitimer(ITIMER_PROF, &most, nullptr) != 0) std::abort();
}

int run_seeded(std::uint64_t seeds, bool until_failure, std::string_view beginning) {
  int passed = 0;
  int failed = 0;
  std::uint64_t decisions = 0;
  for (const seeded& one : all()) {
    if (!std::string_view(one.name).starts_with(beginning)) continue;
    try {
      decisions += explore({.seeds = seeds}, [&one] {
                     limit_one_run();
                     one.run();
                   }).decisions;
      ++passed;
    } catch (const simulation_failure&) {  // explore() printed it
      std::printf("  %s ... FAILED\n", one.name);
      ++failed;
      if (until_failure) break;
    }
  }
  std::printf("%llu seeds each, %llu decisions\n", static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(decisions));
  std::printf("hilo-tests: %d passed, %d failed, 0 skipped\n", passed, failed);
  return failed == 0 && passed != 0 ? 0 : 1;
}

}  // namespace

bool add_seeded(const char* name, void (*run)()) {
  all().push_back({name, run});
  return true;
}

}  // namespace hilo::test

int main(int argc, char** argv) {
  ::alarm(hilo::test::most_seconds);
  const std::uint64_t seeds =
      argc > 1 ? std::strtoull(argv[1], nullptr, 10)
               : std::max<std::uint64_t>(1, hilo::test::usual_seeds / hilo::test::divisor());
  return hilo::test::run_seeded(seeds, argc > 1, argc > 2 ? argv[2] : "");
}
