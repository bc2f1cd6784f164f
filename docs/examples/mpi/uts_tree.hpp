// The trees of Unbalanced Tree Search (Olivier et al., LCPC 2006). A node is a hash; the hash says
// how many children the node has, and each child is the hash of its parent and of its place among
// its siblings.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#define OPENSSL_API_COMPAT 0x10100000L  // SHA1_Init: SHA1() takes five times as long (measured)
#include <openssl/sha.h>

using hash = std::array<unsigned char, SHA_DIGEST_LENGTH>;

// A geometric tree with the same expected number of children at all depths except the last.
struct tree {
  std::string name;
  int depth = 0;
  double children = 0;  // expected
  unsigned seed = 0;
  long known_nodes = 0;  // 0: not known
};

struct counts {
  long nodes = 0;
  long leaves = 0;
  long depth = 0;
};

struct node {
  hash state{};
  int depth = 0;
};

inline hash hash_of(const unsigned char* bytes, std::size_t size, unsigned number) {
  const unsigned char big_endian[] = {
      static_cast<unsigned char>(number >> 24), static_cast<unsigned char>(number >> 16),
      static_cast<unsigned char>(number >> 8), static_cast<unsigned char>(number)};
  hash made;
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Update(&context, bytes, size);
  SHA1_Update(&context, big_endian, sizeof big_endian);
  SHA1_Final(made.data(), &context);
  return made;
}

inline node root_of(const tree& shape) {
  const unsigned char zeros[16] = {};
  return {hash_of(zeros, sizeof zeros, shape.seed), 0};
}

class searcher {
 public:
  explicit searcher(const tree& shape)
      : depth_(shape.depth), log_more_(std::log(1 - 1 / (1 + shape.children))) {}

  // Replaces the newest node of the stack by its children.
  void visit_newest(std::vector<node>& stack) {
    const node parent = stack.back();
    stack.pop_back();
    const unsigned children = children_of(parent);
    ++seen_.nodes;
    if (children == 0) ++seen_.leaves;
    seen_.depth = std::max<long>(seen_.depth, parent.depth);
    for (unsigned i = 0; i < children; ++i) {
      const hash state = hash_of(parent.state.data(), parent.state.size(), i);
      stack.push_back({state, parent.depth + 1});
    }
  }

  const counts& seen() const { return seen_; }

 private:
  unsigned children_of(const node& parent) const {
    if (parent.depth >= depth_) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(parent.state[i]); };
    const unsigned random = (byte(16) & 0x7f) << 24 | byte(17) << 16 | byte(18) << 8 | byte(19);
    const double children = std::floor(std::log(1 - random / 2147483648.0) / log_more_);
    return static_cast<unsigned>(std::min(children, 100.0));
  }

  int depth_;
  double log_more_;  // the logarithm of the probability of one more child
  counts seen_;
};

inline counts search_serially(const tree& shape) {
  searcher search(shape);
  std::vector<node> stack = {root_of(shape)};
  while (!stack.empty()) search.visit_newest(stack);
  return search.seen();
}
