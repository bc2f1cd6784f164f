// Who the child is: thread or process, its thread block, the words its number is stored in.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "runtime/sys/futex.hpp"
#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"

namespace share = hilo::share;
namespace sys = hilo::sys;
using hilo::test::window;

namespace {

constexpr auto of_one_process = share::memory | share::filesystem | share::files |
                                share::signal_handlers | share::semaphore_undo |
                                share::thread_group;

struct numbers {
  pid_t process = 0, thread = 0, parent = 0;
};

numbers look() {
  return {::getpid(), ::gettid(), ::getppid()};
}

thread_local int own_variable = 7;
thread_local std::string own_string = "new";

}  // namespace

TEST_CASE("share::thread_group: one process number, another thread number, nothing to wait for") {
  HILO_NEEDS_SHARED_MEMORY();
  numbers seen;
  hilo::child thread = hilo::clone<of_one_process>().start([&] { seen = look(); });
  const pid_t id = thread.id();
  int status = 0;
  CHECK(::waitpid(id, &status, __WALL) == -1);
  CHECK(errno == ECHILD);
  CHECK(thread.wait().how() == hilo::exit_status::kind::unseen);
  CHECK(seen.process == ::getpid());
  CHECK(seen.thread == id);
  CHECK(seen.thread != ::gettid());
  CHECK(seen.parent == ::getppid());
}

TEST_CASE("no share::thread_group: a process of its own, whose parent is the caller") {
  window<numbers> seen;
  hilo::child process = hilo::clone().start([&] { *seen = look(); });
  const pid_t id = process.id();
  CHECK(process.wait().exited());
  CHECK(seen->process == id);
  CHECK(seen->thread == id);
  CHECK(seen->parent == ::getpid());
}

TEST_CASE("a process in shared memory: errno, malloc and thread_local objects are its own") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  own_variable = 8;
  own_string = "the parent's";
  errno = 33;
  const int* address = nullptr;
  int value = 0;
  std::string text;
  hilo::child other = hilo::clone<share::memory>().start([&] {
    errno = 44;
    address = &own_variable;
    value = own_variable;
    text = own_string;
    own_string = std::string(1000, 'x');
    std::vector<std::unique_ptr<char[]>> blocks;
    for (int i = 0; i < 10'000; ++i) blocks.push_back(std::make_unique<char[]>(64));
  });
  CHECK(other.wait() == hilo::exit_status(hilo::exit_status::kind::exited, 0));
  CHECK(errno == 33);
  CHECK(address != nullptr);
  CHECK(address != &own_variable);
  CHECK(value == 7);
  CHECK(text == "new");
  CHECK(own_string == "the parent's");
}

TEST_CASE("a process in shared memory: its thread_local objects are destroyed at its end") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  static int destroyed = 0;
  struct mourner {
    int id = 1;
    ~mourner() { destroyed += id; }
  };
  (void)hilo::clone<share::memory>()
      .start([] {
        static thread_local mourner one;
        one.id = 5;
      })
      .wait();
  CHECK(destroyed == 5);
}

TEST_CASE("a process in shared memory: a hundred of them at a time, each throwing and allocating") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  std::atomic<int> caught = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<hilo::child> children;
    for (int i = 0; i < 100; ++i) {
      children.push_back(hilo::clone<share::memory>().start([&caught, i] {
        try {
          throw std::to_string(i);
        } catch (const std::string& text) {
          if (text == std::to_string(i)) caught.fetch_add(1, std::memory_order_relaxed);
        }
        return i;
      }));
    }
    for (int i = 0; i < 100; ++i) CHECK(children[static_cast<std::size_t>(i)].wait().code() == i);
  }
  CHECK(caught.load(std::memory_order_relaxed) == 1000);
}

TEST_CASE("callers_block: with the caller asleep, the child has its thread_local variables") {
  HILO_NEEDS(clone_flags);
  if (hilo::kernel::understood_layout().layout == nullptr)
    HILO_SKIP("not in a build whose thread-local state is watched");
  own_variable = 8;
  const int* address = nullptr;
  hilo::child other = hilo::clone<share::memory | hilo::with::caller_asleep>()
                          .thread_block(hilo::callers_block{})
                          .start([&] {
                            address = &own_variable;
                            return own_variable++;
                          });
  CHECK(other.wait().code() == 8);
  CHECK(address == &own_variable);
  CHECK(own_variable == 9);
}

