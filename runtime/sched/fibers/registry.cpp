#include "runtime/sched/fibers/registry.hpp"

#include <memory>

#include <sched.h>

#include "hilo/kernel/mutex.hpp"

// The ELF note that leads to the root (runtime/tool/note.S).
extern "C" const char hilo_root_note[];

namespace hilo::sched {

constinit registry all_runtimes{};

namespace {
constinit kernel::mutex keeping;
constinit std::atomic<std::uint32_t> handlers{0};  // that read the registry (RH)
}  // namespace

runtimes_kept::runtimes_kept() noexcept {
  keeping.lock();
}
runtimes_kept::~runtimes_kept() {
  keeping.unlock();
}
void runtimes_kept::forget() noexcept {
  std::construct_at(&keeping);
  handlers.store(0, std::memory_order_relaxed);  // no other thread exists
}

registry_reader::registry_reader() noexcept {
  handlers.fetch_add(1, std::memory_order_seq_cst);  // (RH1)
}
registry_reader::~registry_reader() {
  handlers.fetch_sub(1, std::memory_order_release);  // (RH4)
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
    if (place.compare_exchange_strong(mine, nullptr, std::memory_order_seq_cst)) {  // (RH3)
      while (handlers.load(std::memory_order_seq_cst) != 0) ::sched_yield();        // (RH4)
      return;
    }
  }
  all_runtimes.unlisted.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace hilo::sched
