// The owner of a descriptor. What reads and writes it is in hilo/io.hpp; pipes (hilo/pipe.hpp) and
// sockets (hilo/net.hpp) are such owners.
#pragma once

#include <atomic>
#include <utility>

#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// A descriptor with one owner, which closes it by hilo::io::close. Others may be in calls on it
// when the owner does: those end with closed, and later ones fail with EBADF. One that begins at
// the very moment may still have the old number, which is another file's once that is opened; so
// where files are opened meanwhile, who begins calls has to be told before. What else changes it, a
// move, release() or the destructor, is for when nobody uses it.
class descriptor {
 public:
  descriptor() noexcept = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    descriptor(std::move(other)).swap(*this);
    return *this;
  }
  ~descriptor() { (void)close(); }

  void swap(descriptor& other) noexcept {
    const int its = other.fd();
    other.fd_.store(fd(), std::memory_order_relaxed);
    fd_.store(its, std::memory_order_relaxed);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return fd() >= 0; }
  int fd() const noexcept { return fd_.load(std::memory_order_relaxed); }
  // Gives the descriptor to the caller.
  int release() noexcept { return fd_.exchange(-1, std::memory_order_relaxed); }
  // Ends the calls that wait for it with closed, and closes it; of several who do, one does. Parks:
  // until they have ended.
  result<void> close() noexcept {
    const int its = release();
    return its < 0 ? result<void>() : io::close(its);
  }

 private:
  // Written by the owner, read by who uses it meanwhile. Relaxed: it publishes nothing, a number
  // means what the kernel knows of it; and close() orders its calls by the slot's lock.
  std::atomic<int> fd_{-1};
};

}  // namespace hilo::io
