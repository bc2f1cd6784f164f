// The memory of a target: of a process, or of a core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

namespace hilo::command {

using address = std::uint64_t;

// A range to read, and whether all of it was read.
struct piece {
  address from = 0;
  void* into = nullptr;
  std::size_t bytes = 0;
  bool there = false;
};

class memory {
 public:
  memory() = default;
  virtual ~memory() = default;
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;

  // Reads many ranges together, because a process is read by system calls.
  virtual void read(std::span<piece> pieces) = 0;

  // Writes into a live process. False: it cannot be written, or is a core.
  virtual bool write(address, const void*, std::size_t) { return false; }

  bool read(address from, void* into, std::size_t bytes) {
    piece one{.from = from, .into = into, .bytes = bytes};
    read(std::span(&one, 1));
    return one.there;
  }

  template <class T>
  std::optional<T> get(address from) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    if (!read(from, &value, sizeof value)) return std::nullopt;
    return value;
  }
  // The same; 0 if the memory cannot be read.
  template <class T>
  T value(address from) {
    return get<T>(from).value_or(T{});
  }

  // A text that ends with a zero; cut after `most` characters. Null if it cannot be read.
  std::optional<std::string> text(address from, std::size_t most = 200);
};

}  // namespace hilo::command
