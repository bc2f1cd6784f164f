#include "runtime/context/stack_arena.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/pages.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/context/sanitizer.hpp"
#include "runtime/sys/syscall.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace hilo::context {
namespace {

// The size of the guard below each stack of `stack_size`. A stack and its guard together are an odd
// number of pages, so that the tops of stacks spread over all sets of a TLB.
std::size_t guard_bytes(std::size_t stack_size, std::size_t wanted) noexcept {
  const std::size_t page = base::page_size();
  const std::size_t bytes = base::to_pages(wanted);
  return (stack_size + bytes) / page % 2 != 0 ? bytes : bytes + page;
}

constexpr std::size_t largest_reserve = std::size_t{1} << 40;

char* reserve_range(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
}

std::string address_space_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "";
  return "RLIMIT_AS is " + base::format_bytes(limit.rlim_cur) + "; raise it or ";
}

// The kernel counts all writable memory, touched or not.
std::string data_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "";
  return "RLIMIT_DATA is " + base::format_bytes(limit.rlim_cur) +
         ", and counts stacks in full; raise it, set a smaller stack size, ";
}

// How many mappings the kernel allows a process. The kernel's default if /proc cannot be read.
std::size_t map_limit() {
  std::size_t limit = 65530;
  if (std::FILE* file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
    if (std::fscanf(file, "%zu", &limit) != 1) limit = 65530;
    std::fclose(file);
  }
  return limit;
}

std::atomic<const guard_support*> pretended{
    nullptr};  // release and acquire: publishes what it says

// The guards of all arenas that are mappings, because the limit is the process's. Relaxed: only a
// count.
std::atomic<std::size_t> mapped_guards{0};

// Takes up to `wanted` more while the count is below the limit. Returns how many it took.
std::size_t take_mapped_guards(std::size_t wanted, std::size_t limit) noexcept {
  std::size_t used = mapped_guards.load(std::memory_order_relaxed);
  std::size_t granted = 0;
  do {
    granted = std::min(wanted, limit - std::min(used, limit));
  } while (granted != 0 &&
           !mapped_guards.compare_exchange_weak(used, used + granted, std::memory_order_relaxed));
  return granted;
}

// Whether the kernel itself cannot read here. Emulators accept any advice and do nothing.
bool is_guarded(const void* at) {
  const timespec none{};
  return sys::call(SYS_futex, at, FUTEX_WAIT_PRIVATE, 1, &none) == -EFAULT;
}

}  // namespace

void pretend_guard_support(const guard_support* wanted) noexcept {
  pretended.store(wanted, std::memory_order_release);
}

stack_arena::stack_arena(std::size_t stack_size, std::size_t reserve, bool unguarded,
                         std::size_t guard_size)
    : stack_size_(stack_size),
      guard_(guard_bytes(stack_size, guard_size)),
      stride_(stack_size + guard_),
      unguarded_(unguarded || guard_size == 0) {
  const std::size_t page = base::page_size();
  const bool fixed = reserve != 0;
  // A fixed reserve determines the number of stacks. For that, a guard counts as at most one page.
  bytes_ = largest_reserve;
  if (fixed &&
      __builtin_mul_overflow(reserve / (stack_size + std::min(page, guard_)), stride_, &bytes_)) {
    bytes_ = ~std::size_t{0} / 2 / page * page;  // more than the address space has
  }
  // If no size was asked for, an address-space limit (RLIMIT_AS) is not a reason to fail.
  const std::size_t enough = stride_ * 16;
  while ((base_ = reserve_range(std::max(bytes_, page))) == nullptr) {
    const int error = errno;
    if (fixed || bytes_ / 2 < enough) {
      base::fail(error,
                 "reserve " + base::format_bytes(fixed ? reserve : bytes_) + " for fiber stacks",
                 address_space_limit() + (fixed ? "set a smaller runtime_options.stack_reserve"
                                                : "set a smaller stack size"));
    }
    bytes_ /= 2;
  }
  capacity_ = bytes_ / stride_;

  // A huge page under a stack would touch 2 MiB where one page is wanted.
  ::madvise(base_, bytes_, MADV_NOHUGEPAGE);

  const guard_support* const told = pretended.load(std::memory_order_acquire);
  guards_ = guard_kind::mapping;
  if ((told == nullptr || told->page_table) && capacity_ != 0 &&
      ::mprotect(base_, page, PROT_READ | PROT_WRITE) == 0) {
    if (::madvise(base_, page, MADV_GUARD_INSTALL) == 0 && is_guarded(base_)) {
      guards_ = guard_kind::page_table;
    }
  }
  if (guards_ == guard_kind::mapping) {
    ::mprotect(base_, page, PROT_NONE);
    (void)mapping_limit();
  }
  // relaxed: no other thread knows the arena yet
  unguarded_from_.store(guard_size == 0 ? 0 : capacity_, std::memory_order_relaxed);
  // Untouched until a slot is closed.
  void* bits = ::mmap(nullptr, closed_bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bits == MAP_FAILED) {
    const int error = errno;
    ::munmap(base_, bytes_);
    base::fail(error, "map " + base::format_bytes(closed_bytes()) + " to keep account of stacks",
               data_limit() + "free memory or raise RLIMIT_AS");
  }
  closed_ = static_cast<std::uint64_t*>(bits);
  watch_guards(*this);
}

