/* A stop of all fibers of a runtime, and the end of a life: runtime/sched/stop_all.cpp, give_back and
 * forget_requests in runtime/sched/spawn.cpp.
 *
 * Property: while the asker works on a life that it saw alive, that life does not end and the next one
 * does not begin on its control block; and the count of interrupts is right afterwards.
 *
 * Labels, as in the code: L1, L2 the asker, L3 the end of a life, which has written the join word (J2).
 *
 * Memory. The end's store of the join word waits in `end_buffered` until `memory` lets it out, or a
 * heavy fence does: the end may read `interrupts` before others see that it ended.
 *
 * Abstracted away. What the asker does is one step at the control block. Three lives, two rounds of asking.
 *
 * holds:
 * fault: -DFAULT_NO_FENCE        no heavy fence between (L1) and (L2)
 * fault: -DFAULT_NO_LOOK         the end of a life does not look at `interrupts` (L3)
 * fault: -DFAULT_NO_WAIT         the end sees the interrupt and does not wait until it is over
 * fault: -DFAULT_EARLY           (L2) comes before (L1)
 */

#define LIVES 3

bool alive, end_buffered;
byte interrupts, life, rounds;

proctype fiber() {
  byte seen;
  do
  :: life < LIVES ->
    atomic { life++; alive = true }
    end_buffered = true; /* (J2) */
#ifdef FAULT_NO_LOOK
    seen = 0;
#else
    seen = interrupts; /* (L3) */
#endif
    if
    :: seen != 0 ->
#ifndef FAULT_NO_WAIT
      interrupts == 0;
#endif
      skip
    :: else
    fi;
    atomic { !end_buffered; seen = 0 } /* given back: who takes the stack sees that the life ended */
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
    interrupts++;
#else
    interrupts++; /* (L1) */
#ifndef FAULT_NO_FENCE
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
    :: there -> assert(life == whose) /* asks it */
    :: else
    fi;
    interrupts--
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
