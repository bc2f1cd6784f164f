// Initialisation on first use, with a look at a flag before the lock is taken. The flag is set
// before the work is done, so one that comes meanwhile uses what is not there yet. With the flag
// set last it is right; hilo::call_once is shorter.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

using settings = std::map<std::string, int>;

// What takes its time, in virtual time: nobody waits for it.
settings load() {
  hilo::sleep_for(5s);
  return {{"port", 80}};
}

template <bool FlagFirst>
class lazy_settings {
 public:
  const settings& get() {
    if (ready_.load(std::memory_order_acquire)) return value_;
    const std::scoped_lock lock(guard_);
    if (!ready_.load(std::memory_order_relaxed)) {
      if (FlagFirst) ready_.store(true, std::memory_order_release);
      value_ = load();
      ready_.store(true, std::memory_order_release);
    }
    return value_;
  }

 private:
  hilo::mutex guard_;
  std::atomic<bool> ready_{false};
  settings value_;
};

template <bool FlagFirst>
void serve() {
  lazy_settings<FlagFirst> shared;
  hilo::scope<> handlers;
  for (int i = 0; i < 3; ++i) {
    (void)handlers.spawn([&] {
      if (shared.get().count("port") == 0) throw std::logic_error("settings without a port");
    });
  }
  handlers.join();
}

}  // namespace

int main() {
  try {
    hilo::explore({.seeds = 1000}, serve<true>);
    std::puts("flag first: nothing found");
  } catch (const hilo::simulation_failure& failure) {
    try {
      std::rethrow_exception(failure.cause);
    } catch (const std::logic_error& cause) {
      std::printf("flag first: %s\n", cause.what());
    }
  }
  const auto runs = hilo::explore({.seeds = 1000}, serve<false>).runs;
  std::printf("flag last: %llu runs, no failure\n", static_cast<unsigned long long>(runs));
}
