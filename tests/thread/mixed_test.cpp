// pthread_create and hilo::thread side by side under load.
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

#include "hilo/kernel/mutex.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"

namespace {

thread_local std::string remembered = "nothing yet";
std::atomic<int> wrong = 0;

// What both kinds do: a thread_local, a key, memory, a lock of each kind.
struct shared_state {
  std::mutex by_libc;
  hilo::kernel::mutex by_hilo;
  pthread_key_t key{};
  long count = 0;
  long destroyed = 0;
};
shared_state state;

void visit() {
  if (remembered != "nothing yet" || ::pthread_getspecific(state.key) != nullptr) {
    wrong.fetch_add(1, std::memory_order_relaxed);
  }
  remembered = std::string(300, 'x');
  ::pthread_setspecific(state.key, &state);
  const std::scoped_lock both(state.by_libc, state.by_hilo);
  ++state.count;
}

}  // namespace

TEST_CASE("mixed: pthreads and hilo threads, starting each other, are told apart by nothing") {
  constexpr int starters = 4;
  constexpr int rounds = HILO_ASAN || HILO_TSAN ? 50 : 500;
  ::pthread_key_create(&state.key, [](void*) {
    const std::scoped_lock lock(state.by_hilo);
    ++state.destroyed;
  });
  const auto alternate = [] {
    for (int i = 0; i < rounds; ++i) {
      std::thread by_libc(visit);
      hilo::thread by_hilo(visit);
      by_libc.join();
      by_hilo.join();
    }
  };
  {
    std::vector<std::thread> pthreads;
    std::vector<hilo::thread> hilos;
    for (int i = 0; i < starters / 2; ++i) {
      pthreads.emplace_back(alternate);
      hilos.emplace_back(alternate);
    }
    for (auto& each : pthreads) each.join();
  }
  ::pthread_key_delete(state.key);
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
  CHECK(state.count == 2L * starters * rounds);
  CHECK(state.destroyed == state.count);
}
