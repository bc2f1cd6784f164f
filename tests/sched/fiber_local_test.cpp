#include "hilo/fiber_local.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hilo/fiber.hpp"

#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

using hilo::test::on_each_runtime;

TEST_CASE("fiber_local: each fiber has its own, wherever it runs") {
  on_each_runtime([] {
    hilo::fiber_local<int> mine;
    hilo::fiber_local<std::string> text([] { return std::string("new"); });
    *mine = -1;
    std::vector<hilo::fiber<void>> all;
    for (int f = 0; f < 32; ++f) {
      all.push_back(hilo::spawn([&, f] {
        CHECK(*mine == 0);
        CHECK(*text == "new");
        for (int i = 0; i < 50; ++i) {
          *mine += f;
          hilo::yield();
        }
        text->append(std::to_string(f));
        hilo::yield();
        CHECK(*mine == 50 * f);
        CHECK(*text == "new" + std::to_string(f));
      }));
    }
    for (auto& one : all) one.join();
    CHECK(*mine == -1);
  });
}

TEST_CASE("fiber_local: values end with their fiber or thread, the last made first") {
  std::vector<std::string> ended;
  struct noted {
    noted(std::vector<std::string>& where, std::string what) : log(&where), name(std::move(what)) {}
    noted(noted&& other) noexcept : log(std::exchange(other.log, nullptr)), name(other.name) {}
    ~noted() {
      if (log != nullptr) log->push_back(name);
    }
    std::vector<std::string>* log;
    std::string name;
  };
  const auto use = [&] {
    hilo::fiber_local<noted> first([&] { return noted(ended, "first"); });
    hilo::fiber_local<noted> second([&] { return noted(ended, "second"); });
    first.get();
    second.get();
    CHECK(ended.empty());
  };
  const std::vector<std::string> expected{"second", "first"};
  hilo::run([&] { hilo::spawn(use).join(); });
  CHECK(ended == expected);
  ended.clear();
  std::thread(use).join();
  CHECK(ended == expected);
}

TEST_CASE("fiber_local: a value that cannot be made is tried again") {
  hilo::run([] {
    int tries = 0;
    hilo::fiber_local<int> value([&]() -> int {
      if (++tries == 1) throw std::runtime_error("not yet");
      return 5;
    });
    CHECK_THROWS_AS(value.get(), std::runtime_error);
    CHECK(value.get() == 5);
    CHECK(value.get() == 5);
    CHECK(tries == 2);
  });
}
