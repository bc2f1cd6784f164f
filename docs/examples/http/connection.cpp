#include "connection.hpp"

#include <string>
#include <utility>

#include <http_parser.h>

namespace http {

constexpr std::size_t room_for_body = 16 * 1024;

connection::connection(hilo::net::tcp_stream stream, const handler& handle, const limits& granted,
                       std::stop_token stopping) noexcept
    : stream_(std::move(stream)),
      handle_(handle),
      limits_(granted),
      stopping_(std::move(stopping)),
      parser_(granted.body),
      output_(stream_, granted.write_time),
      deadline_(clock::now() + granted.head_time) {}

void connection::serve() {
  outcome what = outcome::request;
  while ((what = read_request()) == outcome::request && answer()) input_.next_request();
  if (what == outcome::refused) answer_refused();
  // What the client still sends is read and dropped for a while: unread, it would make the kernel
  // reset the connection, and the client could lose the last answer.
  const auto finish = [&] {
    if (output_.flush()) (void)stream_.end_gracefully(limits_.linger_time);
  };
  if (hilo::this_fiber::limit_reached() == hilo::status::ok) return finish();
  // Cancelled: the answers that there are go out all the same, if the client takes them.
  hilo::shielded([&] { hilo::with_timeout(limits_.linger_time, finish); });
}

connection::outcome connection::read_request() {
  head_ = 0;
  while (true) {
    std::string_view bytes = input_.unparsed();
    if (!bytes.empty()) {
      const parser::event found = parser_.read(input_.request(), bytes);
      input_.keep_unparsed(bytes);
      if (found == parser::event::refused) return refuse(parser_.status());
      if (head_ == 0 && input_.parsed() > limits_.head) return refuse(431);
      if (found == parser::event::complete) return outcome::request;
      if (found == parser::event::head) {
        if (const outcome begun = begin_body(); begun != outcome::request) return begun;
        continue;
      }
    }
    if (head_ != 0) input_.drop_body(head_);
    if (const outcome read = read_more(); read != outcome::request) return read;
  }
}

connection::outcome connection::refuse(int status) noexcept {
  status_ = status;
  return outcome::refused;
}

// The head is there. A client may wait to be told that its body is welcome (RFC 9110, 10.1.1).
connection::outcome connection::begin_body() {
  head_ = input_.parsed();
  deadline_ = clock::now() + limits_.body_time;
  const request& current = parser_.current();
  const std::string_view expected = current.header("expect");
  if (expected.empty() || current.minor_version() == 0) return outcome::request;
  if (!same_name(expected, "100-continue")) return refuse(417);
  // The last byte of the head is still unparsed; one more, and the client did not wait.
  if (input_.unparsed().size() <= 1) output_ << "HTTP/1.1 100 Continue\r\n\r\n";
  return outcome::request;
}

// Reads what is there: all of it was parsed that was read before.
connection::outcome connection::read_more() {
  if (!output_.flush()) return outcome::over;
  const bool idle = input_.size() == 0;
  if (!idle && deadline_ == clock::time_point()) deadline_ = clock::now() + limits_.head_time;
  const auto room = input_.room(head_ != 0 ? room_for_body : 1);
  const auto got = idle ? read_idle(room.data(), room.size())
                        : stream_.read(room.data(), room.size(), deadline_);
  if (got.status() == hilo::status::timed_out && !idle) return refuse(408);
  if (!got || *got == 0) return outcome::over;
  input_.add(*got);
  return outcome::request;
}

// Between requests the server's stop counts. A client that is idle then gets a moment to send a
// request that is on its way. The answer says that it was the last.
hilo::result<std::size_t> connection::read_idle(void* buffer, std::size_t size) {
  const bool first = deadline_ != clock::time_point();
  const hilo::io::until until =
      first ? hilo::io::until(deadline_) : hilo::io::until(limits_.idle_time);
  const auto got = hilo::with_stop(stopping_, [&] { return stream_.read(buffer, size, until); });
  if (got.status() != hilo::status::cancelled) return got;
  return stream_.read(buffer, size, limits_.grace_time);
}

// Has the request answered. False: no other may follow.
bool connection::answer() {
  const request& current = parser_.current();
  // What was read already is answered, also when the server stops.
  const bool more = !input_.unparsed().empty();
  response reply(output_, date_, current, !current.keeps_alive(), more ? nullptr : &stopping_);
  try {
    handle_(current, reply);
  } catch (...) {
    if (reply.is_begun()) {
      reply.break_off();
    } else {
      reply.send(500, "text/plain", "the server failed\n");
    }
  }
  if (!reply.is_begun()) reply.send(500, "text/plain", "the server has no answer\n");
  reply.end();
  deadline_ = {};
  const bool cancelled =
      stopping_.stop_requested() && hilo::this_fiber::limit_reached() != hilo::status::ok;
  return !reply.closes() && !cancelled;
}

void connection::answer_refused() {
  response reply(output_, date_, parser_.current(), true);
  reply.send(status_, "text/plain",
             std::string(http_status_str(static_cast<http_status>(status_))) + "\n");
}

}  // namespace http
