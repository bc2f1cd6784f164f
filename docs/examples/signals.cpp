// Ending on SIGTERM without a handler: a fiber works until another receives the signal, which the
// program sends to itself here. The set of signals is made first of all, so that every thread that
// comes later leaves them to it.
#include <csignal>
#include <cstdio>
#include <hilo/hilo.hpp>

#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;

int main() {
  hilo::io::signal_set signals({SIGTERM, SIGHUP});
  hilo::run([&] {
    hilo::channel<int> work(16);
    hilo::fiber<int> worker = hilo::spawn([&] {
      int done = 0;
      while (work.receive()) ++done;
      return done;
    });
    for (int i = 0; i < 100; ++i) (void)work.send(i);

    ::kill(::getpid(), SIGHUP);
    std::printf("signal %d: read the configuration again\n", signals.receive().value().number);

    ::kill(::getpid(), SIGTERM);
    hilo::result<short> ready = 0;
    switch (hilo::select{hilo::io::ready_of(signals.fd(), POLLIN, ready), hilo::after(100s)}) {
      case 0:
        std::printf("signal %d: end\n", signals.receive().value().number);
        break;
      default:
        std::printf("no signal came\n");
    }
    work.close();
    std::printf("%d pieces of work done\n", worker.join());
  });
}
