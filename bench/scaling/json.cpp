#include "bench/scaling/json.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace scaling {
namespace {

class json_reader {
 public:
  explicit json_reader(const std::string& text) : text_(text) {}

  bool whole(json& into) {
    if (!read(into, 0)) return false;
    skip_spaces();
    return at_ == text_.size();
  }
  std::size_t place() const { return at_; }

 private:
  static constexpr int deepest = 64;

  void skip_spaces() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr) ++at_;
  }
  bool skip(char wanted) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool skip_word(std::string_view word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }

  bool read(json& into, int depth) {
    if (depth > deepest) return false;
    skip_spaces();
    if (at_ == text_.size()) return false;
    switch (text_[at_]) {
      case '{':
        return read_all(into, json::kind::object, '}', depth);
      case '[':
        return read_all(into, json::kind::list, ']', depth);
      case '"':
        into.is = json::kind::text;
        return read_text(into.text);
      case 't':
        into.is = json::kind::truth;
        return skip_word("true");
      case 'f':
        into.is = json::kind::truth;
        return skip_word("false");
      case 'n':
        return skip_word("null");
      default:
        return read_number(into);
    }
  }

  bool read_number(json& into) {
    const char* const begin = text_.c_str() + at_;
    char* end = nullptr;
    into.is = json::kind::number;
    into.number = std::strtod(begin, &end);
    at_ += static_cast<std::size_t>(end - begin);
    return end != begin;
  }

  // The names and values here are ASCII: an escape stands for the character after it.
  bool read_text(std::string& into) {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && ++at_ == text_.size()) return false;
      into += text_[at_];
    }
    return skip('"');
  }

  bool read_all(json& into, json::kind kind, char end, int depth) {
    into.is = kind;
    ++at_;
    if (skip(end)) return true;
    do {
      if (kind == json::kind::object) {
        skip_spaces();
        if (at_ == text_.size() || text_[at_] != '"') return false;
        if (!read_text(into.names.emplace_back()) || !skip(':')) return false;
      }
      if (!read(into.items.emplace_back(), depth + 1)) return false;
    } while (skip(','));
    return skip(end);
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

const json* json::find(const std::string& name) const {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &items[i];
  }
  return nullptr;
}

std::string read_json(json& into, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "cannot read " + path + ": " + std::strerror(errno);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  json_reader from(text);
  json found;
  if (!from.whole(found)) return path + " is not JSON: see byte " + std::to_string(from.place());
  into = std::move(found);
  return "";
}

}  // namespace scaling
