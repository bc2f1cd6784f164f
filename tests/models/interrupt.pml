/* A stop request meets a wait without a deadline: wait_in, begin_wait, finish_wait, end_wait and
 * finish_interrupt in runtime/sched/{park,wait}.cpp; waiter::take and wait_list in
 * include/hilo/detail/waiter.hpp, whose head has the protocol.
 *
 * Properties: a wait is ended by one wake, the waker's or the interrupter's, or by its owner, who
 * then gets none; the interrupt is not missed, though no waker comes (ALONE); it does not end a wait
 * that is shielded, or a later one than it found (SHIELDED); when a wait is over the list holds
 * nothing of it; nobody touches the primitive when all who waited on it were woken; nobody waits for
 * ever.
 *
 * Labels, as in the code: E1 the waker unlinks, E2 it reads `interrupts`; E3 the interrupter counts
 * itself in, E4 it reads `linked`; E5 the owner links, E6 it reads `interrupts`.
 *
 * Memory. Sequentially consistent but for what the protocol is about: a store may pass a later load.
 * The owner's and the waker's stores of `linked`, and the unlock after it, go through a store
 * buffer that empties by itself, in order, at any time; a locked operation waits until it is empty,
 * and the heavy fence empties all of them. `shield` is published by (E5) and written at once. With
 * REFUSED the kernel refuses membarrier from now on: the heavy fence waits until each buffer has
 * emptied by itself. With REAL it has refused it for long: a light fence waits until the buffer of its
 * side is empty, and the heavy fence orders its caller alone.
 *
 * Abstracted away. One waiter, one list; `in_list` is the list, guarded by the lock. A wake is one
 * bit and the status it passes (park.pml), and waits for its thread's own buffer, as stores are seen
 * in order.
 *
 * holds:
 * holds: -DALONE
 * holds: -DSHIELDED
 * holds: -DREFUSED
 * holds: -DREFUSED -DALONE
 * holds: -DREAL
 * holds: -DREAL -DALONE
 * fault: -DALONE -DFAULT_NO_HEAVY_FENCE   the interrupter passes no fence between (E3) and (E4)
 * fault: -DFAULT_NO_HEAVY_FENCE           likewise, with a waker
 * fault: -DREFUSED -DALONE -DFAULT_NO_GRACE   membarrier is refused, and the heavy fence does not wait
 * fault: -DREFUSED -DFAULT_NO_GRACE           likewise, with a waker
 * fault: -DREAL -DALONE -DFAULT_NO_LIGHT_FENCE   no light fence after (E1) and (E5)
 * fault: -DREAL -DFAULT_NO_LIGHT_FENCE        likewise, with a waker
 * fault: -DALONE -DFAULT_NO_RECHECK       the owner parks without (E6)
 * fault: -DFAULT_NO_LOOK                  the waker takes every wait for a simple one: no (E2)
 * fault: -DFAULT_LOOK_FIRST               the waker does (E2) before (E1)
 * fault: -DSHIELDED -DFAULT_NO_SETTLE     the owner waits again while the interrupter is at work
 * fault: -DSHIELDED -DFAULT_NO_SHIELD     the interrupter does not look at `shield`
 * fault: -DFAULT_OWNER_NO_FENCE           the owner leaves without having passed the heavy fence
 * fault: -DFAULT_LEAVE_POPPED             the owner leaves though a waker has popped it
 * fault: -DFAULT_STAY_LINKED              the interrupter does not unlink whom it wakes
 */

#define ROUNDS 3
#define OK 1
#define CANCELLED 2

bool linked, in_list, locked;
byte interrupts;
bool stop_requested, claimed, shield;
byte leaving;
byte woken;
bool gone; /* all who waited were woken: the primitive may be destroyed */

/* Bit 0: a store of `linked` is pending; bit 1: behind it, the unlock. */
byte owner_buffer, waker_buffer;

#define DRAIN(buffer, value) \
  do \
  :: buffer & 1 -> linked = value; buffer = buffer & 2 \
  :: buffer == 2 -> locked = false; buffer = 0 \
  :: buffer == 0 -> break \
  od

inline wake(how) {
  atomic {
    assert(woken == 0);
    woken = how
  }
}

#if defined(REAL) || defined(FAULT_NO_GRACE)
#define heavy_fence() skip
#elif defined(REFUSED)
inline heavy_fence() {
  owner_buffer == 0;
  waker_buffer == 0
}
#else
inline heavy_fence() {
  atomic {
    DRAIN(owner_buffer, true);
    DRAIN(waker_buffer, false)
  }
}
#endif

