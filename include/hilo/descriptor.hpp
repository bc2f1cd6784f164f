// The owner of a descriptor. The calls that read and write it are in hilo/io.hpp; pipes
// (hilo/pipe.hpp) and sockets (hilo/net.hpp) are such owners.
#pragma once

#include <atomic>
#include <utility>

#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// A descriptor with one owner, which closes it by hilo::io::close. Other fibers may be in calls on
// it at that moment: these calls end with closed, and later calls fail with EBADF. A call that
// begins at the very moment of the close may still use the old number. If another file is opened
// then, it may get that number, and the call reaches the wrong file. So if files may be opened
// meanwhile, tell the other fibers to begin no more calls before you close. A move, release() and
// the destructor are only for a descriptor that no other caller uses.
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
  // Gives the descriptor to the caller, which then has to close it.
  int release() noexcept { return fd_.exchange(-1, std::memory_order_relaxed); }
  // Ends the calls that wait for it with closed, and closes it. If several callers close it, only
  // the first call does so. Parks: until the ended calls have returned.
  result<void> close() noexcept {
    const int its = release();
    return its < 0 ? result<void>() : io::close(its);
  }

 private:
  // Written by the owner, read by all users. Relaxed: it publishes nothing, because the kernel
  // holds the state behind the number, and close() orders its calls by the slot's lock.
  std::atomic<int> fd_{-1};
};

}  // namespace hilo::io
