// A descriptor that hilo opened for itself and that the program does not know of.
//
// It has a high number. A program takes the lowest free number, expects a number that it closed to
// be free, and closes numbers that it does not know (close_range(2) in a daemon). If hilo's number
// were among the program's numbers, two accidents could happen. A stale number of the program would
// reach hilo's file. And after a close_range, hilo would reach the file that got the number next.
// If there is no room at the top, the number stays as it is.
//
// Even so, the program may close the number and use it again, and hilo does not notice. So hilo
// keeps the file's device and inode, and is_ours() compares them before a write or a close. An
// eventfd, an epoll set and the like share one inode with others of their kind, so is_ours() cannot
// tell them apart. A write to one of those does no harm, except to an eventfd that the program put
// at this very number by dup2(2).
#pragma once

#include <cstdint>
#include <utility>

namespace hilo::sys {

class own_descriptor {
 public:
  own_descriptor() = default;
  // Takes `fd` over; it must be open and close on exec. If `fd` is negative: holds none. `fd` comes
  // from a plain system call: the thread sanitizer follows the descriptors of libc's calls, and
  // does not see that this class moves and closes them.
  explicit own_descriptor(int fd) noexcept;
  // Closes the descriptor, if it is still ours.
  ~own_descriptor();
  own_descriptor(own_descriptor&& other) noexcept
      : number_(std::exchange(other.number_, -1)), device_(other.device_), inode_(other.inode_) {}
  own_descriptor& operator=(own_descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }

  bool is_open() const noexcept { return number_ >= 0; }
  int number() const noexcept { return number_; }

  // Whether the number still means our file. Makes one system call.
  bool is_ours() const noexcept;

  // Gives the descriptor up. From then on only the caller may close it.
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

// Moves a descriptor to the highest room there is. Returns its new number.
int move_out_of_the_way(int fd) noexcept;

}  // namespace hilo::sys
