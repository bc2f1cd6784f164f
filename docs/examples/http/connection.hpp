// A connection and its fiber: request after request, each answered before the next is looked at.
//
// Requests that came together (pipelining) are answered together: what a read brought is served to
// its end before the answers are written, with one write, and the next read. So a batch costs two
// calls, and a request in it no memory but what its answer fills.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <hilo/hilo.hpp>
#include <stop_token>
#include <string_view>

#include "input.hpp"
#include "limits.hpp"
#include "output.hpp"
#include "parser.hpp"
#include "request.hpp"
#include "response.hpp"

namespace http {

// Answers a request, or throws: then the client gets a 500. It may park, and should return when it
// is cancelled, which is when the server cannot wait for it any longer.
using handler = std::function<void(const request&, response&)>;

class connection {
 public:
  connection(hilo::net::tcp_stream stream, const handler& handle, const limits& granted,
             std::stop_token stopping) noexcept;

  // Serves until the client ends it, or breaks a limit or the protocol, or the server stops: then
  // the current request is the last. Parks: until then.
  void serve();

 private:
  using clock = std::chrono::steady_clock;

  // What reading came to.
  enum class outcome {
    request,  // parser_ has one
    refused,  // it is to be answered with status_, and nothing more is read
    over,     // there is nothing to answer
  };

  outcome read_request();
  outcome refuse(int status) noexcept;
  outcome begin_body();
  outcome read_more();
  hilo::result<std::size_t> read_idle(void* buffer, std::size_t size);
  bool answer();
  void answer_refused();

  hilo::net::tcp_stream stream_;
  const handler& handle_;
  const limits& limits_;
  const std::stop_token stopping_;
  parser parser_;
  input input_;
  output output_;
  date date_;
  clock::time_point deadline_;  // for the request that is being read; none: it has not begun
  std::size_t head_ = 0;        // bytes of its head, once it has a body
  int status_ = 0;
};

}  // namespace http
