// The names of signals. glibc has them since 2.32, musl does not have them.
#pragma once

#include <string>
#include <string_view>

namespace hilo::base {

// "SIGTERM"; "signal 40" for one without a name.
std::string signal_name(int signal);

// Of a number, or of a name with or without "SIG", such as "USR1" or "RTMIN+1"; 0: there is none.
int signal_number(std::string_view text) noexcept;

}  // namespace hilo::base