stack_arena::~stack_arena() {
  unwatch_guards(*this);
  registered_.forget_all();
  mapped_guards.fetch_sub(mapped_guards_, std::memory_order_relaxed);  // a count, nothing more
  ::munmap(closed_, closed_bytes());
  // The last frames of stacks that are gone: other memory may be mapped there next.
  forget_frames(base_, opened_.load(std::memory_order_relaxed) * stride_);
  ::munmap(base_, bytes_);
}

std::size_t stack_arena::closed_bytes() const noexcept {
  return base::to_pages((capacity_ / 64 + 1) * sizeof(std::uint64_t));
}

// Moves opened_ forward over up to `wanted` slots. Returns how many.
std::size_t stack_arena::claim(std::size_t wanted, std::size_t& first) noexcept {
  first = opened_.load(std::memory_order_relaxed);
  std::size_t count = 0;
  do {
    count = std::min(wanted, capacity_ - std::min(first, capacity_));
  } while (count != 0 &&
           !opened_.compare_exchange_weak(first, first + count, std::memory_order_relaxed));
  return count;
}

// How many guards that are mappings all arenas together may have. Called under opening_, or in the
// constructor.
std::size_t stack_arena::mapping_limit() noexcept {
  if (mapping_limit_ == unknown) {
    // Two mappings for each stack. A part of the limit is left to the program.
    const guard_support* const told = pretended.load(std::memory_order_acquire);
    const std::size_t limit = told != nullptr ? told->mappings : map_limit();
    mapping_limit_ = (limit - std::min(limit, limit / 8 + 1024)) / 2;
  }
  return mapping_limit_;
}

// A limit may have room for one stack even if it has none for a batch.
stack_arena::batch stack_arena::open(std::size_t wanted) noexcept {
  const auto attempt = [this](std::size_t count) {
    return guards_ == guard_kind::page_table ? open_guarded(count) : open_by_mapping(count);
  };
  const batch opened = attempt(wanted);
  return opened.error == ENOMEM && wanted > 1 ? attempt(1) : opened;
}

stack_arena::batch stack_arena::open_guarded(std::size_t wanted) noexcept {
  std::size_t first = 0;
  const std::size_t count = claim(wanted, first);
  if (count == 0) return {};
  char* const low = base_ + first * stride_;
  if (::mprotect(low, count * stride_, PROT_READ | PROT_WRITE) != 0) {
    return hand_out(first, count, 0, errno);
  }
  // relaxed: as in guarded_by()
  if (first >= unguarded_from_.load(std::memory_order_relaxed)) {
    return hand_out(first, count, count, 0);
  }
  std::size_t guarded = 0;
  while (guarded < count && install_guard(low + guarded * stride_)) ++guarded;
  return guarded == count ? hand_out(first, count, count, 0)
                          : guard_rest_by_mapping(first, count, guarded);
}

bool stack_arena::install_guard(char* low) const noexcept {
  const guard_support* const told = pretended.load(std::memory_order_acquire);
  return (told == nullptr || told->page_table) && ::madvise(low, guard_, MADV_GUARD_INSTALL) == 0;
}

// The kernel no longer installs guards in the page table, because memory was locked since
// (mlockall(2)) or a filter refuses the advice. The whole batch is open already; its remaining
// slots get mappings as guards.
stack_arena::batch stack_arena::guard_rest_by_mapping(std::size_t first, std::size_t count,
                                                      std::size_t guarded) noexcept {
  const std::scoped_lock guard(opening_);
  const std::size_t granted = take_mapped_guards(count - guarded, mapping_limit());
  std::size_t made = 0;
  for (; made < granted; ++made) {
    if (::mprotect(base_ + (first + guarded + made) * stride_, guard_, PROT_NONE) != 0) break;
  }
  mapped_guards.fetch_sub(granted - made, std::memory_order_relaxed);
  mapped_guards_ += made;
  guarded += made;
  if (guarded < count && unguarded_) {
    const std::size_t from = unguarded_from_.load(std::memory_order_relaxed);
    unguarded_from_.store(std::min(from, first + guarded), std::memory_order_relaxed);
    guarded = count;
  }
  return hand_out(first, count, guarded, EAGAIN);
}

