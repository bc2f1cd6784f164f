// Each request starts a fiber that waits for an answer. One request of ten is never answered, so
// its fiber stays for ever.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>

using namespace std::chrono_literals;

hilo::channel<int> answers(16);

void wait_for_answer() {
  if (const auto answer = answers.receive()) std::printf("answer %d\n", *answer);
}

int main() {
  hilo::run([] {
    for (int request = 0; request < 200; ++request) {
      hilo::spawn({.name = "request"}, wait_for_answer).detach();
      if (request % 10 != 3) (void)answers.send(request);
    }
    hilo::sleep_for(1h);  // the server goes on
  });
}
