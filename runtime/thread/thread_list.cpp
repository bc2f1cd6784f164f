#include "runtime/thread/thread_list.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <iterator>
#include <mutex>

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hilo/kernel/event.hpp"
#include "hilo/kernel/mutex.hpp"

namespace hilo::kernel {
namespace {

struct list_entry {
  list_entry* next;
  list_entry* previous;
};

list_entry* entry_of(const libc_layout& layout, void* block) noexcept {
  return reinterpret_cast<list_entry*>(static_cast<unsigned char*>(block) + layout.list);
}

// A pthread on a stack that hilo gave it. It waits until hilo lets it go.
class neighbour {
 public:
  explicit neighbour(const libc_layout& layout) : layout_(layout) {}
  neighbour(const neighbour&) = delete;
  neighbour& operator=(const neighbour&) = delete;
  ~neighbour() {
    leave_.set();
    if (started_) wait_for_end(layout_, thread_);
    if (stack_ != MAP_FAILED) ::munmap(stack_, size_);
  }

  bool start() noexcept {
    size_ = std::max<std::size_t>(static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN)), 65536);
    stack_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
                    -1, 0);
    if (stack_ == MAP_FAILED) return false;
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstack(&attributes, stack_, size_);
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const auto wait = [](void* self) -> void* {
      static_cast<neighbour*>(self)->leave_.wait();
      return nullptr;
    };
    started_ = ::pthread_create(&thread_, &attributes, wait, this) == 0;
    ::pthread_attr_destroy(&attributes);
    return started_;
  }

  list_entry* entry() const noexcept { return entry_of(layout_, reinterpret_cast<void*>(thread_)); }

 private:
  const libc_layout& layout_;
  void* stack_ = MAP_FAILED;
  std::size_t size_ = 0;
  pthread_t thread_{};
  bool started_ = false;
  event leave_;
};

// The note (`place`) of every block that is on the list. Changes only in the child of a fork, which
// has no other thread.
std::uint64_t joined = 1;

// All of these are guarded by the lock.
mutex lock;
std::array<unsigned char*, 2> ends{};  // two blocks that no thread uses
list_entry* first = nullptr;           // of ends[0]; null: no place on the list in this process
const libc_layout* known = nullptr;
std::atomic<bool> all_hidden{false};  // written under the lock

// release: glibc follows `next` without our lock and must find the entry whole.
void lead_to(list_entry* from, list_entry* to) noexcept {
  std::atomic_ref<list_entry*>(from->next).store(to, std::memory_order_release);
}

void insert(list_entry* after, list_entry* entry) noexcept {
  entry->next = after->next;
  entry->previous = after;
  entry->next->previous = entry;
  lead_to(after, entry);
}

std::atomic_ref<std::uint32_t> flags_of(const libc_layout& layout, unsigned char* block) noexcept {
  return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(block + layout.cancelled));
}

// Waits until a change of credentials that has begun is over. The wait is bounded, because glibc
// does not publish `changing`: a future libc may use the flag for something else.
void outlast_change(const libc_layout& layout, unsigned char* block) noexcept {
  constexpr int most_looks = 20'000;  // about a second, which no change takes
  // relaxed: setuid orders its changes by system calls
  for (int look = 0;
       (flags_of(layout, block).load(std::memory_order_relaxed) & layout.changing) != 0 &&
       look < most_looks;
       ++look) {
    const timespec nap{.tv_sec = 0, .tv_nsec = 50'000};
    ::nanosleep(&nap, nullptr);
  }
}

// Other threads that start meanwhile may come between two neighbours. Then the next pair may be
// neighbours.
bool place_ends(const libc_layout& layout, list_entry* front, list_entry* back) noexcept {
  neighbour row[] = {neighbour(layout), neighbour(layout), neighbour(layout), neighbour(layout)};
  for (std::size_t i = 0; i < std::size(row); ++i) {
    if (!row[i].start()) return false;
    if (i == 0) continue;
    list_entry* const newer = row[i].entry();
    list_entry* const older = row[i - 1].entry();
    if (newer->next != older || older->previous != newer) continue;
    *front = {back, newer};
    *back = {older, front};
    older->previous = back;
    lead_to(newer, front);
    return true;
  }
  return false;
}

}  // namespace

void mark_ended(const libc_layout& layout, unsigned char* block) noexcept {
  // relaxed: read by the thread that runs on the block next, and by setuid
  if (layout.cancelled != 0) flags_of(layout, block).store(layout.ended, std::memory_order_relaxed);
}

void show_thread(const libc_layout& layout, unsigned char* block, std::uint64_t place) noexcept {
  if (place != joined || layout.exiting == 0) return;
  const std::lock_guard guard(lock);
  if (all_hidden.load(std::memory_order_relaxed)) return;  // under the lock
  // relaxed: the pattern at the head of thread_list.hpp relies only on the order of one word
  std::atomic_ref(*reinterpret_cast<std::uint32_t*>(block + layout.tid))
      .store(0, std::memory_order_relaxed);
  flags_of(layout, block).fetch_and(~layout.exiting, std::memory_order_release);
}

void hide_thread(const libc_layout& layout, unsigned char* block) noexcept {
  if (layout.exiting == 0) return;
  flags_of(layout, block).fetch_or(layout.exiting, std::memory_order_acq_rel);
  outlast_change(layout, block);
}

void hide_all_threads() noexcept {
  // acquire: pairs with the store below; the caller sees all threads hidden
  if (all_hidden.load(std::memory_order_acquire)) return;
  const std::lock_guard guard(lock);
  if (first != nullptr) {
    for (list_entry* one = first->next; one != entry_of(*known, ends[1]); one = one->next) {
      hide_thread(*known, reinterpret_cast<unsigned char*>(one) - known->list);
    }
  }
  all_hidden.store(true, std::memory_order_release);
}

void join_thread_list(const libc_layout& layout, unsigned char* block,
                      std::uint64_t& place) noexcept {
  if (place == joined || layout.ended == 0) return;
  const std::lock_guard guard(lock);
  if (first == nullptr) {
    for (unsigned char*& end : ends) {
      if (end != nullptr) continue;
      void* const thread_pointer = layout.allocate_tls(nullptr);
      if (thread_pointer == nullptr) return;
      end = static_cast<unsigned char*>(thread_pointer) - layout.thread_pointer;
      mark_ended(layout, end);
    }
    if (!place_ends(layout, entry_of(layout, ends[0]), entry_of(layout, ends[1]))) return;
    first = entry_of(layout, ends[0]);
    known = &layout;
  }
  mark_ended(layout, block);
  insert(first, entry_of(layout, block));
  place = joined;
}

void lock_thread_list() noexcept {
  lock.lock();
}

void unlock_thread_list() noexcept {
  lock.unlock();
}

void forget_thread_list() noexcept {
  if (first != nullptr) {
    // glibc has put the caller on a list of its own. A block of ours must not stay on that list.
    // All other links are as before, so walking our part of the list finds the caller's entry if it
    // is ours.
    list_entry* const mine = entry_of(*known, reinterpret_cast<void*>(::pthread_self()));
    const list_entry* const last = entry_of(*known, ends[1]);
    const list_entry* one = first;
    while (one != last && one != mine) one = one->next;
    if (one == mine) {
      mine->previous->next = mine->next;
      mine->next->previous = mine->previous;
      *mine = {mine, mine};
    }
    first = nullptr;
    ++joined;
  }
  all_hidden.store(false,
                   std::memory_order_relaxed);  // the child has none of the parent's carriers
  lock.unlock();
}

}  // namespace hilo::kernel
