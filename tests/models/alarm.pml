/* A fiber's alarm, which stays armed over its waits, goes off while one wait ends and the next
 * begins: alarm in runtime/sched/alarm.{hpp,cpp}; timer_wheel::arm, cancel and advance in
 * runtime/sched/timer_wheel.{hpp,cpp}; waiter::claim and reopen in include/hilo/detail/waiter.hpp.
 *
 * Properties: each wait is ended by exactly one wake, and by its own deadline alone if by any, not
 * before that; a wait that nobody else ends is ended at its deadline, and not later; the alarm is in
 * the wheel once at most; nobody touches it when its fiber has ended.
 *
 * Labels, as in the code: D1 the fiber stores the deadline, D2 it reads the phase; D3 who fires the
 * alarm marks it, D4 it reads the deadline; E7 the claim. M1 is its last store, M2 the canceller's
 * loop.
 *
 * Memory. Sequentially consistent but for what the protocol is about: the fiber's stores of the
 * deadline, of the number in `claimed`, and of what opens its wait to others, go through a store
 * buffer that empties by itself, in order, at any time; a locked operation waits until it is empty,
 * and the heavy fence empties it. With REFUSED the kernel refuses membarrier from now on: the heavy
 * fence waits until the buffer has emptied by itself. With REAL it has refused it for long: the light
 * fence waits until the buffer is empty, and the heavy fence orders its caller alone.
 *
 * Abstracted away. Time is a counter, and a deadline one of its values. How others link and find the
 * wait (interrupt.pml, timer.pml): it is one bit. A wake is one bit and the status it passes
 * (park.pml).
 *
 * holds:
 * holds: -DALONE_AT_LAST                 nobody else ends the last wait
 * holds: -DREFUSED -DALONE_AT_LAST
 * holds: -DREAL -DALONE_AT_LAST
 * fault: -DREFUSED -DALONE_AT_LAST -DFAULT_NO_GRACE   membarrier is refused, and the heavy fence does not wait
 * fault: -DREAL -DALONE_AT_LAST -DFAULT_NO_LIGHT_FENCE   the fiber passes no fence between (D1) and (D2)
 * fault: -DALONE_AT_LAST -DFAULT_NO_HEAVY_FENCE   who fires passes no fence between (D3) and (D4)
 * fault: -DALONE_AT_LAST -DFAULT_NO_SECOND_LOOK   who fires passes the fence, and does not read again
 * fault: -DFAULT_CLAIM_ANY                who fires claims whatever wait there is, not the one it saw
 * fault: -DFAULT_DEADLINE_FIRST           who fires reads the deadline before the number
 * fault: -DFAULT_NO_CLEAR                 the fiber leaves the deadline of a wait that is over
 * fault: -DFAULT_CLEAR_LATE               it clears the deadline after it took another number
 * fault: -DFAULT_NO_LOOK                  it relies on an alarm that was armed once: no (D2)
 * fault: -DFAULT_NO_WHEN                  it relies on an alarm that goes off too late
 * fault: -DALONE_AT_LAST -DFAULT_LOOK_FIRST   it does (D2) before (D1)
 * fault: -DALONE_AT_LAST -DFAULT_DROP     an alarm that went off too early is not armed again
 * fault: -DFAULT_CANCEL_ONCE              cancel() does not look again when it has outlasted
 * fault: -DFAULT_CANCEL_TWO_LOOKS         likewise, at a phase later than the one that let it go on
 * fault: -DFAULT_STAY                     the fiber ends and leaves it armed
 */

#define ROUNDS 3
#define LAST 3 /* time */
#define NONE 9
#define IDLE 0
#define ARMED 1
#define FIRING 2
#define DONE 3
#define OK 1
#define TIMED_OUT 2

byte now;
byte phase = IDLE, when, until = NONE;
byte deadline = NONE; /* of the wait at hand, to be asserted */
byte claimed;     /* odd: somebody ends the wait */
bool wheel_locked, open, gone;
byte woken, round;
mtype = { UNTIL, CLAIMED, OPEN };
chan buffer = [4] of { mtype, byte }; /* the fiber's stores */

#define LOCK atomic { !wheel_locked -> wheel_locked = true }
#define LOCK_BY_FIBER atomic { empty(buffer) && !wheel_locked -> wheel_locked = true }
#define TOUCH assert(!gone)

inline empty_one() {
  if
  :: buffer ? UNTIL, until
  :: buffer ? CLAIMED, claimed
  :: buffer ? OPEN, open
  fi
}

inline wake(how) {
  atomic {
    assert(open && woken == 0);
    open = false;
    woken = how
  }
}

inline cancel() {
  do
  :: LOCK_BY_FIBER;
    seen = phase;
    if
    :: seen == ARMED -> phase = IDLE
    :: else
    fi;
    wheel_locked = false;
    if
    :: seen == ARMED -> break
    :: else
    fi;
    atomic { phase != FIRING -> seen = phase }; /* (M2) */
#ifdef FAULT_CANCEL_TWO_LOOKS
    seen = phase;
#endif
#ifdef FAULT_CANCEL_ONCE
    break
#else
    if
    :: seen == ARMED /* again */
    :: else -> break
    fi
#endif
  od
}