stack_arena::batch stack_arena::open_by_mapping(std::size_t wanted) noexcept {
  const std::scoped_lock guard(opening_);
  std::size_t first = opened_.load(std::memory_order_relaxed);
  if (first == capacity_) return {};
  bool guarded = first < unguarded_from_.load(std::memory_order_relaxed);
  std::size_t granted = guarded ? take_mapped_guards(wanted, mapping_limit()) : 0;
  if (guarded && granted == 0) {
    if (!unguarded_) return {.error = EAGAIN};
    unguarded_from_.store(first, std::memory_order_relaxed);
    guarded = false;
  }
  const std::size_t count = claim(guarded ? granted : wanted, first);
  char* const low = base_ + first * stride_;
  int error = 0;
  std::size_t opened = 0;
  if (!guarded) {
    opened = count;
    if (::mprotect(low, count * stride_, PROT_READ | PROT_WRITE) != 0) error = errno;
  }
  for (; guarded && error == 0 && opened < count; ++opened) {
    if (::mprotect(low + opened * stride_ + guard_, stack_size_, PROT_READ | PROT_WRITE) != 0) {
      error = errno;
      break;
    }
  }
  if (error != 0 && !guarded) opened = 0;
  mapped_guards_ += guarded ? opened : 0;
  mapped_guards.fetch_sub(granted - (guarded ? opened : 0), std::memory_order_relaxed);
  return hand_out(first, count, opened, error);
}

// Of `count` claimed slots, the first `usable` can be used. `error` says why the others cannot.
stack_arena::batch stack_arena::hand_out(std::size_t first, std::size_t count, std::size_t usable,
                                         int error) noexcept {
  if (usable < count) {
    ::mprotect(base_ + (first + usable) * stride_, (count - usable) * stride_, PROT_NONE);
    // Hand the rest back if no slot behind it was opened. Otherwise these addresses stay unused
    // until the arena is destroyed. They hold no memory.
    std::size_t end = first + count;
    opened_.compare_exchange_strong(end, first + usable, std::memory_order_relaxed);
  }
  if (usable == 0) return {.error = error};
  char* const top = base_ + (first + 1) * stride_;
  registered_.add(top - stack_size_, stack_size_, stride_, usable);
  return {.first_top = top, .count = usable};
}

std::size_t stack_arena::unguarded() const noexcept {
  // relaxed: both are counts, and the distance between them only grows
  const std::size_t from = unguarded_from_.load(std::memory_order_relaxed);
  return std::max(opened_.load(std::memory_order_relaxed), from) - from;
}

void stack_arena::close(char* top) noexcept {
  ::madvise(top - stack_size_, stack_size_, MADV_DONTNEED);
  const std::size_t index = index_of(top);
  const std::scoped_lock guard(closed_lock_);
  closed_[index / 64] |= std::uint64_t{1} << (index % 64);
  closed_hint_ = std::min(closed_hint_, index / 64);
  ++closed_count_;
}

char* stack_arena::reopen() noexcept {
  const std::scoped_lock guard(closed_lock_);
  if (closed_count_ == 0) return nullptr;
  while (closed_[closed_hint_] == 0) ++closed_hint_;
  const auto bit = static_cast<std::size_t>(std::countr_zero(closed_[closed_hint_]));
  closed_[closed_hint_] &= closed_[closed_hint_] - 1;
  --closed_count_;
  return base_ + (closed_hint_ * 64 + bit + 1) * stride_;
}

std::string stack_arena::explain(int error) const {
  if (error == EAGAIN) {
    return (guards_ == guard_kind::page_table
                ? "memory is locked, or a filter refuses MADV_GUARD_INSTALL: a mapping guards each "
                  "new stack, and vm.max_map_count allows guards for "
                : "this kernel guards each stack with a mapping, and vm.max_map_count allows "
                  "guards "
                  "for ") +
           std::to_string(mapping_limit_) + " stacks; raise it, " +
           (guards_ == guard_kind::page_table ? "" : "use Linux 6.13, ") +
           "or set runtime_options.unguarded_stacks";
  }
  if (error != 0) {
    return "the kernel would not open another stack of " + base::format_bytes(stack_size_) + "; " +
           data_limit() + "free memory, or raise the memory or overcommit limit" +
           (guards_ == guard_kind::mapping ? " or vm.max_map_count" : "");
  }
  return "all " + std::to_string(capacity_) + " stacks of " + base::format_bytes(stack_size_) +
         " are in use; " + address_space_limit() + "set a larger runtime_options.stack_reserve";
}

char* stack_arena::guarded_by(const void* address) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto start = reinterpret_cast<std::uintptr_t>(base_);
  // relaxed: the slot of a faulting fiber was opened before the fiber ran
  const std::size_t opened = opened_.load(std::memory_order_relaxed);
  if (at < start || at >= start + opened * stride_) return nullptr;
  const std::size_t slot = (at - start) / stride_;
  if ((at - start) % stride_ >= guard_) return nullptr;
  if (slot >= unguarded_from_.load(std::memory_order_relaxed)) return nullptr;  // as opened_
  return base_ + (slot + 1) * stride_;
}

}  // namespace hilo::context
