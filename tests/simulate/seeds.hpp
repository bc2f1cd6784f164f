// Tests of the primitives under many seeds: plain functions, each of which is explored, in a
// program of their own, which the mutation test links with faulty copies of the library.
//
//   HILO_SEEDED("mutex: one at a time") { ... require(inside == 1, "two hold a mutex"); ... }
#pragma once

#include <stdexcept>
#include <vector>

#include "hilo/hilo.hpp"

namespace hilo::test {

struct seeded {
  const char* name;
  void (*run)();
};

// Adds one to those that the program runs.
bool add_seeded(const char* name, void (*run)());

inline void require(bool kept, const char* otherwise) {
  if (!kept) throw std::logic_error(otherwise);
}

// Sets a flag of its owner's when it ends.
struct mark_at_end {
  explicit mark_at_end(bool& its) : flag(its) {}
  ~mark_at_end() { flag = true; }
  mark_at_end(const mark_at_end&) = delete;
  mark_at_end& operator=(const mark_at_end&) = delete;
  bool& flag;
};

}  // namespace hilo::test

// NOLINTBEGIN(bugprone-macro-parentheses): two of them are names to declare
#define HILO_SEEDED_AS(name, function, added)                                          \
  static void function();                                                              \
  [[maybe_unused]] static const bool added = ::hilo::test::add_seeded(name, function); \
  static void function()
// NOLINTEND(bugprone-macro-parentheses)
#define HILO_SEEDED_AT(name, line) HILO_SEEDED_AS(name, seeded_##line, added_##line)
#define HILO_SEEDED_ON(name, line) HILO_SEEDED_AT(name, line)
#define HILO_SEEDED(name) HILO_SEEDED_ON(name, __LINE__)
