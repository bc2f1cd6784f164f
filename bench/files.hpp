// The shared part of the file workloads: a file in which every block holds its number, and the
// order in which blocks are read. The file has no name, lies in the folder of temporary files, and
// is in the page cache: the workloads measure the way to the file and not a device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench {

inline constexpr std::size_t block_bytes = 4096;
inline constexpr std::uint64_t file_blocks = 16384;  // 64 MiB
inline constexpr unsigned file_readers = 32;         // at the same time
inline constexpr std::uint64_t file_reads = 1 << 16;
inline constexpr std::size_t copy_bytes = 128 * 1024;  // at a time

struct alignas(block_bytes) block {
  std::array<std::uint64_t, block_bytes / sizeof(std::uint64_t)> words;
};

// The number of the block that is read in this turn: random, but the same for every implementation
// (SplitMix64 of the number, by Steele, Lea and Flood).
constexpr std::uint64_t block_to_read(std::uint64_t turn) {
  std::uint64_t x = (turn + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (x ^ (x >> 31)) % file_blocks;
}

class unnamed_file {
 public:
  enum class content { none, numbered_blocks };
  // Ends the program if the file cannot be made.
  explicit unnamed_file(content what);
  ~unnamed_file();
  unnamed_file(const unnamed_file&) = delete;
  unnamed_file& operator=(const unnamed_file&) = delete;

  int fd() const noexcept { return fd_; }
  // Ends the program unless the file holds the numbered blocks.
  void check() const;

 private:
  int fd_;
};

// Ends the program: a read or a write failed, or was short.
[[noreturn]] void file_failed(const char* what);

}  // namespace bench
