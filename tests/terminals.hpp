// Whether pseudoterminals can be made: a root of its own may have no /dev/pts.
#pragma once

#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "tests/skip.hpp"

namespace hilo::test {

inline bool has_terminals() {
  const int one = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (one < 0) return false;
  ::close(one);
  return true;
}

// Removes the rows for terminals from a table if none can be made; a row says in its name what it
// is for.
template <class Row>
void leave_out_terminals(std::vector<Row>& rows) {
  if (has_terminals()) return;
  std::erase_if(rows, [](const Row& one) { return one.name.find("terminal") != one.name.npos; });
}

}  // namespace hilo::test

// HILO_NEEDS_TERMINALS(); at the head of a TEST_CASE.
#define HILO_NEEDS_TERMINALS()                                              \
  do {                                                                      \
    if (!::hilo::test::has_terminals()) {                                   \
      HILO_SKIP("no pseudoterminal can be made here: /dev/pts is missing"); \
    }                                                                       \
  } while (false)
