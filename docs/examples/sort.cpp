// Programs in the middle of one's own: lines go through sort and uniq, each a child process, and
// come back in another order. Three fibers and two programs work at once; a full pipe parks a
// fiber.
#include <cstdio>
#include <hilo/hilo.hpp>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

void pipeline() {
  auto [between_out, between_in] = std::move(hilo::io::pipe().value());
  hilo::process sort({.path = "sort",
                      .environment = {{"LC_ALL=C"}},
                      .in = hilo::stdio::piped(),
                      .out = hilo::stdio::lent(between_in.fd())});
  hilo::process uniq({.path = "uniq",
                      .arguments = {"-c"},
                      .in = hilo::stdio::lent(between_out.fd()),
                      .out = hilo::stdio::piped()});
  between_in.close().value();  // so that only sort can keep uniq waiting
  between_out.close().value();

  hilo::fiber<void> writer = hilo::spawn([&] {
    const std::string words[] = {"pear\n", "fig\n", "apple\n", "fig\n"};
    for (int round = 0; round < 10'000; ++round) {
      for (const std::string& word : words) sort.in().write_all(word.data(), word.size()).value();
    }
    sort.in().close().value();
  });
  std::string counted;
  while (uniq.out().read(counted, 4096).value() != 0) {
  }
  writer.join();
  std::printf("%s", counted.c_str());
  std::printf("sort %s, ", sort.wait().value().describe().c_str());
  std::printf("uniq %s\n", uniq.wait().value().describe().c_str());
}

}  // namespace

int main() {
  hilo::run([] {
    pipeline();

    const auto late = hilo::run_program({.path = "sleep", .arguments = {"1000"}}, "", 20ms);
    std::printf("sleep: %s\n", hilo::to_string(late.status()));
    try {
      hilo::process none({.path = "/nowhere/program"});
    } catch (const hilo::process_error& error) {
      std::printf("%s\n", error.what());
    }
  });
}
