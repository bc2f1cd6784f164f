// How the reports say things.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/hilo/picture.hpp"
#include "tools/hilo/symbols.hpp"

namespace hilo::command {

// "1,234,567".
std::string with_commas(std::uint64_t number);
// "1 fiber", "2 fibers".
std::string count_of(std::uint64_t number, const std::string& noun);
// "0x7ffe12".
std::string hex(address at);
// "1.5 s", "20 ms".
std::string duration(std::chrono::nanoseconds time);
// The name of a function without result, parameters and long template arguments.
std::string short_name(const std::string& function);
// The name of a call on a descriptor, by its number in runtime/io/request.hpp.
std::string call_name(std::uint8_t call);

// What a fiber waits for: "channel 0x55d0 (3 of 16 values)". Empty if that is not known.
std::string describe_awaited(const picture& all, symbols& names, const fiber_view& one);
// How long its wait may still last: "for 1.5 s more". Empty if it has no end, or no clock is known.
std::string describe_deadline(const picture& all, const fiber_view& one);

}  // namespace hilo::command
