#include "runtime/sched/fibers/fiber.hpp"

#include <algorithm>
#include <cstdio>
#include <new>
#include <utility>

#include "runtime/base/align.hpp"
#include "runtime/sched/fibers/local.hpp"
#include "runtime/sched/fibers/spawn.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::sched {
namespace {

constexpr std::size_t colours = 16;  // guess: spreads over a quarter of a page

}  // namespace

void enter_fiber(void* argument) {
  fiber& self = *static_cast<fiber*>(argument);
  self.context.sanitizer.arrive();
  if ((self.keeps & keeps::thread_block) != 0) [[unlikely]]
    self.own->enter();
  if (self.special) [[unlikely]]
    begin_special(self);
  self.work->invoke(*self.work);
  // (J5) acquire: as (J3). If the fiber is detached later, its result is destroyed in end_fiber().
  if (self.join.load(std::memory_order_acquire) == join_word::detached) drop_result(self);
  if (self.locals != nullptr || (self.keeps & keeps::thread_block) != 0) [[unlikely]]
    end_values(self);
  end_fiber(self);
}

void end_values(fiber& self) noexcept {
  destroy_locals(self.locals);
  if ((self.keeps & keeps::thread_block) == 0) return;
  for (int round = 0; round < local_rounds; ++round) {
    self.own->run_destructors();
    if (self.locals == nullptr) return;
    destroy_locals(self.locals);  // values that a thread_local's destructor made
  }
}

// The handle may know already that the fiber ended, and a joiner may have destroyed its result. But
// the control block belongs to the fiber until the fiber has left its stack. No user code runs and
// nothing parks.
void take_down(fiber& self) noexcept {
  if (self.special) end_special(self);
  if ((self.keeps & keeps::thread_block) == 0) return;
  worker& here = *current_worker();  // read from the block, so before the block is made new
  self.own->leave(here.thread_pointer());
  context::tls_block::give(std::exchange(self.own, nullptr));
  self.keeps &= static_cast<std::uint8_t>(~keeps::thread_block);
  here.forget_exceptions();
}

context::stack* build_fiber(char* top, std::size_t index, context::stack_pool& pool) {
  char* const at =
      base::align_down(top - 64 - (index % colours) * 64 - sizeof(fiber), alignof(fiber));
  auto* const one = ::new (static_cast<void*>(at)) fiber;
  reinterpret_cast<fiber**>(top)[-1] = one;  // for the overflow report
  one->top = top;
  one->pool = &pool;
  return one;
}

void describe_fiber(const fiber& one, char* text, std::size_t room) noexcept {
  const auto id = static_cast<unsigned long long>(one.id);
  if (one.name[0] == '\0') {
    std::snprintf(text, room, "fiber #%llu", id);
  } else {
    std::snprintf(text, room, "fiber #%llu \"%s\"", id, one.name);
  }
}

}  // namespace hilo::sched
