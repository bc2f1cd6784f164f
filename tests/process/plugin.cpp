// A plugin that has a copy of hilo inside. plugin_host.cpp loads two of them.
#include <pthread.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;

// Runs fibers, and an endless recursion in one if `overflow` is not 0.
extern "C" [[gnu::visibility("default")]] int plugin_run(int overflow);
// The number by which libc knows a fiber with a thread block of its own as the owner of a mutex; 0
// where fibers cannot have one.
extern "C" [[gnu::visibility("default")]] int plugin_owner();

namespace {

[[gnu::noinline]] int deep(int n) {
  volatile char frame[512];
  frame[0] = static_cast<char>(n);
  return n == 0 ? frame[0] : deep(n - 1) + frame[0];
}

}  // namespace

int plugin_run(int overflow) {
  return hilo::run({.carriers = 2}, [&] {
    if (overflow != 0) return deep(1 << 24);
    auto child = hilo::spawn([] {
      hilo::sleep_for(1ms);
      return hilo::blocking([] { return 7; });
    });
    return child.join();
  });
}

int plugin_owner() {
  return hilo::run({.carriers = 1}, [] {
    try {
      return hilo::spawn(hilo::spawn_options{.tls = hilo::tls::own},
                         [] {
                           pthread_mutexattr_t recursive;
                           ::pthread_mutexattr_init(&recursive);
                           ::pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
                           pthread_mutex_t lock;
                           ::pthread_mutex_init(&lock, &recursive);
                           ::pthread_mutex_lock(&lock);
                           const int owner = lock.__data.__owner;
                           ::pthread_mutex_unlock(&lock);
                           ::pthread_mutex_destroy(&lock);
                           return owner;
                         })
          .join();
    } catch (const std::system_error&) {
      return 0;
    }
  });
}
