// Waiting for each other: yield, hand-over, channels and a contended lock.
#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "bench/workloads.hpp"

namespace bench {

void yield(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    const auto half = [] {
      for (std::uint64_t i = 0; i < yields / 2; ++i) hilo::yield();
    };
    for (auto _ : state) {
      auto first = hilo::spawn(half);
      auto second = hilo::spawn(half);
      first.join();
      second.join();
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(yields));
}

void pingpong(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    hilo::channel<std::uint64_t> to_pong;
    hilo::channel<std::uint64_t> to_ping;
    auto other = hilo::spawn([&] {
      for (const std::uint64_t ball : to_pong) (void)to_ping.send(ball + 1);
    });
    std::uint64_t ball = 0;
    for (auto _ : state) {
      (void)to_pong.send(ball);
      ball = to_ping.receive().value_or(0);
    }
    to_pong.close();
    other.join();
    expect("the number of round trips", ball, static_cast<std::uint64_t>(state.iterations()));
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

namespace {

// Every value from 0 to messages - 1 goes through the channel once.
template <unsigned senders, unsigned receivers>
void through_channel(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      hilo::channel<std::uint64_t> channel(channel_capacity);
      std::vector<hilo::fiber<std::uint64_t>> receiving;
      std::vector<hilo::fiber<void>> sending;
      for (unsigned i = 0; i < receivers; ++i) {
        receiving.push_back(hilo::spawn([&] {
          std::uint64_t sum = 0;
          for (const std::uint64_t value : channel) sum += value;
          return sum;
        }));
      }
      for (unsigned i = 0; i < senders; ++i) {
        sending.push_back(hilo::spawn([&, i] {
          for (std::uint64_t value = i; value < messages; value += senders)
            (void)channel.send(value);
        }));
      }
      for (auto& each : sending) each.join();
      channel.close();
      std::uint64_t sum = 0;
      for (auto& each : receiving) sum += each.join();
      expect("the sum of all messages", sum, message_sum);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(messages));
}

}  // namespace

void channel_1x1(benchmark::State& state, unsigned carriers) {
  through_channel<1, 1>(state, carriers);
}

void channel_4x4(benchmark::State& state, unsigned carriers) {
  through_channel<4, 4>(state, carriers);
}

void select_4(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    using numbers = hilo::channel<std::uint64_t>;
    std::array<numbers, 4> channels{numbers(select_room), numbers(select_room),
                                    numbers(select_room), numbers(select_room)};
    std::optional<std::uint64_t> value;
    for (auto _ : state) {
      state.PauseTiming();
      for (std::uint64_t n = 0; n < 4 * select_room; ++n) (void)channels[n % 4].send(n);
      std::uint64_t sum = 0;
      state.ResumeTiming();
      for (std::uint64_t n = 0; n < selects; ++n) {
        (void)hilo::select{
            hilo::receive_from(channels[0], value), hilo::receive_from(channels[1], value),
            hilo::receive_from(channels[2], value), hilo::receive_from(channels[3], value)};
        sum += value.value_or(0);
      }
      state.PauseTiming();
      for (numbers& channel : channels) {
        while (channel.try_receive(value) == hilo::status::ok) sum += *value;
      }
      expect("the sum of all values", sum, select_sum);
      state.ResumeTiming();
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(selects));
}

void mutex_8(benchmark::State& state, unsigned carriers) {
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      hilo::mutex mutex;
      std::uint64_t count = 0;
      std::vector<hilo::fiber<void>> fibers;
      for (unsigned i = 0; i < mutex_holders; ++i) {
        fibers.push_back(hilo::spawn([&] {
          for (std::uint64_t n = 0; n < increments / mutex_holders; ++n) {
            const std::scoped_lock lock(mutex);
            benchmark::DoNotOptimize(++count);
          }
        }));
      }
      for (auto& fiber : fibers) fiber.join();
      expect("the count under the lock", count, increments);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(increments));
}

}  // namespace bench
