#include "tools/hilo/groups.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>
#include <unordered_map>

#include "tools/hilo/wording.hpp"

namespace hilo::command {

std::vector<group> group_fibers(const picture& all) {
  // Numbers for the reasons: the same text may lie at several addresses.
  std::map<std::string, std::uint32_t> texts;
  std::unordered_map<address, std::uint32_t> numbers;
  for (const auto& [at, text] : all.reasons) {
    numbers[at] =
        texts.try_emplace(text, static_cast<std::uint32_t>(texts.size() + 1)).first->second;
  }
  // Without backtraces, fibers that were spawned at one place are together.
  using key = std::tuple<fiber_state, std::uint32_t, std::uint32_t, address, address>;
  std::map<key, std::size_t> places;
  std::vector<group> groups;
  for (const fiber_view& one : all.fibers) {
    const bool waits = one.state == fiber_state::waiting;
    const auto reason = waits ? numbers.find(one.parked_on) : numbers.end();
    const auto [found, is_new] =
        places.try_emplace(key(one.state, reason == numbers.end() ? 0 : reason->second, one.stack,
                               one.stack == no_stack ? one.spawned_at : 0, one.invoke),
                           groups.size());
    if (is_new) {
      groups.push_back({.state = one.state,
                        .reason = all.reason_of(one),
                        .stack = one.stack,
                        .spawned_at = one.spawned_at,
                        .fibers = {}});
    }
    group& its = groups[found->second];
    if (its.spawned_at != one.spawned_at) its.spawned_at = 0;
    its.fibers.push_back(&one);
  }
  for (group& one : groups) {
    std::sort(one.fibers.begin(), one.fibers.end(), [](const fiber_view* a, const fiber_view* b) {
      return std::tie(a->runtime, a->id) < std::tie(b->runtime, b->id);
    });
  }
  std::stable_sort(groups.begin(), groups.end(), [](const group& a, const group& b) {
    return a.fibers.size() != b.fibers.size() ? a.fibers.size() > b.fibers.size()
                                              : a.fibers[0]->id < b.fibers[0]->id;
  });
  return groups;
}

const frame* find_user_frame(symbols& names, address code) {
  const std::vector<frame>& frames = names.at(code);
  const auto found = std::find_if(frames.begin(), frames.end(),
                                  [](const frame& one) { return !one.is_library(); });
  return found == frames.end() ? nullptr : &*found;
}

const frame* find_user_frame(symbols& names, const backtrace& stack) {
  for (const address code : stack.code) {
    if (const frame* const found = find_user_frame(names, code)) return found;
  }
  return nullptr;
}

std::string describe(const frame& one) {
  std::string text = short_name(one.function);
  if (!one.file.empty()) {
    text += text.empty() ? "at " : " at ";
    text += one.file + ":" + std::to_string(one.line);
  } else {
    char offset[32];
    std::snprintf(offset, sizeof offset, "+0x%llx", static_cast<unsigned long long>(one.offset));
    const std::string place = one.module + offset;
    text += text.empty() ? place : " in " + place;
  }
  return text;
}

const frame& find_spawn_site(symbols& names, address returned_to) {
  // The return address, minus one, lies in the call.
  const frame* const site = find_user_frame(names, returned_to - 1);
  return site != nullptr ? *site : names.at(returned_to - 1).back();
}

std::string describe_spawn_site(symbols& names, address returned_to) {
  return describe(find_spawn_site(names, returned_to));
}

}  // namespace hilo::command
