// A hilo thread is a full citizen of its libc: what works in a pthread works in it.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/localhost.hpp"
#include "tests/skip.hpp"

namespace {

// Runs f on `count` threads at once. Records are reused, so every test runs on warm ones as well.
template <class F>
void on_threads(int count, F f) {
  std::vector<hilo::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&f, i] { f(i); });
  for (auto& each : threads) each.join();
}

}  // namespace

TEST_CASE("citizen: malloc and free, also of what another thread allocated") {
  std::vector<char*> blocks(800);
  on_threads(8, [&](int me) {
    for (std::size_t i = 0; i < 100; ++i) {
      const std::size_t size = 16 + i * 37;
      char* block = static_cast<char*>(std::malloc(size));
      std::memset(block, me, size);
      blocks[static_cast<std::size_t>(me) * 100 + i] = block;
    }
  });
  std::atomic<int> wrong = 0;
  on_threads(8, [&](int me) {
    const auto other = static_cast<std::size_t>((me + 3) % 8);
    for (std::size_t i = 0; i < 100; ++i) {
      char* block = blocks[other * 100 + i];
      if (block[0] != static_cast<char>(other)) wrong.fetch_add(1, std::memory_order_relaxed);
      std::free(block);
    }
  });
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
}

TEST_CASE("citizen: threads share a stdio stream line by line") {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  on_threads(8, [&](int me) {
    for (int i = 0; i < 200; ++i) std::fprintf(file, "thread %d line %d of the stream\n", me, i);
  });
  std::rewind(file);
  std::vector<int> next(8, 0);
  char line[128];
  int lines = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    int me = -1, number = -1;
    REQUIRE(std::sscanf(line, "thread %d line %d of the stream\n", &me, &number) == 2);
    CHECK(next.at(static_cast<std::size_t>(me))++ == number);
    ++lines;
  }
  std::fclose(file);
  CHECK(lines == 1600);
}

