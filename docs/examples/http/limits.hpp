// What a server grants its clients.
#pragma once

#include <chrono>
#include <cstddef>

namespace http {

struct limits {
  std::size_t connections = 10'000;  // at the same time; further ones wait to be accepted
  std::size_t head = 8 * 1024;       // bytes of request line and headers: else 431; 64 KiB at most
  std::size_t body = 1024 * 1024;    // bytes of a request's body: else 413
  // Until the head, and from then on the body, must be there: else 408. The first head is awaited
  // from the connection's beginning on, later ones from their first byte.
  std::chrono::milliseconds head_time{10'000};
  std::chrono::milliseconds body_time{30'000};
  std::chrono::milliseconds idle_time{60'000};   // between an answer and the next request
  std::chrono::milliseconds write_time{30'000};  // for the client to take what it is sent
  std::chrono::milliseconds linger_time{1'000};  // for it to end its side, when all was sent
  // When the server stops: how long an idle connection is still listened to, as a request may be on
  // its way; and after how long what still runs is cancelled, and has linger_time to end.
  std::chrono::milliseconds grace_time{200};
  std::chrono::milliseconds stop_time{10'000};
};

}  // namespace http
