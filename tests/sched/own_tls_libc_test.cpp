// What libc keeps for each thread belongs to a fiber that owns its thread-local storage: its
// identity, keys, mutexes, locale; and what still is the carrier's.

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <thread>
#include <vector>

#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sched/own_tls.hpp"

using namespace own_tls;
using namespace std::chrono_literals;

namespace {

thread_local int libc_counter = 7;

}  // namespace

TEST_CASE("own tls: pthread keys are the fiber's, and their destructors run at its end") {
  NEEDS_OWN_TLS();
  static std::atomic<int> freed;
  pthread_key_t key{};
  REQUIRE(::pthread_key_create(&key, [](void* value) {
            hilo::yield();
            freed.fetch_add(*static_cast<int*>(value), std::memory_order_relaxed);
            delete static_cast<int*>(value);
          }) == 0);
  on_each_own_runtime([&] {
    freed.store(0, std::memory_order_relaxed);
    run_crowd([&](int i) {
      if (::pthread_getspecific(key) != nullptr) return false;
      auto* const mine = new int(i);
      ::pthread_setspecific(key, mine);
      wander(10);
      return ::pthread_getspecific(key) == mine;
    });
    CHECK(freed.load(std::memory_order_relaxed) == 23 * 24 / 2);
  });
  ::pthread_key_delete(key);
}

TEST_CASE("own tls: pthread_self is the fiber's") {
  NEEDS_OWN_TLS();
  on_each_own_runtime([] {
    std::vector<hilo::fiber<std::uintptr_t>> all;
    for (int i = 0; i < 16; ++i) {
      all.push_back(hilo::spawn(own, [] {
        const pthread_t self = ::pthread_self();
        move();
        return ::pthread_equal(self, ::pthread_self()) != 0 ? std::uintptr_t(self) : 0;
      }));
    }
    std::set<std::uintptr_t> seen;  // all live until joined, but blocks of the ended serve again
    for (auto& one : all) {
      const std::uintptr_t self = one.join();
      CHECK(self != 0);
      CHECK(self != std::uintptr_t(::pthread_self()));
      seen.insert(self);
    }
    CHECK(!seen.empty());
  });
}

TEST_CASE("own tls: a recursive pthread mutex belongs to the fiber, on whatever carrier") {
  NEEDS_OWN_TLS();
  pthread_mutexattr_t kind;
  ::pthread_mutexattr_init(&kind);
  ::pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  on_each_own_runtime([&] {
    pthread_mutex_t mutex;
    ::pthread_mutex_init(&mutex, &kind);
    hilo::channel<bool> locked;
    hilo::channel<bool> tried;
    auto owner = hilo::spawn(own, [&] {
      bool right = ::pthread_mutex_lock(&mutex) == 0;
      (void)locked.send(true);
      for (int i = 0; i < 20; ++i) {
        i % 4 == 0 ? move() : wander(2);
        right = right && ::pthread_mutex_lock(&mutex) == 0 && ::pthread_mutex_unlock(&mutex) == 0;
      }
      (void)tried.receive();
      return right && ::pthread_mutex_unlock(&mutex) == 0;
    });
    auto other = hilo::spawn(own, [&] {
      (void)locked.receive();
      bool right = true;
      for (int i = 0; i < 50; ++i) {
        right = right && ::pthread_mutex_trylock(&mutex) == EBUSY &&
                ::pthread_mutex_unlock(&mutex) == EPERM;
        wander(2);
      }
      (void)tried.send(true);
      return right;
    });
    CHECK(other.join());
    CHECK(owner.join());
    CHECK(::pthread_mutex_trylock(&mutex) == 0);
    ::pthread_mutex_unlock(&mutex);
    ::pthread_mutex_destroy(&mutex);
  });
  ::pthread_mutexattr_destroy(&kind);
}

TEST_CASE("own tls: a robust mutex that a fiber ends with is told to the next owner") {
  NEEDS_OWN_TLS();
  pthread_mutexattr_t kind;
  ::pthread_mutexattr_init(&kind);
  ::pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  on_each_own_runtime([&] {
    pthread_mutex_t left;
    pthread_mutex_t returned;
    ::pthread_mutex_init(&left, &kind);
    ::pthread_mutex_init(&returned, &kind);
    hilo::spawn(own, [&] {
      ::pthread_mutex_lock(&left);
      ::pthread_mutex_lock(&returned);
      move();
      ::pthread_mutex_unlock(&returned);
    }).join();
    CHECK(::pthread_mutex_lock(&returned) == 0);
    CHECK(::pthread_mutex_unlock(&returned) == 0);
    CHECK(::pthread_mutex_lock(&left) == EOWNERDEAD);
    CHECK(::pthread_mutex_consistent(&left) == 0);
    CHECK(::pthread_mutex_unlock(&left) == 0);
    // One who sleeps in the kernel meanwhile is woken.
    pthread_mutex_lock(&left);
    ::pthread_mutex_unlock(&left);
    std::atomic<bool> held{false};
    auto holder = hilo::spawn(own, [&] {
      ::pthread_mutex_lock(&left);
      held.store(true, std::memory_order_release);
      hilo::sleep_for(5ms);
    });
    while (!held.load(std::memory_order_acquire)) hilo::yield();
    std::atomic<bool> told{false};
    std::thread waiting([&] {
      CHECK(::pthread_mutex_lock(&left) == EOWNERDEAD);
      ::pthread_mutex_consistent(&left);
      ::pthread_mutex_unlock(&left);
      told.store(true, std::memory_order_release);
    });
    while (!told.load(std::memory_order_acquire)) hilo::yield();
    waiting.join();
    holder.join();
    ::pthread_mutex_destroy(&left);
    ::pthread_mutex_destroy(&returned);
  });
  ::pthread_mutexattr_destroy(&kind);
}

