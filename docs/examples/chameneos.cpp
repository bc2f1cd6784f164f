// Chameneos, of the benchmarks game: creatures meet in a mall, two at a time, and each takes the
// colour that complements the two. The mall is a channel and a fiber that introduces two visitors
// to each other; a visitor comes with a oneshot for the answer.
#include <array>
#include <cstddef>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <initializer_list>
#include <optional>
#include <utility>

namespace {

enum class colour : unsigned char { blue, red, yellow };

const char* to_string(colour one) {
  constexpr std::array names = {"blue", "red", "yellow"};
  return names[static_cast<std::size_t>(one)];
}

colour complement(colour one, colour other) {
  if (one == other) return one;
  return static_cast<colour>(3 - static_cast<int>(one) - static_cast<int>(other));
}

struct visitor {
  int number;
  colour now;
  hilo::oneshot_sender<std::pair<int, colour>> meets;
};

struct report {
  int meetings = 0;
  int with_itself = 0;
};

report live(hilo::channel<visitor>& mall, int number, colour now) {
  report mine;
  while (true) {
    auto [out, in] = hilo::make_oneshot<std::pair<int, colour>>();
    if (mall.send({number, now, std::move(out)}) != hilo::status::ok) return mine;
    const auto [other, its] = in.receive().value();
    now = complement(now, its);
    ++mine.meetings;
    if (other == number) ++mine.with_itself;
  }
}

void meet(std::initializer_list<colour> creatures, int meetings) {
  hilo::channel<visitor> mall;
  hilo::scope<report> all;
  int number = 0;
  for (const colour one : creatures) {
    std::printf("%s ", to_string(one));
    (void)all.spawn([&mall, n = number++, one] { return live(mall, n, one); });
  }
  for (int i = 0; i < meetings; ++i) {
    visitor first = mall.receive().value();
    visitor second = mall.receive().value();
    (void)first.meets.send(std::pair(second.number, second.now));
    (void)second.meets.send(std::pair(first.number, first.now));
  }
  mall.close();
  report sum;
  for (const report& one : all.join()) {
    sum.meetings += one.meetings;
    sum.with_itself += one.with_itself;
  }
  std::printf("met %d times, %d of them themselves\n", sum.meetings, sum.with_itself);
}

}  // namespace

int main() {
  using enum colour;
  for (const colour one : {blue, red, yellow}) {
    for (const colour other : {blue, red, yellow}) {
      std::printf("%s + %s -> %s\n", to_string(one), to_string(other),
                  to_string(complement(one, other)));
    }
  }
  hilo::run([] {
    meet({blue, red, yellow}, 10'000);
    meet({blue, red, yellow, red, yellow, blue, red, yellow, red, blue}, 10'000);
  });
}
