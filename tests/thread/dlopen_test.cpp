// Modules loaded at run time, and their thread-local variables, in hilo threads.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <dlfcn.h>

#include "hilo/kernel/event.hpp"
#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

namespace {

// A static musl program has a dlopen that only says so. It cannot even open the program itself.
bool modules_can_be_loaded() {
  void* const program = ::dlopen(nullptr, RTLD_NOW);
  return program != nullptr && ::dlclose(program) == 0;
}

#define HILO_NEEDS_MODULES() \
  if (!modules_can_be_loaded()) HILO_SKIP("no module can be loaded into this program")

// Stands beside the test program's folder; see meson.build.
std::string module_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "thread/libtls_module.so";
}

struct tls_module {
  void* handle = ::dlopen(module_path().c_str(), RTLD_NOW);
  int (*check)(int) = nullptr;
  int (*objects)() = nullptr;

  tls_module() {
    if (handle == nullptr) return;
    check = reinterpret_cast<int (*)(int)>(::dlsym(handle, "tls_module_check"));
    objects = reinterpret_cast<int (*)()>(::dlsym(handle, "tls_module_objects"));
  }
  ~tls_module() {
    if (handle != nullptr) ::dlclose(handle);
  }
};

}  // namespace

TEST_CASE("dlopen: each thread finds a module's thread_local variables as they were built") {
  HILO_NEEDS_MODULES();
  const tls_module module;
  REQUIRE(module.handle != nullptr);
  std::atomic<int> fresh = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<hilo::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        fresh.fetch_add(module.check('a' + i), std::memory_order_relaxed);
        if (module.check('z') != 0) fresh.store(-1000, std::memory_order_relaxed);
      });
    }
  }
  CHECK(fresh.load(std::memory_order_relaxed) == 20);
  CHECK(module.objects() == 0);
}

TEST_CASE("dlopen: a thread loads, uses and unloads a module") {
  HILO_NEEDS_MODULES();
  std::atomic<int> fresh = 0;
  for (int round = 0; round < 3; ++round) {
    hilo::thread([&] {
      const tls_module module;
      if (module.handle != nullptr) fresh.fetch_add(module.check(1), std::memory_order_relaxed);
    }).join();
  }
  CHECK(fresh.load(std::memory_order_relaxed) == 3);
}

TEST_CASE("dlopen: a running thread reaches a module that another loads meanwhile") {
  HILO_NEEDS_MODULES();
  std::atomic<tls_module*> loaded = nullptr;
  std::atomic<int> fresh = 0;
  hilo::thread user([&] {
    loaded.wait(nullptr, std::memory_order_acquire);
    fresh.store(loaded.load(std::memory_order_acquire)->check(5), std::memory_order_relaxed);
  });
  tls_module module;
  REQUIRE(module.handle != nullptr);
  loaded.store(&module, std::memory_order_release);
  loaded.notify_one();
  user.join();
  CHECK(fresh.load(std::memory_order_relaxed) == 1);
}

TEST_CASE("dlopen: an error text does not reach the next thread") {
  std::atomic<int> right = 0;
  for (int round = 0; round < 2; ++round) {
    hilo::thread([&] {
      if (::dlerror() == nullptr) right.fetch_add(1, std::memory_order_relaxed);
      if (::dlopen("/does/not/exist.so", RTLD_NOW) == nullptr) {
        right.fetch_add(1, std::memory_order_relaxed);
      }
    }).join();
  }
  CHECK(right.load(std::memory_order_relaxed) == 4);
}

namespace {

// Loads a module whose variables have a fixed place in every thread block while a thread runs.
// Returns whether that thread found them as built.
bool running_thread_finds_variables() {
  const std::string path = std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                           "thread/libfixed_tls_module.so";
  hilo::kernel::event runs, loaded;
  int (*check)(int) = nullptr;
  int fresh = 0;
  hilo::thread user([&] {
    runs.set();
    loaded.wait();
    fresh = check == nullptr ? 0 : check(97);
  });
  runs.wait();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW);
  if (handle != nullptr) {
    check = reinterpret_cast<int (*)(int)>(::dlsym(handle, "fixed_tls_module_check"));
  }
  loaded.set();
  user.join();
  if (handle != nullptr) ::dlclose(handle);
  return fresh == 1;
}

}  // namespace

TEST_CASE("dlopen: a thread that runs meanwhile finds variables of fixed place as built") {
  HILO_NEEDS_MODULES();
  CHECK(running_thread_finds_variables());
  // In the child of a fork, from main and from a thread, which is on no list that it could leave.
  const auto in_child = [] { std::puts(running_thread_finds_variables() ? "as built" : "not"); };
  CHECK(hilo::test::run_in_child(in_child).says("as built"));
  hilo::test::child_end end;
  hilo::thread([&] {
    end = hilo::test::run_in_child([&] {
      const auto grandchild = hilo::test::run_in_child(in_child);
      std::puts(grandchild.output.c_str());
      in_child();
    });
  }).join();
  CHECK(end.output == "as built\n\nas built\n");
}

TEST_CASE("dlopen: threads started after it find a module's variables of fixed place as built") {
  HILO_NEEDS_MODULES();
  // Blocks that are made new before the module comes.
  {
    std::vector<hilo::thread> crowd(8);
    for (auto& each : crowd) each = hilo::thread([] {});
  }
  const std::string path = std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                           "thread/libfixed_tls_module.so";
  void* handle = ::dlopen(path.c_str(), RTLD_NOW);
  REQUIRE(handle != nullptr);
  auto* check = reinterpret_cast<int (*)(int)>(::dlsym(handle, "fixed_tls_module_check"));
  std::atomic<int> fresh = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<hilo::thread> threads(8);
    for (auto& each : threads) {
      each = hilo::thread([&] {
        fresh.fetch_add(check(99), std::memory_order_relaxed);
        if (check(98) != 0) fresh.store(-1000, std::memory_order_relaxed);
      });
    }
  }
  CHECK(fresh.load(std::memory_order_relaxed) == 24);
  ::dlclose(handle);
}

TEST_CASE("dlopen: threads start and end while another thread loads and unloads modules") {
  HILO_NEEDS_MODULES();
  const std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "thread";
  // Its variables have no fixed place, and no thread uses them.
  const tls_module stays;
  REQUIRE(stays.handle != nullptr);
  std::atomic<bool> ends = false;
  hilo::thread loader([&] {
    while (!ends.load(std::memory_order_relaxed)) {
      void* const one = ::dlopen((folder / "libfixed_tls_module.so").c_str(), RTLD_NOW);
      if (one != nullptr) ::dlclose(one);
    }
  });
  int threads = 0;
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
       std::chrono::steady_clock::now() < until; ++threads) {
    hilo::thread([] {}).join();
  }
  ends.store(true, std::memory_order_relaxed);
  loader.join();
  CHECK(threads > 0);
}