TEST_CASE("own tls: the locale set by uselocale stays with the fiber and ends with it") {
  NEEDS_OWN_TLS();
  locale_t const c_locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
  REQUIRE(c_locale != nullptr);
  on_each_own_runtime([&] {
    run_crowd([&](int i) {
      if (::uselocale(nullptr) != LC_GLOBAL_LOCALE) return false;
      if (i % 2 == 0) return true;
      ::uselocale(c_locale);
      move();
      return ::uselocale(nullptr) == c_locale;
    });
  });
  ::freelocale(c_locale);
}

TEST_CASE("own tls: sched_getcpu tells the CPU of the carrier, not of where the fiber began") {
  NEEDS_OWN_TLS();
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &before)) cpus.push_back(cpu);
  }
  if (cpus.size() < 2) HILO_SKIP("needs two CPUs");
  hilo::run(hilo::runtime_options{.carriers = 1}, [&] {
    hilo::spawn(own, [&] {
      for (int i = 0; i < 10; ++i) {
        cpu_set_t one;
        CPU_ZERO(&one);
        const int cpu = cpus[std::size_t(i) % 2];
        CPU_SET(cpu, &one);
        CHECK(::sched_setaffinity(0, sizeof one, &one) == 0);  // the carrier's
        hilo::yield();
        CHECK(::sched_getcpu() == cpu);
      }
    }).join();
  });
}

TEST_CASE("own tls: raise and pthread_kill reach the caller; another fiber is no kernel thread") {
  NEEDS_OWN_TLS();
  static std::atomic<int> caught;
  caught.store(0, std::memory_order_relaxed);
  struct sigaction action {};
  action.sa_handler = [](int) { caught.fetch_add(1, std::memory_order_relaxed); };
  struct sigaction before {};
  ::sigaction(SIGUSR1, &action, &before);
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    hilo::spawn(own, [] {
      CHECK(::raise(SIGUSR1) == 0);
      CHECK(::pthread_kill(::pthread_self(), SIGUSR1) == 0);
      CHECK(caught.load(std::memory_order_relaxed) == 2);
      // What libc would ask the kernel about the thread of this number.
      pthread_attr_t attributes;
      cpu_set_t cpus;
      CHECK(::pthread_getattr_np(::pthread_self(), &attributes) == ESRCH);
      CHECK(::pthread_getaffinity_np(::pthread_self(), sizeof cpus, &cpus) == ESRCH);
      const pthread_t parked = ::pthread_self();
      CHECK(hilo::spawn(own, [parked] { return ::pthread_kill(parked, SIGUSR1); }).join() == ESRCH);
    }).join();
  });
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("own tls: a fiber forks, and the child is a process with one thread") {
  NEEDS_OWN_TLS();
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    hilo::spawn(own, [] {
      libc_counter = 99;
      const pid_t child = ::fork();
      if (child == 0) {
        errno = 0;
        auto* const block = static_cast<char*>(std::malloc(100));
        std::_Exit(libc_counter == 99 && block != nullptr && ::raise(0) == 0 ? 17 : 1);
      }
      int status = 0;
      CHECK(::waitpid(child, &status, 0) == child);
      CHECK(WEXITSTATUS(status) == 17);
    }).join();
  });
}

// docs/threads.md: from the first such fiber on, the call changes the calling kernel thread only.
TEST_CASE("own tls: a fiber that changes credentials is not waited for by itself, nor by others") {
  NEEDS_OWN_TLS();
  hilo::run(hilo::runtime_options{.carriers = 2}, [] {
    std::atomic<bool> done{false};
    auto computing = hilo::spawn(own, [&] {
      while (!done.load(std::memory_order_relaxed)) hilo::yield();  // publishes nothing
    });
    auto changing = hilo::spawn(own, [] {
      int failed = 0;
      for (int i = 0; i < 20; ++i) {
        failed += ::setresuid(uid_t(-1), uid_t(-1), uid_t(-1)) != 0 ? 1 : 0;
        hilo::yield();
      }
      return failed;
    });
    CHECK(changing.join() == 0);
    CHECK(::setresgid(gid_t(-1), gid_t(-1), gid_t(-1)) == 0);
    done.store(true, std::memory_order_relaxed);
    computing.join();
  });
}