TEST_CASE("citizen: errno belongs to the thread and starts at 0") {
  errno = EDOM;
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 3; ++round) {
    on_threads(4, [&](int) {
      if (errno != 0) wrong.fetch_add(1, std::memory_order_relaxed);
      errno = ERANGE;
      if (::open("/does/not/exist", 0) != -1 || errno != ENOENT) {
        wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
  CHECK(errno == EDOM);
}

TEST_CASE("citizen: exceptions are thrown, nested and rethrown on many threads") {
  std::atomic<int> caught = 0;
  on_threads(8, [&](int me) {
    for (int i = 0; i < 50; ++i) {
      try {
        try {
          throw std::runtime_error(std::to_string(me));
        } catch (const std::exception&) {
          std::throw_with_nested(std::logic_error("outer"));
        }
      } catch (const std::exception& outer) {
        try {
          std::rethrow_if_nested(outer);
        } catch (const std::runtime_error& inner) {
          if (inner.what() == std::to_string(me)) caught.fetch_add(1, std::memory_order_relaxed);
        }
      }
    }
    if (std::current_exception() != nullptr) caught.store(-1000, std::memory_order_relaxed);
  });
  CHECK(caught.load(std::memory_order_relaxed) == 400);
}

namespace {
std::atomic<int> alive_locals = 0;
std::atomic<int> made_locals = 0;
struct counted_local {
  std::string text = "initial value that is too long for the small buffer";
  counted_local() {
    alive_locals.fetch_add(1, std::memory_order_relaxed);
    made_locals.fetch_add(1, std::memory_order_relaxed);
  }
  ~counted_local() { alive_locals.fetch_sub(1, std::memory_order_relaxed); }
};
thread_local counted_local local;
thread_local int initialised_local = 11;
thread_local int zero_local;
}  // namespace

TEST_CASE("citizen: thread_local objects are made anew for each thread and destroyed with it") {
  alive_locals.store(0, std::memory_order_relaxed);
  made_locals.store(0, std::memory_order_relaxed);
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 10; ++round) {
    on_threads(4, [&](int me) {
      if (initialised_local != 11 || zero_local != 0 || local.text.find("initial") != 0) {
        wrong.fetch_add(1, std::memory_order_relaxed);
      }
      initialised_local = me;
      zero_local = me + 1;
      local.text = "changed";
    });
  }
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
  CHECK(made_locals.load(std::memory_order_relaxed) == 40);
  CHECK(alive_locals.load(std::memory_order_relaxed) == 0);
}

namespace {
pthread_key_t stubborn_key, plain_key, late_key;
std::atomic<int> stubborn_runs = 0, late_runs = 0;
}  // namespace

TEST_CASE("citizen: pthread keys start null and their destructors run in up to four rounds") {
#if HILO_TSAN
  HILO_SKIP("the thread sanitizer lets go of a thread before its last round of destructors");
#endif
  ::pthread_key_create(&plain_key, nullptr);
  ::pthread_key_create(&stubborn_key, [](void* value) {
    stubborn_runs.fetch_add(1, std::memory_order_relaxed);
    ::pthread_setspecific(stubborn_key, value);  // never satisfied: the rounds have to end
  });
  // The last keys have tables of their own, outside of the thread block.
  std::vector<pthread_key_t> fillers(100);
  for (auto& key : fillers) ::pthread_key_create(&key, nullptr);
  ::pthread_key_create(&late_key, [](void*) { late_runs.fetch_add(1, std::memory_order_relaxed); });
  std::atomic<int> wrong = 0;
  for (int round = 0; round < 3; ++round) {
    stubborn_runs.store(0, std::memory_order_relaxed);
    late_runs.store(0, std::memory_order_relaxed);
    on_threads(1, [&](int) {
      for (const auto key : {plain_key, stubborn_key, late_key}) {
        if (::pthread_getspecific(key) != nullptr) wrong.fetch_add(1, std::memory_order_relaxed);
        if (::pthread_setspecific(key, &wrong) != 0) wrong.fetch_add(1, std::memory_order_relaxed);
        if (::pthread_getspecific(key) != &wrong) wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
    CHECK(stubborn_runs.load(std::memory_order_relaxed) == PTHREAD_DESTRUCTOR_ITERATIONS);
    CHECK(late_runs.load(std::memory_order_relaxed) == 1);
  }
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
  for (auto& key : fillers) ::pthread_key_delete(key);
  for (const auto key : {plain_key, stubborn_key, late_key}) ::pthread_key_delete(key);
}

TEST_CASE("citizen: a deleted key's value is not destroyed") {
  static std::atomic<int> runs;
  runs.store(0, std::memory_order_relaxed);
  on_threads(1, [&](int) {
    pthread_key_t key;
    const auto count = [](void*) { runs.fetch_add(1, std::memory_order_relaxed); };
    ::pthread_key_create(&key, count);
    ::pthread_setspecific(key, &key);
    ::pthread_key_delete(key);
  });
  CHECK(runs.load(std::memory_order_relaxed) == 0);
}

TEST_CASE("citizen: pthread mutexes of every kind tell threads apart") {
  std::recursive_mutex recursive;
  std::mutex plain;
  pthread_mutex_t checking;
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  ::pthread_mutex_init(&checking, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  int sum = 0;
  std::atomic<int> wrong = 0;
  on_threads(8, [&](int) {
    for (int i = 0; i < 500; ++i) {
      const std::scoped_lock outer(recursive);
      const std::scoped_lock inner(recursive);
      const std::scoped_lock both(plain);
      ++sum;
    }
#if !HILO_TSAN  // which reports the attempt itself
    if (::pthread_mutex_unlock(&checking) == 0) wrong.fetch_add(1, std::memory_order_relaxed);
#endif
    ::pthread_mutex_lock(&checking);
    if (::pthread_mutex_lock(&checking) != EDEADLK) wrong.fetch_add(1, std::memory_order_relaxed);
    ::pthread_mutex_unlock(&checking);
  });
  CHECK(sum == 4000);
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
  CHECK(::pthread_mutex_destroy(&checking) == 0);
}

TEST_CASE("citizen: a robust mutex tells the next owner that a thread died with it") {
  HILO_NEEDS(robust_lists);
  pthread_mutex_t robust;
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&robust, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  for (int round = 0; round < 3; ++round) {
    on_threads(1, [&](int) { ::pthread_mutex_lock(&robust); });
    CHECK(::pthread_mutex_lock(&robust) == EOWNERDEAD);
    CHECK(::pthread_mutex_consistent(&robust) == 0);
    CHECK(::pthread_mutex_unlock(&robust) == 0);
  }
  ::pthread_mutex_destroy(&robust);
}

TEST_CASE("citizen: std::thread and hilo::thread start each other") {
  std::atomic<int> ran = 0;
  on_threads(4, [&](int) {
    std::thread([&] {
      hilo::thread([&] { ran.fetch_add(1, std::memory_order_relaxed); }).join();
    }).join();
  });
  CHECK(ran.load(std::memory_order_relaxed) == 4);
}

TEST_CASE("citizen: pthread_self differs between threads that live at once") {
  pthread_t inside{};
  bool same = false;
  hilo::thread([&] {
    inside = ::pthread_self();
    same = ::pthread_equal(inside, ::pthread_self()) != 0;
    same = same && ::pthread_setname_np(inside, "by pthread") == 0;
    same = same && hilo::this_thread::name() == "by pthread";
  }).join();
  CHECK(same);
  CHECK(::pthread_equal(inside, ::pthread_self()) == 0);
}

TEST_CASE("citizen: pthread_getattr_np names the stack the thread runs on") {
  bool inside = false;
  std::size_t size = 0;
  hilo::thread({.stack_size = 1 << 20}, [&] {
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
    void* lowest = nullptr;
    ::pthread_attr_getstack(&attributes, &lowest, &size);
    const auto here = reinterpret_cast<std::uintptr_t>(&attributes);
    const auto low = reinterpret_cast<std::uintptr_t>(lowest);
    inside = here >= low && here < low + size;
    ::pthread_attr_destroy(&attributes);
  }).join();
  CHECK(inside);
  CHECK(size >= 1 << 20);
}

TEST_CASE("citizen: sched_getcpu follows the affinity") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  std::atomic<int> wrong = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    on_threads(1, [&](int) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      if (::sched_setaffinity(0, sizeof one, &one) != 0 || ::sched_getcpu() != cpu) {
        wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  CHECK(wrong.load(std::memory_order_relaxed) == 0);
}

TEST_CASE("citizen: the signal mask is inherited and belongs to the thread") {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  std::atomic<int> right = 0;
  on_threads(4, [&](int) {
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    if (::sigismember(&now, SIGUSR1) == 1 && ::sigismember(&now, SIGUSR2) == 0) {
      right.fetch_add(1, std::memory_order_relaxed);
    }
    ::sigfillset(&now);
    ::pthread_sigmask(SIG_SETMASK, &now, nullptr);
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(right.load(std::memory_order_relaxed) == 4);
  on_threads(4, [&](int) {
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    if (::sigismember(&now, SIGUSR1) == 0) right.fetch_add(1, std::memory_order_relaxed);
  });
  CHECK(right.load(std::memory_order_relaxed) == 8);
}

TEST_CASE("citizen: a thread's locale is its own and does not reach the next thread") {
  const locale_t c_locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
  std::atomic<int> right = 0;
  for (int round = 0; round < 2; ++round) {
    on_threads(1, [&](int) {
      if (::uselocale(nullptr) == LC_GLOBAL_LOCALE && ::isalpha('a') && !::isdigit('a')) {
        right.fetch_add(1, std::memory_order_relaxed);
      }
      ::uselocale(c_locale);
    });
  }
  ::freelocale(c_locale);
  CHECK(right.load(std::memory_order_relaxed) == 2);
}

TEST_CASE("citizen: fork from inside makes a child that works, with threads of its own") {
  int status = -1;
  on_threads(1, [&](int) {
    const pid_t child = ::fork();
    if (child == 0) {
      int sum = 0;
      void* block = std::malloc(5000);
      std::free(block);
      hilo::thread([&] { sum += 1; }).join();
      std::thread([&] { sum += 2; }).join();
      ::_exit(sum == 3 && ::syscall(SYS_gettid) == ::getpid() ? 7 : 1);
    }
    ::waitpid(child, &status, 0);
  });
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 7);
}

#if defined(__GLIBC__)  // elsewhere all threads share one, or there is none
TEST_CASE("citizen: the resolver's state is a thread's own, and new for each") {
  std::mutex guard;
  std::set<const void*> states = {__res_state()};
  on_threads(4, [&](int) {
    CHECK((_res.options & RES_INIT) == 0);
    REQUIRE(::res_init() == 0);
    CHECK((_res.options & RES_INIT) != 0);
    const std::scoped_lock lock(guard);
    states.insert(__res_state());
  });
  // Of threads that come one after another two may have had one block.
  CHECK(states.size() > 1);
  std::atomic<int> there = 0;
  states = {__res_state()};
  on_threads(4, [&](int) {
    {
      const std::scoped_lock lock(guard);
      states.insert(__res_state());
    }
    there.fetch_add(1, std::memory_order_relaxed);
    while (there.load(std::memory_order_relaxed) != 4) ::sched_yield();
  });
  CHECK(states.size() == 5);
}
#endif

TEST_CASE("citizen: getaddrinfo resolves on many threads at once") {
  HILO_NEEDS_LOCALHOST();
  std::atomic<int> resolved = 0;
  std::atomic<int> last_error = 0;
  on_threads(8, [&](int) {
    addrinfo* answers = nullptr;
    const int error = ::getaddrinfo("localhost", "80", nullptr, &answers);
    if (error != 0) {
      last_error.store(error, std::memory_order_relaxed);
      return;
    }
    ::freeaddrinfo(answers);
    resolved.fetch_add(1, std::memory_order_relaxed);
  });
  CAPTURE(last_error.load(std::memory_order_relaxed));
  CHECK(resolved.load(std::memory_order_relaxed) == 8);
}
