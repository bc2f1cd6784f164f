// A descriptor of a driver: its set, or an eventfd. Other threads use the number at any time. If
// the program closed it, the driver makes another file and goes on with that. A child of a fork
// does not have it (forked.hpp).
#pragma once

#include <atomic>
#include <list>

#include "runtime/io/forked.hpp"
#include "runtime/sys/own_descriptor.hpp"

namespace hilo::io {

class driver_descriptor {
 public:
  driver_descriptor() = default;
  // Closes the descriptor, if it is still ours.
  ~driver_descriptor() {
    for (sys::own_descriptor& one : all_) close_kept(one);
  }
  driver_descriptor(const driver_descriptor&) = delete;
  driver_descriptor& operator=(const driver_descriptor&) = delete;

  // From now on this is the descriptor. `made` is what a system call returned. Calls do not
  // overlap. Throws std::system_error, which names `what`, and std::bad_alloc.
  void take(long made, const char* what, between_forks& guard);

  // acquire: pairs with take()
  int number() const noexcept { return now_.load(std::memory_order_acquire)->number(); }
  bool is_ours() const noexcept { return now_.load(std::memory_order_acquire)->is_ours(); }

 private:
  std::list<sys::own_descriptor> all_{1};  // the last is in use; the first is none
  std::atomic<const sys::own_descriptor*> now_{&all_.front()};
};

}  // namespace hilo::io
