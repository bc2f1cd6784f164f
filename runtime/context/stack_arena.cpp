#include "runtime/context/stack_arena.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/context/sanitizer.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace hilo::context {
namespace {

const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
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

// How many mappings the kernel allows a process; its default where /proc is not there.
std::size_t map_limit() {
  std::size_t limit = 65530;
  if (std::FILE* file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
    if (std::fscanf(file, "%zu", &limit) != 1) limit = 65530;
    std::fclose(file);
  }
  return limit;
}

}  // namespace

stack_arena::stack_arena(std::size_t stack_size, std::size_t reserve)
    : stack_size_(stack_size), stride_(stack_size + page) {
  const bool fixed = reserve != 0;
  bytes_ = fixed ? reserve : largest_reserve;
  // An address-space limit (RLIMIT_AS) is no reason to fail while nobody asked for a size.
  const std::size_t enough = stride_ * 16;
  while ((base_ = reserve_range(bytes_)) == nullptr) {
    const int error = errno;
    if (fixed || bytes_ / 2 < enough) {
      base::fail(error, "reserve " + base::format_bytes(bytes_) + " for fiber stacks",
                 address_space_limit() + (fixed ? "set a smaller runtime_options.stack_reserve"
                                                : "set a smaller stack size"));
    }
    bytes_ /= 2;
  }
  capacity_ = bytes_ / stride_;

  // A huge page under a stack would touch 2 MiB where one page is wanted.
  ::madvise(base_, bytes_, MADV_NOHUGEPAGE);

  guards_ = guard_kind::mapping;
  if (capacity_ != 0 && ::mprotect(base_, page, PROT_READ | PROT_WRITE) == 0) {
    if (::madvise(base_, page, MADV_GUARD_INSTALL) == 0) guards_ = guard_kind::page_table;
  }
  if (guards_ == guard_kind::mapping) {
    ::mprotect(base_, page, PROT_NONE);
    // Two mappings a stack; a part of the limit stays with the program's own.
    const std::size_t limit = map_limit();
    capacity_ = std::min(capacity_, (limit - std::min(limit, limit / 8 + 1024)) / 2);
  }
  // Untouched until a slot is closed.
  void* bits = ::mmap(nullptr, closed_bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bits == MAP_FAILED) {
    const int error = errno;
    ::munmap(base_, bytes_);
    base::fail(error, "map " + base::format_bytes(closed_bytes()) + " to keep account of stacks",
               "free memory or raise RLIMIT_AS");
  }
  closed_ = static_cast<std::uint64_t*>(bits);
  watch_guards(*this);
}

stack_arena::~stack_arena() {
  unwatch_guards(*this);
  ::munmap(closed_, closed_bytes());
  ::munmap(base_, bytes_);
}

std::size_t stack_arena::closed_bytes() const noexcept {
  return (capacity_ / 64 + 1) * sizeof(std::uint64_t);
}

stack_arena::batch stack_arena::open(std::size_t wanted) noexcept {
  std::size_t first = opened_.load(std::memory_order_relaxed);
  std::size_t count = 0;
  do {
    count = std::min(wanted, capacity_ - std::min(first, capacity_));
    if (count == 0) return {};
  } while (!opened_.compare_exchange_weak(first, first + count, std::memory_order_relaxed));

  char* const low = base_ + first * stride_;
  int error = 0;
  if (guards_ == guard_kind::page_table) {
    if (::mprotect(low, count * stride_, PROT_READ | PROT_WRITE) != 0) error = errno;
    for (std::size_t i = 0; error == 0 && i < count; ++i) {
      if (::madvise(low + i * stride_, page, MADV_GUARD_INSTALL) != 0) error = errno;
    }
  } else {
    for (std::size_t i = 0; error == 0 && i < count; ++i) {
      if (::mprotect(low + i * stride_ + page, stack_size_, PROT_READ | PROT_WRITE) != 0) {
        error = errno;
      }
    }
  }
  if (error != 0) {
    // Hand the range back if nobody opened one behind it; otherwise these addresses, which hold no
    // memory, stay unused until the arena goes.
    std::size_t end = first + count;
    opened_.compare_exchange_strong(end, first, std::memory_order_relaxed);
    return {.error = error};
  }
  for (std::size_t i = 0; i < count; ++i) {
    char* const top = low + (i + 1) * stride_;
    register_stack(top - stack_size_, top);
  }
  return {.first_top = low + stride_, .count = count};
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
  if (error != 0) {
    return "the kernel would not open another stack of " + base::format_bytes(stack_size_) +
           "; free memory, or raise the memory or overcommit limit";
  }
  const std::string all = "all " + std::to_string(capacity_) + " stacks of " +
                          base::format_bytes(stack_size_) + " are in use; ";
  if (guards_ == guard_kind::mapping) {
    return all +
           "this kernel guards each with a mapping: raise vm.max_map_count, or use Linux 6.13";
  }
  return all + address_space_limit() + "set a larger runtime_options.stack_reserve";
}

char* stack_arena::guarded_by(const void* address) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto start = reinterpret_cast<std::uintptr_t>(base_);
  // relaxed: a faulting fiber's own slot was opened before it ran
  const std::size_t opened = opened_.load(std::memory_order_relaxed);
  if (at < start || at >= start + opened * stride_) return nullptr;
  if ((at - start) % stride_ >= page) return nullptr;
  return base_ + ((at - start) / stride_ + 1) * stride_;
}

}  // namespace hilo::context
