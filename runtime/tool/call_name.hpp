// The names of the calls of runtime/io/request.hpp, for reports and traces.
#pragma once

#include <cstdint>
#include <iterator>

namespace hilo::tool {

// By the number of io::request::call.
inline const char* call_name(std::uint8_t call) noexcept {
  constexpr const char* names[] = {"read", "write",  "readv",   "writev",  "pread",  "pwrite",
                                   "recv", "send",   "recvmsg", "sendmsg", "accept", "connect",
                                   "poll", "openat", "fsync",   "statx",   "splice"};
  return call < std::size(names) ? names[call] : "call";
}

}  // namespace hilo::tool
