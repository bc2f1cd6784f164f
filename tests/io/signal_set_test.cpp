// hilo/signal_set.hpp, on both drivers: what is received, by whom, and what cannot be.
#include "hilo/signal_set.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/kernel/event.hpp"
#include "hilo/limit.hpp"
#include "hilo/process.hpp"
#include "hilo/select.hpp"

#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::status;
using hilo::io::signal_info;
using hilo::io::signal_set;
using hilo::test::on_each_driver;

constexpr auto signal_patience = 100s;  // of what comes

bool is_blocked(int number) {
  sigset_t now;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &now) == 0);
  return ::sigismember(&now, number) == 1;
}

void queue(int number, int value) {
  sigval passed{};
  passed.sival_int = value;
  REQUIRE(::sigqueue(::getpid(), number, passed) == 0);
}

std::string refusal(std::initializer_list<int> numbers, int error) {
  try {
    const signal_set made(numbers);
  } catch (const std::system_error& problem) {
    CHECK(problem.code().value() == error);
    return problem.what();
  }
  return "it was made";
}

}  // namespace

TEST_CASE("signal_set: a signal is received with its number, sender and value") {
  HILO_NEEDS(signal_masks);
  signal_set signals({SIGUSR1, SIGUSR2, SIGRTMIN});
  on_each_driver([&] {
    REQUIRE(::kill(::getpid(), SIGUSR2) == 0);
    const signal_info sent = signals.receive(signal_patience).value();
    CHECK(sent.number == SIGUSR2);
    CHECK(sent.code == SI_USER);
    CHECK(sent.sender == ::getpid());
    CHECK(sent.user == ::getuid());
    queue(SIGRTMIN, -42);
    const signal_info queued = signals.receive(signal_patience).value();
    CHECK(queued.number == SIGRTMIN);
    CHECK(queued.code == SI_QUEUE);
    CHECK(static_cast<int>(queued.value) == -42);
    // Standard signals are flags, real-time signals a queue.
    for (int i = 0; i < 3; ++i) {
      REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
      queue(SIGRTMIN, i);
    }
    CHECK(signals.receive(signal_patience)->number == SIGUSR1);
    for (int i = 0; i < 3; ++i)
      CHECK(static_cast<int>(signals.receive(signal_patience)->value) == i);
    CHECK(signals.receive(0ms).status() == status::timed_out);
  });
}

TEST_CASE("signal_set: receive parks, and is ended by the deadline and by a stop") {
  HILO_NEEDS(signal_masks);
  signal_set signals({SIGUSR1});
  on_each_driver([&] {
    CHECK(signals.receive(2ms).status() == status::timed_out);
    hilo::fiber<status> stopped = hilo::spawn([&] { return signals.receive().status(); });
    hilo::yield();
    stopped.request_stop();
    CHECK(stopped.join() == status::cancelled);
    hilo::fiber<int> receiver =
        hilo::spawn([&] { return signals.receive(signal_patience).value().number; });
    hilo::sleep_for(1ms);  // by which it is parked, as a rule; its carrier runs us
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    CHECK(receiver.join() == SIGUSR1);
  });
  // And in a thread without fibers.
  CHECK(signals.receive(2ms).status() == status::timed_out);
  REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
  CHECK(signals.receive()->number == SIGUSR1);
}

TEST_CASE("signal_set: is a case of a select") {
  HILO_NEEDS(signal_masks);
  signal_set signals({SIGUSR1});
  on_each_driver([&] {
    hilo::channel<int> numbers(1);
    std::optional<int> number;
    hilo::result<short> ready = 0;
    const auto wait = [&] {
      return hilo::select_first{hilo::io::ready_of(signals.fd(), POLLIN, ready),
                                hilo::receive_from(numbers, number), hilo::after(signal_patience)};
    };
    CHECK(numbers.send(5) == status::ok);
    CHECK(wait() == 1);
    hilo::fiber<void> sender = hilo::spawn([] { REQUIRE(::kill(::getpid(), SIGUSR1) == 0); });
    CHECK(wait() == 0);
    CHECK(*ready == POLLIN);
    CHECK(signals.receive(0ms).status() == status::timed_out);  // no call begins
    CHECK(signals.receive()->number == SIGUSR1);
    sender.join();
  });
}

