// Backtraces of fibers, by elfutils' libdwfl. Each fiber is given to it as a thread.
//
// Most fibers of a large program have the same few backtraces. libdwfl interprets the unwind tables
// for each frame of each fiber, which takes microseconds (guess). So the unwinder remembers how
// each different backtrace was found: which words libdwfl read, and which of them decided the
// result. A fiber whose words are equal has the same backtrace. The words that decide are return
// addresses, and pointers into the fiber's own stack (saved stack and frame pointers). These
// pointers are compared relative to the stack pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include <elfutils/libdwfl.h>

#include "tools/hilo/fiber_view.hpp"
#include "tools/hilo/target.hpp"

namespace hilo::command {

// Code addresses, the innermost first. Each lies in the instruction that is being executed.
struct backtrace {
  std::vector<address> code;
  bool cut = false;  // there are more frames
  bool operator<(const backtrace& other) const {
    return code != other.code ? code < other.code : cut < other.cut;
  }
};

class unwinder {
 public:
  explicit unwinder(target& where);
  unwinder(const unwinder&) = delete;
  unwinder& operator=(const unwinder&) = delete;

  // The number of the backtrace of a suspended fiber, or of a kernel thread that is stopped.
  std::uint32_t number_of(const frames_copy& fiber);
  std::uint32_t number_of(const registers& thread);

  const backtrace& at(std::uint32_t number) const { return *all_[number]; }
  std::size_t size() const noexcept { return all_.size(); }

 private:
  // A word that was read: a register, or memory at an offset from the stack pointer.
  struct word {
    bool is_register = false;
    std::uint64_t where = 0;
    std::uint64_t value = 0;  // relative to the stack pointer, if into_stack
    bool into_stack = false;
  };
  struct known {
    std::vector<word> words;
    std::uint32_t number = 0;
  };

  std::uint32_t unwind(const registers& begin);
  std::uint32_t intern(backtrace&& one);
  bool equal(const word& one, const registers& begin, const frames_copy& fiber) const noexcept;
  void remember(const registers& begin, std::uint32_t number);
  bool read_word(address at, std::uint64_t& value);

  static pid_t next_thread(Dwfl* dwfl, void* its, void** argument);
  static bool get_thread(Dwfl* dwfl, pid_t number, void* its, void** argument);
  static bool read_memory(Dwfl* dwfl, Dwarf_Addr at, Dwarf_Word* value, void* its);
  static bool set_registers(Dwfl_Thread* thread, void* its);
  static int take_frame(Dwfl_Frame* frame, void* its);

  target& where_;
  std::map<backtrace, std::uint32_t> numbers_;
  std::vector<const backtrace*> all_;  // keys of numbers_
  std::unordered_map<address, std::vector<known>> known_;

  // While one is unwound.
  const registers* begin_ = nullptr;
  frames_copy frames_;
  backtrace found_;
  std::vector<word> read_;
};

}  // namespace hilo::command
