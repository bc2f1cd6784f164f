#include "tools/hilo/json.hpp"

#include <algorithm>

namespace hilo::command {
namespace {

// The length of the UTF-8 character at the front (RFC 3629); 0 if it is none.
std::size_t character_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

bool is_plain(char one) noexcept {
  return one >= 0x20 && one < 0x7f && one != '"' && one != '\\';
}

}  // namespace

// Names of fibers are whatever the program chose; a byte that is not UTF-8 becomes U+FFFD.
void json::write(std::string_view value) {
  std::fputc('"', out_);
  while (!value.empty()) {
    const auto plain = static_cast<std::size_t>(
        std::find_if_not(value.begin(), value.end(), is_plain) - value.begin());
    std::fwrite(value.data(), 1, plain, out_);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const std::size_t length = character_length(value);
    const auto first = static_cast<unsigned char>(value.front());
    if (length == 0) {
      std::fputs("\\ufffd", out_);
    } else if (first < 0x20) {
      std::fprintf(out_, "\\u%04x", first);
    } else {
      if (first == '"' || first == '\\') std::fputc('\\', out_);
      std::fwrite(value.data(), 1, length, out_);
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
  std::fputc('"', out_);
}

}  // namespace hilo::command
