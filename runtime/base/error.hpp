// Errors of constructing things: a std::system_error. Its text says what was being made, why it
// failed and what to change.
#pragma once

#include <string>
#include <system_error>

namespace hilo::base {

// The symbolic name of an errno value ("EAGAIN"), or "errno 1234" if the libc does not know it.
std::string errno_name(int error);

// Throws std::system_error(error) with the text "hilo: cannot <what>: <ERRNAME> (<hint>)".
[[noreturn, gnu::cold]] void fail(int error, const std::string& what, const std::string& hint);

// "256 KiB", "1 TiB", "1000 bytes": the largest binary unit that divides the size.
std::string format_bytes(std::size_t bytes);

}  // namespace hilo::base
