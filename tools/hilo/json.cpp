#include "tools/hilo/json.hpp"

#include <string>

#include "runtime/tool/json_text.hpp"

namespace hilo::command {

void json::write(std::string_view value) {
  std::string text;
  tool::append_json_text(text, value);
  std::fwrite(text.data(), 1, text.size(), out_);
}

}  // namespace hilo::command
