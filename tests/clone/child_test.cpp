// hilo::child: what wait tells, deadlines, signals, fibers that wait, handles that go.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/clone.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/runtime.hpp"
#include "hilo/scope.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/runtimes.hpp"

namespace share = hilo::share;
using namespace std::chrono_literals;
using hilo::exit_status;

namespace {

constexpr auto one_process = share::memory | share::filesystem | share::files |
                             share::signal_handlers | share::semaphore_undo | share::thread_group;

// A pipe whose reading end a child sleeps on until it is let go.
class gate {
 public:
  gate() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
  }
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;
  ~gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void open() const { CHECK(::write(ends_[1], "x", 1) == 1); }
  int pass() const {
    char byte = 0;
    return ::read(ends_[0], &byte, 1) == 1 ? 0 : 1;
  }

 private:
  int ends_[2];
};

int sleep_for_ever() {
  while (true) ::pause();
}

std::chrono::steady_clock::time_point in(std::chrono::milliseconds patience) {
  return std::chrono::steady_clock::now() + patience;
}

}  // namespace

TEST_CASE("child: tells exits from signals, and both by number") {
  const exit_status exited = hilo::clone().start([] { return 300; }).wait();
  CHECK(exited.exited());
  CHECK(exited.code() == 300 % 256);
  CHECK(exited.signal() == 0);
  CHECK(exited.describe() == "exited with 44");

  hilo::child sleeper = hilo::clone().start(sleep_for_ever);
  sleeper.kill(SIGTERM);
  const exit_status killed = sleeper.wait();
  CHECK(killed.how() == exit_status::kind::killed);
  CHECK(killed.signal() == SIGTERM);
  CHECK(killed.code() == -1);
  CHECK(killed.describe() == "killed by SIGTERM");
}

TEST_CASE("child: tells when a core was dumped") {
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  char directory[] = "/tmp/hilo-core-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const exit_status end =
      hilo::clone()
          .start([&] {
            // No larger than the header needs, and in a place of its own if it goes to a file.
            const rlimit limit{core.rlim_max, core.rlim_max};
            if (::setrlimit(RLIMIT_CORE, &limit) != 0 || ::chdir(directory) != 0) return 1;
            ::signal(SIGQUIT, SIG_DFL);
            ::kill(::getpid(), SIGQUIT);
            return 2;
          })
          .wait();
  (void)std::system((std::string("rm -rf ") + directory).c_str());
  CHECK(end.signal() == SIGQUIT);
  if (end.how() != exit_status::kind::core_dumped) HILO_SKIP("no core files are written here");
  CHECK(end.describe() == "killed by SIGQUIT, core dumped");
}

TEST_CASE("child: wait_until gives up at its deadline and can be called again") {
  gate closed;
  hilo::child process = hilo::clone().start([&] { return closed.pass(); });
  CHECK_FALSE(process.wait_until(in(-1ms)).has_value());
  CHECK_FALSE(process.wait_for(5ms).has_value());
  CHECK(process);
  closed.open();
  CHECK(process.wait_for(50s) == exit_status(exit_status::kind::exited, 0));
  CHECK_FALSE(process);
}

TEST_CASE("child: a thread's end is waited for with deadlines too") {
  HILO_NEEDS_SHARED_MEMORY();
  gate closed;
  hilo::child thread = hilo::clone<one_process>().start([&] { (void)closed.pass(); });
  CHECK_FALSE(thread.wait_for(5ms).has_value());
  closed.open();
  CHECK(thread.wait_for(50s) == exit_status(exit_status::kind::unseen, 0));
}

TEST_CASE("child: a second wait, and every call on an empty handle, says that there is none") {
  hilo::child one = hilo::clone().start([] {});
  (void)one.wait();
  CHECK(one.id() == 0);
  CHECK_THROWS_WITH_AS(one.wait(),
                       "hilo: cannot wait for a child: EINVAL (the handle has none: it was waited "
                       "for, released, moved from or never started)",
                       std::system_error);
  CHECK_THROWS_AS(one.kill(SIGTERM), std::system_error);
  CHECK_THROWS_AS(one.pidfd(), std::system_error);
  CHECK(one.release() == 0);
}

TEST_CASE("child: somebody else's wait leaves an unseen status and no error") {
  hilo::child one = hilo::clone().start([] {});
  int status = 0;
  CHECK(::waitpid(one.id(), &status, 0) == one.id());
  CHECK(one.wait().how() == exit_status::kind::unseen);
}

