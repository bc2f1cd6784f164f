// The end of a fiber: all user code runs while the fiber has what is its own, and nothing of it is
// left for the next fiber on its stack. And handles that would wait for themselves.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#include "runtime/context/tls_block.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"
#include "tests/skip.hpp"

using hilo::test::on_each_runtime;
using hilo::test::run_in_child;
using namespace std::chrono_literals;

namespace {

// A count that several fibers change.
class tally {
 public:
  tally& operator+=(int more) {
    value_.fetch_add(more, std::memory_order_acq_rel);
    return *this;
  }
  void clear() { value_.store(0, std::memory_order_release); }
  int now() const { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<int> value_{0};
};

// Calls `last` when the object that was made first, or moved from that, is destroyed.
template <class F>
struct at_end {
  explicit at_end(F f) : last(std::move(f)) {}
  at_end(at_end&& other) noexcept : last(other.last), mine(std::exchange(other.mine, false)) {}
  ~at_end() {
    if (mine) last();
  }
  F last;
  bool mine = true;
};

thread_local int of_thread = 0;

}  // namespace

TEST_CASE("end of a fiber: its closure and its detached result use its own fiber_local values") {
  on_each_runtime([] {
    static hilo::fiber_local<int> number;
    tally seen;
    hilo::wait_group all;
    hilo::event detached;  // else a fiber may end before, and its result is the caller's
    for (int i = 0; i < 50; ++i) {
      all.add();
      hilo::spawn([&, closure = at_end([&] { seen += *number == 7; })] {
        *number = 7;
        detached.wait();
        return at_end([&] {
          seen += *number == 7;
          hilo::yield();
          seen += *number == 7;
          all.done();
        });
      }).detach();
    }
    detached.set();
    all.wait();
    CHECK(seen.now() == 150);
    for (int i = 0; i < 50; ++i) CHECK(hilo::spawn([] { return *number; }).join() == 0);
  });
}

TEST_CASE("end of a fiber: callable, result, values, thread_local objects, and then join returns") {
  static std::string order;
  struct of_block {
    ~of_block() { order += "thread_local "; }
    void touch() {}
  };
  const auto note = [](const char* what) { return at_end([what] { order += what; }); };
  const bool owns = hilo::context::tls_refusal().empty();
  const hilo::spawn_options how{.tls = owns ? hilo::tls::own : hilo::tls::inherit};
  const std::string last = owns ? "value thread_local " : "value ";
  hilo::fiber_local<decltype(note(""))> value([&] { return note("value "); });
  hilo::run(hilo::runtime_options{.carriers = 1}, [&] {
    const auto use = [&] {
      (void)value.get();
      if (!owns) return;
      static thread_local of_block object;
      object.touch();
    };
    order.clear();
    auto joined = hilo::spawn(
        how, [&, c = note("callable ")](const auto&) { use(); }, note("a "));
    joined.join();
    order += "joined";
    const bool either =
        order == "callable a " + last + "joined" || order == "a callable " + last + "joined";
    CHECK_MESSAGE(either, order);

    order.clear();
    hilo::event detached;
    hilo::spawn(how, [&, c = note("callable ")] {
      detached.wait();
      use();
      return note("result ");
    }).detach();
    detached.set();
    while (order.size() < ("callable result " + last).size()) hilo::yield();
    CHECK(order == "callable result " + last);
  });
}

TEST_CASE(
    "end of a fiber: detached while its values are destroyed, it destroys its result after them") {
  on_each_runtime([] {
    std::string order;
    hilo::event ending, detached, over;
    const auto last = [&] {
      return at_end([&] {
        ending.set();
        detached.wait();
        order += "value ";
      });
    };
    hilo::fiber_local<decltype(last())> value(last);
    auto one = hilo::spawn([&] {
      (void)value.get();
      return at_end([&] {
        order += "result";
        over.set();
      });
    });
    ending.wait();
    one.detach();
    detached.set();
    over.wait();
    CHECK(order == "value result");
  });
}

TEST_CASE("end of a fiber: what a detached result first makes is destroyed with the fiber") {
  on_each_runtime([] {
    static tally alive;
    struct counted {
      counted() { alive += 1; }
      counted(counted&&) noexcept { alive += 1; }
      ~counted() { alive += -1; }
    };
    static hilo::fiber_local<counted> value;
    for (int i = 0; i < 50; ++i) {
      hilo::event gone, detached;
      hilo::spawn([&] {
        detached.wait();
        return at_end([&] {
          (void)value.get();
          gone.set();
        });
      }).detach();
      detached.set();
      (void)gone.wait();
    }
    while (alive.now() != 0) hilo::yield();
    for (int i = 0; i < 50; ++i) {  // detached while it ends, or after
      auto one = hilo::spawn([] { return at_end([] { (void)value.get(); }); });
      if (i % 2 == 0) hilo::yield();
      one.detach();
    }
    (void)value.get();  // that of the caller, which has ended fibers' results destroyed
    while (alive.now() != 1) hilo::yield();
  });
}

TEST_CASE("end of a fiber: a detached result that waits with a deadline leaves no timer behind") {
  on_each_runtime([] {
    hilo::channel<int> numbers;
    tally received;
    const auto wait = [&] {
      std::optional<int> to;
      if (numbers.receive_for(to, 1h) == hilo::status::ok) received += 1;
    };
    hilo::event detached;
    for (int i = 0; i < 20; ++i) {
      hilo::spawn([&] {
        detached.wait();
        return at_end(wait);
      }).detach();
    }
    detached.set();
    for (int i = 0; i < 20; ++i) CHECK(numbers.send(i) == hilo::status::ok);
    while (received.now() != 20) hilo::yield();
  });
}

TEST_CASE("end of a fiber: with a thread block of its own all user code runs on that") {
  if (!hilo::context::tls_refusal().empty()) return;
  on_each_runtime([] {
    tally right;
    for (int i = 0; i < 20; ++i) {
      hilo::wait_group done;
      done.add();
      hilo::event detached;
      hilo::spawn({.tls = hilo::tls::own}, [&, closure = at_end([&] { right += of_thread == 5; })] {
        of_thread = 5;
        detached.wait();
        return at_end([&] {
          right += of_thread == 5;
          hilo::yield();
          right += of_thread == 5;
          done.done();
        });
      }).detach();
      detached.set();
      done.wait();
      CHECK(of_thread == 0);
    }
    CHECK(right.now() == 60);
  });
}

TEST_CASE("end of a fiber: the result of a pinned one is destroyed on its kernel thread") {
  on_each_runtime([] {
    tally right;
    for (int i = 0; i < 20; ++i) {
      hilo::event done, detached;
      hilo::spawn({.pinned = true}, [&] {
        detached.wait();
        return at_end([&, mine = std::this_thread::get_id()] {
          for (int turn = 0; turn < 5; ++turn) {
            hilo::yield();
            right += std::this_thread::get_id() == mine;
          }
          done.set();
        });
      }).detach();
      detached.set();
      (void)done.wait();
    }
    CHECK(right.now() == 100);
  });
}

namespace {

// fiber_local values whose destructors make others again, as often as `rounds` says.
struct chain {
  static tally made, destroyed;
  static int rounds;
  static hilo::fiber_local<chain>& first() {
    static hilo::fiber_local<chain> one;
    return one;
  }
  static hilo::fiber_local<std::string>& second() {
    static hilo::fiber_local<std::string> one([] { return std::string("made again"); });
    return one;
  }
  chain() { made += 1; }
  chain(chain&& other) noexcept { other.moved = true; }
  ~chain() {
    if (moved) return;
    destroyed += 1;
    second()->append(".");
    if (made.now() < rounds) (void)first().get();
  }
  bool moved = false;
};
tally chain::made;
tally chain::destroyed;
int chain::rounds = 0;

template <class Run>
void check_rounds(Run run) {
  for (const int rounds : {1, 2, 4}) {
    chain::made.clear();
    chain::destroyed.clear();
    chain::rounds = rounds;
    run([] { (void)chain::first().get(); });
    CHECK(chain::made.now() == rounds);
    CHECK(chain::destroyed.now() == rounds);
  }
}

}  // namespace

TEST_CASE("fiber_local: a destructor may make values again, four rounds of them") {
  on_each_runtime([] { check_rounds([](auto f) { hilo::spawn(f).join(); }); });
  check_rounds([](auto f) { std::thread(f).join(); });
  check_rounds([](auto f) { hilo::thread(f).join(); });
}

TEST_CASE("fiber_local: after four rounds the values that are left are dropped") {
  const auto end = run_in_child([] {  // a dropped value's memory is lost
    chain::made.clear();
    chain::destroyed.clear();
    chain::rounds = 9;
    hilo::run([] { hilo::spawn([] { (void)chain::first().get(); }).join(); });
    std::printf("%d made, %d destroyed\n", chain::made.now(), chain::destroyed.now());
    std::fflush(stdout);
    ::_exit(0);
  });
  CAPTURE(end.describe());
  CHECK(end.says("5 made, 4 destroyed"));
}

TEST_CASE("fiber_local: a destructor finds the values that still live") {
  static std::string found;
  struct reader {
    explicit reader(hilo::fiber_local<std::string>& what) : other(&what) {}
    reader(reader&& one) noexcept : other(std::exchange(one.other, nullptr)) {}
    ~reader() {
      if (other != nullptr) found = other->get();
    }
    hilo::fiber_local<std::string>* other;
  };
  hilo::fiber_local<std::string> text;
  hilo::fiber_local<reader> last([&] { return reader(text); });
  const auto use = [&] {
    *text = "there";
    (void)last.get();
  };
  hilo::run([&] { hilo::spawn(use).join(); });
  CHECK(found == "there");
  found.clear();
  std::thread(use).join();
  CHECK(found == "there");
}

TEST_CASE("fiber_local: a destructor that always makes its value again does not hang the fiber") {
  // The value of the last round is dropped: its memory too, so a child process does this.
  const auto end = run_in_child([] {
    struct endless {
      endless() = default;
      endless(endless&& other) noexcept : mine(std::exchange(other.mine, false)) {}
      ~endless() {
        if (mine) (void)where().get();
      }
      static hilo::fiber_local<endless>& where() {
        static hilo::fiber_local<endless> one;
        return one;
      }
      bool mine = true;
    };
    hilo::run([] { hilo::spawn([] { (void)endless::where().get(); }).join(); });
    std::thread([] { (void)endless::where().get(); }).join();
    ::_exit(3);
  });
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 3);
}

