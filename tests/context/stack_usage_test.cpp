#include "runtime/context/stack_usage.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/doctest.hpp"

TEST_CASE("stack_usage: the lowest word without paint is found, whatever lies there") {
  constexpr std::size_t words = 512;
  for (const std::size_t painted : {0U, 1U, 3U, 511U, 512U}) {
    // Not written: memcheck, under which this runs too, follows what was decided by such words.
    const std::unique_ptr<std::uint64_t[]> stack(new std::uint64_t[words]);
    auto* const low = reinterpret_cast<char*>(stack.get());
    auto* const end = low + painted * sizeof stack[0];
    if (painted < words) stack[painted] = 0;
    hilo::context::paint_stack(low, end);
    CHECK(hilo::context::lowest_painted_over(low, low + words * sizeof stack[0]) == end);
  }
  const std::unique_ptr<std::uint64_t[]> stack(new std::uint64_t[words]);
  auto* const low = reinterpret_cast<char*>(stack.get());
  hilo::context::paint_stack(low, low + 64);
  CHECK(hilo::context::lowest_painted_over(low, low + words * sizeof stack[0]) >= low + 64);
}
