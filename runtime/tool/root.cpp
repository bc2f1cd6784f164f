// The content of the root. The compiler computes all of it.
//
// Most fields are private. Every class could name the root as its friend, and then every class
// would know of tools. Instead this file names each field as the argument of an explicit
// instantiation, where the rules of access do not apply (C++20 [temp.spec.general] 6).
#include "runtime/tool/root.hpp"

#include "hilo/condition_variable.hpp"
#include "hilo/detail/channel_core.hpp"
#include "hilo/detail/task.hpp"
#include "hilo/latch.hpp"
#include "hilo/mutex.hpp"
#include "hilo/semaphore.hpp"
#include "hilo/shared_mutex.hpp"

#include "runtime/context/stack_pool.hpp"
#include "runtime/io/request.hpp"
#include "runtime/sched/fibers/fiber.hpp"
#include "runtime/sched/scheduler.hpp"
#include "runtime/sched/time/coarse_clock.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/thread/forked_process.hpp"

// These classes have base classes, so the standard does not promise that offsetof works. It does in
// g++ and clang, because no base is virtual.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace hilo::tool {
namespace {

template <class Name, std::size_t Value>
struct known {
  friend constexpr std::size_t value_of(Name) { return Value; }
};

#define HILO_FIELD(name, type, member)           \
  struct name {                                  \
    friend constexpr std::size_t value_of(name); \
  };                                             \
  template struct known<name, __builtin_offsetof(type, member)>;
#define HILO_CONSTANT(name, value)               \
  struct name {                                  \
    friend constexpr std::size_t value_of(name); \
  };                                             \
  template struct known<name, value>;
HILO_FIELDS(HILO_FIELD)
HILO_CONSTANTS(HILO_CONSTANT)

}  // namespace
}  // namespace hilo::tool

#define HILO_ENTRY(name, ...) {#name, static_cast<std::uint32_t>(value_of(hilo::tool::name{}))},

extern "C" {
constinit hilo::tool::root hilo_root = {
    .magic = {'h', 'i', 'l', 'o', 'r', 'o', 'o', 't'},
    .layout = hilo::tool::layout_number,
    .bytes = sizeof(hilo::tool::root),
    .version = HILO_VERSION,
    .runtimes = &hilo::sched::all_runtimes,
    .process = &hilo::kernel::forks_so_far,
    .clock = &hilo::sched::coarse_ms,
    .trace = &hilo::sched::trace_wanted,
    .room = hilo::sched::registry::room,
    .fields = hilo::tool::field_count,
    .table = {HILO_FIELDS(HILO_ENTRY) HILO_CONSTANTS(HILO_ENTRY)}};

// Another module may export a hilo_root too, and the dynamic linker would choose one of them. The
// note of each module leads to the module's own root.
extern __attribute__((alias("hilo_root"), visibility("hidden"), used))
hilo::tool::root hilo_root_here;
}
