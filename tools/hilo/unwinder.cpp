#include "tools/hilo/unwinder.hpp"

#include <algorithm>
#include <cstring>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/registers.hpp"

namespace hilo::command {
namespace {

constexpr std::size_t most_frames = 1000;
constexpr std::size_t most_known = 64;  // backtraces that begin at one address; guess

}  // namespace

unwinder::unwinder(target& where) : where_(where) {
  static constexpr Dwfl_Thread_Callbacks callbacks = {.next_thread = next_thread,
                                                      .get_thread = get_thread,
                                                      .memory_read = read_memory,
                                                      .set_initial_registers = set_registers,
                                                      .detach = nullptr,
                                                      .thread_detach = nullptr};
  if (!dwfl_attach_state(where.modules(), nullptr, 1, &callbacks, this)) {
    throw failure(exit_code::unreadable,
                  "cannot unwind the stacks of " + where.name() + ": " + dwfl_errmsg(-1));
  }
}

pid_t unwinder::next_thread(Dwfl*, void* its, void** argument) {
  if (*argument != nullptr) return 0;
  *argument = its;
  return 1;
}

bool unwinder::get_thread(Dwfl*, pid_t, void* its, void** argument) {
  *argument = its;
  return true;
}

bool unwinder::read_memory(Dwfl*, Dwarf_Addr at, Dwarf_Word* value, void* its) {
  auto& self = *static_cast<unwinder*>(its);
  std::uint64_t word = 0;
  if (!self.read_word(at, word)) return false;
  *value = word;
  const bool into_stack = word >= self.frames_.low && word < self.frames_.top;
  self.read_.push_back({.is_register = false,
                        .where = at - self.frames_.sp,
                        .value = into_stack ? word - self.frames_.sp : word,
                        .into_stack = into_stack});
  return true;
}

bool unwinder::read_word(address at, std::uint64_t& value) {
  const std::uint64_t offset = at - frames_.sp;
  if (offset < frames_.bytes.size() && offset + sizeof value <= frames_.bytes.size()) {
    std::memcpy(&value, frames_.bytes.data() + offset, sizeof value);
    return true;
  }
  return where_.bytes().read(at, &value, sizeof value);
}

bool unwinder::set_registers(Dwfl_Thread* thread, void* its) {
  const registers& begin = *static_cast<unwinder*>(its)->begin_;
  for (std::size_t i = 0; i < begin.value.size(); ++i) {
    const Dwarf_Word value = begin.value[i];
    if (begin.known[i] && !dwfl_thread_state_registers(thread, static_cast<int>(i), 1, &value)) {
      return false;
    }
  }
  dwfl_thread_state_register_pc(thread, begin.pc);
  return true;
}

int unwinder::take_frame(Dwfl_Frame* frame, void* its) {
  auto& self = *static_cast<unwinder*>(its);
  Dwarf_Addr pc = 0;
  bool is_activation = false;
  if (!dwfl_frame_pc(frame, &pc, &is_activation) || pc == 0) return DWARF_CB_ABORT;
  const bool at_call = self.found_.code.empty() ? self.begin_->at_call : !is_activation;
  if (self.found_.code.size() == most_frames) {
    self.found_.cut = true;
    return DWARF_CB_ABORT;
  }
  self.found_.code.push_back(at_call ? pc - 1 : pc);
  return DWARF_CB_OK;
}

std::uint32_t unwinder::intern(backtrace&& one) {
  const auto [found, is_new] =
      numbers_.emplace(std::move(one), static_cast<std::uint32_t>(all_.size()));
  if (is_new) all_.push_back(&found->first);
  return found->second;
}

std::uint32_t unwinder::unwind(const registers& begin) {
  begin_ = &begin;
  found_ = {};
  read_.clear();
  (void)dwfl_getthread_frames(where_.modules(), 1, take_frame, this);
  if (found_.code.empty()) found_.code.push_back(begin.at_call ? begin.pc - 1 : begin.pc);
  return intern(std::move(found_));
}

std::uint32_t unwinder::number_of(const registers& thread) {
  frames_ = {};
  return unwind(thread);
}

std::uint32_t unwinder::number_of(const frames_copy& fiber) {
  if (fiber.bytes.size() < bytes_of_saved_registers()) return no_stack;
  const registers begin = registers_of_fiber(fiber.sp, fiber.bytes);
  std::vector<known>& same_begin = known_[begin.pc];
  for (std::size_t i = 0; i < same_begin.size(); ++i) {
    const auto& words = same_begin[i].words;
    if (!std::all_of(words.begin(), words.end(),
                     [&](const word& one) { return equal(one, begin, fiber); })) {
      continue;
    }
    if (i != 0) std::swap(same_begin[i], same_begin[i / 2]);  // frequent ones move to the front
    return same_begin[i == 0 ? 0 : i / 2].number;
  }
  frames_ = fiber;
  const std::uint32_t number = unwind(begin);
  remember(begin, number);
  return number;
}

// Keeps the words that decide the backtrace that was just found.
void unwinder::remember(const registers& begin, std::uint32_t number) {
  std::vector<known>& same_begin = known_[begin.pc];
  if (same_begin.size() == most_known) return;
  known one;
  one.number = number;
  const std::vector<address>& code = at(number).code;
  for (const word& each : read_) {
    const bool returns = std::any_of(code.begin(), code.end(), [&](address at) {
      return each.value == at || each.value == at + 1;
    });
    if (each.into_stack || returns) one.words.push_back(each);
  }
  for (std::size_t i = 0; i < begin.value.size(); ++i) {
    const std::uint64_t value = begin.value[i];
    if (begin.known[i] && value >= frames_.low && value < frames_.top) {
      one.words.push_back(
          {.is_register = true, .where = i, .value = value - frames_.sp, .into_stack = true});
    }
  }
  same_begin.push_back(std::move(one));
}

bool unwinder::equal(const word& one, const registers& begin,
                     const frames_copy& fiber) const noexcept {
  std::uint64_t value = 0;
  if (one.is_register) {
    value = begin.value[one.where];
  } else if (one.where < fiber.bytes.size() && one.where + sizeof value <= fiber.bytes.size()) {
    std::memcpy(&value, fiber.bytes.data() + one.where, sizeof value);
  } else {
    return false;
  }
  return (one.into_stack ? value - fiber.sp : value) == one.value;
}

}  // namespace hilo::command
