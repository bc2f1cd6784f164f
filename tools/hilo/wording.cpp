#include "tools/hilo/wording.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/waiter.hpp"

#include "runtime/tool/call_name.hpp"

namespace hilo::command {
namespace {

std::string describe_object(symbols& names, const std::string& kind, address at) {
  const std::string& variable = names.variable_at(at);
  return kind + " " + (variable.empty() ? hex(at) : variable);
}

std::string describe_channel(symbols& names, const awaited& its) {
  std::string text = describe_object(names, "channel", its.at) + " (" + with_commas(its.count);
  text += its.capacity == detail::no_bound ? " values, unbounded"
                                           : " of " + with_commas(its.capacity) + " values";
  return text + (its.closed ? ", closed)" : ")");
}

std::string describe_mutex(const picture& all, symbols& names, const awaited& its) {
  std::string text = describe_object(names, "mutex", its.at);
  if (its.by_thread) return text + ", held by a kernel thread";
  if (its.by_ended) return text + ", held by a fiber that has ended";
  const fiber_view* const holder = all.fiber_at(its.holder);
  return holder == nullptr ? text + ", held by nobody now"
                           : text + ", held by " + picture::label(*holder);
}

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string count_of(std::uint64_t number, const std::string& noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string hex(address at) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(at));
  return text;
}

std::string duration(std::chrono::nanoseconds time) {
  const std::int64_t ns = time.count();
  char text[32];
  if (ns >= 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ns) * 1e-9);
  } else {
    std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(ns) * 1e-6);
  }
  return text;
}

std::string short_name(const std::string& function) {
  constexpr std::size_t longest = 20;  // of template arguments that are shown
  std::string plain;
  std::size_t begin = 0;  // of the name, behind the type of the result
  for (std::size_t at = 0; at < function.size();) {
    const char each = function[at];
    const bool is_operator = plain.ends_with("operator") || plain.ends_with("operator<");
    if ((each != '<' && each != '(') || (is_operator && each == '<')) {
      plain += each;
      ++at;
      if (each == ' ' && !plain.ends_with("operator ")) begin = plain.size();
      continue;
    }
    std::size_t end = at;
    for (int depth = 0; end < function.size(); ++end) {
      const char inner = function[end];
      // The arrow of an operator or of a result is not a bracket.
      const bool arrow = inner == '>' && end > 0 && function[end - 1] == '-';
      if (inner == '<' || inner == '(') ++depth;
      if ((inner == '>' && !arrow) || inner == ')') --depth;
      if (depth == 0) break;
    }
    const std::string group = function.substr(at, end + 1 - at);
    if (group == "(anonymous namespace)" || (is_operator && group == "()") ||
        (each == '<' && group.size() <= longest)) {
      plain += group;
    } else if (each == '<') {
      plain += "<...>";
    }
    at = end + 1;
    // What follows the parameters, such as const, is no part of the name.
    const std::string_view rest = std::string_view(function).substr(std::min(at, function.size()));
    if (each == '(' && (rest == " const" || rest == " const&" || rest == " &" || rest == " &&")) {
      break;
    }
  }
  return plain.substr(begin);
}

std::string call_name(std::uint8_t call) {
  return tool::call_name(call);
}

std::string describe_awaited(const picture& all, symbols& names, const fiber_view& one) {
  const awaited& its = one.waits_for;
  switch (its.what) {
    case awaited::kind::unknown:
      return {};
    case awaited::kind::object:
      return describe_object(names, all.reason_of(one), its.at);
    case awaited::kind::mutex:
      return describe_mutex(all, names, its);
    case awaited::kind::channel:
      return describe_channel(names, its);
    case awaited::kind::semaphore:
      return describe_object(names, "semaphore", its.at) + " (count " + with_commas(its.count) +
             ")";
    case awaited::kind::fiber: {
      const fiber_view* const joined = all.fiber_at(its.holder);
      return joined == nullptr ? "" : "the end of fiber " + picture::label(*joined);
    }
    case awaited::kind::descriptor:
      return call_name(its.call) + " of descriptor " + std::to_string(static_cast<int>(its.count));
    case awaited::kind::time:
      return {};
  }
  return {};
}

std::string describe_deadline(const picture& all, const fiber_view& one) {
  if (one.state != fiber_state::waiting || !all.now) return {};
  const std::int64_t until =
      one.waits_for.what == awaited::kind::time ? one.waits_for.until : one.deadline;
  if (until == detail::no_deadline) return {};
  return until <= *all.now
             ? "until now"
             : "for " + duration(std::chrono::nanoseconds(until - *all.now)) + " more";
}

}  // namespace hilo::command