TEST_CASE("signal_set: a child's signals and its end are received") {
  HILO_NEEDS(signal_masks);
  HILO_NEEDS(clone_flags);
  signal_set signals({SIGUSR2, SIGCHLD});
  on_each_driver([&] {
    hilo::process one({.path = "/bin/sh", .arguments = {"-c", "kill -USR2 $PPID; exit 4"}});
    const pid_t id = one.id();
    bool sent = false;
    bool ended = false;
    while (!sent || !ended) {
      const signal_info got = signals.receive(signal_patience).value();
      CHECK(got.sender == id);
      if (got.number == SIGUSR2) sent = true;
      if (got.number == SIGCHLD) ended = true;
    }
    CHECK(one.wait()->code() == 4);
  });
}

TEST_CASE("signal_set: each signal has one receiver") {
  HILO_NEEDS(signal_masks);
  signal_set signals({SIGRTMIN + 1});
  on_each_driver([&] {
    constexpr int count = 200;
    std::array<std::atomic<int>, count> seen{};
    std::vector<hilo::fiber<void>> receivers;
    for (int i = 0; i < 8; ++i) {
      receivers.push_back(hilo::spawn([&] {
        while (const auto got = signals.receive()) {
          seen.at(static_cast<std::size_t>(static_cast<int>(got->value)))
              .fetch_add(1, std::memory_order_relaxed);
        }
      }));
    }
    for (int i = 0; i < count; ++i) {
      queue(SIGRTMIN + 1, i);
      if (i % 16 == 0) hilo::yield();
    }
    const auto all = [&] {
      for (const auto& one : seen) {
        if (one.load(std::memory_order_relaxed) == 0) return false;
      }
      return true;
    };
    while (!all()) hilo::yield();
    for (auto& one : receivers) {
      one.request_stop();
      one.join();
    }
    for (const auto& one : seen) CHECK(one.load(std::memory_order_relaxed) == 1);
  });
}

TEST_CASE("signal_set: says which signals cannot be received, and leaves the mask alone") {
  CHECK(refusal({SIGUSR1, SIGKILL}, EINVAL) ==
        "hilo: cannot receive signal 9: EINVAL (the kernel lets no program block it)");
  CHECK(refusal({SIGSTOP}, EINVAL).find("the kernel lets no program block it") !=
        std::string::npos);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    CHECK(refusal({number}, EINVAL).find("fault of the program") != std::string::npos);
  }
  for (const int number : {-1, 0, 65, 1000}) {
    CHECK(refusal({number}, EINVAL).find("there is no such signal") != std::string::npos);
  }
  CHECK(refusal({32}, EINVAL).find("the libc needs it") != std::string::npos);
  CHECK(refusal({}, EINVAL).find("none was named") != std::string::npos);
  CHECK_FALSE(is_blocked(SIGUSR1));
}

TEST_CASE("signal_set: a thread that does not block the signals is named, and no set is made") {
  HILO_NEEDS(signal_masks);
  hilo::kernel::event end;
  std::atomic<pid_t> number = 0;
  std::thread older([&] {
    ::pthread_setname_np(::pthread_self(), "older");
    number.store(static_cast<pid_t>(::syscall(SYS_gettid)), std::memory_order_release);
    number.notify_one();
    end.wait();
  });
  number.wait(0, std::memory_order_acquire);
  const std::string why = refusal({SIGUSR1}, EBUSY);
  CHECK(why == "hilo: cannot receive signal 10: EBUSY (thread " +
                   std::to_string(number.load(std::memory_order_relaxed)) +
                   " (older) does not block it, and would take it; make the signal_set before "
                   "other threads, and before hilo::run)");
  CHECK_FALSE(is_blocked(SIGUSR1));
  end.set();
  older.join();
  // In a fiber the thread that called run is such a one.
  hilo::run([] { CHECK(refusal({SIGUSR1}, EBUSY).find("before hilo::run") != std::string::npos); });
}

TEST_CASE("signal_set: afterwards its signals have their action again, in its thread") {
  HILO_NEEDS(signal_masks);
  static std::atomic<int> handled = 0;
  handled.store(0, std::memory_order_relaxed);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { handled.fetch_add(1, std::memory_order_relaxed); };
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  {
    const signal_set outer({SIGUSR1});
    CHECK(is_blocked(SIGUSR1));
    {
      const signal_set inner({SIGUSR1, SIGUSR2});
      CHECK(is_blocked(SIGUSR2));
    }
    CHECK(is_blocked(SIGUSR1));  // which was the outer one's
    CHECK_FALSE(is_blocked(SIGUSR2));
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    CHECK(handled.load(std::memory_order_relaxed) == 0);
  }
  CHECK(handled.load(std::memory_order_relaxed) == 1);
  CHECK_FALSE(is_blocked(SIGUSR1));
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
}
