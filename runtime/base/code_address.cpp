#include "runtime/base/code_address.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

namespace hilo::base {
namespace {

// Reads the lines of /proc/self/maps one after the other into its own buffer: no stdio, no malloc.
class map_lines {
 public:
  map_lines() noexcept : file_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~map_lines() {
    if (file_ >= 0) ::close(file_);
  }
  map_lines(const map_lines&) = delete;
  map_lines& operator=(const map_lines&) = delete;

  // The next line, without its newline; null after the last line. A line that is too long is cut.
  const char* next() noexcept {
    while (true) {
      char* const end = static_cast<char*>(std::memchr(buffer_, '\n', used_));
      if (end != nullptr) {
        const auto length = static_cast<std::size_t>(end - buffer_);
        std::memcpy(line_, buffer_, length);
        line_[length] = '\0';
        used_ -= length + 1;
        std::memmove(buffer_, end + 1, used_);
        return line_;
      }
      if (used_ == sizeof buffer_) used_ = 0;  // no path is that long
      const ssize_t got = file_ < 0 ? 0 : ::read(file_, buffer_ + used_, sizeof buffer_ - used_);
      if (got <= 0) return nullptr;
      used_ += static_cast<std::size_t>(got);
    }
  }

 private:
  int file_;
  std::size_t used_ = 0;
  char buffer_[1024];
  char line_[1024];
};

std::uintptr_t parse_hex(const char*& at) noexcept {
  std::uintptr_t value = 0;
  for (;; ++at) {
    const char digit = *at;
    if (digit >= '0' && digit <= '9') {
      value = value * 16 + static_cast<std::uintptr_t>(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = value * 16 + static_cast<std::uintptr_t>(digit - 'a') + 10;
    } else {
      return value;
    }
  }
}

// The address that the addresses in the module's own symbol table are relative to.
std::uintptr_t link_base(std::uintptr_t first_byte) noexcept {
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(first_byte);
  return header->e_type == ET_EXEC ? 0 : first_byte;
}

}  // namespace

void format_code_address(const void* address, char* text, std::size_t room) noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  char module[512] = "";
  std::uintptr_t module_start = 0;
  map_lines lines;
  while (const char* line = lines.next()) {
    // 55d0c0ff0000-55d0c0ff2000 r-xp 00001000 08:01 1234    /usr/bin/server
    const char* at = line;
    const std::uintptr_t start = parse_hex(at);
    ++at;
    const std::uintptr_t end = parse_hex(at);
    const char* const path = std::strchr(at, '/');
    // The first mapping of a file has file offset 0 and is readable: it holds the ELF header.
    if (path != nullptr && std::strcmp(path, module) != 0) {
      std::snprintf(module, sizeof module, "%s", path);
      module_start = start;
    }
    if (wanted < start || wanted >= end) continue;
    if (path == nullptr) break;
    std::snprintf(text, room, "%s+0x%zx", path,
                  static_cast<std::size_t>(wanted - link_base(module_start)));
    return;
  }
  std::snprintf(text, room, "%p", address);
}

}  // namespace hilo::base