TEST_CASE("thread_pointer: the child's is the one given; without it, the caller's") {
  window<void*> seen;
  const auto look_at_it = [&] { *seen = __builtin_thread_pointer(); };
  CHECK(hilo::clone().start(look_at_it).wait().code() == 0);
  CHECK(*seen == __builtin_thread_pointer());

#if defined(__x86_64__)
  // A block of which only the head is used: the child does nothing but store. Its stack guard must
  // be ours, and it ends before libc is needed.
  HILO_NEEDS_SHARED_MEMORY();
  alignas(64) static unsigned char room[8192];
  auto* block = reinterpret_cast<void**>(room + 4096);
  auto* mine = static_cast<void**>(__builtin_thread_pointer());
  for (int word = 0; word < 8; ++word) block[word] = mine[word];
  block[0] = block;
  CHECK(hilo::clone().thread_pointer(block).start(look_at_it).wait().code() == 0);
  CHECK(*seen == block);
#endif
}

TEST_CASE("parent_tid: the child's number is in the parent's word before start returns") {
  HILO_NEEDS(clone_flags);
  std::atomic<std::uint32_t> word = 0;
  hilo::child with = hilo::clone().parent_tid(word).start([] {});
  CHECK(word.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(with.id()));
  (void)with.wait();

  word.store(0, std::memory_order_relaxed);
  CHECK(hilo::clone().start([] {}).wait().exited());
  CHECK(word.load(std::memory_order_relaxed) == 0);
}

TEST_CASE("child_tid: the child finds its number in its own memory; the parent's is untouched") {
  std::atomic<std::uint32_t> word = 0;
  const auto compare = [&] {
    return word.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(::gettid()) ? 0 : 1;
  };
  CHECK(hilo::clone().child_tid(word).start(compare).wait().code() == 0);
  CHECK(word.load(std::memory_order_relaxed) == 0);
  CHECK(hilo::clone().start(compare).wait().code() == 1);
}

TEST_CASE("child_tid: in shared memory it is set before the child runs, and stays") {
  HILO_NEEDS_SHARED_MEMORY();
  std::atomic<std::uint32_t> word = 0;
  pid_t id = 0;
  {
    hilo::child other = hilo::clone<of_one_process>().child_tid(word).start([&] {
      return word.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(::gettid()) ? 0 : 1;
    });
    id = other.id();
    (void)other.wait();
  }
  CHECK(word.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(id));
}

TEST_CASE("clear_tid: the word becomes 0 and its waiter is woken when the child ends") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  for (const bool thread : {false, true}) {
    CAPTURE(thread);
    std::atomic<std::uint32_t> word = 0;
    std::atomic<bool> ran = false;
    const auto child = [&] { ran.store(true, std::memory_order_relaxed); };
    const auto more = thread ? of_one_process : share::memory;
    hilo::child other = hilo::clone(more).child_tid(word).clear_tid(word).start(child);
    // A futex join by hand. acquire: the kernel's store comes after all that the child did
    while (const std::uint32_t id = word.load(std::memory_order_acquire)) {
      sys::futex_wait(word, id, sys::futex_scope::shared);
    }
    CHECK(ran.load(std::memory_order_relaxed));
    (void)other.wait();
  }
  std::atomic<std::uint32_t> untouched = 77;
  CHECK(hilo::clone<share::memory>().start([] {}).wait().exited());
  CHECK(untouched.load(std::memory_order_relaxed) == 77);
}

TEST_CASE("own_stack and a given one: the child's frames lie there, aligned") {
  HILO_NEEDS(clone_flags);
  const auto memory = std::make_unique<std::byte[]>(100'001);
  window<std::uintptr_t> seen;
  const auto place = [&] {
    alignas(16) char local = 0;
    *seen = reinterpret_cast<std::uintptr_t>(&local);
    return static_cast<int>(*seen % 16);
  };
  const auto lowest = reinterpret_cast<std::uintptr_t>(memory.get());
  const std::span<std::byte> given(memory.get(), 100'001);
  CHECK(hilo::clone().stack(given).start(place).wait().code() == 0);
  CHECK(*seen - lowest < given.size());
  char here = 0;
  CHECK(hilo::clone().start(place).wait().code() == 0);
  const auto mine = reinterpret_cast<std::uintptr_t>(&here);
  CHECK(mine - *seen < 65536);  // continues on a copy, below this frame
  CHECK(hilo::clone().stack(hilo::own_stack{}).start(place).wait().code() == 0);
  CHECK(mine - *seen > 65536);
  if (hilo::kernel::understood_layout().layout != nullptr) {
    CHECK(hilo::clone<share::memory>().stack(given).start(place).wait().code() == 0);
    CHECK(*seen - lowest < given.size());
  }
}
