// Names for addresses of the target: functions with their inlined callers, lines, and variables.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "tools/hilo/target.hpp"

namespace hilo::command {

struct frame {
  std::string function;  // empty if it is not known
  std::string file;      // empty if there is no debug information
  int line = 0;
  bool inlined = false;  // into the frame that follows
  std::string module;    // the file of the code, and the address in it
  address offset = 0;

  // Whether the function belongs to hilo or to the standard library, and not to the program.
  bool is_library() const;
};

class symbols {
 public:
  explicit symbols(target& where) noexcept : where_(where) {}

  // The functions at a code address, the innermost first. Never empty.
  const std::vector<frame>& at(address code);

  // "name" or "name+8" of the variable at an address; empty if it is none.
  const std::string& variable_at(address data);

 private:
  std::vector<frame> find(address code);
  std::string find_variable(address data);

  // A part of the code of one unit of compilation, by the addresses in its file.
  struct part {
    address begin;
    address end;
    Dwarf_Die unit;
  };
  // The unit of compilation that has the code, and the code's address in its file; false: none is
  // known.
  bool find_unit(Dwfl_Module* module, address code, Dwarf_Die& unit, address& in_file);
  static std::vector<part> parts_of(Dwfl_Module* module);

  target& where_;
  std::unordered_map<address, std::vector<frame>> known_;
  std::unordered_map<Dwfl_Module*, std::vector<part>>
      parts_;  // in order, of modules without .debug_aranges
  // libdwfl walks the whole table of symbols for each question.
  std::unordered_map<address, std::string> variables_;
};

// A symbol as the programmer wrote it.
std::string demangle(const char* symbol);

}  // namespace hilo::command