proctype fiber() {
  byte seen, result, number;
  do
  :: round < ROUNDS ->
    round++;
    if
    :: deadline = 1
    :: deadline = 2
    :: deadline = LAST
    fi;
#ifdef FAULT_LOOK_FIRST
    seen = phase;
#endif
    buffer ! OPEN, true;
    buffer ! UNTIL, deadline; /* (D1) */
#if defined(REAL) && !defined(FAULT_NO_LIGHT_FENCE)
    empty(buffer); /* the light fence */
#endif
#ifndef FAULT_LOOK_FIRST
    seen = phase; /* (D2) */
#endif
    if
#ifdef FAULT_NO_LOOK
    :: round > 1
#elif defined(FAULT_NO_WHEN)
    :: seen == ARMED
#else
    :: seen == ARMED && when <= deadline
#endif
    :: else ->
      cancel();
      LOCK_BY_FIBER;
      atomic { assert(phase != ARMED && phase != FIRING); when = deadline; phase = ARMED };
      wheel_locked = false
    fi;
    assert(phase != ARMED || when <= deadline);
    atomic { woken != 0 -> result = woken; woken = 0 } /* park() */
    assert(result == OK || now >= deadline);
    deadline = NONE;
    number = number + 2;
#if !defined(FAULT_NO_CLEAR) && !defined(FAULT_CLEAR_LATE)
    buffer ! UNTIL, NONE;
#endif
    buffer ! CLAIMED, number; /* reopen() */
#ifdef FAULT_CLEAR_LATE
    buffer ! UNTIL, NONE;
#endif
    result = 0
  :: else -> break
  od;
#ifndef FAULT_STAY
  cancel();
#endif
  gone = true
}

proctype store_buffer() {
end_store_buffer:
  do
  :: atomic { nempty(buffer) -> empty_one() }
  od
}

proctype time() {
end_time:
  do
  :: now < LAST -> now++
  od
}

/* advance(), and in it alarm::fire() */
proctype who_fires() {
  byte seen, number, at;
  bool won, behind_fence;
end_who_fires:
  do
  :: phase == ARMED && when <= now ->
    at = now;
    LOCK;
    if
    :: phase == ARMED && when <= at ->
      TOUCH;
      phase = FIRING; /* (D3) */
      wheel_locked = false;
look:
#ifdef FAULT_DEADLINE_FIRST
      atomic { TOUCH; seen = until };
      atomic { TOUCH; number = claimed };
#else
      atomic { TOUCH; number = claimed };
      atomic { TOUCH; seen = until }; /* (D4) */
#endif
      if
      :: seen <= at && number % 2 == 0 ->
        TOUCH;
#ifdef FAULT_CLAIM_ANY
        atomic { won = claimed % 2 == 0; claimed = claimed | 1 };
#else
        atomic { /* (E7) */
          won = claimed == number;
          if
          :: won -> claimed++
          :: else
          fi
        };
#endif
      :: else
      fi;
      if
      :: won ->
        atomic { TOUCH; phase = DONE }; /* (M1) */
        wake(TIMED_OUT);
        won = false
      :: !won && !behind_fence ->
#ifdef REFUSED
#ifndef FAULT_NO_GRACE
        empty(buffer); /* the heavy fence */
#endif
#elif !defined(REAL) && !defined(FAULT_NO_HEAVY_FENCE)
        atomic {
          do
          :: nempty(buffer) -> empty_one()
          :: empty(buffer) -> break
          od
        };
#endif
        behind_fence = true;
#ifdef FAULT_NO_SECOND_LOOK
        atomic { TOUCH; phase = DONE }
#else
        goto look
#endif
      :: !won && behind_fence && (seen == NONE || seen <= at) ->
        atomic { TOUCH; phase = DONE } /* (M1) */
      :: !won && behind_fence && seen != NONE && seen > at ->
#ifdef FAULT_DROP
        atomic { TOUCH; phase = DONE }
#else
        atomic { TOUCH; when = seen };
        LOCK;
        atomic { TOUCH; phase = ARMED }; /* (M1) */
        wheel_locked = false
#endif
      fi;
      behind_fence = false;
      seen = 0;
      number = 0
    :: else -> wheel_locked = false
    fi;
    at = 0
  od
}

/* Whoever the primitive lets wake the fiber. */
proctype other_waker() {
  bool won;
end_other_waker:
  do
#ifdef ALONE_AT_LAST
  :: open && round < ROUNDS ->
#else
  :: open ->
#endif
    atomic { /* (E7) */
      won = open && claimed % 2 == 0;
      if
      :: won -> claimed++
      :: else
      fi
    };
    if
    :: won -> wake(OK)
    :: else
    fi;
    won = false
  od
}

init {
  atomic {
    run fiber();
    run store_buffer();
    run time();
    run who_fires();
    run other_waker()
  }
}
