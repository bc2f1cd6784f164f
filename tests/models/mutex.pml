/* The mutex with hand-over: include/hilo/mutex.hpp and runtime/sync/mutex.cpp.
 *
 * Properties: one holder at a time, who sees what the last holder wrote; nobody waits for ever (no
 * lost wake-up); a locker parks twice at most, so it loses to others that come later once at most;
 * a deadline ends a wait only if nobody handed the mutex over, and then takes no wake from others;
 * whoever gives the mutex up last may destroy it, and nobody touches it after that.
 *
 * Labels, as in the code: X1 where the mutex is taken, X2 where it is given up.
 *
 * Memory. What a holder writes is a plain store and lies in `buffered`; it comes out at (X2), which
 * is a release (a compare-exchange on the fast path; a store behind it on the slow one, so that the
 * store buffer keeps the order), or when `memory` lets it out.
 *
 * Abstracted away. Parking is one bit for each locker: woken (park.pml). The spin before the first
 * park is left out but for its effect: a try at the fast path. Deadlines pass at any time, for locker
 * 0 only; the code looks at its list under the lock, as `claim` does here (timer.pml has the timer).
 *
 * holds:
 * holds: -DLOCKERS=2 -DSECTIONS=3
 * fault: -DFAULT_UNLOCKED_LOOK    the unlocker opens the mutex before it takes the queue's lock
 * fault: -DFAULT_LATE_QUEUE       a locker sets contended, and queues in a second section
 * fault: -DFAULT_FORGET           who takes it from the slow path does not leave it contended
 * fault: -DFAULT_NO_HAND_OVER     the woken one always competes
 * fault: -DFAULT_HAND_OVER_HELD   hand-over forgets that others still wait
 * fault: -DFAULT_HAND_OVER_OPEN   hand-over opens the mutex
 * fault: -DFAULT_DEADLINE         who times out does not look whether it was taken from the list
 * fault: -DFAULT_DESTROY          the destructor does not wait for the queue's lock
 * fault: -DFAULT_NO_X2            the mutex is opened before the section's stores are seen
 */

#ifndef LOCKERS
#define LOCKERS 3
#endif
#ifndef SECTIONS
#define SECTIONS 2 /* of locker 0; the others have one less */
#endif
#define OPEN 0
#define HELD 1
#define CONTENDED 2
#define NOBODY 9

byte state = OPEN;
bool locked;                       /* queue_lock_ */
chan waiters = [LOCKERS] of { byte }; /* first in, first out */
bool wants_hand_over[LOCKERS];     /* its waiter's slot */
bool woken[LOCKERS];
bool in_section[LOCKERS];
byte written, seen, buffered;      /* sections written: by holders; by others' eyes */
byte left;                         /* lockers that will use the mutex yet */
bool destroyed;

#define ALIVE assert(!destroyed)

inline section() {
  atomic {
    in_section[me] = true;
    assert(!in_section[(me + 1) % LOCKERS]);
#if LOCKERS > 2
    assert(!in_section[(me + 2) % LOCKERS]);
#endif
    assert(seen == written || buffered_by == me)
  }
  atomic {
    written++;
    buffered++;
    buffered_by = me
  }
  in_section[me] = false
}

inline come_out() {
  seen = seen + buffered;
  buffered = 0
}

inline wake(who) {
  atomic {
    assert(!woken[who]);
    woken[who] = true
  }
}

inline lock_queue() { atomic { ALIVE; !locked -> locked = true } }
inline unlock_queue() { atomic { ALIVE; locked = false } }

byte buffered_by = NOBODY;

proctype locker(byte me) {
  byte next, sections = (me == 0 -> SECTIONS : SECTIONS - 1), parks;
  bool lost_before, slow, destroy;

  do
  :: sections > 0 ->
    sections--;
    /* lock(): the fast path (X1) */
    atomic {
      ALIVE;
      if
      :: state == OPEN -> state = HELD
      :: else -> slow = true
      fi
    }
    do
    :: slow -> /* lock_slow() */
      lock_queue();
      atomic { /* (X1) */
        if
        :: state == OPEN -> slow = false
        :: else
        fi;
#ifdef FAULT_FORGET
        state = HELD
#else
        state = CONTENDED
#endif
      }
      if
      :: !slow -> unlock_queue(); break
      :: else
      fi;
#ifdef FAULT_LATE_QUEUE
      unlock_queue();
      lock_queue();
#endif
      atomic {
        wants_hand_over[me] = lost_before;
        waiters!me;
        parks++;
        assert(parks <= 2)
      }
      unlock_queue();
      if /* park() */
      :: atomic { woken[me] -> woken[me] = false }
      :: me == 0 -> /* the deadline passes */
        lock_queue();
#ifdef FAULT_DEADLINE
        if
        :: waiters??[eval(me)] -> waiters??eval(me)
        :: else
        fi;
        unlock_queue();
        goto unlocked;
#else
        if
        :: waiters??[eval(me)] -> waiters??eval(me); unlock_queue(); goto unlocked
        :: else -> unlock_queue()
        fi;
        atomic { woken[me] -> woken[me] = false }
#endif
      fi;
#ifndef FAULT_NO_HAND_OVER
      if
      :: lost_before -> break
      :: else
      fi;
#endif
      lost_before = true
    :: else -> break
    od;

    section();

    /* unlock() */
    atomic { left = (sections == 0 -> left - 1 : left); destroy = (left == 0) }
    atomic {
      ALIVE;
#ifndef FAULT_NO_X2
      come_out();
#endif
      if
      :: state == HELD -> state = OPEN; slow = false /* (X2) */
      :: else -> slow = true
      fi
    }
    if
    :: slow -> /* unlock_slow() */
#ifdef FAULT_UNLOCKED_LOOK
      state = OPEN;
#endif
      lock_queue();
      next = NOBODY;
      if
      :: waiters?next
      :: empty(waiters)
      fi;
      if
#ifndef FAULT_NO_HAND_OVER
      :: next != NOBODY && wants_hand_over[next] ->
#ifdef FAULT_HAND_OVER_HELD
        state = HELD;
#endif
#ifdef FAULT_HAND_OVER_OPEN
        state = OPEN;
#endif
        if
        :: empty(waiters) -> state = HELD
        :: nempty(waiters)
        fi
      :: next == NOBODY || !wants_hand_over[next] ->
#else
      :: true ->
#endif
#ifndef FAULT_UNLOCKED_LOOK
        atomic { ALIVE; state = OPEN } /* (X2) */
#else
        skip
#endif
      fi;
      unlock_queue();
      if
      :: next != NOBODY -> wake(next)
      :: else
      fi;
      next = 0
    :: else
    fi;
    goto done;

unlocked: /* timed out; it does not try again */
    atomic { left--; sections = 0; destroy = false }

done:
    atomic { slow = false; lost_before = false; parks = 0 }
    if
    :: destroy ->
#ifndef FAULT_DESTROY
      lock_queue();
#endif
      atomic {
        assert(state == OPEN && empty(waiters));
        destroyed = true
      }
    :: else
    fi
  :: else -> break
  od
}

proctype memory() {
end_memory:
  do
  :: atomic { buffered > 0 -> come_out() }
  od
}

init {
  byte i;
  atomic {
    left = LOCKERS;
    for (i : 0 .. LOCKERS - 1) {
      run locker(i)
    }
    run memory()
  }
}
