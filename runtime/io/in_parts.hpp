// Repeats calls that do only a part of the work, until all of it is done.
#pragma once

#include <cstddef>

#include "hilo/result.hpp"

namespace hilo::io {

// part(from, rest) does some of the `rest` bytes that begin at offset `from`, and returns how many.
// Ends with the first failure. In every case `done`, if given, is set to the number of bytes done.
template <class F>
result<void> in_parts(std::size_t size, std::size_t* done, F part) noexcept {
  std::size_t count = 0;
  result<void> end;
  while (count < size && end) {
    const result<std::size_t> some = part(count, size - count);
    if (some) {
      count += *some;
    } else {
      end = {some.status(), some.error().value()};
    }
  }
  if (done != nullptr) *done = count;
  return end;
}

// For a read that is a part: the end of the data is `closed`.
inline result<std::size_t> closed_at_end(const result<std::size_t>& got) noexcept {
  if (got && *got == 0) return {status::closed, 0};
  return got;
}

}  // namespace hilo::io
