// Looks up names of hosts, and returns their addresses.
//
//   auto found = hilo::net::look_up("example.org", 443, 2s);
//   if (!found && found.error() == hilo::net::name_error::unknown) return ask_for_another_name();
//
// To connect to a name, call tcp_stream::connect with the name: it tries all addresses of the name.
#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>
#include <vector>

#include <netdb.h>

#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/net/address.hpp"
#include "hilo/result.hpp"

namespace hilo::net {

// The errors of a look-up, in a result that failed. The message is that of libc (gai_strerror(3)).
enum class name_error {
  unknown = EAI_NONAME,   // there is no such name, or it has no address
  try_again = EAI_AGAIN,  // no server answered in time: a later look-up may succeed
  failed = EAI_FAIL,      // a server refused, or its answer makes no sense
};
inline std::error_code make_error_code(name_error what) noexcept {
  return detail::io_error(static_cast<int>(what));
}

// Looks a name up as getaddrinfo(3) does, in the sources that nsswitch.conf(5) lists. Returns its
// addresses with this port, each once, in the order in which to try them (RFC 6724). If the name is
// an IP address, returns that address.
// Parks: until there is an answer. A limit ends the call at once. Nothing can interrupt the
// look-up: it goes on in the background for a few seconds, and the runtime cannot end before it. At
// most 128 look-ups of a process are under way at once, and further ones wait for their turn.
// Callable from: any fiber, for which a kernel thread makes the look-up; any kernel thread, which
// makes the look-up itself or, if a limit may end it, starts another thread for it.
// Errors: a name_error; EINVAL: the name is empty or has a zero byte in it; EMFILE, ENOMEM, EAGAIN
// (no thread) and other system errors.
HILO_API result<std::vector<address>> look_up(std::string_view name, std::uint16_t port,
                                              io::until = {}) noexcept;

}  // namespace hilo::net

template <>
struct std::is_error_code_enum<hilo::net::name_error> : std::true_type {};
