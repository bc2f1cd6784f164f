// Programs that only wait, for the test of the deadlock report: waiting_program SEED. The seed
// chooses fibers that wait for something outside, longer than the report takes to look, and fibers
// that wait for these, directly or by others. It ends by itself with "went on".
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

// Another process, which knows nothing of hilo, lets this much time pass and then calls act().
// Returns its number.
template <class F>
pid_t outside(milliseconds time, F act) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::usleep(static_cast<useconds_t>(time.count()) * 1000);
  act();
  ::_exit(0);
}

enum class source { timer, deadline, descriptor, signal, foreign_thread, blocking_call, last };

// A wait for something outside.
struct wait_outside {
  source what = source::timer;
  milliseconds time{0};
  std::array<int, 2> pipe{-1, -1};
  pid_t child = -1;
};

enum class mean { join, event, channel, latch, semaphore, condition, mutex, select, last };

// A fiber, and what others wait for until it is done.
struct one {
  wait_outside outside;
  one* first = nullptr;  // null: it waits outside
  mean by = mean::event;
  std::size_t followers = 0;
  bool joined = false;

  hilo::event done;
  hilo::channel<int> sends{64};
  hilo::latch open{1};
  hilo::semaphore permits{0};
  hilo::mutex guard;  // held until it is done
  hilo::condition_variable changed;
  hilo::mutex of_flag;
  bool flag = false;
  hilo::fiber<void> its;
};

void wait_for(wait_outside& what, hilo::io::signal_set& signals) {
  char byte = 0;
  hilo::event set;
  hilo::channel<int> never;
  std::optional<int> nothing;
  switch (what.what) {
    case source::timer:
      hilo::sleep_for(what.time);
      break;
    case source::deadline:
      (void)never.receive_for(nothing, what.time);
      break;
    case source::descriptor:
      (void)hilo::io::read(what.pipe[0], &byte, 1);
      break;
    case source::signal:
      (void)signals.receive();
      break;
    case source::foreign_thread: {
      std::thread setter([&] {
        std::this_thread::sleep_for(what.time);
        set.set();
      });
      set.wait();
      hilo::blocking([&] { setter.join(); });
      break;
    }
    default:
      hilo::blocking([&] { std::this_thread::sleep_for(what.time); });
  }
}

void wait_for(one& other, mean by) {
  std::optional<int> got;
  switch (by) {
    case mean::join:
      other.its.join();
      break;
    case mean::event:
      other.done.wait();
      break;
    case mean::channel:
      (void)other.sends.receive();
      break;
    case mean::latch:
      other.open.wait();
      break;
    case mean::semaphore:
      other.permits.acquire();
      break;
    case mean::condition: {
      std::unique_lock lock(other.of_flag);
      other.changed.wait(lock, [&] { return other.flag; });
      break;
    }
    case mean::mutex: {
      const std::scoped_lock lock(other.guard);
      break;
    }
    default:
      (void)hilo::select{hilo::receive_from(other.sends, got), hilo::set_of(other.done)};
  }
}

void finish(one& self) {
  self.done.set();
  for (std::size_t i = 0; i < self.followers; ++i) (void)self.sends.send(1);
  self.open.count_down();
  self.permits.release(static_cast<std::ptrdiff_t>(self.followers));
  const std::scoped_lock lock(self.of_flag);
  self.flag = true;
  self.changed.notify_all();
}

std::vector<std::unique_ptr<one>> plan(std::mt19937& random) {
  const auto below = [&](int end) {
    return static_cast<int>(random() % static_cast<unsigned>(end));
  };
  std::vector<std::unique_ptr<one>> all;
  const int count = 2 + below(12);
  const int sources = 1 + below(3);
  bool has_signal = false;
  for (int i = 0; i < count; ++i) {
    one& next = *all.emplace_back(std::make_unique<one>());
    if (i < sources) {
      next.outside.what = source(below(int(source::last)));
      if (next.outside.what == source::signal && std::exchange(has_signal, true)) {
        next.outside.what = source::timer;
      }
      next.outside.time = milliseconds(700 + below(900));
      continue;
    }
    one& first = *all[static_cast<std::size_t>(below(i))];
    next.first = &first;
    next.by = mean(below(int(mean::last)));
    if (next.by == mean::join && std::exchange(first.joined, true)) next.by = mean::event;
    ++first.followers;
  }
  return all;
}

// Before any thread: what comes from another process.
void begin(wait_outside& what) {
  if (what.what == source::descriptor) {
    if (::pipe(what.pipe.data()) != 0) std::abort();
    what.child = outside(what.time, [&] { (void)!::write(what.pipe[1], "x", 1); });
    ::close(what.pipe[1]);
  } else if (what.what == source::signal) {
    what.child = outside(what.time, [] { ::kill(::getppid(), SIGUSR1); });
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::mt19937 random(count > 1 ? static_cast<unsigned>(std::atol(arguments[1])) : 0);
  auto all = plan(random);
  hilo::io::signal_set signals({SIGUSR1});
  for (auto& each : all) begin(each->outside);
  const auto carriers = static_cast<unsigned>(1 + random() % 3);
  hilo::run({.carriers = carriers}, [&] {
    for (auto& each : all) {
      one& self = *each;
      self.its = hilo::spawn([&] {
        {
          const std::scoped_lock lock(self.guard);
          if (self.first == nullptr) {
            wait_for(self.outside, signals);
          } else {
            wait_for(*self.first, self.by);
          }
        }
        finish(self);
      });
    }
    for (auto& each : all) {
      each->done.wait();
      if (!each->joined) each->its.join();
    }
  });
  for (auto& each : all) {
    if (each->outside.child > 0) ::waitpid(each->outside.child, nullptr, 0);
  }
  std::puts("went on");
}
