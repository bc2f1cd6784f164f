// A fiber or a thread forks while a runtime lives. The argument names what the child does. The
// child ends with 17 if that was as it should be, and the parent with 0.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/wait.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "tests/process/carriers.hpp"

using namespace std::chrono_literals;

namespace {

const pid_t parent = ::getpid();

void expect(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  ::_exit(1);
}

// A fiber of the parent that must not go on in the child.
void tick(std::stop_token stop) {
  while (!stop.stop_requested()) {
    expect(::getpid() == parent, "a fiber of the parent runs in the child");
    hilo::sleep_for(1ms);
  }
}

// Waits without the library, so that it is the same for each caller.
int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) hilo::sleep_for(2ms);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  std::fprintf(stderr, "the child was killed by signal %d\n", WTERMSIG(status));
  return 128 + WTERMSIG(status);
}

void use_a_runtime() {
  const int sum = hilo::run(hilo::test::options(), [] {
    int ends[2];
    expect(::pipe(ends) == 0, "pipe");
    auto reader = hilo::spawn([&] {
      char byte = 0;
      return hilo::io::read(ends[0], &byte, 1) ? int{byte} : -1;
    });
    hilo::sleep_for(5ms);
    const char byte = 7;
    expect(static_cast<bool>(hilo::io::write(ends[1], &byte, 1)), "write in the child");
    return reader.join() + hilo::blocking([] { return 10; });
  });
  expect(sum == 17, "a runtime of the child's own");
}

void be_a_plain_thread() {
  expect(hilo::this_fiber::id() == hilo::fiber_id{}, "the child is no fiber");
  hilo::sleep_for(3ms);
  hilo::yield();
  hilo::mutex lock;
  lock.lock();
  lock.unlock();
  hilo::channel<int> numbers(1);
  expect(numbers.send(3) == hilo::status::ok, "send");
  std::optional<int> got;
  expect(numbers.receive(got) == hilo::status::ok && got == 3, "receive");
  hilo::event never;
  expect(!never.wait_for(3ms), "a wait with a limit");
  hilo::thread helper([&] { never.set(); });
  never.wait();
  helper.join();
  int ends[2];
  expect(::pipe(ends) == 0, "pipe");
  char byte = 5;
  expect(static_cast<bool>(hilo::io::write(ends[1], &byte, 1)), "write");
  expect(static_cast<bool>(hilo::io::read(ends[0], &byte, 1)), "read");
  expect(static_cast<bool>(hilo::io::close(ends[0])), "close");
  try {
    hilo::spawn([] {}).detach();
    expect(false, "spawn outside of a runtime");
  } catch (const std::system_error&) {
  }
}

hilo::runtime* outer = nullptr;
// Of the parent: a fiber that runs, a fiber that has ended, and a thread.
hilo::fiber<void>* running = nullptr;
hilo::fiber<int>* ended = nullptr;
hilo::thread* started = nullptr;

// Whether f() in a child of its own aborts, and says why in one line.
template <class F>
bool aborts(F f) {
  int ends[2];
  expect(::pipe(ends) == 0, "pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    f();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char text[512];
  for (ssize_t got = 0; (got = ::read(ends[0], text, sizeof text)) > 0;)
    said.append(text, static_cast<std::size_t>(got));
  int status = 0;
  expect(::waitpid(child, &status, 0) == child, "waitpid");
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
         said.find("the child of a fork waits for fiber") != said.npos;
}

// docs/process-life.md has a table of what the parent's objects do in the child.
void wait_for_the_parents() {
  expect(ended->wait() == hilo::status::ok, "wait() for a fiber that had ended");
  expect(ended->join() == 5, "join() of a fiber that had ended");
  expect(aborts([] { running->join(); }), "join() of a fiber of the parent");
  expect(aborts([] { (void)running->wait(); }), "wait() for a fiber of the parent");
  expect(running->wait_for(3ms) == hilo::status::timed_out, "wait_for() a fiber of the parent");
  try {
    started->join();
    expect(false, "join() of a thread of the parent");
  } catch (const std::system_error& error) {
    expect(error.code().value() == ESRCH, "ESRCH of a thread's join()");
  }
}
hilo::fiber_local<int> mine([] { return 1; });

// By name: run in the child of the fork, which ends by _exit(17) afterwards.
const std::map<std::string, std::function<void()>> in_child = {
    {"nothing", [] {}},
    {"runtime", use_a_runtime},
    {"thread", be_a_plain_thread},
    {"both",
     [] {
       be_a_plain_thread();
       use_a_runtime();
       be_a_plain_thread();
     }},
    {"nested",
     [] {
       hilo::run(hilo::test::options(), [] {
         const pid_t child = ::fork();
         if (child == 0) {
           use_a_runtime();
           ::_exit(17);
         }
         expect(wait_for(child) == 17, "a fork in the child's own fiber");
       });
     }},
    {"exec",
     [] {
       ::execl("/bin/sh", "sh", "-c", "exit 17", nullptr);
       ::_exit(1);
     }},
    {"exit",
     [] {
       std::atexit([] { ::_exit(17); });
       std::exit(3);
     }},
    {"wait", wait_for_the_parents},
    {"spawn there",
     [] {
       try {
         outer->spawn([] {}).detach();
         expect(false, "spawn on the parent's runtime");
       } catch (const std::system_error& error) {
         expect(error.code().value() == ESRCH, "ESRCH");
       }
     }},
};

void fork_and(const std::string& what) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    in_child.at(what)();
    ::_exit(17);
  }
  const int status = wait_for(child);
  if (status != 17) std::fprintf(stderr, "%s: the child ended with %d\n", what.c_str(), status);
  expect(status == 17, "the child's status");
}

