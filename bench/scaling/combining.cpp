#include "bench/scaling/combining.hpp"

namespace scaling {

step<void> combining_lock::run(fiber& me, picoseconds work, std::uint64_t& number) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  slot& mine = slots_[here.index()];
  m.spend(t, home_.price().section);
  co_await m.write(t, mine.where);
  mine.work = work;
  mine.wanted = true;
  while (true) {
    co_await m.read(t, word_line_);
    if (!held_) {
      co_await m.update(t, word_line_);
      if (!held_) {
        held_ = true;
        break;
      }
    }
    here.relax(1);
    co_await m.read(t, mine.where);
    if (!mine.wanted) co_return;
  }
  co_await combine(me, number);
  co_await m.write(t, word_line_);
  held_ = false;
}

// The holder's own section is one of them.
step<void> combining_lock::combine(fiber& me, std::uint64_t& number) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  constexpr int rounds = 2;
  for (int round = 0; round < rounds; ++round) {
    for (slot& each : slots_) {
      m.spend(t, home_.price().look);
      co_await m.read(t, each.where);
      if (!each.wanted) continue;
      m.spend(t, each.work);
      co_await m.write(t, guarded_);
      ++number;
      co_await m.write(t, each.where);
      each.wanted = false;
    }
  }
}

}  // namespace scaling
