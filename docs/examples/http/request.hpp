// A request, as a handler sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// Compares as names of headers are compared, which know no upper and lower case.
bool same_name(std::string_view one, std::string_view other) noexcept;

// Its text lies in the connection's buffer, so all views end with the handler.
class request {
 public:
  std::string_view method() const noexcept { return method_; }
  // As it was sent: "/path?query".
  std::string_view target() const noexcept { return text_of(target_); }
  // The x of HTTP/1.x.
  int minor_version() const noexcept { return minor_; }
  // The value of the first header of that name; empty if there is none.
  std::string_view header(std::string_view name) const noexcept;
  std::string_view body() const noexcept { return body_; }
  // Whether the client may send another one after it.
  bool keeps_alive() const noexcept { return keeps_alive_; }

 private:
  friend class parser;

  // A place in the text, which may move while the rest of it is read.
  struct slice {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  struct field {
    slice name;
    slice value;
  };

  std::string_view text_of(slice where) const noexcept { return {text_ + where.at, where.size}; }

  const char* text_ = nullptr;  // where the request begins
  std::string_view method_;
  slice target_;
  int minor_ = 1;
  bool keeps_alive_ = false;
  std::vector<field> fields_;
  std::string body_;
};

}  // namespace http
