#include "runtime/sched/scheduler.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/check.hpp"
#include "runtime/base/code_address.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/exiting.hpp"
#include "runtime/context/guard_report.hpp"
#include "runtime/sched/fibers/forked_fiber.hpp"
#include "runtime/sched/fibers/registry.hpp"
#include "runtime/sched/watch/deadlock.hpp"
#include "runtime/sched/watch/dump_signal.hpp"
#include "runtime/sched/watch/lock_warnings.hpp"
#include "runtime/sched/worker.hpp"
#include "runtime/thread/loaded.hpp"

namespace hilo::sched {
namespace {

void describe_with_site(const fiber& one, char* text, std::size_t room) noexcept {
  char who[64];
  char site[600];
  describe_fiber(one, who, sizeof who);
  // The return address of the call, minus one, lies in the call instruction.
  base::format_code_address(static_cast<const char*>(one.spawned_at) - 1, site, sizeof site);
  std::snprintf(text, room, "%s, spawned at %s", who, site);
}

void describe_stack(char* top, char* text, std::size_t room) noexcept {
  // The control block lies within the last page of the stack; build_fiber() left its address there.
  describe_with_site(*reinterpret_cast<fiber* const*>(top)[-1], text, room);
}

// Where the fault's handler runs, the worker's fiber cannot change.
bool describe_running(char* text, std::size_t room) noexcept {
  worker* const here = current_worker();
  if (here == nullptr || &here->running() == &here->base()) return false;
  describe_with_site(here->running(), text, room);
  return true;
}

constinit std::atomic<std::uint32_t> runtimes_so_far{0};  // relaxed: only has to differ

// While it lives, waits in this thread are the kernel thread's, not a fiber's.
class as_thread {
 public:
  as_thread() noexcept : worker_(current_worker()) { set_current_worker(nullptr); }
  ~as_thread() { set_current_worker(worker_); }
  as_thread(const as_thread&) = delete;
  as_thread& operator=(const as_thread&) = delete;

