#include "tools/hilo/symbols.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string_view>

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>

namespace hilo::command {
namespace {

struct freeing {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
using scopes = std::unique_ptr<Dwarf_Die, freeing>;

// The namespaces, classes and functions around a function as it was written: "bank::teller::".
std::string scope_of(Dwarf_Die* die) {
  Dwarf_Die origin = *die;
  Dwarf_Attribute attribute;
  for (const unsigned kind : {DW_AT_abstract_origin, DW_AT_specification}) {
    Dwarf_Die next;
    if (dwarf_attr(&origin, kind, &attribute) != nullptr &&
        dwarf_formref_die(&attribute, &next) != nullptr) {
      origin = next;
    }
  }
  Dwarf_Die* all = nullptr;
  const int count = dwarf_getscopes_die(&origin, &all);
  const scopes owner(all);
  std::string text;
  for (int i = 1; i < count; ++i) {
    const int tag = dwarf_tag(&all[i]);
    const char* name = dwarf_diename(&all[i]);
    if (tag == DW_TAG_namespace) {
      text.insert(0, std::string(name != nullptr ? name : "(anonymous namespace)") + "::");
    } else if (tag == DW_TAG_class_type || tag == DW_TAG_structure_type) {
      text.insert(0, std::string(name != nullptr ? name : "{lambda}") + "::");
    } else if (tag == DW_TAG_subprogram) {
      // Its own scope may be elsewhere, where it was declared.
      return scope_of(&all[i]) + (name != nullptr ? name : "") + "::" + text;
    }
  }
  return text;
}

// The linkage name tells namespaces and arguments, so it is preferred.
std::string name_of(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  for (const unsigned kind : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (dwarf_attr_integrate(die, kind, &attribute) == nullptr) continue;
    if (const char* const text = dwarf_formstring(&attribute)) return demangle(text);
  }
  const char* const name = dwarf_diename(die);
  return name != nullptr ? scope_of(die) + name : "";
}

// Where an inlined function was called: the line of the function that it was inlined into.
void read_call(Dwarf_Die* inlined, frame& caller) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(inlined, DW_AT_call_line, &attribute) != nullptr &&
      dwarf_formudata(&attribute, &value) == 0) {
    caller.line = static_cast<int>(value);
  }
  Dwarf_Die unit;
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  if (dwarf_attr(inlined, DW_AT_call_file, &attribute) == nullptr ||
      dwarf_formudata(&attribute, &value) != 0 ||
      dwarf_diecu(inlined, &unit, nullptr, nullptr) == nullptr ||
      dwarf_getsrcfiles(&unit, &files, &count) != 0) {
    return;
  }
  if (const char* const file = dwarf_filesrc(files, value, nullptr, nullptr)) caller.file = file;
}

// Appends the function that contains an address, and the functions that are inlined there, the
// outermost first. dwarf_getscopes(3) does not find a function that lies in a class or namespace,
// as g++ places those of lambdas.
bool find_functions(Dwarf_Die* parent, Dwarf_Addr code, std::vector<Dwarf_Die>& functions) {
  Dwarf_Die die;
  if (dwarf_child(parent, &die) != 0) return false;
  do {
    const int tag = dwarf_tag(&die);
    const bool has_code = dwarf_hasattr(&die, DW_AT_low_pc) || dwarf_hasattr(&die, DW_AT_ranges);
    switch (tag) {
      case DW_TAG_subprogram:
      case DW_TAG_inlined_subroutine:
        if (has_code) {
          if (dwarf_haspc(&die, code) <= 0) continue;
          functions.push_back(die);
          (void)find_functions(&die, code, functions);
          return true;
        }
        break;
      case DW_TAG_lexical_block:
        if (has_code && dwarf_haspc(&die, code) <= 0) continue;
        break;
      case DW_TAG_namespace:
      case DW_TAG_class_type:
      case DW_TAG_structure_type:
      case DW_TAG_union_type:
        break;
      default:
        continue;
    }
    if (find_functions(&die, code, functions)) return true;
  } while (dwarf_siblingof(&die, &die) == 0);
  return false;
}

// The qualified name in a demangled function: without template arguments, result and parameters.
std::string qualified_name(std::string_view function) {
  constexpr std::string_view deduced = "decltype(auto) ";
  if (function.starts_with(deduced)) function.remove_prefix(deduced.size());
  std::string plain;
  int depth = 0;
  for (const char each : function) {
    if (each == '<') ++depth;
    if (depth == 0) plain += each;
    if (each == '>' && depth > 0) --depth;
  }
  plain.resize(std::min(plain.find('('), plain.size()));
  return plain.substr(plain.rfind(' ') + 1);
}

// Names the functions at `code` by the debug information. The first frame has the line already.
void add_inlined(Dwarf_Die& unit, address code, std::vector<frame>& frames) {
  std::vector<Dwarf_Die> functions;
  if (!find_functions(&unit, code, functions)) return;
  for (auto die = functions.rbegin(); die != functions.rend(); ++die) {
    frames.back().function = name_of(&*die);
    if (dwarf_tag(&*die) == DW_TAG_subprogram) return;
    frames.back().inlined = true;
    frame caller = frames.back();
    caller.function.clear();
    caller.inlined = false;
    caller.file.clear();
    caller.line = 0;
    read_call(&*die, caller);
    frames.push_back(caller);
  }
}

}  // namespace

