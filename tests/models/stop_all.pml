/* A stop of all fibers of a runtime, and the end of a life: runtime/sched/fibers/stop_all.cpp, give_back and
 * forget_requests in runtime/sched/fibers/spawn.cpp.
 *
 * Property: while the asker works on a life that it saw alive, that life does not end and the next one
 * does not begin on its control block; no life is given back with a stop state that the asker made; and
 * the count of interrupts is right afterwards.
 *
 * Labels, as in the code: L1, L2 the asker, L3 the end of a life, which has written the join word (J2).
 *
 * Memory. The end's store of the join word waits in `end_buffered` until `memory` lets it out, or a
 * heavy fence does: the end may read `interrupts` before others see that it ended. With REFUSED the
 * kernel refuses membarrier from now on: the heavy fence waits until the buffer has emptied by itself.
 * With REAL it has refused it for long: the light fence waits until the buffer is empty, and the heavy
 * fence orders the asker alone.
 *
 * Abstracted away. What the asker does at the control block is one step: it makes the stop state. Three
 * lives, two rounds of asking. `interrupts` is as in the code: twice the number under way, and bit 0.
 *
 * holds:
 * holds: -DREFUSED
 * holds: -DREAL
 * fault: -DFAULT_NO_FENCE        no heavy fence between (L1) and (L2)
 * fault: -DREFUSED -DFAULT_NO_GRACE     membarrier is refused, and the heavy fence does not wait
 * fault: -DREAL -DFAULT_NO_LIGHT_FENCE  the end passes no fence between (J2) and (L3)
 * fault: -DFAULT_NO_LOOK         the end of a life does not look at `interrupts` (L3)
 * fault: -DFAULT_NO_WAIT         the end sees the interrupt and does not wait until it is over
 * fault: -DFAULT_EARLY           (L2) comes before (L1)
 * fault: -DFAULT_BIT_FIRST       bit 0 is set before the count, so the last life's end may clear it
 */

#define LIVES 3

bool alive, end_buffered, made;
byte interrupts, life, rounds;

proctype fiber() {
  byte seen;
  do
  :: life < LIVES ->
    atomic { life++; alive = true }
    end_buffered = true; /* (J2) */
#if defined(REAL) && !defined(FAULT_NO_LIGHT_FENCE)
    !end_buffered;
#endif
#ifdef FAULT_NO_LOOK
    seen = 0;
#else
    seen = made; /* (L3): stop_made, then interrupts */
    seen = seen | interrupts;
#endif
    if
    :: seen != 0 ->
#ifndef FAULT_NO_WAIT
      interrupts <= 1;
#endif
      made = false;
      atomic { interrupts <= 1 -> interrupts = 0 }
    :: else
    fi;
    atomic { !end_buffered; seen = 0; assert(!made) } /* given back: who takes the stack sees that the life ended */
  :: else -> break
  od
}

proctype memory() {
end_memory:
  do
  :: atomic { end_buffered -> end_buffered = false; alive = false }
  od
}

proctype asker() {
  byte whose;
  bool there;
  do
  :: rounds < 2 ->
    rounds++;
#ifdef FAULT_EARLY
    atomic { there = alive; whose = life };
    interrupts = interrupts + 2;
    interrupts = interrupts | 1;
#else
#ifdef FAULT_BIT_FIRST
    interrupts = interrupts | 1;
    interrupts = interrupts + 2; /* (L1) */
#else
    interrupts = interrupts + 2; /* (L1) */
    interrupts = interrupts | 1;
#endif
#ifdef REFUSED
#ifndef FAULT_NO_GRACE
    !end_buffered; /* heavy_fence */
#endif
#elif !defined(REAL) && !defined(FAULT_NO_FENCE)
    atomic { /* heavy_fence */
      if
      :: end_buffered -> end_buffered = false; alive = false
      :: else
      fi
    }
#endif
    atomic { there = alive; whose = life }; /* (L2) */
#endif
    if
    :: there -> atomic { assert(life == whose); made = true } /* asks it */
    :: else
    fi;
    interrupts = interrupts - 2
  :: else -> break
  od
}

init {
  atomic {
    run fiber();
    run memory();
    run asker()
  }
}
