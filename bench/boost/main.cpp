// The workloads over Boost.Fiber, and the switch of Boost.Context alone.
#include <array>
#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/unbuffered_channel.hpp>
#include <cstddef>
#include <mutex>
#include <vector>

#include "bench/boost/carriers.hpp"
#include "bench/harness.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

using boost::fibers::channel_op_status;
using boost::fibers::fiber;

// Two contexts that jump to each other.
void raw_switch(benchmark::State& state, unsigned) {
  namespace context = boost::context::detail;
  alignas(64) std::array<std::byte, 16 * 1024> stack;
  static std::uint64_t visits;
  visits = 0;
  context::fcontext_t other = context::make_fcontext(
      stack.data() + stack.size(), stack.size(), [](context::transfer_t from) {
        for (;; from = context::jump_fcontext(from.fctx, nullptr)) ++visits;
      });
  for (auto _ : state) other = context::jump_fcontext(other, nullptr).fctx;
  const auto round_trips = static_cast<std::uint64_t>(state.iterations());
  expect("the number of visits", visits, round_trips);
  set_operations(state, 2 * double(round_trips));
}

void spawn_join(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    std::uint64_t ran = 0;
    for (auto _ : state) spawn([&] { ++ran; }).join();
    expect("the number of fibers that ran", ran, static_cast<std::uint64_t>(state.iterations()));
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

void spawn_many(benchmark::State& state, unsigned carriers) {
  boost::fibers::buffered_channel<bool> all_done(2);
  std::atomic<std::uint64_t> left = 0;
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    for (auto _ : state) {
      left.store(spawned_fibers, std::memory_order_relaxed);  // the spawns below publish it
      for (std::uint64_t i = 0; i < spawned_fibers; ++i) {
        spawn([&] {
          if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) all_done.push(true);
        }).detach();
      }
      expect("the word of the last fiber", all_done.value_pop(), 1);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(spawned_fibers));
}

void yield(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    const auto half = [] {
      for (std::uint64_t i = 0; i < yields / 2; ++i) boost::this_fiber::yield();
    };
    for (auto _ : state) {
      fiber first = spawn(half);
      fiber second = spawn(half);
      first.join();
      second.join();
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(yields));
}

void pingpong(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    boost::fibers::unbuffered_channel<std::uint64_t> to_pong;
    boost::fibers::unbuffered_channel<std::uint64_t> to_ping;
    fiber other = spawn([&] {
      for (const std::uint64_t ball : to_pong) to_ping.push(ball + 1);
    });
    std::uint64_t ball = 0;
    for (auto _ : state) {
      to_pong.push(ball);
      ball = to_ping.value_pop();
    }
    to_pong.close();
    other.join();
    expect("the number of round trips", ball, static_cast<std::uint64_t>(state.iterations()));
  });
  set_operations(state, static_cast<double>(state.iterations()));
}

template <unsigned senders, unsigned receivers>
void through_channel(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    for (auto _ : state) {
      boost::fibers::buffered_channel<std::uint64_t> channel(channel_capacity);
      std::array<std::uint64_t, receivers> sums{};
      std::vector<fiber> receiving;
      std::vector<fiber> sending;
      for (unsigned i = 0; i < receivers; ++i) {
        receiving.push_back(spawn([&, i] {
          std::uint64_t value = 0;
          std::uint64_t sum = 0;
          while (channel.pop(value) == channel_op_status::success) sum += value;
          sums[i] = sum;
        }));
      }
      for (unsigned i = 0; i < senders; ++i) {
        sending.push_back(spawn([&, i] {
          for (std::uint64_t value = i; value < messages; value += senders) channel.push(value);
        }));
      }
      for (fiber& each : sending) each.join();
      channel.close();
      for (fiber& each : receiving) each.join();
      std::uint64_t sum = 0;
      for (const std::uint64_t part : sums) sum += part;
      expect("the sum of all messages", sum, message_sum);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(messages));
}

std::uint64_t visit(auto& spawn, std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) return first;
  const std::uint64_t share = leaves / skynet_fan;
  std::array<std::uint64_t, skynet_fan> answers;
  std::array<fiber, skynet_fan> children;
  for (std::uint64_t i = 0; i < skynet_fan; ++i)
    children[i] = spawn([&, i] { answers[i] = visit(spawn, first + i * share, share); });
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < skynet_fan; ++i) {
    children[i].join();
    sum += answers[i];
  }
  return sum;
}

void skynet(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::spin, [&](auto& spawn) {
    for (auto _ : state) {
      std::uint64_t answer = 0;
      spawn([&] { answer = visit(spawn, 0, skynet_leaves_of_boost); }).join();
      expect("skynet", answer, skynet_answer(skynet_leaves_of_boost));
    }
  });
  set_operations(state,
                 static_cast<double>(state.iterations()) * skynet_share(skynet_leaves_of_boost));
}

void mutex_8(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    for (auto _ : state) {
      boost::fibers::mutex mutex;
      std::uint64_t count = 0;
      std::vector<fiber> fibers;
      for (unsigned i = 0; i < mutex_holders; ++i) {
        fibers.push_back(spawn([&] {
          for (std::uint64_t n = 0; n < increments / mutex_holders; ++n) {
            const std::scoped_lock lock(mutex);
            benchmark::DoNotOptimize(++count);
          }
        }));
      }
      for (fiber& each : fibers) each.join();
      expect("the count under the lock", count, increments);
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(increments));
}

// Child first: each fiber has parked when its spawner goes on.
void memory(benchmark::State& state, unsigned carriers) {
  on_carriers(carriers, thieves::sleep, [&](auto& spawn) {
    boost::fibers::unbuffered_channel<bool> release;
    std::vector<fiber> fibers;
    fibers.reserve(parked_fibers);
    const memory_use before = current_memory();
    for (auto _ : state) {
      for (std::uint64_t i = 0; i < parked_fibers; ++i) {
        fibers.push_back(spawn([&] {
          bool never = false;
          (void)release.pop(never);
        }));
      }
    }
    set_memory(state, "memory", before, double(parked_fibers));
    release.close();
    for (fiber& each : fibers) each.join();
  });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using bench::repeat;
  using bench::unit;
  const int status = bench::run_program(
      argc, argv,
      {
          {"switch", unit::ns, repeat::fill, 1, bench::raw_switch, "jump_fcontext"},
          {"spawn_join", unit::ns, repeat::fill, 2, bench::spawn_join},
          {"spawn_many", unit::ns, repeat::fill, 2, bench::spawn_many, "1,000,000 fibers"},
          {"yield", unit::ns, repeat::fill, 1, bench::yield},
          {"pingpong", unit::ns, repeat::fill, 2, bench::pingpong,
           "two values over two unbuffered channels"},
          {"channel_1x1", unit::ns, repeat::fill, 2, bench::through_channel<1, 1>,
           "its channel of 128 has room for 127"},
          {"channel_4x4", unit::ns, repeat::fill, 2, bench::through_channel<4, 4>},
          {"skynet", unit::ms, repeat::fill, 2, bench::skynet,
           "111,111 fibers, time scaled to 1,111,111"},
          {"mutex_8", unit::ns, repeat::fill, 2, bench::mutex_8},
          {"memory",
           unit::bytes,
           repeat::once,
           1,
           bench::memory,
           "100,000 parked fibers",
           {{"memory_with_tables", unit::bytes}}},
      });
  bench::second_carrier::running.reset();
  return status;
}
