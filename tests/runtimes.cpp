#include "tests/runtimes.hpp"

#include <random>

namespace hilo::test {

std::uint64_t stress_seed() {
  if (const char* given = std::getenv("HILO_SEED")) return std::strtoull(given, nullptr, 0);
  return std::random_device()();
}

}  // namespace hilo::test
