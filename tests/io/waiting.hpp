// How many calls wait for a descriptor; so a test knows that its fibers are where they should be.
#pragma once

#include <mutex>

#include "hilo/fiber.hpp"

#include "runtime/io/pending.hpp"

namespace hilo::test {

inline int calls_for(int fd) {
  io::slot* const its = io::slot_of(fd);
  if (its == nullptr) return 0;
  const std::scoped_lock guard(its->lock);
  int count = 0;
  for (const io::pending* one = its->first; one != nullptr; one = one->next) {
    if (one->fd == fd) ++count;
  }
  return count;
}

// Lets other fibers run until so many calls wait for it.
inline void until_waited_for(int fd, int many = 1) {
  while (calls_for(fd) < many) hilo::yield();
}

}  // namespace hilo::test
