// Two processes in one memory pass a number back and forth. Whoever waits sleeps in a futex.
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <hilo/clone.hpp>
#include <vector>

namespace share = hilo::share;

int main() {
  std::atomic<int> number = 0;
  std::vector<std::byte> stack(64 * 1024);  // ours; the child starts at its end and grows down

  hilo::child other =
      hilo::clone<share::memory | share::filesystem | share::files | share::signal_handlers>()
          .exit_signal(SIGCHLD)
          .stack(stack)
          .start([&] {
            number.wait(0, std::memory_order_acquire);
            std::printf("child: I see %d, and say 2\n", number.load(std::memory_order_relaxed));
            number.store(2, std::memory_order_release);
            number.notify_one();
          });

  std::printf("parent: I say 1\n");
  number.store(1, std::memory_order_release);
  number.notify_one();
  number.wait(1, std::memory_order_acquire);
  std::printf("parent: I see %d\n", number.load(std::memory_order_relaxed));
  std::printf("parent: the child %s\n", other.wait().describe().c_str());
}
