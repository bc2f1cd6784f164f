#include "parser.hpp"

#include <algorithm>
#include <cctype>

namespace http {

bool same_name(std::string_view one, std::string_view other) noexcept {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return one.size() == other.size() &&
         std::equal(one.begin(), one.end(), other.begin(),
                    [&](char a, char b) { return a == b || lower(a) == lower(b); });
}

std::string_view request::header(std::string_view name) const noexcept {
  for (const field& one : fields_) {
    if (same_name(text_of(one.name), name)) return text_of(one.value);
  }
  return {};
}

struct parser::callbacks {
  static parser& of(http_parser* state) noexcept { return *static_cast<parser*>(state->data); }

  static int on_url(http_parser* state, const char* at, std::size_t size) {
    parser& self = of(state);
    return self.add(self.request_.target_, at, size, self.request_.target_.size == 0);
  }
  static int on_header_field(http_parser* state, const char* at, std::size_t size) {
    parser& self = of(state);
    if (self.has_head_) return 0;  // trailers are read and left out
    auto& fields = self.request_.fields_;
    const bool first = fields.empty() || self.in_value_;
    if (first && fields.size() == most_fields) return self.refuse(431);
    if (first) fields.emplace_back();
    self.in_value_ = false;
    return self.add(fields.back().name, at, size, first);
  }
  static int on_header_value(http_parser* state, const char* at, std::size_t size) {
    parser& self = of(state);
    if (self.has_head_) return 0;
    const bool first = !self.in_value_;
    self.in_value_ = true;
    return self.add(self.request_.fields_.back().value, at, size, first);
  }
  static int on_headers_complete(http_parser* state) { return of(state).end_of_head(); }
  static int on_body(http_parser* state, const char* at, std::size_t size) {
    parser& self = of(state);
    std::string& body = self.request_.body_;
    if (size > self.longest_body_ - body.size()) return self.refuse(413);
    body.append(at, size);
    return 0;
  }
  static int on_message_complete(http_parser* state) {
    parser& self = of(state);
    self.request_.keeps_alive_ = http_should_keep_alive(state) != 0;
    self.found_ = event::complete;
    http_parser_pause(state, 1);
    return 0;
  }

  static constexpr http_parser_settings all = {
      .on_message_begin = nullptr,
      .on_url = on_url,
      .on_status = nullptr,
      .on_header_field = on_header_field,
      .on_header_value = on_header_value,
      .on_headers_complete = on_headers_complete,
      .on_body = on_body,
      .on_message_complete = on_message_complete,
      .on_chunk_header = nullptr,
      .on_chunk_complete = nullptr,
  };
};

parser::parser(std::size_t longest_body) noexcept : longest_body_(longest_body) {
  http_parser_init(&state_, HTTP_REQUEST);
  state_.data = this;
}

void parser::begin() {
  request_.fields_.clear();
  request_.target_ = {};
  request_.method_ = {};
  request_.minor_ = 1;
  if (request_.body_.capacity() > kept_body) {
    request_.body_ = {};
  } else {
    request_.body_.clear();
  }
  announced_ = 0;
  has_head_ = false;
  in_value_ = false;
}

int parser::refuse(int status) noexcept {
  status_ = status;
  found_ = event::refused;
  return -1;
}

// A piece goes on where the last one ended; but for values that are folded over several lines,
// which are to be refused (RFC 9112, 5.2).
int parser::add(request::slice& to, const char* at, std::size_t size, bool first) noexcept {
  const auto place = static_cast<std::uint32_t>(at - request_.text_);
  if (first) to.at = place;
  if (place != to.at + to.size) return refuse(400);
  to.size += static_cast<std::uint32_t>(size);
  return 0;
}

int parser::end_of_head() noexcept {
  has_head_ = true;
  request_.minor_ = state_.http_minor;
  request_.method_ = http_method_str(static_cast<http_method>(state_.method));
  if (state_.http_major != 1) return refuse(505);
  if (state_.method == HTTP_CONNECT) return refuse(501);
  state_.upgrade = 0;  // no other protocol is spoken here, which a server may choose
  std::size_t hosts = 0;
  for (request::field& one : request_.fields_) {
    const std::string_view value = request_.text_of(one.value);
    one.value.size = static_cast<std::uint32_t>(value.find_last_not_of(" \t") + 1);
    if (same_name(request_.text_of(one.name), "host")) ++hosts;
  }
  if (hosts > 1 || (hosts == 0 && state_.http_minor > 0)) return refuse(400);  // RFC 9112, 3.2
  const bool chunked = (state_.flags & F_CHUNKED) != 0;
  if ((state_.flags & F_CONTENTLENGTH) != 0) announced_ = state_.content_length;
  if (announced_ > longest_body_) return refuse(413);
  if (!chunked && announced_ == 0) return 0;
  found_ = event::head;
  http_parser_pause(&state_, 1);
  return 0;
}

parser::event parser::read(const char* text, std::string_view& bytes) {
  if (found_ == event::complete) begin();
  request_.text_ = text;
  found_ = event::more;
  http_parser_pause(&state_, 0);
  const std::size_t used =
      http_parser_execute(&state_, &callbacks::all, bytes.data(), bytes.size());
  bytes.remove_prefix(used);
  const auto error = HTTP_PARSER_ERRNO(&state_);
  if (error == HPE_OK || error == HPE_PAUSED || found_ == event::refused) return found_;
  status_ = error == HPE_HEADER_OVERFLOW ? 431 : 400;
  return event::refused;
}

}  // namespace http
