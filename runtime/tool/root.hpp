// The root: where readers from outside begin. The `hilo` command and the gdb script read a process
// or a core, in which they can call nothing. They find the root by its symbol, hilo_root, or by the
// ELF note that points to it (note.S). The root leads to all runtimes and tells where the fields of
// their structures lie, so a reader needs no debug information.
//
// The root is part of the data of the program or library. It is complete when the program starts,
// and costs nothing at run time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hilo/detail/api.hpp"

#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/trace/tracer.hpp"
#include "runtime/tool/fields.hpp"

namespace hilo::tool {

// The version of hilo, as in meson.build; a test compares the two.
#define HILO_VERSION "0.1.0"

// Changes whenever the meaning of a structure changes in a way that the table of fields does not
// tell. A reader refuses a root with another number.
inline constexpr std::uint32_t layout_number = 4;

// An entry of the table: the offset of a field, or a constant.
struct field {
  char name[28];
  std::uint32_t value;
};

// The places of the entries, for readers in the process itself.
#define HILO_NUMBER(name, ...) name,
enum class field_number : std::uint32_t { HILO_FIELDS(HILO_NUMBER) HILO_CONSTANTS(HILO_NUMBER) };
#undef HILO_NUMBER

#define HILO_COUNT(...) +1  // NOLINT(bugprone-macro-parentheses): a sum
inline constexpr std::size_t field_count = 0 HILO_FIELDS(HILO_COUNT) HILO_CONSTANTS(HILO_COUNT);
#undef HILO_COUNT

struct root {
  char magic[8];                    // "hiloroot"
  std::uint32_t layout;             // layout_number
  std::uint32_t bytes;              // of the whole root
  char version[16];                 // HILO_VERSION
  const sched::registry* runtimes;  // in the same module
  // A runtime with another number was left behind by a fork (runtime/thread/forked_process.hpp).
  const std::atomic<std::uint32_t>* process;
  const std::atomic<std::uint32_t>* clock;  // runtime/sched/time/coarse_clock.hpp
  sched::trace_wishes* trace;               // `hilo trace` writes it from outside
  std::uint32_t room;                       // of the registry
  std::uint32_t fields;                     // how many follow
  field table[field_count];
};

inline constexpr char root_magic[9] = "hiloroot";

}  // namespace hilo::tool

extern "C" HILO_API hilo::tool::root hilo_root;
