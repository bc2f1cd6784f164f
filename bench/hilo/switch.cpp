// The switch alone, without a scheduler: two contexts that switch to each other, the second with
// the first one's thread block or with one of its own. The only part of hilo that is measured from
// within.
#include <array>
#include <cstddef>
#include <cstdint>

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "runtime/context/context.hpp"
#include "runtime/context/tls_block.hpp"
#include "runtime/thread/cpu.hpp"

namespace bench {
namespace {

struct contexts {
  hilo::context::context here;
  hilo::context::context there;
  void* thread_pointer = nullptr;  // of here, if there has another
  std::uint64_t visits = 0;
};

void answer(void* argument) {
  auto& both = *static_cast<contexts*>(argument);
  for (;; ++both.visits) hilo::context::switch_context(both.there, both.here);
}

void answer_with_tls(void* argument) {
  auto& both = *static_cast<contexts*>(argument);
  for (;; ++both.visits) {
    hilo::context::switch_context_and_tls(both.there, both.here, both.thread_pointer);
  }
}

alignas(64) std::array<char, 16 * 1024> stack;

void prepare(contexts& both, hilo::context::entry_function entry) {
  hilo::context::prepare_context(both.there, stack.data() + stack.size(), entry, &both);
}

void count(benchmark::State& state, const contexts& both) {
  const auto round_trips = static_cast<std::uint64_t>(state.iterations());
  expect("the number of visits", both.visits + 1, round_trips);  // the last one has not come back
  set_operations(state, 2 * double(round_trips));
}

}  // namespace

void raw_switch(benchmark::State& state, unsigned) {
  contexts both;
  prepare(both, answer);
  for (auto _ : state) hilo::context::switch_context(both.here, both.there);
  count(state, both);
}

void raw_switch_own(benchmark::State& state, unsigned) {
  using hilo::context::tls_block;
  if (!hilo::context::tls_refusal().empty()) leave_out(hilo::context::tls_refusal());
  tls_block* const block = tls_block::take(stack.data(), stack.size());
  contexts both;
  both.thread_pointer = hilo::kernel::cpu::thread_pointer();
  prepare(both, answer_with_tls);
  for (auto _ : state) {
    hilo::context::switch_context_and_tls(both.here, both.there, block->thread_pointer());
  }
  tls_block::give(block);
  count(state, both);
}

}  // namespace bench
