// Threads that come and go do not add up: records are recycled with their malloc caches.
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "hilo/kernel/latch.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/libc.hpp"
#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/skip.hpp"

namespace {

long resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long total = 0, resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

void allocate_and_free() {
  std::array<void*, 400> blocks;
  std::size_t size = 16;
  for (void*& block : blocks) {
    block = std::malloc(size);
    static_cast<volatile char*>(block)[0] = 1;
    size = 16 + (size * 37 + 4) % 997;
  }
  for (void* block : blocks) std::free(block);
}

constexpr long allowed_growth = 2 << 20;

}  // namespace

TEST_CASE("memory: 100,000 allocating threads, one after another, grow RSS by less than 2 MiB") {
  HILO_NEEDS(memory_figures);
#if HILO_ASAN || HILO_TSAN
  HILO_SKIP("the sanitizer's allocator keeps freed blocks");
#elif !HILO_GLIBC(2, 0)
  HILO_SKIP("this libc's malloc has no cache a thread that could add up");
#endif
  for (int i = 0; i < 100; ++i) hilo::thread(allocate_and_free).join();
  const long before = resident_bytes();
  for (int i = 0; i < 100'000; ++i) hilo::thread(allocate_and_free).join();
  const long growth = resident_bytes() - before;
  CAPTURE(growth);
  CHECK(growth < allowed_growth);
}

TEST_CASE("memory: allocating threads, eight at a time and detached, do not add up either") {
  HILO_NEEDS(memory_figures);
#if HILO_ASAN || HILO_TSAN
  HILO_SKIP("the sanitizer's allocator keeps freed blocks");
#elif !HILO_GLIBC(2, 0)
  HILO_SKIP("this libc's malloc has no cache a thread that could add up");
#endif
  static std::atomic<int> running;
  const auto burst = [] {
    running.store(8, std::memory_order_relaxed);
    for (int i = 0; i < 8; ++i) {
      hilo::thread([] {
        allocate_and_free();
        running.fetch_sub(1, std::memory_order_release);
        running.notify_one();
      }).detach();
    }
    for (int left; (left = running.load(std::memory_order_acquire)) != 0;) {
      running.wait(left, std::memory_order_acquire);
    }
  };
  for (int i = 0; i < 200; ++i) burst();
  const long before = resident_bytes();
  for (int i = 0; i < 2'000; ++i) burst();
  const long growth = resident_bytes() - before;
  CAPTURE(growth);
  // A burst can meet up to eight threads of the last one that have not left yet: as many new
  // blocks, each with a cache of its own, and no more.
  CHECK(growth < 2 * allowed_growth);
}

TEST_CASE("memory: stacks of threads beyond the cache go back to the kernel") {
  HILO_NEEDS(memory_figures);
  const auto crowd = [] {
    std::vector<hilo::thread> threads;
    for (int i = 0; i < 200; ++i)
      threads.emplace_back(hilo::thread_options{.stack_size = 256 * 1024}, [] {});
  };
  const auto mapped = [] {
    std::ifstream statm("/proc/self/statm");
    long total = 0;
    statm >> total;
    return total * ::sysconf(_SC_PAGESIZE);
  };
  crowd();
  const long before = mapped();
  for (int i = 0; i < 20; ++i) crowd();
  CHECK(mapped() - before < 64L << 20);
}

TEST_CASE("memory: stacks of a size nobody wants any more make room for those that are used") {
  HILO_NEEDS(memory_figures);
  if (hilo::thread_backend().kind != hilo::thread_backend_kind::clone) {
    HILO_SKIP("the libc keeps stacks as it likes");
  }
  constexpr int many = 200;  // more than are kept
  hilo::kernel::latch all(many);
  std::vector<hilo::thread> small;
  for (int i = 0; i < many; ++i) {
    small.emplace_back(hilo::thread_options{.stack_size = 128 * 1024},
                       [&] { all.arrive_and_wait(); });
  }
  for (hilo::thread& one : small) one.join();
  constexpr std::size_t pages = 64;
  long faults = 0;
  const auto touch = [&faults] {
    const auto seen = [] {
      rusage usage{};
      ::getrusage(RUSAGE_THREAD, &usage);
      return usage.ru_minflt;
    };
    const long before = seen();
    std::array<volatile char, pages * 4096> frame;
    for (std::size_t i = 0; i < pages; ++i) frame[i * 4096] = 1;
    faults = seen() - before;
  };
  hilo::thread(touch).join();
  hilo::thread(touch).join();
  CHECK(faults < static_cast<long>(pages) / 2);  // the first one's stack; a fresh one has them all
}
