// What may be called in a signal handler: a timer's signal comes 5,000 times a second, to whichever
// thread runs, in the midst of the same calls of that thread.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/kernel/event.hpp"
#include "hilo/kernel/semaphore.hpp"
#include "hilo/signal_event.hpp"

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/skip.hpp"

using namespace std::chrono_literals;

namespace {

constinit std::atomic<void (*)()> action{nullptr};
constinit std::atomic<int> calls{0};

void on_signal(int) {
  const int before = errno;
  action.load(std::memory_order_relaxed)();
  if (errno != before) ::_exit(99);
  calls.fetch_add(1, std::memory_order_relaxed);
}

int called() {
  return calls.load(std::memory_order_relaxed);
}

// While it lives, `what` is called in a handler every 200 us.
class storm {
 public:
  explicit storm(void (*what)()) {
    action.store(what, std::memory_order_relaxed);
    calls.store(0, std::memory_order_relaxed);
    struct sigaction mine {};
    mine.sa_handler = on_signal;
    mine.sa_flags = SA_RESTART | SA_ONSTACK;
    ::sigemptyset(&mine.sa_mask);
    ::sigaction(SIGUSR1, &mine, &before_);
    struct sigevent notice {};
    notice.sigev_notify = SIGEV_SIGNAL;
    notice.sigev_signo = SIGUSR1;
    REQUIRE(::timer_create(CLOCK_MONOTONIC, &notice, &timer_) == 0);
    const itimerspec each{{0, 200'000}, {0, 200'000}};
    ::timer_settime(timer_, 0, &each, nullptr);
  }
  ~storm() { stop(); }
  storm(const storm&) = delete;
  storm& operator=(const storm&) = delete;

  void stop() {
    if (!on_) return;
    on_ = false;
    ::timer_delete(timer_);
    struct sigaction ignored {};
    ignored.sa_handler = SIG_IGN;  // drops one that is pending
    ::sigaction(SIGUSR1, &ignored, nullptr);
    ::sigaction(SIGUSR1, &before_, nullptr);
  }

 private:
  bool on_ = true;
  timer_t timer_{};
  struct sigaction before_ {};
};

constexpr int wanted = 500;

hilo::kernel::counting_semaphore<> permits(0);
hilo::kernel::event happened;
hilo::io::signal_event* woken = nullptr;

}  // namespace

TEST_CASE("signal handler: kernel::counting_semaphore::release loses no permit") {
  int own = 0;
  int taken = 0;
  storm signals([] { permits.release(); });
  while (called() < wanted) {
    permits.release();  // the handler comes in the midst of this as well
    ++own;
    permits.acquire();
    ++taken;
    if (permits.try_acquire_for(1ms)) ++taken;
  }
  signals.stop();
  while (permits.try_acquire()) ++taken;
  CHECK(taken == own + called());
}

TEST_CASE("signal handler: kernel::event::set ends each wait") {
  if (HILO_TSAN) HILO_SKIP("the thread sanitizer delays handlers until a libc call that it knows");
  storm signals([] { happened.set(); });
  while (called() < wanted) {
    happened.wait();
    happened.reset();
    happened.set();
    happened.reset();
  }
}

TEST_CASE("signal handler: io::signal_event::set wakes fibers and threads") {
  for (const hilo::io_driver driver : {hilo::io_driver::any, hilo::io_driver::epoll}) {
    for (const unsigned carriers : {1U, 2U, 4U}) {
      hilo::io::signal_event event;
      woken = &event;
      storm signals([] { woken->set(); });
      hilo::run({.carriers = carriers, .io = driver}, [&] {
        auto other = hilo::spawn([&](std::stop_token stop) {
          while (!stop.stop_requested()) {
            event.set();
            hilo::yield();
          }
        });
        while (called() < wanted / 5) {
          if (event.wait() != hilo::status::ok) return;
        }
        other.request_stop();
        other.join();
      });
      CHECK(called() >= wanted / 5);
      signals.stop();
      while (event.try_wait()) {
      }
      CHECK(event.wait(1ms) == hilo::status::timed_out);
      event.set();
      CHECK(event.wait() == hilo::status::ok);
    }
  }
}
