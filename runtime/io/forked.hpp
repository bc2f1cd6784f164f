// Descriptors of drivers, which a forked child must not have: it would hold its parent's rings open
// and share its epoll set. A child made by fork(2) closes them at once; rings are besides mapped so
// that no child gets their memory. And it forgets the calls that its parent has in flight.
#pragma once

#include "runtime/sys/own_descriptor.hpp"

namespace hilo::io {

// While one lives, no thread forks: a descriptor is made and told of, or taken off and closed, as
// one step.
class between_forks {
 public:
  between_forks() noexcept;
  ~between_forks();
  between_forks(const between_forks&) = delete;
  between_forks& operator=(const between_forks&) = delete;

  // From now on a forked child closes it. Throws std::bad_alloc.
  void keep(int fd);
  // The caller closes it.
  void release(int fd) noexcept;
};

// Closes it here, if it is still ours; does nothing in a child, where it is closed already.
void close_kept(sys::own_descriptor& which) noexcept;

}  // namespace hilo::io
