// UTS, the unbalanced tree search (Olivier et al., LCPC 2006): counts the nodes of a tree whose
// shape only shows as it is walked. A node is a SHA-1 digest; it says how many children there are,
// and with a child's number it hashes to the child.
//
// T1 is a geometric tree of fixed branching, T3 a binomial one, which is deep and narrow and as
// unbalanced as can be.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "bench/forks/sha1.hpp"

namespace bench::uts {

struct node {
  sha1_digest state;
  unsigned depth;
};

inline node root(std::uint32_t seed) {
  std::array<std::uint8_t, 20> bytes{};
  for (unsigned i = 0; i < 4; ++i) bytes[16 + i] = static_cast<std::uint8_t>(seed >> (24 - 8 * i));
  return {sha1_of_short(bytes), 0};
}

inline node child(const node& parent, std::uint32_t number) {
  std::array<std::uint8_t, 24> bytes{};
  std::copy(parent.state.begin(), parent.state.end(), bytes.begin());
  for (unsigned i = 0; i < 4; ++i) {
    bytes[20 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  return {sha1_of_short(bytes), parent.depth + 1};
}

// The node's random number, in [0, 1).
inline double chance(const node& one) {
  std::uint32_t bits = 0;
  for (unsigned i = 16; i < 20; ++i) bits = bits << 8 | one.state[i];
  return (bits & 0x7fffffff) / 2147483648.0;
}

struct t1 {
  static constexpr std::uint32_t seed = 19;
  static constexpr std::uint64_t nodes = 4'130'071;
  static std::uint32_t children(const node& one) {
    constexpr unsigned depth = 10;
    constexpr double branching = 4;
    if (one.depth >= depth) return 0;
    const double p = 1 / (1 + branching);
    return static_cast<std::uint32_t>(std::log(1 - chance(one)) / std::log(1 - p));
  }
};

struct t3 {
  static constexpr std::uint32_t seed = 42;
  static constexpr std::uint64_t nodes = 4'112'897;
  static std::uint32_t children(const node& one) {
    if (one.depth == 0) return 2000;
    return chance(one) < 0.124875 ? 8 : 0;
  }
};

template <class Tree, class Fork>
std::uint64_t count(const node& one);

// The nodes below children [low, high) of `parent`, themselves included.
template <class Tree, class Fork>
std::uint64_t count_children(const node& parent, std::uint32_t low, std::uint32_t high) {
  if (high - low == 1) return count<Tree, Fork>(child(parent, low));
  const std::uint32_t middle = low + (high - low) / 2;
  const auto [left, right] =
      Fork::both([&, low] { return count_children<Tree, Fork>(parent, low, middle); },
                 [&, high] { return count_children<Tree, Fork>(parent, middle, high); });
  return left + right;
}

template <class Tree, class Fork>
std::uint64_t count(const node& one) {
  const std::uint32_t children = Tree::children(one);
  return children == 0 ? 1 : 1 + count_children<Tree, Fork>(one, 0, children);
}

}  // namespace bench::uts