namespace {

tally values;
struct counted_value {
  counted_value() { values += 1; }
  counted_value(counted_value&&) noexcept { values += 1; }
  ~counted_value() { values += -1; }
};
hilo::fiber_local<counted_value>& counted() {
  static hilo::fiber_local<counted_value> one;
  return one;
}
struct uses_late {
  ~uses_late() { (void)counted().get(); }
  void touch() {}
};
thread_local uses_late older;

}  // namespace

TEST_CASE("fiber_local: values that late destructors of a kernel thread make are destroyed") {
  static pthread_key_t key;
  static const bool made = ::pthread_key_create(&key, [](void*) { (void)counted().get(); }) == 0;
  REQUIRE(made);
  for (const bool before : {false, true}) {
    CAPTURE(before);
    const auto by_object = [before] {
      older.touch();  // destroyed after the values that exist now
      if (before) (void)counted().get();
    };
    const auto by_key = [before] {
      if (before) (void)counted().get();
      (void)::pthread_setspecific(key, &key);
    };
    std::thread(by_object).join();
    CHECK(values.now() == 0);
    std::thread(by_key).join();
    CHECK(values.now() == 0);
    hilo::thread(by_object).join();
    CHECK(values.now() == 0);
    hilo::thread(by_key).join();
    CHECK(values.now() == 0);
  }
}