std::string demangle(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, freeing> name(abi::__cxa_demangle(symbol, nullptr, nullptr, &status));
  return name != nullptr ? name.get() : symbol;
}

bool frame::is_library() const {
  const std::string name = qualified_name(function);
  return name.starts_with("hilo::") || name.starts_with("hilo_") || name.starts_with("std::") ||
         name.starts_with("__gnu_cxx::");
}

const std::vector<frame>& symbols::at(address code) {
  const auto [found, is_new] = known_.try_emplace(code);
  if (is_new) found->second = find(code);
  return found->second;
}

std::vector<frame> symbols::find(address code) {
  std::vector<frame> frames(1);
  frame& innermost = frames.front();
  Dwfl_Module* const module = dwfl_addrmodule(where_.modules(), code);
  if (module == nullptr) {
    innermost.offset = code;
    return frames;
  }
  Dwarf_Addr start = 0;
  const char* file = nullptr;
  const char* const name =
      dwfl_module_info(module, nullptr, &start, nullptr, nullptr, nullptr, &file, nullptr);
  innermost.module = file != nullptr ? file : name != nullptr ? name : "";
  GElf_Addr bias = 0;
  (void)dwfl_module_getelf(module, &bias);
  innermost.offset = code - bias;
  Dwarf_Die unit;
  address in_file = 0;
  if (find_unit(module, code, unit, in_file)) {
    if (Dwarf_Line* const line = dwarf_getsrc_die(&unit, in_file)) {
      (void)dwarf_lineno(line, &innermost.line);
      const char* const source = dwarf_linesrc(line, nullptr, nullptr);
      if (source != nullptr) innermost.file = source;
    }
    add_inlined(unit, in_file, frames);
  }
  frame& outermost = frames.back();
  if (outermost.function.empty()) {
    if (const char* const symbol = dwfl_module_addrname(module, code)) {
      outermost.function = demangle(symbol);
    }
  }
  return frames;
}

// clang writes no .debug_aranges, and before elfutils 0.191 libdw finds a unit by that section
// alone.
bool symbols::find_unit(Dwfl_Module* module, address code, Dwarf_Die& unit, address& in_file) {
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* const found = dwfl_module_addrdie(module, code, &bias)) {
    unit = *found;
    in_file = code - bias;
    return true;
  }
  if (dwfl_module_getdwarf(module, &bias) == nullptr) return false;
  const auto [its, is_new] = parts_.try_emplace(module);
  if (is_new) its->second = parts_of(module);
  in_file = code - bias;
  const auto after = std::upper_bound(its->second.begin(), its->second.end(), in_file,
                                      [](address at, const part& one) { return at < one.begin; });
  if (after == its->second.begin() || in_file >= std::prev(after)->end) return false;
  unit = std::prev(after)->unit;
  return true;
}

std::vector<symbols::part> symbols::parts_of(Dwfl_Module* module) {
  std::vector<part> all;
  Dwarf_Addr bias = 0;
  for (Dwarf_Die* unit = nullptr; (unit = dwfl_module_nextcu(module, unit, &bias)) != nullptr;) {
    Dwarf_Addr base = 0;
    Dwarf_Addr begin = 0;
    Dwarf_Addr end = 0;
    for (std::ptrdiff_t at = 0; (at = dwarf_ranges(unit, at, &base, &begin, &end)) > 0;) {
      all.push_back({begin, end, *unit});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const part& one, const part& other) { return one.begin < other.begin; });
  return all;
}

const std::string& symbols::variable_at(address data) {
  const auto [found, is_new] = variables_.try_emplace(data);
  if (is_new) found->second = find_variable(data);
  return found->second;
}

std::string symbols::find_variable(address data) {
  Dwfl_Module* const module = dwfl_addrmodule(where_.modules(), data);
  if (module == nullptr) return {};
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* const name =
      dwfl_module_addrinfo(module, data, &offset, &symbol, nullptr, nullptr, nullptr);
  if (name == nullptr || GELF_ST_TYPE(symbol.st_info) != STT_OBJECT || offset >= symbol.st_size) {
    return {};
  }
  return demangle(name) + (offset != 0 ? "+" + std::to_string(offset) : "");
}

}  // namespace hilo::command
