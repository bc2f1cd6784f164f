// The fork-join workloads, over any way to make two calls. `Fork` has
//
//   both(f, g)            calls both, perhaps at once; returns a pair or tuple of their results
//   run(carriers, body)   calls body() where `both` may be used, with so many kernel threads
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/forks/uts.hpp"
#include "bench/harness.hpp"

namespace bench {

// Runs one pass after the other; `pass` checks its answer.
template <class Fork>
void repeat_passes(benchmark::State& state, unsigned carriers, double operations, auto pass) {
  Fork::run(carriers, [&] {
    for (auto _ : state) pass();
  });
  set_operations(state, static_cast<double>(state.iterations()) * operations);
}

// fib: nothing but forks. A task is a fork: fib(n + 1) - 1 of them. Not inlined: a compiler that
// sees through two levels of the serial one computes each value once.
template <class Fork>
[[gnu::noinline]] std::uint64_t fib(unsigned n) {
  if (n < 2) return n;
  const auto [a, b] =
      Fork::both([n] { return fib<Fork>(n - 1); }, [n] { return fib<Fork>(n - 2); });
  return a + b;
}
constexpr std::uint64_t fib_of(unsigned n) {
  std::uint64_t a = 0;
  std::uint64_t b = 1;
  for (; n != 0; --n) b = std::exchange(a, b) + b;
  return a;
}
constexpr double fib_tasks(unsigned n) {
  return double(fib_of(n + 1) - 1);
}
static_assert(fib_of(30) == 832'040);

template <class Fork, unsigned N>
void fib_fork_join(benchmark::State& state, unsigned carriers) {
  repeat_passes<Fork>(state, carriers, fib_tasks(N), [] {
    unsigned n = N;
    benchmark::DoNotOptimize(n);
    expect("fib", fib<Fork>(n), fib_of(N));
  });
}

template <class Fork, class Tree>
void uts_tree(benchmark::State& state, unsigned carriers) {
  repeat_passes<Fork>(state, carriers, 1, [] {
    expect("the number of nodes", uts::count<Tree, Fork>(uts::root(Tree::seed)), Tree::nodes);
  });
}

// Queens on a board: what the rows above leave free, as bits. One fork for each place but the last.
inline constexpr unsigned queens = 12;
inline constexpr std::uint64_t queens_answer = 14'200;

template <class Fork>
std::uint64_t place_queens(std::uint32_t columns, std::uint32_t left, std::uint32_t right,
                           std::uint32_t free) {
  constexpr std::uint32_t all = (1U << queens) - 1;
  if (columns == all) return 1;
  if (free == 0) return 0;
  const std::uint32_t place = free & (0U - free);
  const auto with_place = [=] {
    const std::uint32_t c = columns | place;
    const std::uint32_t l = (left | place) << 1;
    const std::uint32_t r = (right | place) >> 1;
    return place_queens<Fork>(c, l, r, all & ~(c | l | r));
  };
  if (free == place) return with_place();
  const auto [a, b] = Fork::both(
      with_place, [=] { return place_queens<Fork>(columns, left, right, free & ~place); });
  return a + b;
}

template <class Fork>
void nqueens(benchmark::State& state, unsigned carriers) {
  repeat_passes<Fork>(state, carriers, 1, [] {
    expect("the number of boards", place_queens<Fork>(0, 0, 0, (1U << queens) - 1), queens_answer);
  });
}

// Adaptive integration of (x^2 + 1) x by trapezes, halved until they agree.
inline double curve(double x) {
  return (x * x + 1) * x;
}

template <class Fork>
double integral(double x1, double y1, double x2, double y2, double area) {
  const double half = (x2 - x1) / 2;
  const double x0 = x1 + half;
  const double y0 = curve(x0);
  const double left_area = (y1 + y0) / 2 * half;
  const double right_area = (y0 + y2) / 2 * half;
  if (std::abs(left_area + right_area - area) < 1e-5) return left_area + right_area;
  const auto [left, right] = Fork::both([=] { return integral<Fork>(x1, y1, x0, y0, left_area); },
                                        [=] { return integral<Fork>(x0, y0, x2, y2, right_area); });
  return left + right;
}

template <class Fork>
void integrate(benchmark::State& state, unsigned carriers) {
  constexpr double end = 1000;
  constexpr double exact = end * end * end * end / 4 + end * end / 2;
  repeat_passes<Fork>(state, carriers, 1, [] {
    const double got =
        integral<Fork>(0, curve(0), end, curve(end), (curve(0) + curve(end)) / 2 * end);
    expect("whether the integral is exact to 1e-8", std::abs(got / exact - 1) < 1e-8, 1);
  });
}

// c += a * b for square matrices, by halving the longest side; halves of the inner one one after
// the other.
inline constexpr std::size_t matrix_side = 512;

struct matmul_part {
  const double* a;
  const double* b;
  double* c;
  std::size_t rows, columns, inner;
};

template <class Fork>
void multiply(const matmul_part& part) {
  constexpr std::size_t leaf = 32;
  const std::size_t longest = std::max({part.rows, part.columns, part.inner});
  if (longest <= leaf) {
    for (std::size_t i = 0; i < part.rows; ++i) {
      for (std::size_t k = 0; k < part.inner; ++k) {
        const double factor = part.a[i * matrix_side + k];
        for (std::size_t j = 0; j < part.columns; ++j) {
          part.c[i * matrix_side + j] += factor * part.b[k * matrix_side + j];
        }
      }
    }
    return;
  }
  const std::size_t half = longest / 2;
  matmul_part first = part;
  matmul_part second = part;
  if (part.rows == longest) {
    first.rows = second.rows = half;
    second.a += half * matrix_side;
    second.c += half * matrix_side;
  } else if (part.columns == longest) {
    first.columns = second.columns = half;
    second.b += half;
    second.c += half;
  } else {
    first.inner = second.inner = half;
    second.a += half;
    second.b += half * matrix_side;
    multiply<Fork>(first);
    multiply<Fork>(second);
    return;
  }
  (void)Fork::both(
      [&] {
        multiply<Fork>(first);
        return 0;
      },
      [&] {
        multiply<Fork>(second);
        return 0;
      });
}

template <class Fork>
void matmul(benchmark::State& state, unsigned carriers) {
  constexpr std::size_t n = matrix_side;
  std::vector<double> a(n * n);
  std::vector<double> b(n * n);
  std::vector<double> c(n * n);
  for (std::size_t i = 0; i < n * n; ++i) {
    a[i] = double(i / n % 5);
    b[i] = double(i % n % 7);
  }
  repeat_passes<Fork>(state, carriers, 1, [&] {
    std::fill(c.begin(), c.end(), 0.0);
    multiply<Fork>({a.data(), b.data(), c.data(), n, n, n});
    std::uint64_t wrong = 0;  // exact in double: row's number times column's, n times
    for (std::size_t i = 0; i < n * n; ++i) wrong += c[i] != double(n * (i / n % 5) * (i % n % 7));
    expect("the number of wrong elements", wrong, 0);
  });
}

inline constexpr std::size_t sorted_numbers = 1 << 20;

template <class Fork>
void sort_part(std::uint32_t* first, std::uint32_t* last) {
  constexpr std::ptrdiff_t leaf = 64;
  if (last - first <= leaf) return std::sort(first, last);
  std::uint32_t* const middle = first + (last - first) / 2;
  const std::uint32_t pivot =
      std::max(std::min(*first, *middle), std::min(std::max(*first, *middle), last[-1]));
  std::uint32_t* low = first;
  std::uint32_t* high = last - 1;
  while (low <= high) {
    while (*low < pivot) ++low;
    while (pivot < *high) --high;
    if (low <= high) std::swap(*low++, *high--);
  }
  (void)Fork::both(
      [=] {
        sort_part<Fork>(first, high + 1);
        return 0;
      },
      [=] {
        sort_part<Fork>(low, last);
        return 0;
      });
}

template <class Fork>
void quicksort(benchmark::State& state, unsigned carriers) {
  std::vector<std::uint32_t> shuffled(sorted_numbers);
  std::iota(shuffled.begin(), shuffled.end(), 0U);
  std::uint64_t random = 1;
  for (std::size_t i = sorted_numbers - 1; i != 0; --i) {
    random = random * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
    std::swap(shuffled[i], shuffled[(random >> 33) % (i + 1)]);
  }
  std::vector<std::uint32_t> numbers(sorted_numbers);
  repeat_passes<Fork>(state, carriers, 1, [&] {
    std::copy(shuffled.begin(), shuffled.end(), numbers.begin());
    sort_part<Fork>(numbers.data(), numbers.data() + numbers.size());
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < sorted_numbers; ++i) wrong += numbers[i] != i;
    expect("the number of misplaced numbers", wrong, 0);
  });
}

}  // namespace bench
