// The owner of a descriptor. What reads and writes it is in hilo/io.hpp; pipes (hilo/pipe.hpp) and
// sockets (hilo/net.hpp) are such owners.
#pragma once

#include <utility>

#include "hilo/io.hpp"
#include "hilo/result.hpp"

namespace hilo::io {

// A descriptor with one owner, which closes it by hilo::io::close.
class descriptor {
 public:
  descriptor() noexcept = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    descriptor(std::move(other)).swap(*this);
    return *this;
  }
  ~descriptor() { (void)close(); }

  void swap(descriptor& other) noexcept { std::swap(fd_, other.fd_); }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  // Gives the descriptor to the caller.
  int release() noexcept { return std::exchange(fd_, -1); }
  // Ends the calls that wait for it with closed, and closes it. Parks: until they have ended.
  result<void> close() noexcept { return fd_ < 0 ? result<void>() : io::close(release()); }

 private:
  int fd_ = -1;
};

}  // namespace hilo::io