 private:
  worker* worker_;
};

}  // namespace

scheduler::scheduler(const runtime_options& options, decider* decides)
    : decides_(decides),
      number_(runtimes_so_far.fetch_add(1, std::memory_order_relaxed) + 1),
      stack_reserve_(options.stack_reserve),
      default_class_(size_class_of(options.stack_size)),
      measures_wakeups_(decides == nullptr && options.measure_wakeups),
      default_extras_{.own_block = options.tls == tls::own,
                      .paint = options.paint_stacks,
                      .watched = decides != nullptr || options.measure_wakeups},
      unguarded_stacks_(options.unguarded_stacks),
      guard_size_(options.guard_size),
      wanted_io_(options.io == io_driver::any ? driver_of_environment() : options.io),
      carriers_(options.carriers),
      queues_(options.carriers),
      deadlock_(deadlock_of_environment(options.deadlock)),
      lock_warnings_(decides == nullptr && lock_warnings_of_environment(options.warn_about_locks)),
      dump_signal_(decides == nullptr ? dump_signal_of_environment(options.dump_signal) : 0),
      spares_(*this, options.spare_carriers),
      monitor_(*this, options, deadlock_, dump_signal_ != 0) {
  if (options.carriers < 1 || options.carriers > most_carriers) {
    base::fail(EINVAL, "start a runtime",
               "runtime_options.carriers is " + std::to_string(options.carriers) +
                   "; it must be from 1 to " + std::to_string(most_carriers));
  }
  if (default_extras_.own_block && !context::tls_refusal().empty()) {
    base::fail(ENOTSUP, "start a runtime whose fibers own thread-local storage",
               context::tls_refusal());
  }
  if (options.spare_carriers < 1 || options.spare_carriers > most_spares) {
    base::fail(EINVAL, "start a runtime",
               "runtime_options.spare_carriers is " + std::to_string(options.spare_carriers) +
                   "; it must be from 1 to " + std::to_string(most_spares));
  }
  if (options.guard_size > largest_guard) {
    base::fail(EINVAL, "start a runtime",
               "runtime_options.guard_size is " + base::format_bytes(options.guard_size) +
                   "; it must be at most " + base::format_bytes(largest_guard));
  }
  if (dump_signal_ != 0) install_dump_signal(dump_signal_);
  if (lock_warnings_) watch_mutexes();
  if (wanted_io_ == io_driver::uring) (void)io();
  if (decides_ == nullptr) begin_trace_of_environment();
  detail::free_light_fence();
  kernel::stay_loaded();
  expect_forks();
  context::describe_stacks_with(describe_stack);
  context::describe_running_with(describe_running);
  pool(default_class_);  // the default stacks: if they fail, it is here and not at the first spawn
  // More workers, in place of those that overstay (spares.hpp) or retired (retire.cpp).
  constexpr unsigned most_beside = 512;
  const std::size_t most = carriers_ + options.spare_carriers + most_beside;
  workers_.resize(most);
  threads_.resize(most);
  idle().reserve(most);
  spares_.reserve(most);
  for (unsigned i = 0; i < carriers_; ++i) {
    wheels_.push_back(std::make_unique<timer_wheel>(detail::monotonic_now()));
    places_.push_back(std::make_unique<place>(*wheels_[i]));
    workers_[i] = std::make_unique<worker>(*this, i, places_[i].get());
  }
  made_.store(carriers_, std::memory_order_relaxed);  // starting the carriers publishes it
  if (decides_ == nullptr) start_carriers();
  list_runtime(*this);
}

void scheduler::restart_clock(std::int64_t now) noexcept {
  timer_wheel& wheel = *wheels_.front();
  std::destroy_at(&wheel);
  std::construct_at(&wheel, now);
}

// Fibers have stacks of their own; a carrier's stack carries the search and the signal handlers.
thread scheduler::start_carrier(std::size_t index) {
  const thread_options how{.name = "hilo/" + std::to_string(index), .stack_size = 256 * 1024};
  return thread(how, [this, index] {
    // The kernel may round a sleeper's deadline up by 50 us to save interrupts; timers promise
    // less.
    ::prctl(PR_SET_TIMERSLACK, 1);
    workers_[index]->run();
  });
}

void scheduler::start_carriers() {
  std::size_t started = 0;
  try {
    for (; started < carriers_; ++started) threads_[started] = start_carrier(started);
  } catch (const std::system_error& error) {
    stop();
    for (auto& one : pools_) delete one.load(std::memory_order_relaxed);  // no carrier is left
    base::fail(error.code().value(),
               "start carrier " + std::to_string(started + 1) + " of " + std::to_string(carriers_),
               std::string(error.what()) + "; set fewer runtime_options.carriers");
  }
}

const place& scheduler::place_of(const timer_wheel& timers) const noexcept {
  std::size_t index = 0;
  while (wheels_[index].get() != &timers) ++index;
  return *places_[index];
}

driver& scheduler::io() {
  if (driver* const made = io_if_made()) return *made;
  const std::scoped_lock guard(making_io_);
  if (made_io_ == nullptr) made_io_ = make_driver(wanted_io_);
  io_.store(made_io_.get(), std::memory_order_release);  // (V)
  return *made_io_;
}

bool scheduler::start_spare(worker*& one) noexcept {
  // A fiber would park until the ended thread is joined. A base cannot park, and a holder of the
  // lock must not.
  const as_thread here;
  try {
    const std::scoped_lock guard(starting_);
    std::size_t index = made_.load(std::memory_order_relaxed);  // written under starting_
    if (one == nullptr) {
      if (index == most_workers()) return false;
      workers_[index] = std::make_unique<worker>(*this, static_cast<unsigned>(index), nullptr);
      one = workers_[index].get();
      made_.store(index + 1, std::memory_order_release);  // (E)
    } else {
      index = one->index();
    }
    threads_[index] = thread();  // joins the ended thread, which may still be closing its ring
    one->its_bed().make();
    threads_[index] = start_carrier(index);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

scheduler::~scheduler() {
  HILO_CHECK(current_worker() == nullptr || &current_worker()->home() != this,
             "a runtime is destroyed by one of its own fibers: it would wait for itself");
  if (decides_ == nullptr) {
    wait_for_fibers();
    stop();
  }
  // (G) A guest that published the last fiber may still be on its way out.
  while (guests_.load(std::memory_order_acquire) != 0) ::sched_yield();
  const std::uint64_t unjoined = spawned() - returned();
  HILO_CHECK(
      unjoined == 0,
      "a runtime ends while %llu fiber handles are neither joined nor detached; a handle may "
      "not outlive its runtime",
      static_cast<unsigned long long>(unjoined));
  keep_trace_of(*this);
  unlist_runtime(*this);
  for (auto& one : pools_) delete one.load(std::memory_order_relaxed);  // no carrier is left
}

bool scheduler::must_stay() noexcept {
  if (left_behind()) return true;
  if (all_ended() && spawned() == returned()) return false;  // as usual
  if (!base::in_exit()) return false;
  if (::gettid() != ::getpid()) return true;
  // Handles of ended fibers may be in frames that exit() left, or be destroyed later.
  wait_for_fibers();
  return spawned() != returned();
}

void scheduler::stop() noexcept {
  // seq_cst: (P1) of the idle protocol, with stopping as the queue
  stopping_.store(true, std::memory_order_seq_cst);
  monitor_.stop();  // first: it starts spares
  idle().wake_all();
  // A worker that entered its sleep before the store and was not yet in the list saw the store.
  spares_.stop();
  threads_.clear();
}

unsigned scheduler::size_class_of(std::size_t bytes) {
  const std::size_t largest = smallest_stack << (size_classes - 1);
  if (bytes == 0 || bytes > largest) {
    base::fail(EINVAL, "make fiber stacks of " + base::format_bytes(bytes),
               "a stack is from 1 byte to " + base::format_bytes(largest) +
                   ", rounded up to a power of two and at least " +
                   base::format_bytes(smallest_stack) + "; set stack_size");
  }
  const std::size_t rounded = std::bit_ceil(std::max(bytes, smallest_stack));
  return static_cast<unsigned>(std::countr_zero(rounded) - std::countr_zero(smallest_stack));
}

context::stack_pool& scheduler::pool(unsigned size_class) {
  std::atomic<context::stack_pool*>& place = pools_[size_class];
  // (C) acquire: pairs with the release below; publishes the pool.
  if (auto* there = place.load(std::memory_order_acquire)) return *there;
  const std::scoped_lock guard(pools_lock_);
  if (auto* there = place.load(std::memory_order_relaxed)) return *there;  // written under the lock
  auto* made = new context::stack_pool(smallest_stack << size_class, stack_reserve_, size_class,
                                       build_fiber, unguarded_stacks_, guard_size_);
  place.store(made, std::memory_order_release);  // (C)
  return *made;
}

bool scheduler::spare_stacks() const noexcept {
  for (const auto& one : pools_) {
    const auto* pool = one.load(std::memory_order_acquire);  // (C)
    if (pool != nullptr && pool->spare() != 0) return true;
  }
  return false;
}

bool scheduler::tidy_stacks(std::int64_t now) noexcept {
  constexpr std::size_t step =
      256;  // stacks closed at a time: about 0.2 ms, in which work may come
  if (!spare_stacks() || tidying_.exchange(true, std::memory_order_acquire)) return false;  // (Y)
  const bool period_over = now - tidied_at_.load(std::memory_order_relaxed) >= tidy_period;
  if (period_over) tidied_at_.store(now, std::memory_order_relaxed);
  bool more = false;
  for (auto& one : pools_) {
    auto* const pool = one.load(std::memory_order_acquire);  // (C)
    if (pool == nullptr) continue;
    if (period_over) pool->age();
    const std::size_t trimmed = pool->trim(step, [](const context::stack& unused) {
      static_cast<const fiber&>(unused).context.wait_off_cpu();
    });
    more = more || trimmed == step;
  }
  tidying_.store(false, std::memory_order_release);  // (Y)
  return more;
}

std::uint64_t scheduler::spawned() const noexcept {
  std::uint64_t sum = guest_spawned_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < workers(); ++i) sum += workers_[i]->spawned_count.read();
  return sum;
}

std::uint64_t scheduler::ended() const noexcept {
  std::uint64_t sum = guest_ended_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < workers(); ++i) sum += workers_[i]->ended_count.read();
  return sum;
}

std::uint64_t scheduler::returned() const noexcept {
  std::uint64_t sum = guest_returned_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < workers(); ++i) sum += workers_[i]->returned_count.read();
  return sum;
}

