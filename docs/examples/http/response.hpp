// The answer to a request, as a handler gives it: whole, or in pieces as they come.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string_view>

#include <time.h>

#include "output.hpp"
#include "request.hpp"

namespace http {

// The header Date, which is formatted once a second.
class date {
 public:
  std::string_view line() noexcept;

 private:
  time_t when_ = -1;
  int size_ = 0;
  char text_[48] = {};
};

class response {
 public:
  // It is the last one of its connection if that is to close, or once a stop is requested.
  response(output& out, date& clock, const request& to, bool close,
           const std::stop_token* stopping = nullptr) noexcept
      : out_(out),
        clock_(clock),
        stopping_(stopping),
        head_only_(to.method() == "HEAD"),
        old_(to.minor_version() == 0),
        close_(close) {}

  // Answers. `headers` are lines more: "Allow: GET\r\n". Parks: while much is unread by the client.
  void send(int status, std::string_view type, std::string_view body,
            std::string_view headers = {});

  // Begins an answer of unknown length, whose pieces follow. Never parks.
  void begin(int status, std::string_view type, std::string_view headers = {});
  // Adds a piece, which is written at the latest when the handler returns. False: the client does
  // not read any more, and no further piece is of use. Parks: while much is unread by the client.
  bool add(std::string_view piece);
  // Writes what was added. Otherwise as add.
  bool flush() noexcept { return out_.flush(); }

  // What the connection has to know: whether an answer was begun; it ends one that is in pieces;
  // whether no other may follow it.
  bool is_begun() const noexcept { return state_ != state::none; }
  void end();
  bool closes() const noexcept { return close_; }
  // Of one that cannot be ended as it should: the client learns it from the connection's end.
  void break_off() noexcept;

 private:
  enum class state { none, pieces, done };

  void begin_head(int status, std::string_view type, std::string_view headers);
  void end_head();

  output& out_;
  date& clock_;
  const std::stop_token* const stopping_;
  const bool head_only_;
  const bool old_;  // HTTP/1.0, which has no chunks, and closes unless it is told otherwise
  bool close_;
  state state_ = state::none;
};

}  // namespace http
