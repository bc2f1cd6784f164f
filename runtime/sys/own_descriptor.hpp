// A descriptor that hilo opened for itself and that the program does not know of.
//
// It has a high number. A program takes the lowest free number, expects a number that it closed to
// be free, and closes numbers that it does not know (close_range(2) in a daemon). If hilo's number
// were among the program's numbers, two accidents could happen. A stale number of the program would
// reach hilo's file. And after a close_range, hilo would reach the file that got the number next.
// If there is no room at the top, the number stays as it is.
//
// Even so, the program may close the number and use it again, and hilo does not notice. So
// is_ours() tells before a write or a close whether the number still means hilo's file. A device
// and an inode are not enough for that, because all eventfds and all epoll sets share one inode. So
// the constructor also puts a mark on the file: the signal of F_SETSIG (fcntl(2)). The kernel keeps
// that number with each open file, and sends no such signal unless a program asks for it by
// O_ASYNC, which these files do not have. A program does not choose one of these signals for its
// own files: they tell of a fault, or end the process. Marks are used in turn, so that two
// descriptors that got the same number one after the other differ. Where fcntl(2) refuses that,
// device and inode decide alone.
//   Rejected: kcmp(2), which needs a second number for the file, and sandboxes refuse it; the
//   eventfd-id in /proc/self/fdinfo, which takes three calls and needs /proc.
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
  own_descriptor(own_descriptor&& other) noexcept : its_(std::exchange(other.its_, {})) {}
  own_descriptor& operator=(own_descriptor&& other) noexcept {
    std::swap(its_, other.its_);
    return *this;
  }

  bool is_open() const noexcept { return its_.number >= 0; }
  int number() const noexcept { return its_.number; }

  // Whether the number still means our file. Makes a system call, or two.
  bool is_ours() const noexcept { return its_.is_there(); }

  // Gives the descriptor up. From then on only the caller may close it.
  int release() noexcept { return std::exchange(its_, {}).number; }

  // A number, and how to know the file that it meant.
  struct identity {
    int number = -1;
    int mark = 0;  // 0: the file could not be marked
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool is_there() const noexcept;
  };
  const identity& known_by() const noexcept { return its_; }

 private:
  identity its_;
};

// Moves a descriptor to the highest room there is. Returns its new number.
int move_out_of_the_way(int fd) noexcept;

}  // namespace hilo::sys