// Keeps a pointer to a scheduler that is not destroyed, so that a leak checker does not report it.
void abandon(scheduler& one) noexcept {
  static constinit std::atomic<scheduler*> last{nullptr};
  one.abandoned_before_ = last.exchange(&one, std::memory_order_relaxed);  // nobody reads it
}

// Ends are summed before spawns. Both only grow, and a fiber's spawn is counted before its end. If
// the sums are equal, then every fiber spawned until the second sum was complete had ended when the
// first sum was complete: at the moment between them no fiber was alive.
bool scheduler::all_ended() const noexcept {
  const std::uint64_t over = ended();
  return over == spawned();
}

// The destructor stores draining_ and then sums. A worker counts its last end, enters its sleep (a
// locked operation) and then reads draining_. Both are sequentially consistent, so one of them sees
// the other: the last worker that goes to sleep sees all ends.
void scheduler::wait_for_fibers() noexcept {
  drained_.store(true, std::memory_order_relaxed);
  while (true) {
    draining_.store(1, std::memory_order_seq_cst);
    full_barrier();  // the sums are acquire loads, which some CPUs let pass a sc store
    if (all_ended()) break;
    sys::futex_wait(draining_, 1);
  }
  drained_.store(false, std::memory_order_relaxed);
}

void scheduler::idle_reached() noexcept {
  if (draining_.load(std::memory_order_seq_cst) != 1 || !all_ended()) return;
  draining_.store(2, std::memory_order_seq_cst);
  sys::futex_wake_one(&draining_);
}

}  // namespace hilo::sched

namespace hilo {

runtime::runtime(const runtime_options& options) : scheduler_(new sched::scheduler(options)) {}
runtime::~runtime() = default;
void runtime::deleter::operator()(sched::scheduler* one) const noexcept {
  if (one->must_stay()) return sched::abandon(*one);
  delete one;
}
unsigned runtime::carriers() const noexcept {
  return scheduler_->carriers();
}

}  // namespace hilo
