#include "tools/hilo/layout.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include <elf.h>
#include <gelf.h>

#include "runtime/tool/root.hpp"
#include "tools/hilo/failure.hpp"

namespace hilo::command {
namespace {

constexpr std::size_t most_note_bytes = 1 << 20;

struct module_root {
  std::string module;
  address root = 0;
};

// Looks for hilo's note in the bytes of a PT_NOTE segment that begins at `begin`. Returns 0 if
// there is none.
address root_in_notes(std::span<const std::byte> bytes, address begin, std::size_t alignment) {
  const auto round = [&](std::size_t n) { return (n + alignment - 1) / alignment * alignment; };
  std::size_t at = 0;
  while (at + sizeof(Elf64_Nhdr) <= bytes.size()) {
    Elf64_Nhdr header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    const std::size_t name = at + sizeof header;
    const std::size_t content = round(name + header.n_namesz);
    if (content + header.n_descsz > bytes.size() || header.n_namesz > bytes.size()) break;
    std::int64_t distance = 0;
    if (header.n_namesz == 5 && std::memcmp(bytes.data() + name, "hilo", 5) == 0 &&
        header.n_descsz == sizeof distance) {
      std::memcpy(&distance, bytes.data() + content, sizeof distance);
      return begin + content + static_cast<address>(distance);
    }
    at = round(content + header.n_descsz);
  }
  return 0;
}

address root_in_segment(memory& from, const Elf64_Phdr& one, address bias) {
  if (one.p_type != PT_NOTE || one.p_filesz > most_note_bytes) return 0;
  std::vector<std::byte> bytes(one.p_filesz);
  if (!from.read(bias + one.p_vaddr, bytes.data(), bytes.size())) return 0;
  return root_in_notes(bytes, bias + one.p_vaddr, one.p_align == 8 ? 8 : 4);
}

// By the program headers in memory, which follow the ELF header. 0: there is no note, or the
// headers cannot be read.
address root_in_memory(memory& from, address begin) {
  Elf64_Ehdr header;
  if (!from.read(begin, &header, sizeof header) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phnum > 256 ||
      header.e_phentsize != sizeof(Elf64_Phdr)) {
    return 0;
  }
  std::vector<Elf64_Phdr> all(header.e_phnum);
  if (!from.read(begin + header.e_phoff, all.data(), all.size() * sizeof all[0])) return 0;
  const auto first = std::find_if(all.begin(), all.end(),
                                  [](const Elf64_Phdr& one) { return one.p_type == PT_LOAD; });
  if (first == all.end()) return 0;
  const address bias = begin - (first->p_vaddr - first->p_offset);
  for (const Elf64_Phdr& one : all) {
    if (const address root = root_in_segment(from, one, bias)) return root;
  }
  return 0;
}

// By the module's file. A core need not contain the headers.
address root_in_file(Dwfl_Module* module) {
  GElf_Addr bias = 0;
  Elf* const elf = dwfl_module_getelf(module, &bias);
  std::size_t count = 0;
  if (elf == nullptr || elf_getphdrnum(elf, &count) != 0) return 0;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr one;
    if (gelf_getphdr(elf, static_cast<int>(i), &one) == nullptr || one.p_type != PT_NOTE) continue;
    Elf_Data* const data = elf_getdata_rawchunk(elf, static_cast<std::int64_t>(one.p_offset),
                                                one.p_filesz, ELF_T_BYTE);
    if (data == nullptr) continue;
    const std::span bytes(static_cast<const std::byte*>(data->d_buf), data->d_size);
    if (const address root = root_in_notes(bytes, bias + one.p_vaddr, one.p_align == 8 ? 8 : 4)) {
      return root;
    }
  }
  return 0;
}

std::vector<module_root> find_roots(target& where) {
  struct search {
    memory& from;
    std::vector<module_root> found;
  } all{where.bytes(), {}};
  dwfl_getmodules(
      where.modules(),
      [](Dwfl_Module* module, void**, const char* name, Dwarf_Addr begin, void* argument) -> int {
        auto& found = *static_cast<search*>(argument);
        address root = root_in_memory(found.from, begin);
        if (root == 0) root = root_in_file(module);
        if (root != 0) found.found.push_back({name != nullptr ? name : "", root});
        return DWARF_CB_OK;
      },
      &all, 0);
  return all.found;
}

[[noreturn]] void refuse_version(const target& where, const std::string& module,
                                 const std::string& version) {
  throw failure(exit_code::nothing_to_show,
                where.name() + " has hilo " + version + " (" + module +
                    "), whose structures this command, hilo " + HILO_VERSION +
                    ", does not know; use the hilo command of that version");
}

layout read_layout(const target& where, const module_root& its, const std::string& version,
                   const std::vector<tool::field>& table) {
  std::unordered_map<std::string_view, std::uint32_t> values;
  for (const tool::field& one : table) {
    values[std::string_view(one.name, ::strnlen(one.name, sizeof one.name))] = one.value;
  }
  layout all;
  const auto set = [&](std::uint32_t& member, const char* name) {
    const auto found = values.find(name);
    if (found == values.end()) refuse_version(where, its.module, version);
    member = found->second;
  };
#define HILO_SET(name, ...) set(all.name, #name);
  HILO_FIELDS(HILO_SET)
  HILO_CONSTANTS(HILO_SET)
#undef HILO_SET
  return all;
}

found_hilo read_root(target& where, const module_root& its) {
  memory& from = where.bytes();
  tool::root head{};
  constexpr std::size_t head_bytes = offsetof(tool::root, table);
  if (!from.read(its.root, &head, head_bytes) ||
      std::memcmp(head.magic, tool::root_magic, sizeof head.magic) != 0) {
    throw failure(exit_code::unreadable,
                  where.name() + " has hilo (" + its.module + "), but its root cannot be read");
  }
  const std::string version(head.version, ::strnlen(head.version, sizeof head.version));
  constexpr std::uint32_t most_fields = 4096;
  if (head.layout != tool::layout_number || head.fields > most_fields) {
    refuse_version(where, its.module, version);
  }
  std::vector<tool::field> table(head.fields);
  std::vector<address> places(std::min<std::uint32_t>(head.room, most_fields));
  const auto registry = reinterpret_cast<address>(head.runtimes);
  if (!from.read(its.root + head_bytes, table.data(), table.size() * sizeof table[0]) ||
      !from.read(registry, places.data(), places.size() * sizeof places[0])) {
    throw failure(exit_code::unreadable,
                  where.name() + " has hilo (" + its.module + "), but its root cannot be read");
  }
  found_hilo found;
  found.module = its.module;
  found.version = version;
  found.at = read_layout(where, its, version, table);
  found.root = its.root;
  found.registry = registry;
  found.room = static_cast<std::uint32_t>(places.size());
  found.trace = reinterpret_cast<address>(head.trace);
  std::copy_if(places.begin(), places.end(), std::back_inserter(found.runtimes),
               [](address one) { return one != 0; });
  found.process = from.value<std::uint32_t>(reinterpret_cast<address>(head.process));
  found.clock = from.value<std::uint32_t>(reinterpret_cast<address>(head.clock));
  found.unlisted = from.value<std::uint32_t>(registry + places.size() * sizeof places[0]);
  return found;
}

}  // namespace

std::vector<found_hilo> find_hilos(target& where) {
  std::vector<found_hilo> all;
  for (const module_root& one : find_roots(where)) all.push_back(read_root(where, one));
  if (all.empty()) {
    throw failure(exit_code::nothing_to_show,
                  "there is no hilo in " + where.name() +
                      (where.program().empty() ? "" : " (" + where.program() + ")") +
                      ": the program does not use hilo, or has not loaded it");
  }
  return all;
}

}  // namespace hilo::command
