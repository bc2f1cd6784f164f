// Two fibers take two mutexes in different orders, and wait for each other for ever. debugging.md
// shows how to find that out.
#include <hilo/hilo.hpp>
#include <mutex>

hilo::mutex accounts;
hilo::mutex journal;

int main() {
  hilo::run([] {
    hilo::barrier both(2);
    auto teller = hilo::spawn({.name = "teller"}, [&] {
      const std::scoped_lock first(accounts);
      both.arrive_and_wait();
      const std::scoped_lock second(journal);
    });
    auto auditor = hilo::spawn({.name = "auditor"}, [&] {
      const std::scoped_lock first(journal);
      both.arrive_and_wait();
      const std::scoped_lock second(accounts);
    });
    teller.join();
    auditor.join();
  });
}
