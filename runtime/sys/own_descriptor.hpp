// A descriptor that hilo opened for itself, which the program does not know of.
//
// It lies at a high number. A program takes the lowest number that is free, expects a number that
// it closed to be free, and closes numbers that it does not know (close_range(2) in a daemon).
// Among the program's numbers, a stale number of the program's would reach hilo's file, and hilo
// would reach the file that got the number after a close_range. If the top has no room, the
// number stays as it is.
//
// A number may be closed and used again behind our back all the same. So the file's device and
// inode are kept, and is_ours() compares them before a write or a close. An eventfd, an epoll set
// and the like share one inode with others of their kind; a write to one of those does no harm but
// to an eventfd that the program put at this very number by dup2(2).
#pragma once

#include <cstdint>
#include <utility>

namespace hilo::sys {

class own_descriptor {
 public:
  own_descriptor() = default;
  // Takes `fd` over, which is open and closes on exec. If it is negative: none.
  explicit own_descriptor(int fd) noexcept;
  // Closes it, if it is still ours.
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

  // Whether the number still means our file. One system call.
  bool is_ours() const noexcept;

  // The caller, or nobody, closes it.
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

// Moves a descriptor to the highest room there is. Returns its number now.
int move_out_of_the_way(int fd) noexcept;

}  // namespace hilo::sys
