// Requests out of bytes, by http_parser, which checks their grammar and follows their framing.
//
// http_parser tells what it finds piece by piece. The bytes of a request's head stay where they are
// until it is answered, so what it tells is kept as places in them and nothing is copied; only the
// body is, since between its chunks lies what is not of it.
#pragma once

#include <cstddef>
#include <string_view>

#include <http_parser.h>

#include "request.hpp"

namespace http {

class parser {
 public:
  // The longest body, in bytes.
  explicit parser(std::size_t longest_body) noexcept;
  parser(const parser&) = delete;
  parser& operator=(const parser&) = delete;

  enum class event {
    more,      // all was read, and the request goes on
    head,      // the head is there, and a body follows
    complete,  // the request is there
    refused,   // it cannot be served: status() says why
  };

  // Reads on in `bytes`, which follow those of the last call, and removes what it read from them.
  // `text` is where the first byte of the request lies now.
  event read(const char* text, std::string_view& bytes);

  // The request, from `head` or `complete` on until the next call.
  const request& current() const noexcept { return request_; }
  // Whether the head is complete.
  bool has_head() const noexcept { return has_head_; }
  // The length of the body, if the head says it; else 0.
  std::size_t announced_body() const noexcept { return announced_; }
  // What to answer to a request that was refused.
  int status() const noexcept { return status_; }

 private:
  struct callbacks;  // what http_parser calls

  void begin();
  int refuse(int status) noexcept;
  int add(request::slice& to, const char* at, std::size_t size, bool first) noexcept;
  int end_of_head() noexcept;

  static constexpr std::size_t most_fields = 100;
  static constexpr std::size_t kept_body = 64 * 1024;  // room that is kept for the next body

  http_parser state_;
  const std::size_t longest_body_;
  request request_;
  std::size_t announced_ = 0;
  int status_ = 400;
  event found_ = event::complete;
  bool has_head_ = false;
  bool in_value_ = false;  // the last piece was of a header's value
};

}  // namespace http
