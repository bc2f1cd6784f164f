// A consumer that sleeps on an event when its queue is empty. It looks at the queue, and then
// resets the event: what is announced between the two is lost, once in a very long while. A
// simulation finds it at once, for there it is a deadlock, and says who waits for what.
#include <cstdio>
#include <deque>
#include <hilo/hilo.hpp>
#include <mutex>

namespace {

constexpr int jobs = 3;

// Looks, then resets: between them the producer may announce a job.
struct hasty_queue {
  std::deque<int> waiting;
  hilo::mutex guard;
  hilo::event announced;

  void push(int job) {
    {
      const std::scoped_lock lock(guard);
      waiting.push_back(job);
    }
    announced.set();
  }
  int pop() {
    while (true) {
      {
        const std::scoped_lock lock(guard);
        if (!waiting.empty()) {
          const int job = waiting.front();
          waiting.pop_front();
          return job;
        }
      }
      announced.reset();
      announced.wait();
    }
  }
};

// Resets, then looks: who announces after the look finds the event reset, and sets it.
struct careful_queue : hasty_queue {
  int pop() {
    while (true) {
      announced.reset();
      {
        const std::scoped_lock lock(guard);
        if (!waiting.empty()) {
          const int job = waiting.front();
          waiting.pop_front();
          return job;
        }
      }
      announced.wait();
    }
  }
};

template <class Queue>
void work() {
  Queue queue;
  auto consumer = hilo::spawn(hilo::spawn_options{.name = "consumer"}, [&] {
    for (int i = 0; i < jobs; ++i) (void)queue.pop();
  });
  for (int i = 0; i < jobs; ++i) queue.push(i);
  consumer.join();
}

}  // namespace

int main() {
  try {
    hilo::explore({.seeds = 1000}, work<hasty_queue>);
    std::puts("the hasty queue: nothing found");
  } catch (const hilo::simulation_failure& failure) {
    std::puts("the hasty queue: deadlock");
    for (const hilo::waiting_fiber& one : failure.waiting) {
      std::printf("  %s waits for %s\n", one.name.c_str(), one.waits_for.c_str());
    }
  }
  const auto runs = hilo::explore({.seeds = 1000}, work<careful_queue>).runs;
  std::printf("the careful queue: %llu runs, no failure\n", static_cast<unsigned long long>(runs));
}