TEST_CASE("child: kill reports a signal that does not exist, and one to a child that is gone") {
  HILO_NEEDS(clone_flags);
  hilo::child one = hilo::clone<hilo::with::pidfd>().start(sleep_for_ever);
  CHECK_THROWS_WITH(one.kill(1000), ("hilo: cannot signal child " + std::to_string(one.id()) +
                                     ": EINVAL (there is no signal 1000)")
                                        .c_str());
  one.kill(SIGKILL);
  int status = 0;
  CHECK(::waitpid(one.id(), &status, 0) == one.id());
  CHECK_THROWS_AS(one.kill(SIGKILL), std::system_error);
}

TEST_CASE("child: the destructor and assignment wait") {
  hilo::test::window<std::atomic<int>> ended;
  const auto finish = [&] {
    ::usleep(1000);
    ended->fetch_add(1, std::memory_order_relaxed);
  };
  { const hilo::child one = hilo::clone().start(finish); }
  CHECK(ended->load(std::memory_order_relaxed) == 1);
  hilo::child other = hilo::clone().start(finish);
  other = hilo::child();
  CHECK(ended->load(std::memory_order_relaxed) == 2);
}

TEST_CASE("child: released, it is waited for by hand and gives its stack and block back") {
  HILO_NEEDS(clone_flags);
  CHECK(::waitpid(hilo::clone().start([] {}).release(), nullptr, 0) > 0);
  HILO_NEEDS_SHARED_MEMORY();
  for (int i = 0; i < 200; ++i) {
    const pid_t id = hilo::clone<share::memory>().start([] {}).release();
    CHECK(::waitpid(id, nullptr, 0) == id);
  }
}

TEST_CASE("child: one that is killed in shared memory costs its block, and no other notices") {
  HILO_NEEDS(clone_flags);
  HILO_NEEDS_SHARED_MEMORY();
  for (int i = 0; i < 20; ++i) {
    hilo::child victim = hilo::clone<share::memory>().start(sleep_for_ever);
    victim.kill(SIGKILL);
    CHECK(victim.wait().signal() == SIGKILL);
    CHECK(hilo::clone<share::memory>().start([] { return errno; }).wait().code() == 0);
    hilo::thread([] { delete[] new char[100]; }).join();
  }
}

TEST_CASE("fork: returns twice, with the child in the parent and with nothing in the child") {
  int value = 1;
  hilo::child one = hilo::clone().fork();
  if (!one) {
    value += 41;
    ::_exit(value);
  }
  CHECK(one.wait().code() == 42);
  CHECK(value == 1);
}

TEST_CASE("fork: libc in the child knows the child's number") {
  hilo::child one = hilo::clone().fork();
  if (!one) {
    // A recursive mutex takes its owner from the thread block.
    pthread_mutexattr_t kind;
    ::pthread_mutexattr_init(&kind);
    ::pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_t mutex;
    ::pthread_mutex_init(&mutex, &kind);
    ::pthread_mutex_lock(&mutex);
#if defined(__GLIBC__)
    ::_exit(hilo::kernel::understood_layout().layout == nullptr ||
                    mutex.__data.__owner == ::gettid()
                ? 0
                : 1);
#else
    ::_exit(::gettid() == ::syscall(SYS_gettid) ? 0 : 1);  // musl answers the first from its block
#endif
  }
  CHECK(one.wait().code() == 0);
}

TEST_CASE("child: a copy made by clone runs no atfork handlers, one made by fork does") {
  static hilo::test::window<std::atomic<int>> handled;
  // Handlers stay for good; these do nothing to later forks but count.
  ::pthread_atfork([] { handled->fetch_add(1, std::memory_order_relaxed); },
                   [] { handled->fetch_add(1, std::memory_order_relaxed); },
                   [] { handled->fetch_add(1, std::memory_order_relaxed); });
  CHECK(hilo::clone().start([] {}).wait().code() == 0);
  hilo::child twice = hilo::clone().fork();
  if (!twice) ::_exit(0);
  CHECK(twice.wait().code() == 0);
  CHECK(handled->load(std::memory_order_relaxed) == 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(handled->load(std::memory_order_relaxed) == 3);
}

TEST_CASE("child in a fiber: wait parks the fiber, and its only carrier goes on") {
  gate closed;
  hilo::run({.carriers = 1}, [&] {
    hilo::child process = hilo::clone().start([&] { return closed.pass() + 8; });
    bool went_on = false;
    auto other = hilo::spawn([&] {
      went_on = true;
      closed.open();  // which the process waits for, and the first fiber for the process
    });
    CHECK(process.wait().code() == 8);
    CHECK(went_on);
    other.join();
  });
}

TEST_CASE("child in a fiber: a deadline passes while other fibers run") {
  gate closed;
  hilo::run({.carriers = 1}, [&] {
    hilo::child process = hilo::clone().start([&] { return closed.pass(); });
    std::atomic<bool> stop = false;
    long turns = 0;
    auto other = hilo::spawn([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        ++turns;
        hilo::yield();
      }
    });
    CHECK_FALSE(process.wait_for(20ms).has_value());
    CHECK_FALSE(process.wait_until(in(-5ms)).has_value());
    stop.store(true, std::memory_order_relaxed);
    other.join();
    CHECK(turns > 0);
    closed.open();
    CHECK(process.wait_for(50s).has_value());
  });
}

