#include "tools/hilo/dump.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/picture.hpp"
#include "tools/hilo/reports.hpp"
#include "tools/hilo/symbols.hpp"

namespace hilo::command {
namespace {

struct options {
  std::string which;
  std::optional<std::uint64_t> fiber;
  collecting how;
  bool json = false;
};

[[noreturn]] void fail_usage(const std::string& text) {
  throw failure(exit_code::wrong_usage, text + "; see hilo help dump");
}

std::uint64_t parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size()) {
    fail_usage("--fiber takes the number of a fiber, not \"" + std::string(text) + "\"");
  }
  return number;
}

options parse(std::span<char* const> arguments) {
  options all;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view one = arguments[i];
    if (one == "--json") {
      all.json = true;
    } else if (one == "--no-stacks") {
      all.how.stacks = false;
    } else if (one == "--pause") {
      all.how.pause = true;
    } else if (one == "--fiber") {
      if (i + 1 == arguments.size()) fail_usage("--fiber takes the number of a fiber");
      all.fiber = parse_number(arguments[++i]);
    } else if (one.starts_with("-")) {
      fail_usage("dump has no option " + std::string(one));
    } else if (all.which.empty()) {
      all.which = one;
    } else {
      fail_usage("dump takes one process or core, not also \"" + std::string(one) + "\"");
    }
  }
  if (all.which.empty()) fail_usage("dump takes the number of a process, or a core file");
  return all;
}

}  // namespace

void dump(std::span<char* const> arguments) {
  const options wanted = parse(arguments);
  const std::unique_ptr<target> where = open_target(wanted.which);
  std::unique_ptr<unwinder> unwinds;
  if (wanted.how.stacks) unwinds = std::make_unique<unwinder>(*where);
  const picture all = collect(*where, wanted.how, unwinds.get());
  if (wanted.fiber && std::none_of(all.fibers.begin(), all.fibers.end(),
                                   [&](const auto& one) { return one.id == *wanted.fiber; })) {
    throw failure(
        exit_code::nothing_to_show,
        "no living fiber of " + where->name() + " has the number " + std::to_string(*wanted.fiber));
  }
  symbols names(*where);
  (wanted.json ? print_json : print_text)(stdout, all, unwinds.get(), names, wanted.fiber);
}

}  // namespace hilo::command
