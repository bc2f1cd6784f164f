// Texts as JSON (RFC 8259), for all writers of JSON in the library and in the hilo command.
#pragma once

#include <string>
#include <string_view>

namespace hilo::tool {

// Appends `value` with its quotes. A byte that is not UTF-8 becomes U+FFFD, because names of fibers
// are whatever the program chose.
void append_json_text(std::string& into, std::string_view value);

}  // namespace hilo::tool