TEST_CASE("fiber_local: late destructors of the main thread have their values destroyed at exit") {
#if !defined(__GLIBC__)
  HILO_SKIP("this libc does not destroy the main thread's values before the exit handlers");
#endif
  const auto end = run_in_child([] {
    older.touch();
    (void)counted().get();
    (void)std::atexit([] { std::printf("values left: %d\n", values.now()); });
    std::exit(0);
  });
  CAPTURE(end.describe());
  CHECK(end.says("values left: 0"));
}

TEST_CASE("handle: a fiber that would wait for its own end is told so") {
  using handle = hilo::fiber<void>;
  const auto ends_with = [](void (*what)(std::shared_ptr<handle>), const char* text) {
    for (const unsigned carriers : {1U, 2U, 4U}) {
      CAPTURE(carriers);
      const auto end = run_in_child([what, carriers] {
        hilo::run(hilo::runtime_options{.carriers = carriers}, [what] {
          auto self = std::make_shared<handle>();
          hilo::event made;
          *self = hilo::spawn([&] {
            (void)made.wait();
            what(self);
          });
          made.set();
          (void)hilo::sleep_for(1h);
        });
      });
      CAPTURE(end.describe());
      CHECK(end.aborted_with(text));
    }
  };
  ends_with([](std::shared_ptr<handle> self) { self->join(); }, "joins itself");
  ends_with([](std::shared_ptr<handle> self) { (void)self->wait(); }, "waits for its own end");
  ends_with([](std::shared_ptr<handle> self) { (void)self->wait_for(1s); },
            "waits for its own end");
  ends_with([](std::shared_ptr<handle> self) { *self = handle(); }, "destroys its own handle");
  ends_with([](std::shared_ptr<handle> self) { handle dropped(std::move(*self)); },
            "destroys its own handle");
  ends_with([](std::shared_ptr<handle> self) { (void)hilo::select(hilo::end_of(*self)); },
            "selects on its own end");
  ends_with(
      [](std::shared_ptr<handle> self) {
        hilo::select_list cases;
        (void)cases.end_of(*self);
        (void)cases.wait();
      },
      "selects on its own end");
}

TEST_CASE("handle: a fiber may detach itself, and look at its own handle") {
  on_each_runtime([] {
    hilo::event made, gone;
    hilo::fiber<void> self = hilo::spawn([&] {
      (void)made.wait();
      CHECK(self.joinable());
      CHECK(self.id() == hilo::this_fiber::id());
      self.detach();
      CHECK(!self.joinable());
      gone.set();
    });
    made.set();
    (void)gone.wait();
  });
}

TEST_CASE("handle: a loop that looks whether there is a fiber lets another one put it there") {
  hilo::run(hilo::runtime_options{.carriers = 1}, [] {
    hilo::fiber<int> handed;
    auto giver = hilo::spawn([&] { handed = hilo::spawn([] { return 4; }); });
    while (!handed.joinable()) {
    }
    CHECK(handed.join() == 4);
    giver.join();
  });
}
