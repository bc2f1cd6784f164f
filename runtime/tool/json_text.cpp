#include "runtime/tool/json_text.hpp"

#include <algorithm>
#include <cstdio>

namespace hilo::tool {
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

void append_json_text(std::string& into, std::string_view value) {
  into += '"';
  while (!value.empty()) {
    const auto plain = static_cast<std::size_t>(
        std::find_if_not(value.begin(), value.end(), is_plain) - value.begin());
    into += value.substr(0, plain);
    value.remove_prefix(plain);
    if (value.empty()) break;
    const std::size_t length = character_length(value);
    const auto first = static_cast<unsigned char>(value.front());
    if (length == 0) {
      into += "\\ufffd";
    } else if (first < 0x20) {
      char text[8];
      std::snprintf(text, sizeof text, "\\u%04x", first);
      into += text;
    } else {
      if (first == '"' || first == '\\') into += '\\';
      into += value.substr(0, length);
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
  into += '"';
}

}  // namespace hilo::tool
