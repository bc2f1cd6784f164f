// Whether this machine knows its own name: a minimal one may have no /etc/hosts and no name server.
#pragma once

#include <netdb.h>

namespace hilo::test {

inline bool knows_localhost() {
  addrinfo* answers = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &answers) != 0) return false;
  ::freeaddrinfo(answers);
  return true;
}

}  // namespace hilo::test

// HILO_NEEDS_LOCALHOST(); at the head of a TEST_CASE.
#define HILO_NEEDS_LOCALHOST()                                                          \
  do {                                                                                  \
    if (!::hilo::test::knows_localhost()) {                                             \
      HILO_SKIP("this machine does not know the name localhost: it has no /etc/hosts"); \
    }                                                                                   \
  } while (false)
