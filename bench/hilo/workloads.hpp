// The workloads over hilo fibers: each runs in a runtime of its own with that many carriers.
#pragma once

#include <benchmark/benchmark.h>

namespace bench {

void spawn_join(benchmark::State& state, unsigned carriers);
void spawn_many(benchmark::State& state, unsigned carriers);
void skynet(benchmark::State& state, unsigned carriers);
void skynet_channel(benchmark::State& state, unsigned carriers);
void raw_switch(benchmark::State& state, unsigned carriers);
void raw_switch_own(benchmark::State& state, unsigned carriers);
void yield(benchmark::State& state, unsigned carriers);
void pingpong(benchmark::State& state, unsigned carriers);
void channel_1x1(benchmark::State& state, unsigned carriers);
void channel_4x4(benchmark::State& state, unsigned carriers);
void select_4(benchmark::State& state, unsigned carriers);
void mutex_8(benchmark::State& state, unsigned carriers);
void memory(benchmark::State& state, unsigned carriers);
void memory_1m(benchmark::State& state, unsigned carriers);
void idle(benchmark::State& state, unsigned carriers);
void timers(benchmark::State& state, unsigned carriers);
void timers_storm(benchmark::State& state, unsigned carriers);
void wordcount(benchmark::State& state, unsigned carriers);
void file_read(benchmark::State& state, unsigned carriers);
void file_copy(benchmark::State& state, unsigned carriers);
void fib_spawn(benchmark::State& state, unsigned carriers);
void fib_fork_join(benchmark::State& state, unsigned carriers);
void uts_t1(benchmark::State& state, unsigned carriers);
void uts_t3(benchmark::State& state, unsigned carriers);
void nqueens(benchmark::State& state, unsigned carriers);
void integrate(benchmark::State& state, unsigned carriers);
void matmul(benchmark::State& state, unsigned carriers);
void quicksort(benchmark::State& state, unsigned carriers);

}  // namespace bench
