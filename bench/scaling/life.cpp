#include "bench/scaling/life.hpp"

#include <utility>

namespace scaling {
namespace {

// The end of a fiber. Returns the joiner that gets the turn at once; null if there is none.
step<fiber*> end_life(fiber& me) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  co_await here.count_life();
  co_await m.read(t, me.word);
  if (me.join == fiber::state::joined) {
    co_await m.write(t, me.word);
    me.join = fiber::state::ended;
    fiber& joiner = *me.joiner;
    if (here.can_pass_turn() && !joiner.on_cpu) co_return &joiner;
    co_await here.run_next(joiner);
    co_return nullptr;
  }
  co_await m.update(t, me.word);
  const fiber::state before = std::exchange(me.join, fiber::state::ended);
  if (before == fiber::state::detached) co_await here.give_back(me);
  if (before == fiber::state::joined) co_await here.run_next(*me.joiner);
  co_return nullptr;
}

step<void> live(fiber& me, step<void> program) {
  runtime& home = me.at->home();
  ++home.begun;
  home.on().spend(me.at->its_thread(), home.price().life);
  co_await program;
  ++home.ended;
  fiber* const joiner = co_await end_life(me);
  const auto how = joiner != nullptr ? worker::leaving::passes : worker::leaving::parks;
  co_await worker::departure{me, how, joiner};
}

}  // namespace

step<fiber*> make_fiber(fiber& me, const maker& make) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  fiber& child = *co_await here.take_free();
  for (co_await m.turn(t); child.on_cpu; co_await m.turn(t)) here.relax(1);
  co_await m.rewrite(t, child.block, child.word);
  m.spend(t, here.home().price().spawn);
  co_await here.count_life();
  co_await m.write(t, child.word);
  child.join = fiber::state::running;
  child.joiner = nullptr;
  child.started = false;
  child.at = nullptr;
  child.program.emplace(live(child, make(child)));
  child.next = child.program->start();
  co_return &child;
}

step<fiber*> spawn(fiber& me, const maker& make) {
  fiber* const child = co_await make_fiber(me, make);
  worker& here = *me.at;
  if (!here.crowded()) {
    co_await here.run_next(*child);
    co_return child;
  }
  // The ring of new fibers is full: the child runs first.
  co_await here.run_next(me);
  co_await worker::departure{me, worker::leaving::passes, child};
  co_return child;
}

step<void> detach(fiber& me, fiber& child) {
  worker& here = *me.at;
  co_await here.on().read(here.its_thread(), child.word);
  if (child.join != fiber::state::ended) {
    co_await here.on().update(here.its_thread(), child.word);
    if (child.join != fiber::state::ended) {
      child.join = fiber::state::detached;
      co_return;
    }
  }
  co_await here.give_back(child);
}

step<void> join(fiber& me, fiber& child) {
  worker& here = *me.at;
  machine& m = here.on();
  thread& t = here.its_thread();
  m.spend(t, here.home().price().join);
  co_await m.read(t, child.word);
  if (child.join != fiber::state::ended) {
    if (here.home().shared()) {
      co_await m.update(t, child.word);
    } else {
      co_await m.write(t, child.word);
    }
    if (child.join != fiber::state::ended) {
      child.join = fiber::state::joined;
      child.joiner = &me;
      co_await park(me);
    }
  }
  co_await me.at->give_back(child);
}

}  // namespace scaling
