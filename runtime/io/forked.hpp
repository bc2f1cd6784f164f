// Descriptors of drivers, which a forked child must not have: it would hold its parent's rings open
// and share its epoll set. A child made by fork(2) closes them at once. Rings are also mapped in
// such a way that no child gets their memory. The child also forgets the calls that its parent has
// in flight.
#pragma once

#include "runtime/sys/own_descriptor.hpp"

namespace hilo::io {

// While a between_forks lives, no thread forks. So making a descriptor and registering it are one
// step, and so are unregistering and closing it.
class between_forks {
 public:
  between_forks() noexcept;
  ~between_forks();
  between_forks(const between_forks&) = delete;
  between_forks& operator=(const between_forks&) = delete;

  // From now on a forked child closes it, if it is still ours there. Throws std::bad_alloc.
  void keep(const sys::own_descriptor& which);
  // Ends that. The caller closes the descriptor.
  void release(const sys::own_descriptor& which) noexcept;
};

// Closes the descriptor in this process, if it is still ours. In a child it does nothing, because
// the descriptor is already closed there.
void close_kept(sys::own_descriptor& which) noexcept;

}  // namespace hilo::io
