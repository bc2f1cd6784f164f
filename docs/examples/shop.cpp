// What a channel is not for: announcements that each visitor hears (broadcast), a price of which
// only the newest counts (watch), and one answer to one question (oneshot).
#include <cstdio>
#include <exception>
#include <hilo/hilo.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

struct question {
  int pieces;
  hilo::oneshot_sender<int> answer;
};

int ask(hilo::channel<question>& clerk, int pieces) {
  auto [out, in] = hilo::make_oneshot<int>();
  if (clerk.send({pieces, std::move(out)}) != hilo::status::ok) return -1;
  return in.receive().value_or(-1);  // empty if the clerk went without an answer
}

}  // namespace

int main() {
  hilo::run([] {
    auto [loudspeaker, _] = hilo::make_broadcast<std::string>(8);
    auto [price, tag] = hilo::make_watch(100);
    hilo::channel<question> questions;

    auto clerk = hilo::spawn([&questions, tag = tag] {
      for (question& one : questions) {
        if (one.pieces > 0) {
          (void)one.answer.send(one.pieces * *tag.borrow());
        } else {
          auto error = std::make_exception_ptr(std::invalid_argument("how many?"));
          (void)one.answer.fail(std::move(error));
        }
      }
    });
    std::vector<hilo::fiber<std::string>> visitors;
    for (const char* name : {"Ada", "Bob"}) {
      visitors.push_back(hilo::spawn([name, in = loudspeaker.subscribe()]() mutable {
        std::string heard = name;
        for (const std::string& announcement : in) heard += " [" + announcement + "]";
        return heard;
      }));
    }

    (void)loudspeaker.send("open");
    std::printf("two cost %d\n", ask(questions, 2));
    (void)price.send(120);
    (void)loudspeaker.send("prices have changed");
    std::printf("two cost %d\n", ask(questions, 2));
    try {
      (void)ask(questions, 0);
    } catch (const std::invalid_argument& error) {
      std::printf("none: %s\n", error.what());
    }
    (void)loudspeaker.send("closed");
    { auto switched_off = std::move(loudspeaker); }
    for (auto& one : visitors) std::printf("%s\n", one.join().c_str());
    questions.close();
    clerk.join();
  });
}