// The child leaves the function of the fiber by itself: it drops handles, a scope, a limit, and a
// runtime that are the parent's, and then ends by exit(0) as the last thread does.
void return_in_child(bool by_exception) {
  std::atexit([] {
    if (::getpid() != parent) ::_exit(17);
  });
  pid_t child = 0;
  {
    auto other = hilo::spawn(tick);
    hilo::thread kernel_thread([](std::stop_token stop) {
      while (!stop.stop_requested()) ::usleep(1000);
    });
    hilo::event never;
    try {
      hilo::scope<> children;
      (void)children.spawn([](std::stop_token stop) { tick(stop); });
      hilo::with_timeout(10s, [&] {
        mine.get() = 5;
        child = ::fork();
        if (child != 0) return;
        expect(mine.get() == 5, "fiber_local values in the child");
        expect(!never.wait_for(2ms), "a limit of the fiber holds in the child");
        if (by_exception) throw std::runtime_error("leaves the fiber");
      });
      if (child == 0) children.join();  // returns at once: they do not exist there
    } catch (const std::runtime_error&) {
    }
  }
  if (child == 0) return;
  expect(wait_for(child) == 17, "a child that returns from the fiber's function");
}

}  // namespace

int main(int, char** arguments) {
  const std::string from = arguments[1];
  const std::string what = arguments[2];
  if (from == "return") {
    hilo::run(hilo::test::options(), [&] { return_in_child(what == "by exception"); });
    return 0;
  }
  hilo::runtime fibers(hilo::test::options());
  outer = &fibers;
  auto ticker = fibers.spawn(tick);
  auto five = fibers.spawn([] { return 5; });
  (void)five.wait();
  hilo::event over;
  hilo::thread waiting([&] { over.wait(); });
  running = &ticker;
  ended = &five;
  started = &waiting;
  if (from == "fiber") {
    fibers.run([&] { fork_and(what); });
  } else if (from == "limited fiber") {
    fibers.run([&] { hilo::with_timeout(20s, [&] { fork_and(what); }); });
  } else if (from == "own tls") {
    if (hilo::thread_backend().kind == hilo::thread_backend_kind::clone) {
      fibers.spawn(hilo::spawn_options{.tls = hilo::tls::own}, [&] { fork_and(what); }).join();
    }
  } else if (from == "blocking") {
    fibers.run([&] { hilo::blocking([&] { fork_and(what); }); });
  } else if (from == "after blocking") {
    // The fork is in hilo::blocking, and the child leaves that.
    fibers.run([&] {
      const pid_t child = hilo::blocking(::fork);
      if (child == 0) {
        in_child.at(what)();
        ::_exit(17);
      }
      expect(wait_for(child) == 17, "a child that leaves hilo::blocking");
    });
  } else if (from == "io") {
    // The carrier has a ring or an epoll, and calls in flight.
    int ends[2];
    expect(::pipe(ends) == 0, "pipe");
    auto reader = fibers.spawn([&] {
      char byte = 0;
      (void)hilo::io::read(ends[0], &byte, 1);
      expect(::getpid() == parent, "a call in flight ends in the child");
    });
    fibers.run([&] {
      hilo::sleep_for(5ms);
      fork_and(what);
      const char byte = 0;
      (void)hilo::io::write(ends[1], &byte, 1);
    });
    reader.join();
  } else if (from == "clone") {
    fibers.run([&] {
      hilo::child child = hilo::clone().start([&] {
        in_child.at(what)();
        return 17;
      });
      const auto end = hilo::blocking([&] { return child.wait(); });
      expect(end.exited() && end.code() == 17, "a child of hilo::clone");
    });
  } else if (from == "thread") {
    hilo::thread([&] { fork_and(what); }).join();
  } else if (from == "main") {
    fork_and(what);
  }
  over.set();
  waiting.join();
  ticker.request_stop();
  ticker.join();
}
