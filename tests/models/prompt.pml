/* A fiber with a priority, or a pinned one, is put into a lane while its worker runs others, or goes
 * to sleep: worker::deliver in runtime/sched/queues/lanes.cpp; worker::attend in attend.cpp; prompt,
 * choose_special and take_special in run_queue.{hpp,cpp}; worker::sleep in sleep.cpp;
 * idle_workers::wake and enter in idle.cpp.
 *
 * Properties: of two switches that begin while a fiber waits in the lane whose prompt was given, one
 * takes a fiber from there; nobody sleeps while a fiber waits; each is taken once.
 *
 * Labels, as in the code: A the exchange of attend_at_; Q1, Q3 going to sleep; K1, K2 waking.
 *
 * Memory. Sequentially consistent: the store of attend_at_ is a release behind the push, and (A) an
 * acquire before the look, so neither pair changes places; the sleepers are entered and left under a
 * lock. The worker's load of attend_at_ is relaxed: it may see the prompt later than it is given, by
 * as much as a store takes to arrive, which the property does not count.
 *
 * Abstracted away. attend_at_ is one bit: whether it is at or before the next switch. What comes due
 * by itself after poll_period switches would hide a lost prompt, and never happens here. Of the
 * fibers of a lane one and an ordinary one take turns (special_streak_).
 *
 * holds:
 * holds: -DSLEEPLESS
 * fault: -DFAULT_PROMPT_FIRST       the prompt is given before the fiber is in the lane
 * fault: -DFAULT_LOOK_FIRST         the worker looks into the lane before (A)
 * fault: -DFAULT_ONE_ONLY           who took one does not come back for the next
 * fault: -DFAULT_OTHERS_TURN        the turn of an ordinary fiber forgets the lane
 * fault: -DFAULT_NO_WAKE            the worker is prompted, but not woken
 * fault: -DFAULT_SLEEP_LOOKS_FIRST  the worker looks into the lane before it is among the sleepers
 */

#define FIBERS 4

bool due;             /* attend_at_ is at or before the next switch */
byte lane;            /* fibers in it */
byte promised;        /* of these: their prompt was given */
byte taken;
bool sleepers_locked;
bool sleeps;          /* among the sleepers */
bool woken;           /* the futex word (K1), (K2) */

inline take_one() {
  atomic {
    lane--;
    taken++;
    if
    :: promised > 0 -> promised--
    :: else
    fi
  }
}

proctype deliverer() {
  byte left = FIBERS;
  bool wakes;
  do
  :: left > 0 ->
    left--;
#ifdef FAULT_PROMPT_FIRST
    due = true;
    atomic { lane++; promised++ };
#else
    lane++;
    atomic { /* prompt() */
      due = true;
      if
      :: promised < lane -> promised++
      :: else /* taken already */
      fi
    }
#endif
#ifndef FAULT_NO_WAKE
    atomic { !sleepers_locked -> sleepers_locked = true };
    wakes = sleeps;
    sleeps = false;
    sleepers_locked = false;
    if
    :: wakes -> woken = true /* (K1) */
    :: else
    fi
#endif
  :: else -> break
  od
}

proctype owner() {
  byte late, before, seen;
  bool owed, streak;
  do
  :: taken < FIBERS -> /* a switch */
    atomic { owed = promised > 0; before = taken };
    if
    :: due ->
#ifdef FAULT_LOOK_FIRST
      seen = lane;
      due = false;
#else
      due = false; /* (A) */
      seen = lane;
#endif
      if
      :: streak ->
        streak = false;
#ifndef FAULT_OTHERS_TURN
        due = true
#endif
      :: !streak && seen > 0 ->
        take_one();
        streak = true;
#ifndef FAULT_ONE_ONLY
        due = true
#endif
      :: else
      fi
    :: else
    fi;
    atomic {
      if
      :: owed && taken == before -> late++
      :: else -> late = 0
      fi;
      owed = false;
      before = 0;
      seen = 0;
      assert(late < 2)
    }
#ifndef SLEEPLESS
  :: taken < FIBERS -> /* nothing is left to run: sleep() */
    streak = false;
    woken = false;
#ifdef FAULT_SLEEP_LOOKS_FIRST
    seen = lane;
#endif
    atomic { !sleepers_locked -> sleepers_locked = true };
    sleeps = true;
    sleepers_locked = false; /* (Q1) */
#ifndef FAULT_SLEEP_LOOKS_FIRST
    seen = lane; /* (Q3) */
#endif
    if
    :: seen == 0 -> woken /* (K2) */
    :: else ->
      atomic { !sleepers_locked -> sleepers_locked = true };
      if
      :: sleeps ->
        sleeps = false;
        sleepers_locked = false
      :: else -> /* who took it out wakes it */
        sleepers_locked = false;
        woken /* (K2) */
      fi
    fi;
    late = 0;
    if
    :: lane > 0 -> take_one()
    :: else
    fi;
    seen = 0
#endif
  :: taken == FIBERS -> break
  od
}

init {
  atomic {
    run deliverer();
    run owner()
  }
}
