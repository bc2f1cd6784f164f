/* A timer fires while its owner is woken by another and cancels it: timer_wheel::arm, cancel and
 * advance in runtime/sched/timer_wheel.{hpp,cpp}; sleep_fiber_until, end_wait, finish_wait and
 * sleep_until_ns in runtime/sched/wait.cpp; wait_list in include/hilo/detail/waiter.hpp.
 *
 * Properties: nobody touches a timer after its owner's wait returned, even if the owner waits again
 * with a timer in the same place; each wait is ended by exactly one wake, by the deadline or by
 * another waker; a cancelled timer does not fire; nobody waits for ever.
 *
 * Labels, as in the code: M1 the firing worker's last store, M2 the canceller's loop.
 *
 * Memory. Sequentially consistent, and (M1) is a release: FAULT_M1 is what a plain store could do
 * where stores may pass loads and other stores.
 *
 * Abstracted away. The wheel is one timer and is always due. A wake is one bit and the status it
 * passes (park.pml). The primitive is a lock and the bit linked; the wait is contested, so all claim
 * it (E7). SLEEP is sleep_until_ns: no list
 * and no cancel, the timer is the only waker.
 *
 * holds:
 * holds: -DSLEEP
 * fault: -DFAULT_WAKE_FIRST        the timer wakes its owner before it is marked done
 * fault: -DFAULT_WAKE_FIRST -DSLEEP   likewise
 * fault: -DFAULT_M1                the timer is marked done before claim() is through
 * fault: -DFAULT_M2                cancel() returns while the timer is firing
 * fault: -DFAULT_NO_CANCEL         who was woken by another does not cancel
 * fault: -DFAULT_CLAIM_ALWAYS      the timer wakes its owner without claiming
 * fault: -DFAULT_CLAIM_LATE        who claims looks first and sets it then
 * fault: -DFAULT_LEAVE_UNLOCKED    it leaves the list without the list's lock
 * fault: -DFAULT_STAY_LINKED       it does not leave the list
 * fault: -DFAULT_OPEN_EARLY        the owner opens `claimed` before it cancels
 * fault: -DFAULT_CANCEL_UNLOCKED   cancel() looks at the phase before it takes the wheel's lock
 */

#define ROUNDS 3
#define IDLE 0
#define ARMED 1
#define FIRING 2
#define DONE 3
#define OK 1
#define TIMED_OUT 2

byte phase = IDLE;
bool wheel_locked, list_locked;
bool linked;     /* the owner's waiter, in the primitive's list */
bool claimed;    /* somebody ends its wait */
byte leaving;    /* popped by a waker, claimed by the timer */
byte woken;      /* 0, or the status that the waker passed */
byte generation; /* of the timer in the owner's frame; even: there is none */

/* Whoever uses the timer: it must be the same that he began with. */
#define TOUCH assert(generation == mine && generation % 2 == 1)

inline claim(won) {
#ifdef FAULT_CLAIM_LATE
  won = !claimed;
  claimed = true
#else
  atomic { won = !claimed; claimed = true } /* (E7) */
#endif
}

inline wake(how) {
  atomic {
    assert(woken == 0);
    woken = how
  }
}

proctype owner() {
  byte round, result;
  do
  :: round < ROUNDS ->
    round++;
    phase = IDLE;
    generation++; /* the timer is made */
    claimed = false;
#ifndef SLEEP
    atomic { !list_locked -> list_locked = true }
    linked = true;
    list_locked = false;
#endif
    atomic { !wheel_locked -> wheel_locked = true } /* arm() */
    phase = ARMED;
    wheel_locked = false;
    atomic { woken != 0 -> result = woken; woken = 0 } /* park() */
#ifdef FAULT_OPEN_EARLY
    claimed = false;
#endif
#if !defined(FAULT_NO_CANCEL) && !defined(SLEEP)
    if
    :: result != TIMED_OUT -> /* cancel() */
#ifdef FAULT_CANCEL_UNLOCKED
      result = phase;
#endif
      atomic { !wheel_locked -> wheel_locked = true }
#ifndef FAULT_CANCEL_UNLOCKED
      result = phase;
#endif
      if
      :: result == ARMED -> phase = IDLE
      :: else
      fi;
      wheel_locked = false;
#ifndef FAULT_M2
      phase != FIRING; /* (M2) */
#endif
      assert(woken == 0)
    :: else
    fi;
#endif
    assert(!linked && leaving == 0);
    result = 0;
    generation++ /* the frame goes */
  :: else -> break
  od
}

/* The worker whose wheel it is: advance() */
proctype firing_worker() {
  byte mine;
  bool won;
end_firing_worker:
  do
  :: phase == ARMED ->
    atomic { !wheel_locked -> wheel_locked = true }
    if
    :: phase == ARMED ->
      mine = generation;
      TOUCH;
      phase = FIRING;
      wheel_locked = false;
#ifdef FAULT_M1
      phase = DONE;
#endif
      TOUCH; /* claim() */
#ifdef FAULT_CLAIM_ALWAYS
      won = true;
#else
      claim(won);
#endif
#ifndef SLEEP
      if
#ifndef FAULT_STAY_LINKED
      :: won ->
#ifndef FAULT_LEAVE_UNLOCKED
        atomic { !list_locked -> list_locked = true };
#endif
        if
        :: linked -> linked = false
        :: else -> leaving--
        fi;
        list_locked = false
#endif
      :: else
      fi;
#endif
      TOUCH;
#ifdef FAULT_WAKE_FIRST
      if
      :: won -> wake(TIMED_OUT)
      :: else
      fi;
      won = false;
#endif
#ifndef FAULT_M1
      atomic { TOUCH; phase = DONE } /* (M1) */
#endif
      if
      :: won -> wake(TIMED_OUT)
      :: else
      fi;
      won = false;
      mine = 0
    :: else -> wheel_locked = false
    fi
  od
}

/* Whoever the primitive lets wake the owner. */
proctype other_waker() {
  bool won;
end_other_waker:
  do
  :: linked ->
    atomic { !list_locked -> list_locked = true }
    if
    :: linked ->
      linked = false;
      claim(won);
      if
      :: !won -> leaving++
      :: else
      fi
    :: else
    fi;
    list_locked = false;
    if
    :: won -> wake(OK)
    :: else
    fi;
    won = false
  od
}

init {
  atomic {
    run owner();
    run firing_worker();
    run other_waker()
  }
}
