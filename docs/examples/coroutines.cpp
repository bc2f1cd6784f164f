// Code that is written with co_await, on fibers. The coroutines await calls of hilo, each other,
// and the end of a fiber. Three fibers run them.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct order {
  std::string what;
  int count;
};

// A price that takes a while.
hilo::coroutine<int> price_of(std::string what) {
  co_await hilo::sleep_for(1ms);
  co_return static_cast<int>(what.size());
}

// A coroutine awaits another, and the end of a fiber that works meanwhile.
hilo::coroutine<int> total_of(order one) {
  hilo::fiber<int> packing = hilo::spawn([&] { return one.count > 10 ? 5 : 2; });
  const int goods = one.count * co_await price_of(one.what);
  co_return goods + co_await packing;
}

// Takes orders until the channel is closed.
hilo::coroutine<> take_orders(hilo::receiver<order> in, hilo::sender<int> out) {
  while (std::optional<order> next = co_await in.receive()) {
    const int total = co_await total_of(std::move(*next));
    if (co_await out.send(total) != hilo::status::ok) co_return;
  }
}

}  // namespace

int main() {
  hilo::run([] {
    auto [orders_out, orders_in] = hilo::make_channel<order>(4);
    auto [totals_out, totals_in] = hilo::make_channel<int>(4);
    std::vector<hilo::fiber<void>> takers;
    for (int i = 0; i < 3; ++i) takers.push_back(hilo::spawn(take_orders(orders_in, totals_out)));
    { const auto last = std::move(totals_out); }  // the takers have copies; the last to go closes

    auto ordering = hilo::spawn([out = std::move(orders_out)] {
      for (const char* what : {"pen", "paper", "ink", "envelope"}) {
        if (out.send({what, 20}) != hilo::status::ok) return;
      }
    });
    int sum = 0;
    for (const int total : totals_in) sum += total;
    ordering.join();
    std::printf("4 orders of 20 cost %d\n", sum);
  });
}
