/* One stop of several fibers that wait for the same primitive: claim_interrupted, end_interrupted and
 * settle in runtime/sched/wait.cpp, as scheduler::ask() and scope_core::request_stop() use them.
 *
 * Properties: nobody waits for ever, and the wait of each fiber is ended once. A fiber that begins a
 * wait sits out its interrupts under the lock of the primitive, and the stop takes that lock to unlink a
 * waiter.
 *
 * Labels, as in the code: E3 the stop counts itself in, E4 it reads `linked`; E5 the owner links, E6 it
 * reads `interrupts`; E7 the claim.
 *
 * Memory. Sequentially consistent: interrupt.pml has the order of the stores. The heavy fence is one
 * step.
 *
 * Abstracted away. Two fibers, one wait each, one primitive, and no waker but the stop. `interrupts` is
 * as in the code: twice the number under way, and bit 0.
 *
 * holds:
 * fault: -DFAULT_ONE_BY_ONE    each wait is ended before the next is claimed
 * fault: -DFAULT_NO_COUNT_OUT  a stop that claims nothing does not count itself out
 * fault: -DFAULT_NO_CLAIM      the stop ends a wait without claiming it
 */

#define FIBERS 2

bool locked;
byte interrupts[FIBERS];
bool stop_requested[FIBERS], linked[FIBERS], claimed[FIBERS];
byte woken[FIBERS], ended[FIBERS];

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline claim(who, result) { /* (E7) */
  atomic { result = !claimed[who]; claimed[who] = true }
}

proctype fiber(byte me) {
  bool mine;
  lock();
  interrupts[me] <= 1; /* settle */
  if
  :: stop_requested[me] ->
    unlock()
  :: else ->
    linked[me] = true; /* (E5) */
    unlock();
    mine = false;
    if
    :: interrupts[me] != 0 && stop_requested[me] -> /* (E6) */
      claim(me, mine)
    :: else
    fi;
    if
    :: mine ->
      lock();
      linked[me] = false;
      unlock();
      ended[me]++
    :: else ->
      woken[me] > 0; /* park */
      interrupts[me] <= 1 /* settle, in close_wait */
    fi;
    assert(ended[me] == 1)
  fi
}

inline end_it(who) {
  lock();
  linked[who] = false;
  unlock();
  ended[who]++;
  interrupts[who] = interrupts[who] - 2;
  woken[who]++
}

inline claim_it(who) {
  mine[who] = false;
  if
  :: linked[who] -> /* (E4) */
#ifdef FAULT_NO_CLAIM
    mine[who] = true
#else
    claim(who, mine[who])
#endif
  :: else
  fi;
  if
  :: mine[who]
  :: else ->
#ifndef FAULT_NO_COUNT_OUT
    interrupts[who] = interrupts[who] - 2
#else
    skip
#endif
  fi
}

proctype stop() {
  bool mine[FIBERS];
  byte i;
  for (i : 0 .. FIBERS - 1) {
    interrupts[i] = interrupts[i] + 3; /* (E3) */
    stop_requested[i] = true
  }
#ifdef FAULT_ONE_BY_ONE
  for (i : 0 .. FIBERS - 1) {
    claim_it(i);
    if
    :: mine[i] -> end_it(i)
    :: else
    fi
  }
#else
  for (i : 0 .. FIBERS - 1) {
    claim_it(i)
  }
  for (i : 0 .. FIBERS - 1) {
    if
    :: mine[i] -> end_it(i)
    :: else
    fi
  }
#endif
}

init {
  atomic {
    run fiber(0);
    run fiber(1);
    run stop()
  }
}
