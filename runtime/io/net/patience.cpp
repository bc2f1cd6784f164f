#include "runtime/io/net/patience.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/net/option.hpp"

namespace hilo::net {
namespace {

// The longest time that Go's net/http waits in accept for a free descriptor.
constexpr std::int64_t pause_ns = 5'000'000;

bool out_of_room(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Errors of the connection itself, which accept(2) passes on.
bool of_the_connection(int error) noexcept {
  constexpr std::array passed = {ECONNABORTED, EPROTO,       ENETDOWN,    ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EHOSTUNREACH, ENETUNREACH, EPERM,       ECONNRESET};
  return std::find(passed.begin(), passed.end(), error) != passed.end();
}

}  // namespace

result<void> retry_later(io::until when) noexcept {
  const std::int64_t now = detail::monotonic_now();
  if (when.ns() <= now) return {status::timed_out, ETIMEDOUT};
  const status end = detail::sleep_until_ns(std::min(when.ns(), now + pause_ns));
  if (end == status::ok) return {};
  return {end, end == status::timed_out ? ETIMEDOUT : ECANCELED};
}

result<int> next_connection(int listener, io::until when) noexcept {
  while (true) {
    const result<int> peer = io::accept(listener, nullptr, nullptr, SOCK_CLOEXEC, when);
    if (peer || peer.status() != status::failed) return peer;
    const int error = peer.error().value();
    if (of_the_connection(error)) continue;
    if (!out_of_room(error)) return peer;
    const result<void> paused = retry_later(when);
    if (!paused) return because<int>(paused);
  }
}

result<int> waiting_connection(int listener) noexcept {
  while (true) {
    const result<int> peer = io::try_call<int>(
        {.what = io::request::call::accept, .fd = listener, .flags = SOCK_CLOEXEC});
    if (peer || peer.status() != status::failed) return peer;
    if (!of_the_connection(peer.error().value())) return peer;
  }
}

}  // namespace hilo::net
