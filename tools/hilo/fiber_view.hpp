// A fiber of the target as the command saw it, and the stack that it had then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/hilo/memory.hpp"

namespace hilo::command {

enum class fiber_state : std::uint8_t {
  fresh,     // not started yet
  runnable,  // in a queue
  running,   // on a carrier, or just leaving it
  blocking,  // inside hilo::blocking
  waiting,   // parked
  moving,    // it changed while it was read
};
const char* to_string(fiber_state one) noexcept;

// What a waiting fiber waits for.
struct awaited {
  enum class kind : std::uint8_t {
    unknown,
    object,      // another object; the reason tells its type
    mutex,       // holder: the control block of its holder; 0: it is open
    channel,     // count of capacity values are in it
    semaphore,   // count
    fiber,       // holder: the fiber
    descriptor,  // count: the number of the descriptor; call: what is done with it
    time,        // until
  };
  kind what = kind::unknown;
  bool closed = false;
  // A mutex is held by a kernel thread, or by a fiber that has ended.
  bool by_thread = false;
  bool by_ended = false;
  std::uint8_t call = 0;
  address at = 0;
  address holder = 0;
  std::uint64_t count = 0;
  std::uint64_t capacity = 0;
  std::int64_t until = 0;
};

inline constexpr std::uint32_t no_stack = ~std::uint32_t{0};

struct fiber_view {
  address at = 0;  // of the control block
  address waiter = 0;
  std::uint64_t id = 0;
  address spawned_at = 0;
  address invoke = 0;  // what it runs; 0: it has none
  address parked_on = 0;
  address list = 0;  // the wait list in which it was linked last
  address slot = 0;
  address join = 0;  // the join word
  address carrier = 0;
  address sp = 0;
  address low = 0;  // its stack
  address top = 0;
  std::uint32_t parked_at = 0;     // by the coarse clock; 0: not known
  std::int64_t deadline = 0;       // of its wait; the greatest number if it has none
  std::uint32_t stack = no_stack;  // the number of its backtrace
  std::uint32_t runtime = 0;       // index
  fiber_state state = fiber_state::waiting;
  awaited waits_for;
  bool on_cpu = false;
  bool started = false;
  bool linked = false;
  bool owns_tls = false;
  bool stop_requested = false;
  bool changed = false;  // while it was read
  std::array<char, 24> name{};

  std::string_view its_name() const noexcept {
    return {name.data(), ::strnlen(name.data(), name.size())};
  }
  // How much of its stack it uses; 0 if that is not known.
  std::uint64_t stack_used() const noexcept { return sp > low && sp < top ? top - sp : 0; }
};

// A suspended fiber's frames, copied. They begin at the stack pointer of the fiber.
struct frames_copy {
  address sp = 0;
  address low = 0;
  address top = 0;
  std::span<const std::byte> bytes;
};

}  // namespace hilo::command
