// Offering forks: how a call that waits on a fiber's stack becomes a fiber (detail/fork.hpp).
//
// No request is lost. A worker without work says so in the idle state, by an RMW, and then makes
// sure that `wanted` of every other worker is set. A fiber that finds `wanted` set clears it first,
// and then checks for workers without work. So a store comes before a load on both sides:
//
//   fiber that was asked                    worker that asks
//   (F3) wanted := 0       exchange, sc     (F1) state_ += searching, or sleeping   RMW, sc
//   (F4) read state_       sc               (F2) read wanted, sc; if 0, store 1
//
// Forbidden: (F4) sees no worker without work and (F2) sees the 1 that (F3) took. Then the request
// would be gone, and its worker would sleep while there are forks. All four are in one order S of
// sequential consistency. If (F4) does not see (F1), it comes before it in S. Hence (F3) comes
// before (F2), which reads 0 and stores a new 1.
//
// If (F4) sees a worker without work, a helper is published by the idle protocol
// (sched/idling/idle.hpp). That protocol either wakes a sleeper or leaves the helper to a searcher.
// When the last searcher finds work it wakes another worker; when it finds none it asks again
// before it sleeps. So as long as some worker is without work, `wanted` of each other worker is
// set, or a helper waits in a queue.
//
// A fiber may find `wanted` set when all its forks are offered already. It leaves `wanted` set.
//
// The poll at a fork is relaxed: it need not see a request at once, it only has to see it in the
// end.
#include "hilo/detail/fork.hpp"

#include <exception>
#include <system_error>
#include <utility>
#include <vector>

#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

// The call waits under the limits that its fiber had when the call was offered.
struct helper_task final : detail::task {
  explicit helper_task(detail::fork_frame& call, const detail::waiter& parent) : frame(&call) {
    bool open = true;  // no shield is in between
    for (const detail::wait_limit* one = parent.limits; open && one != nullptr; one = one->outer) {
      if (one == parent.limits) deadline = one->deadline;
      if (one->token != nullptr) tokens.push_back(*one->token);
      open = one->shield != one->depth;
    }
    if (open) tokens.push_back(this_fiber::stop_token());
    invoke = [](task& base) noexcept {
      auto& self = static_cast<helper_task&>(base);
      try {
        const detail::wait_limit limit(self.deadline);
        self.run_under(self.tokens.size());
      } catch (...) {
        self.error = std::current_exception();
      }
    };
    destroy = [](task& base) noexcept { static_cast<helper_task&>(base).~helper_task(); };
  }

  void run_under(std::size_t count) {
    if (count == 0) return frame->run(*frame);
    with_stop(tokens[count - 1], [&] { run_under(count - 1); });
  }

  detail::fork_frame* frame;
  std::int64_t deadline = detail::no_deadline;
  std::vector<std::stop_token> tokens;
};

// Makes a fiber of the oldest fork. Its stack is as large as the stack on which the call would have
// run. False if there is no stack: the fork stays where it is, and the offering fiber makes the
// call.
bool offer_oldest(worker& here) noexcept {
  fiber& self = here.running();
  detail::fork_frame& call = self.oldest();
  fiber* helper = nullptr;
  try {
    const spawn_options options{.name = "fork",
                                .stack_size = stack_bytes(self),
                                .tls = self.own != nullptr ? tls::own : tls::carrier,
                                .keep_fp_control = (self.keeps & keeps::fp_control) != 0};
    void* const place = detail::create_fiber(&here.home(), &options, sizeof(helper_task),
                                             alignof(helper_task), &helper, nullptr);
    helper->work = ::new (place) helper_task(call, self);
    helper->work->owner = helper;
    helper->spawned_at = self.spawned_at;
    (void)detail::stop_token_of(self);  // its stop state is there from now on
    set_stop_source(*helper, self.stop);
  } catch (const std::exception&) {
    if (helper != nullptr) detail::discard_unstarted(*helper);
    return false;
  }
  self.remove_oldest();
  call.helper = helper;
  helper->special ? here.run_later(*helper) : here.its_queue().put_surplus(*helper);
  return true;
}

}  // namespace

void worker::offer_forks() noexcept {
  while (!forks->empty() && offer_oldest(*this)) {
  }
}

void worker::ask_for_forks() noexcept {
  for (std::size_t i = 0; queue_.shared() && i < scheduler_.workers(); ++i) {
    worker& other = scheduler_.at(i);
    // (F2), after (F1) in begin_search() or enter()
    if (&other == this || other.wanted.load(std::memory_order_seq_cst) != 0) continue;
    other.wanted.store(1, std::memory_order_seq_cst);
  }
}

}  // namespace hilo::sched

namespace hilo::detail {

void answer_request() noexcept {
  sched::worker& here = *sched::current_worker();
  if (here.forks->empty()) return;  // the request stays: a later fork answers it
  (void)here.wanted.exchange(0, std::memory_order_seq_cst);  // (F3)
  if (here.home().idle().anybody_idle()) (void)sched::offer_oldest(here);
}

fork_list& thread_forks() noexcept {
  static thread_local fork_list one;
  return one;
}

std::exception_ptr join_fork(fork_frame& one) noexcept {
  sched::fiber& helper = *one.helper;
  (void)join_fiber(helper);
  task& work = *helper.work;
  std::exception_ptr error = std::move(work.error);
  work.destroy(work);
  discard_fiber(helper);
  return error;
}

}  // namespace hilo::detail