#if defined(REAL) && !defined(FAULT_NO_LIGHT_FENCE)
#define LIGHT_FENCE(buffer) buffer == 0
#else
#define LIGHT_FENCE(buffer) skip
#endif

/* end_wait(), behind the claim. */
inline leave() {
  atomic { !locked -> locked = true; assert(!gone) };
  if
  :: in_list -> in_list = false; linked = false
  :: else -> assert(leaving > 0); leaving--
  fi;
  locked = false
}

inline lock(buffer) {
  atomic { !locked && buffer == 0 -> locked = true }
}

proctype owner() {
  byte round, result;
  bool limited;
  do
  :: round < ROUNDS ->
    round++;
    result = 0;
    limited = (interrupts != 0);
    if
    :: limited ->
#ifndef FAULT_NO_SETTLE
      interrupts <= 1; /* settle() */
#endif
      claimed = false;
      if
      :: stop_requested ->
#ifdef SHIELDED
        shield = true
#else
        break /* sticky: cancelled at once */
#endif
      :: else
      fi
    :: else -> assert(!claimed)
    fi;
    lock(owner_buffer);
    gone = false; /* another primitive */
    in_list = true;
    owner_buffer = 1; /* (E5) */
    owner_buffer = 3;
    LIGHT_FENCE(owner_buffer);
#ifndef FAULT_NO_RECHECK
    limited = (interrupts != 0); /* (E6) */
    if
    :: limited && !shield && stop_requested ->
#ifndef FAULT_OWNER_NO_FENCE
      heavy_fence();
#endif
      if
#ifdef FAULT_LEAVE_POPPED
      :: true ->
#else
      :: linked -> /* (E4) */
#endif
        if
        :: atomic { !claimed -> claimed = true };
          leave();
          result = CANCELLED
        :: claimed
        fi
#ifndef FAULT_LEAVE_POPPED
      :: else
#endif
      fi
    :: else
    fi;
#endif
    if
    :: result == 0 -> atomic { woken != 0 -> result = woken; woken = 0 } /* park() */
    :: else
    fi;
    assert(!in_list && leaving == 0);
    assert(!(shield && result == CANCELLED))
  :: else -> break
  od;
  assert(woken == 0)
}

proctype owner_drains() {
end_owner_drains:
  do
  :: atomic { owner_buffer & 1 -> linked = true; owner_buffer = owner_buffer & 2 }
  :: atomic { owner_buffer == 2 -> locked = false; owner_buffer = 0 }
  od
}

proctype waker_drains() {
end_waker_drains:
  do
  :: atomic { waker_buffer & 1 -> linked = false; waker_buffer = waker_buffer & 2 }
  :: atomic { waker_buffer == 2 -> locked = false; waker_buffer = 0 }
  od
}

#ifndef ALONE
proctype waker() {
  bool mine, simple;
end_waker:
  do
  :: in_list ->
    lock(waker_buffer);
    if
    :: in_list ->
#ifdef FAULT_LOOK_FIRST
      simple = (interrupts == 0);
#endif
      in_list = false;
      waker_buffer = 1; /* (E1) */
      LIGHT_FENCE(waker_buffer);
#ifdef FAULT_NO_LOOK
      simple = true;
#else
#ifndef FAULT_LOOK_FIRST
      simple = (interrupts == 0); /* (E2) */
#endif
#endif
      if
      :: simple -> mine = true
      :: else ->
        atomic { waker_buffer == 0 -> mine = !claimed; claimed = true };
        if
        :: !mine -> leaving++
        :: else
        fi
      fi
    :: else
    fi;
    waker_buffer = waker_buffer | 2;
    waker_buffer == 0;
    if
    :: mine -> gone = (leaving == 0); wake(OK)
    :: else
    fi;
    mine = false;
    simple = false
  od
}
#endif

proctype interrupter() {
  bool mine, found;
  interrupts = 1; /* (E3) */
  interrupts = interrupts + 2;
  stop_requested = true;
#ifndef FAULT_NO_HEAVY_FENCE
  heavy_fence();
#endif
  found = linked; /* (E4) */
#ifndef FAULT_NO_SHIELD
  found = found && !shield;
#endif
  if
  :: found ->
    atomic { mine = !claimed; claimed = true };
    if
    :: mine -> /* end_wait() */
#ifndef FAULT_STAY_LINKED
      leave()
#endif
    :: else
    fi
  :: else
  fi;
  interrupts = interrupts - 2;
  if
  :: mine -> wake(CANCELLED)
  :: else
  fi
}

init {
  atomic {
    run owner();
    run owner_drains();
    run waker_drains();
#ifndef ALONE
    run waker();
#endif
    run interrupter()
  }
}