TEST_CASE("child in a fiber: fifty fibers each get the end of their own child") {
  hilo::test::on_each_runtime([] {
    std::vector<hilo::fiber<int>> fibers;
    for (int i = 0; i < 50; ++i) {
      fibers.push_back(hilo::spawn([i] {
        hilo::child mine = hilo::clone().start([i] { return i; });
        return i % 2 == 0 ? mine.wait().code() : mine.wait_for(50s)->code();
      }));
    }
    for (int i = 0; i < 50; ++i) CHECK(fibers[static_cast<std::size_t>(i)].join() == i);
  });
}

TEST_CASE("child in a fiber: a thread made by clone is waited for as well") {
  HILO_NEEDS_SHARED_MEMORY();
  gate closed;
  hilo::run({.carriers = 1}, [&] {
    hilo::child thread = hilo::clone<one_process>().start([&] { (void)closed.pass(); });
    CHECK_FALSE(thread.wait_for(5ms).has_value());
    auto other = hilo::spawn([&] { closed.open(); });
    CHECK(thread.wait().how() == exit_status::kind::unseen);
    other.join();
  });
}

namespace {

// `closed` keeps the child alive. Ends the timed waits by limits, and tries the same with wait().
void check_limits(hilo::child& one, const gate& closed) {
  CHECK_FALSE(hilo::with_timeout(1ms, [&] { return one.wait_for(1h).has_value(); }));
  std::stop_source stopped;
  stopped.request_stop();
  CHECK_FALSE(hilo::with_stop(stopped.get_token(), [&] {
    return one.wait_until(std::chrono::system_clock::now() + 1h).has_value();
  }));
  for (int turns = 0; turns < 3; ++turns) {
    auto waiting = hilo::spawn([&] { return one.wait_for(1h).has_value(); });
    for (int i = 0; i < turns; ++i) hilo::yield();
    waiting.request_stop();
    CHECK_FALSE(waiting.join());
  }
  std::atomic<bool> opened = false;
  hilo::scope<> family({.deadline = 1ms});
  REQUIRE(family.spawn([&] {
    (void)hilo::with_timeout(0ms, [&] { return one.wait(); });
    CHECK(opened.load(std::memory_order_relaxed));
  }) == hilo::status::ok);
  family.request_stop();
  CHECK(family.wait_for(3ms) == hilo::status::timed_out);
  opened.store(true, std::memory_order_relaxed);
  closed.open();
  family.join();
  CHECK_FALSE(static_cast<bool>(one));
}

}  // namespace

TEST_CASE("child in a fiber: a stop request or a limit ends timed waits, and never wait") {
  hilo::test::on_each_runtime([] {
    gate closed;
    hilo::child process = hilo::clone().start([&] { return closed.pass(); });
    check_limits(process, closed);
  });
}

TEST_CASE("child in a fiber: the same for a thread, after which nothing looks at its word") {
  HILO_NEEDS_SHARED_MEMORY();
  hilo::test::on_each_runtime([] {
    gate closed;
    hilo::child thread = hilo::clone<one_process>().start([&] { (void)closed.pass(); });
    check_limits(thread, closed);
  });
}

TEST_CASE(
    "child in a fiber: without descriptors wait says so, and the destructor waits all the same") {
  hilo::test::window<std::atomic<int>> ended;
  gate closed;
  hilo::run({.carriers = 1}, [&] {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    {
      hilo::child process = hilo::clone().start([&] {
        const int passed = closed.pass();
        ended->fetch_add(1, std::memory_order_relaxed);
        return passed;
      });
      const rlimit none{0, before.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &none);
      CHECK_THROWS_WITH(process.wait(),
                        ("hilo: cannot open a descriptor of child " + std::to_string(process.id()) +
                         ": EMFILE (no descriptor is left: see ulimit -n and "
                         "fs.file-max)")
                            .c_str());
      closed.open();
    }
    CHECK(ended->load(std::memory_order_relaxed) == 1);
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
}
