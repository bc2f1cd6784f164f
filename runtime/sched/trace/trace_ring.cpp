#include "runtime/sched/trace/trace_ring.hpp"

#include <algorithm>
#include <bit>
#include <new>

#include <sys/mman.h>

namespace hilo::sched {

// Pages of the kernel's zeros: those that are never reached cost nothing.
std::unique_ptr<trace_ring> trace_ring::make(std::size_t events) noexcept {
  const std::size_t room = std::bit_ceil(std::clamp(events, least_room, most_room));
  void* const at = ::mmap(nullptr, room * sizeof(cell), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  auto* const made = new (std::nothrow) trace_ring(static_cast<cell*>(at), room);
  if (made == nullptr) ::munmap(at, room * sizeof(cell));
  return std::unique_ptr<trace_ring>(made);
}

trace_ring::~trace_ring() {
  ::munmap(cells_, room() * sizeof(cell));
}

std::uint64_t trace_ring::read(std::uint64_t& from, std::vector<trace_event>& into) const {
  const std::uint64_t end = written();  // (TR1)
  const std::uint64_t begin = std::max(from, end - std::min<std::uint64_t>(end, room()));
  const std::size_t before = into.size();
  into.reserve(before + (end - std::min(begin, end)));
  for (std::uint64_t number = begin; number < end; ++number) {
    const cell& its = cells_[number & mask_];
    words content;
    for (std::size_t i = 0; i < content.size(); ++i) {
      content[i] = its[i].load(std::memory_order_relaxed);  // (TR3) tells whether it counts
    }
    into.push_back(std::bit_cast<trace_event>(content));
  }
  std::atomic_thread_fence(std::memory_order_acquire);  // (TR3)
  const std::uint64_t whole =
      std::clamp(oldest_whole(written_.load(std::memory_order_relaxed), room()), begin, end);
  const auto first = into.begin() + static_cast<std::ptrdiff_t>(before);
  into.erase(first, first + static_cast<std::ptrdiff_t>(whole - begin));
  const std::uint64_t lost = whole - std::min(from, whole);
  from = std::max(from, end);
  return lost;
}

}  // namespace hilo::sched
