// What a primitive of the kernel floor cannot report to its caller ends the process with one line.
#include <chrono>
#include <functional>
#include <string>

#include "hilo/kernel.hpp"
#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

namespace kernel = hilo::kernel;

namespace {

void check_aborts(const char* line, const std::function<void()>& misuse) {
  const auto end = hilo::test::run_in_child(misuse);
  CAPTURE(line);
  CAPTURE(end.describe());
  CHECK(end.aborted_with(std::string("hilo: ") + line + "\n"));
}

}  // namespace

TEST_CASE("kernel misuse: giving up what is not held aborts with one line") {
  check_aborts("unlock of a hilo::kernel::mutex that is not locked",
               [] { kernel::mutex().unlock(); });
  check_aborts("unlock of a hilo::kernel::shared_mutex that no writer holds",
               [] { kernel::shared_mutex().unlock(); });
  check_aborts("unlock of a hilo::kernel::shared_mutex that no writer holds", [] {
    kernel::shared_mutex mutex;
    mutex.lock_shared();
    mutex.unlock();
  });
  check_aborts("unlock_shared of a hilo::kernel::shared_mutex that no reader holds",
               [] { kernel::shared_mutex().unlock_shared(); });
  check_aborts("unlock_shared of a hilo::kernel::shared_mutex that no reader holds", [] {
    kernel::shared_mutex mutex;
    mutex.lock();
    mutex.unlock_shared();
  });
  check_aborts("unlock of a hilo::kernel::recursive_mutex that the thread does not hold",
               [] { kernel::recursive_mutex().unlock(); });
  check_aborts("unlock of a hilo::kernel::recursive_mutex that the thread does not hold", [] {
    kernel::recursive_mutex mutex;
    mutex.lock();
    hilo::thread([&] { mutex.unlock(); }).join();
  });
}

TEST_CASE("kernel misuse: taking a mutex again and giving up another's aborts with one line") {
  using namespace std::chrono_literals;
  check_aborts("lock of a hilo::kernel::mutex that the thread holds already", [] {
    kernel::mutex mutex;
    mutex.lock();
    mutex.lock();
  });
  check_aborts("lock of a hilo::kernel::mutex that the thread holds already", [] {
    kernel::mutex mutex;
    mutex.lock();
    (void)mutex.try_lock_for(std::chrono::hours::max());
  });
  check_aborts("unlock of a hilo::kernel::mutex that another thread holds", [] {
    kernel::mutex mutex;
    mutex.lock();
    hilo::thread([&] { mutex.unlock(); }).join();
  });
  // A thread that never took a lock, and a mutex for which another thread waits.
  check_aborts("unlock of a hilo::kernel::mutex that another thread holds", [] {
    kernel::mutex mutex;
    kernel::event held;
    const hilo::thread holder([&] {
      mutex.lock();
      held.set();
      kernel::event().wait();
    });
    held.wait();
    const hilo::thread waiting([&] { mutex.lock(); });
    (void)mutex.try_lock_for(20ms);
    mutex.unlock();
  });
  check_aborts("lock of a hilo::kernel::mutex that the thread holds already", [] {
    kernel::mutex mutex;
    kernel::condition_variable changed;
    mutex.lock();
    changed.notify_one();
    (void)changed.wait_for(mutex, 1ms);  // holds it again afterwards
    mutex.lock();
  });
  kernel::mutex mutex;
  mutex.lock();
  CHECK_FALSE(mutex.try_lock());
  CHECK_FALSE(mutex.try_lock_for(1ms));
  mutex.unlock();
}

TEST_CASE("kernel misuse: counts out of range abort with one line") {
  check_aborts("a hilo::kernel::latch is counted down below 0", [] {
    kernel::latch latch(1);
    latch.count_down(2);
  });
  check_aborts("a hilo::kernel::latch counts from less than 0 or more than max()",
               [] { const kernel::latch latch(-1); });
  check_aborts("more arrive at a hilo::kernel::barrier than it expects", [] {
    kernel::barrier barrier(1);
    (void)barrier.arrive(2);
  });
  check_aborts("release of 1 permits to a hilo::kernel::counting_semaphore that has 1 of 1", [] {
    kernel::binary_semaphore semaphore(1);
    semaphore.release();
  });
  check_aborts(
      "a hilo::kernel::counting_semaphore starts with less than 0 or more than max() permits",
      [] { const kernel::binary_semaphore semaphore(2); });
}
