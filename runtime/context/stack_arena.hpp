// The source of stacks: one reserved range of addresses for each stack size, cut into slots.
//
//   | guard | stack 0 | guard | stack 1 | ...    addresses grow to the right, stacks to the left
//
// The range is reserved without access, and opened a batch of slots at a time. So a million stacks
// are two mappings: the opened part and the rest. A slot's pages cost memory only once touched.
//
// Guards. MADV_GUARD_INSTALL (Linux 6.13) marks a page in the page table only and keeps the mapping
// whole (measured: 1,000,000 guards, 0.4 us each, one mapping). On older kernels the guards are the
// parts between the stacks that stay reserved, as PROT_NONE. Then every stack and every guard is a
// mapping of its own, and vm.max_map_count bounds the guards of all arenas. This file checks that
// bound before the kernel does. Past the bound there are no more stacks; if unguarded stacks were
// asked for, more stacks follow each other without guards in one mapping. If the kernel begins to
// refuse MADV_GUARD_INSTALL later (memory was locked, or a filter refuses it), stacks that are
// opened from then on get mappings too.
//
// A guard is as large as the frames that compilers make. A function with a larger frame can step
// over the guard and write into the stack below, unless it was compiled with
// -fstack-clash-protection. A guard costs addresses and entries of the page table, but no memory.
//
// A slot that is not needed for a while is closed: its memory goes back to the kernel, its
// addresses and its guard stay. A closed slot is reopened before a new slot is opened.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/kernel/mutex.hpp"

#include "runtime/context/sanitizer.hpp"

namespace hilo::context {

enum class guard_kind : std::uint8_t { page_table, mapping };

// What the kernel offers for guards.
struct guard_support {
  bool page_table = false;   // MADV_GUARD_INSTALL
  std::size_t mappings = 0;  // vm.max_map_count
};
// For tests of older kernels: arenas made from now on believe this. Null: they ask the kernel.
void pretend_guard_support(const guard_support* pretended) noexcept;

// The default size of a guard. gcc for aarch64 assumes this much below every stack.
inline constexpr std::size_t default_guard_size = 64 * 1024;

class stack_arena {
 public:
  // Reserves `reserve` bytes of addresses for stacks of `stack_size` bytes. If reserve is 0: as
  // much as the process is allowed, at most 1 TiB. stack_size is a multiple of the page size.
  // unguarded: past the bound on guards, stacks without a guard are opened. guard_size is rounded
  // up to pages, and by one page more if that spreads the stacks; 0: no stack has a guard. Throws
  // std::system_error.
  stack_arena(std::size_t stack_size, std::size_t reserve, bool unguarded = false,
              std::size_t guard_size = default_guard_size);
  ~stack_arena();
  stack_arena(const stack_arena&) = delete;
  stack_arena& operator=(const stack_arena&) = delete;

  struct batch {
    char* first_top = nullptr;  // end of the first stack; the others follow at stride()
    std::size_t count = 0;      // 0: none could be opened
    int error = 0;              // if so, why: 0 the range is used up, EAGAIN the guards, else errno
  };

  // Opens up to `wanted` new slots, with their guards. Safe from any thread.
  batch open(std::size_t wanted) noexcept;

  // Gives the memory of a slot back to the kernel. Its contents are lost.
  void close(char* top) noexcept;
  // Takes a closed slot into use again. Returns null if there is none.
  char* reopen() noexcept;

  // The number of a slot, counted from the lowest.
  std::size_t index_of(const char* top) const noexcept {
    return static_cast<std::size_t>(top - base_) / stride_ - 1;
  }

  // The reverse of index_of().
  char* top_of(std::size_t index) const noexcept { return base_ + (index + 1) * stride_; }

  std::size_t stack_size() const noexcept { return stack_size_; }
  std::size_t stride() const noexcept { return stride_; }
  std::size_t guard_size() const noexcept { return guard_; }
  std::size_t capacity() const noexcept { return capacity_; }
  guard_kind guards() const noexcept { return guards_; }

  // Why open() failed, and what to change: the text in the parentheses of an error message.
  std::string explain(int error) const;

  // The end of the stack whose guard contains `address`, or null. Async-signal-safe.
  char* guarded_by(const void* address) const noexcept;

  // How many of the opened stacks have no guard.
  std::size_t unguarded() const noexcept;

 private:
  batch open_guarded(std::size_t wanted) noexcept;
  batch open_by_mapping(std::size_t wanted) noexcept;
  batch guard_rest_by_mapping(std::size_t first, std::size_t count, std::size_t guarded) noexcept;
  bool install_guard(char* low) const noexcept;
  std::size_t mapping_limit() noexcept;
  batch hand_out(std::size_t first, std::size_t count, std::size_t usable, int error) noexcept;
  std::size_t claim(std::size_t wanted, std::size_t& first) noexcept;
  std::size_t closed_bytes() const noexcept;

  static constexpr std::size_t unknown = ~std::size_t{0};

  std::size_t stack_size_;
  std::size_t guard_;  // bytes
  std::size_t stride_;
  std::size_t capacity_;
  guard_kind guards_;
  char* base_;
  std::size_t bytes_;

  // Slots opened so far. Any thread moves it forward by compare-exchange. Relaxed, because it only
  // divides the range: the queues that hand out a slot's fiber publish the slot's contents.
  std::atomic<std::size_t> opened_{0};

  // Slots from `unguarded_from_` on have no guard. Written under opening_, read by the fault
  // handler. Relaxed, as opened_.
  kernel::mutex opening_;
  const bool unguarded_;                 // allowed
  std::size_t mapping_limit_ = unknown;  // guarded by opening_; explain() reads it afterwards
  std::size_t mapped_guards_ = 0;        // guarded by opening_; counted against all arenas' limit
  std::atomic<std::size_t> unguarded_from_;

  // The numbers that valgrind gave to the stacks.
  stack_registry registered_;

  detail::spin_lock closed_lock_;
  std::uint64_t* closed_ = nullptr;  // guarded by closed_lock_: a bit for each slot
  std::size_t closed_count_ = 0;     // likewise
  std::size_t closed_hint_ = 0;      // likewise: in words below this no bit is set
};

}  // namespace hilo::context
