// A program that ends while fibers run. The arguments name how it ends, where that is called, and
// where its runtime is. It writes "h" once from an exit handler, and "q" from one of quick_exit.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include <unistd.h>

#include "hilo/hilo.hpp"

#include "tests/process/carriers.hpp"

using namespace std::chrono_literals;

namespace {

// Destroyed by exit() while fibers wait for it, before or after the runtime.
hilo::event older;

std::unique_ptr<hilo::runtime> make_global() {
  const char* const where = std::getenv("RUNTIME");
  if (where == nullptr || std::string(where) != "global") return nullptr;
  return std::make_unique<hilo::runtime>(hilo::test::options());
}

// NOLINTNEXTLINE: the runtime is made by an initialiser and destroyed by exit().
const std::unique_ptr<hilo::runtime> global = make_global();

hilo::event younger;
hilo::mutex held;
hilo::channel<int> numbers(1);

void tick_for_ever() {
  while (true) hilo::sleep_for(1ms);
}

void say(const char* what) {
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, what, 1);
}

// What an exit handler may do: it starts a runtime, and asks the driver for its reasons.
void handle_exit() {
  const int seven = hilo::run({.carriers = 1}, [] {
    (void)hilo::io::chosen_driver();
    hilo::sleep_for(1ms);
    return 7;
  });
  if (seven == 7) say("h");
}

[[noreturn]] void end(const std::string& how) {
  if (how == "exit") std::exit(42);
  if (how == "quick_exit") std::quick_exit(42);
  if (how == "_exit") ::_exit(42);
  std::terminate();
}

void leave_waiters(hilo::runtime& fibers) {
  fibers.spawn(tick_for_ever).detach();
  fibers.spawn([] { older.wait(); }).detach();
  fibers.spawn([] { younger.wait(); }).detach();
  fibers.spawn([] { (void)numbers.receive(); }).detach();
  fibers.run([] { hilo::sleep_for(2ms); });
}

void end_from(const std::string& where, const std::string& how, hilo::runtime& fibers) {
  if (where == "fiber") {
    fibers.run([&] { end(how); });
  } else if (where == "own tls" &&
             hilo::thread_backend().kind == hilo::thread_backend_kind::clone) {
    fibers.spawn(hilo::spawn_options{.tls = hilo::tls::own}, [&] { end(how); }).join();
  } else if (where == "own tls") {
    fibers.run([&] { end(how); });
  } else if (where == "blocking") {
    fibers.run([&] { hilo::blocking([&] { end(how); }); });
  } else if (where == "thread") {
    fibers.run([&] { hilo::thread([&] { end(how); }).join(); });
  } else if (where == "static thread") {
    // It destroys its own handle.
    static hilo::thread own;
    hilo::event ready;
    own = hilo::thread([&] {
      ready.wait();
      end(how);
    });
    ready.set();
    tick_for_ever();
  }
  end(how);
}

}  // namespace

int main(int, char** arguments) {
  const std::string how = arguments[1];
  const std::string where = arguments[2];
  const std::string runtime = arguments[3];
  std::atexit(handle_exit);
  std::at_quick_exit([] { say("q"); });
  if (runtime == "global") {
    leave_waiters(*global);
    end_from(where, how, *global);
  } else if (runtime == "local static") {
    static hilo::runtime fibers(hilo::test::options());
    leave_waiters(fibers);
    end_from(where, how, fibers);
  } else if (runtime == "in main") {
    hilo::runtime fibers(hilo::test::options());
    leave_waiters(fibers);
    end_from(where, how, fibers);
  } else if (runtime == "finite") {
    // A return from main waits for the fibers of a static runtime.
    static hilo::runtime fibers(hilo::test::options());
    static auto left = fibers.spawn([] { hilo::sleep_for(1ms); });
    fibers
        .spawn([] {
          hilo::sleep_for(20ms);
          say("f");
        })
        .detach();
    if (how == "exit in main") std::exit(42);
    return 42;
  }
}
