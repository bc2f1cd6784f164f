#include "runtime/sched/registry.hpp"

#include <memory>

#include "hilo/kernel/mutex.hpp"

// The ELF note that leads to the root (runtime/tool/note.S).
extern "C" const char hilo_root_note[];

namespace hilo::sched {

constinit registry all_runtimes{};

namespace {
constinit kernel::mutex keeping;
}  // namespace

runtimes_kept::runtimes_kept() noexcept {
  keeping.lock();
}
runtimes_kept::~runtimes_kept() {
  keeping.unlock();
}
void runtimes_kept::forget() noexcept {
  std::construct_at(&keeping);
}

void list_runtime(scheduler& one) noexcept {
  // A linker takes from a static library only the objects that something names. So this names the
  // note, and the note names the root.
  const char* note = hilo_root_note;
  asm volatile("" : "+r"(note));
  for (auto& place : all_runtimes.runtimes) {
    scheduler* none = nullptr;
    // (RR)
    if (place.compare_exchange_strong(none, &one, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      return;
    }
  }
  all_runtimes.unlisted.fetch_add(1, std::memory_order_relaxed);
}

void unlist_runtime(scheduler& one) noexcept {
  const runtimes_kept until_unlisted;
  for (auto& place : all_runtimes.runtimes) {
    scheduler* mine = &one;
    // relaxed: the runtime is still whole, and its memory is freed by this thread
    if (place.compare_exchange_strong(mine, nullptr, std::memory_order_relaxed)) return;
  }
  all_runtimes.unlisted.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace hilo::sched
