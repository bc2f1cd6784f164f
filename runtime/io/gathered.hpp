// Writes several pieces as one, without copying them.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include <sys/uio.h>

#include "hilo/result.hpp"

#include "runtime/io/in_parts.hpp"

namespace hilo::io {

// write(buffers, count) writes some of the bytes of the buffers, and returns how many. Each call
// gets as many pieces as fit into one list; the kernel takes at most IOV_MAX (1024), and 64 are
// enough that the call costs little for each. Otherwise as in_parts.
template <class F>
result<void> gathered(std::span<const std::string_view> parts, std::size_t* done,
                      F write) noexcept {
  std::size_t size = 0;
  for (const std::string_view one : parts) size += one.size();
  std::size_t first = 0;    // of the pieces that are not written yet
  std::size_t written = 0;  // bytes of it
  return in_parts(size, done, [&](std::size_t, std::size_t) {
    std::array<iovec, 64> buffers;
    std::size_t count = 0;
    for (std::size_t at = first; at < parts.size() && count < buffers.size(); ++at) {
      std::string_view rest = parts[at];
      if (at == first) rest.remove_prefix(written);
      if (rest.empty()) continue;
      buffers[count++] = {const_cast<char*>(rest.data()), rest.size()};
    }
    const result<std::size_t> some = write(buffers.data(), count);
    if (!some) return some;
    written += *some;
    while (first < parts.size() && written >= parts[first].size()) written -= parts[first++].size();
    return some;
  });
}

}  // namespace hilo::io
