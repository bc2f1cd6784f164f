// Programs for the test of the deadlock report: deadlocked_program SHAPE. Some can never go on, and
// some only look like it: those end by themselves with "went on".
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;

namespace {

// Longer than the runtime is quiet before it looks.
constexpr auto while_it_looks = 1500ms;

// --- deadlocks ---

void two_mutexes() {
  hilo::run([] {
    hilo::mutex accounts;
    hilo::mutex journal;
    hilo::barrier both(2);
    auto teller = hilo::spawn({.name = "teller"}, [&] {
      const std::scoped_lock first(accounts);
      both.arrive_and_wait();
      const std::scoped_lock second(journal);
    });
    auto auditor = hilo::spawn({.name = "auditor"}, [&] {
      const std::scoped_lock first(journal);
      both.arrive_and_wait();
      const std::scoped_lock second(accounts);
    });
    teller.join();
    auditor.join();
  });
}

void nobody_sends() {
  hilo::run([] {
    hilo::channel<int> orders(4);
    auto reader = hilo::spawn({.name = "reader"}, [&] { (void)orders.receive(); });
    reader.join();
  });
}

void joins_in_a_circle() {
  hilo::run([] {
    hilo::fiber<void> first;
    hilo::fiber<void> second;
    hilo::event made;
    first = hilo::spawn({.name = "hen"}, [&] {
      made.wait();
      second.join();
    });
    second = hilo::spawn({.name = "egg"}, [&] {
      made.wait();
      first.join();
    });
    made.set();
    hilo::event never;
    never.wait();
  });
}

void holder_has_ended() {
  hilo::run([] {
    hilo::mutex guard;
    auto keeper = hilo::spawn({.name = "keeper"}, [&] { guard.lock(); });
    (void)keeper.wait();
    guard.lock();
  });
}

// Fibers of two runtimes wait for each other, and main waits for the second runtime's fibers.
void two_runtimes() {
  hilo::runtime other({.carriers = 1});
  hilo::event never;
  other.spawn({.name = "abroad"}, [&] { never.wait(); }).detach();
  hilo::run([&] { hilo::spawn({.name = "here"}, [&] { never.wait(); }).detach(); });
}

// --- no deadlocks ---

void timer() {
  hilo::run([] { (void)hilo::sleep_for(while_it_looks); });
}

void deadline() {
  hilo::run([] {
    hilo::mutex guard;
    guard.lock();
    hilo::spawn([&] { (void)guard.try_lock_for(while_it_looks); }).join();
    guard.unlock();
  });
}

void descriptor() {
  int ends[2];
  if (::pipe(ends) != 0) return;
  std::thread writer([&] {
    std::this_thread::sleep_for(while_it_looks);
    (void)!::write(ends[1], "x", 1);
  });
  writer.detach();
  hilo::run([&] {
    char byte;
    (void)hilo::io::read(ends[0], &byte, 1);
  });
}

void foreign_thread() {
  hilo::event set;
  std::thread setter([&] {
    std::this_thread::sleep_for(while_it_looks);
    set.set();
  });
  hilo::run([&] { set.wait(); });
  setter.join();
}

// The main thread runs no fiber, and is the one that wakes the others.
void main_thread() {
  hilo::runtime on;
  hilo::event set;
  auto waiter = on.spawn([&] { set.wait(); });
  std::this_thread::sleep_for(while_it_looks);
  set.set();
  waiter.join();
}

void blocking_call() {
  hilo::run([] {
    hilo::event set;
    hilo::spawn([&] {
      hilo::blocking([] { std::this_thread::sleep_for(while_it_looks); });
      set.set();
    }).detach();
    set.wait();
  });
}

void system_call() {
  hilo::run([] {
    hilo::event set;
    hilo::spawn([&] {
      ::usleep(1'500'000);
      set.set();
    }).detach();
    set.wait();
  });
}

// A signal's handler may do anything.
void signal_handler() {
  std::signal(SIGALRM, [](int) {
    (void)!::write(STDOUT_FILENO, "went on\n", 8);
    ::_exit(0);
  });
  ::alarm(2);
  hilo::run([] {
    hilo::event never;
    never.wait();
  });
}

void signal_wait() {
  hilo::io::signal_set some({SIGUSR1});  // before the carriers start, so that they block it too
  hilo::run([&] {
    hilo::spawn([] {
      hilo::blocking([] { std::this_thread::sleep_for(while_it_looks); });
      ::kill(::getpid(), SIGUSR1);
    }).detach();
    (void)some.receive();
  });
}

// The process that is forked looks for itself.
void forked_child() {
  hilo::runtime on({.carriers = 1});
  on.run([] {});
  const pid_t child = ::fork();
  if (child != 0) {
    ::waitpid(child, nullptr, 0);
    return;
  }
  main_thread();
  ::_exit(0);
}

}  // namespace

int main(int count, char** arguments) {
  const std::map<std::string, std::function<void()>> shapes = {
      {"two_mutexes", two_mutexes},
      {"nobody_sends", nobody_sends},
      {"joins_in_a_circle", joins_in_a_circle},
      {"holder_has_ended", holder_has_ended},
      {"two_runtimes", two_runtimes},
      {"timer", timer},
      {"deadline", deadline},
      {"descriptor", descriptor},
      {"foreign_thread", foreign_thread},
      {"main_thread", main_thread},
      {"blocking_call", blocking_call},
      {"system_call", system_call},
      {"signal_handler", signal_handler},
      {"signal_wait", signal_wait},
      {"forked_child", forked_child},
  };
  const auto found = shapes.find(count > 1 ? arguments[1] : "");
  if (found == shapes.end()) return 2;
  found->second();
  std::puts("went on");
}
