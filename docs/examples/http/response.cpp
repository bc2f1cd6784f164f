#include "response.hpp"

#include <cstdio>

#include <http_parser.h>

namespace http {

std::string_view date::line() noexcept {
  const time_t second = ::time(nullptr);
  if (second != when_) {
    static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm parts{};
    ::gmtime_r(&second, &parts);
    size_ = std::snprintf(text_, sizeof text_, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                          days[parts.tm_wday], parts.tm_mday, months[parts.tm_mon],
                          parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    when_ = second;
  }
  return {text_, static_cast<std::size_t>(size_)};
}

void response::begin_head(int status, std::string_view type, std::string_view headers) {
  if (status == HTTP_STATUS_OK) {
    out_ << "HTTP/1.1 200 OK\r\n";
  } else {
    out_ << "HTTP/1.1 " << static_cast<std::size_t>(status) << " "
         << http_status_str(static_cast<http_status>(status)) << "\r\n";
  }
  out_ << clock_.line();
  if (!type.empty()) out_ << "Content-Type: " << type << "\r\n";
  if (!headers.empty()) out_ << headers;
}

void response::end_head() {
  close_ = close_ || (stopping_ != nullptr && stopping_->stop_requested());
  if (close_) {
    out_ << "Connection: close\r\n";
  } else if (old_) {
    out_ << "Connection: keep-alive\r\n";
  }
  out_ << "\r\n";
}

void response::send(int status, std::string_view type, std::string_view body,
                    std::string_view headers) {
  begin_head(status, type, headers);
  const bool bare = status == 204 || status == 304;  // what has no body, and no length of one
  if (!bare) out_ << "Content-Length: " << body.size() << "\r\n";
  end_head();
  if (!bare && !head_only_) out_ << body;
  state_ = state::done;
  if (out_.is_full()) (void)out_.flush();
}

void response::begin(int status, std::string_view type, std::string_view headers) {
  close_ = close_ || (old_ && !head_only_);
  begin_head(status, type, headers);
  if (!old_) out_ << "Transfer-Encoding: chunked\r\n";
  end_head();
  state_ = state::pieces;
}

bool response::add(std::string_view piece) {
  if (piece.empty() || head_only_) return true;  // an empty chunk would be the last
  if (!old_) out_.hexadecimal(piece.size()) << "\r\n";
  out_ << piece;
  if (!old_) out_ << "\r\n";
  return !out_.is_full() || out_.flush();
}

void response::end() {
  if (state_ == state::pieces && !old_ && !head_only_) out_ << "0\r\n\r\n";
  state_ = state::done;
}

void response::break_off() noexcept {
  state_ = state::done;
  close_ = true;
}

}  // namespace http
