// Writes JSON (RFC 8259) as it goes, so that a dump of a million fibers needs no memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string_view>

namespace hilo::command {

class json {
 public:
  explicit json(std::FILE* out) noexcept : out_(out) {}
  json(const json&) = delete;
  json& operator=(const json&) = delete;

  // begin_… and end() nest. In an object each value has a key; in an array `key` is empty.
  void begin_object(std::string_view key = {}) { begin(key, '{'); }
  void begin_array(std::string_view key = {}) { begin(key, '['); }
  void end_object() { end('}'); }
  void end_array() { end(']'); }

  void text(std::string_view key, std::string_view value) {
    name(key);
    write(value);
  }
  void number(std::string_view key, std::int64_t value) {
    name(key);
    std::fprintf(out_, "%lld", static_cast<long long>(value));
  }
  void number(std::string_view key, std::uint64_t value) {
    name(key);
    std::fprintf(out_, "%llu", static_cast<unsigned long long>(value));
  }
  void flag(std::string_view key, bool value) {
    name(key);
    std::fputs(value ? "true" : "false", out_);
  }

 private:
  void begin(std::string_view key, char bracket) {
    name(key);
    std::fputc(bracket, out_);
    first_ = true;
  }
  void end(char bracket) {
    std::fputc(bracket, out_);
    first_ = false;
  }
  void name(std::string_view key) {
    if (!first_) std::fputc(',', out_);
    first_ = false;
    if (key.empty()) return;
    write(key);
    std::fputc(':', out_);
  }
  void write(std::string_view value);

  std::FILE* const out_;
  bool first_ = true;
};

}  // namespace hilo::command
