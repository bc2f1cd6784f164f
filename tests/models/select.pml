/* How a select holds the locks of all its cases: runtime/sync/select.cpp.
 *
 * Two channels of one value each, their locks, and a mover. The mover puts a value into the channel
 * that has none before it takes the value out of the other. If one channel is ready at the
 * beginning, then one is at each moment, until the mover takes the last value or the waiting select
 * takes one. Lookers are selects with
 * `otherwise` (try_now). A waiting select (wait) takes a value, or links a node at each channel and is
 * handed a value.
 *
 * Properties: a looker that finds no case ready is right about one moment during its call; no selects
 * wait for each other's locks; the waiting select gets exactly one value, and no value that is there
 * while it waits is missed.
 *
 * Memory. Sequentially consistent: all of it is read and written under the locks.
 *
 * Abstracted away. A looker finds a value and leaves it. The attempt to take a lock without a wait may
 * fail also if the lock is free, as spin_lock::try_lock may. The claim of the wait (E7) is one step, and
 * the park is a wait for it.
 *
 * holds:
 * holds: -DLOOKERS=1 -DMOVES=4
 * fault: -DFAULT_WAIT_WHILE_HOLDING  a looker waits for a second lock in its own order
 * fault: -DFAULT_ANY_ORDER           the locks of the last pass are taken in the order of the cases
 * fault: -DFAULT_ONE_BY_ONE          a lock is released before the next case is tried
 * fault: -DFAULT_NO_LAST_PASS        the pass over single locks decides that no case is ready
 * fault: -DFAULT_BUSY_IS_NOT_READY   a case whose lock is held counts as not ready
 * fault: -DFAULT_LINK_ONE_BY_ONE     the waiting select releases a lock before it has linked all nodes
 * fault: -DFAULT_LINK_WITHOUT_LOOK   it links without a look under all locks
 * fault: -DFAULT_NO_CLAIM            a waker does not claim the wait
 */

#ifndef LOOKERS
#define LOOKERS 2
#endif
#ifndef MOVES
#define MOVES 2
#endif

bool held[2], ready[2], linked[2];
bool claimed;       /* a waker has claimed the wait of the waiting select */
byte handed, taken;        /* values that it got */
bool none_ready[LOOKERS];  /* there was such a moment during the call of that looker */

inline note() {
  if
  :: !ready[0] && !ready[1] ->
    none_ready[0] = true;
#if LOOKERS > 1
    none_ready[1] = true
#endif
  :: else
  fi
}

inline acquire(one) { atomic { !held[one] -> held[one] = true } }
inline release(one) { held[one] = false }
inline try_acquire(one) {
  atomic {
    if
    :: !held[one] -> held[one] = true; got = true
    :: got = false
    fi
  }
}

/* Under the lock. A waiting select gets the value, unless another waker was before us. */
inline put(where) {
  atomic {
    if
    :: linked[where] ->
      linked[where] = false;
      if
#ifdef FAULT_NO_CLAIM
      :: handed++; claimed = true
#else
      :: !claimed -> claimed = true; handed++
      :: claimed -> ready[where] = true
#endif
      fi
    :: else -> ready[where] = true
    fi
  }
}

proctype mover() {
  byte filled, moves;
  do
  :: moves < MOVES ->
    moves++;
    acquire(1 - filled);
    put(1 - filled);
    release(1 - filled);
    acquire(filled);
    atomic { ready[filled] = false; note() };
    release(filled);
    filled = 1 - filled
  :: else -> break
  od;
  acquire(filled);
  atomic { ready[filled] = false; note() };
  release(filled);
  /* One value more at each, so the waiting select must end. */
  moves = 0;
  do
  :: moves < 2 ->
    moves++;
    acquire(filled);
    put(filled);
    release(filled);
    filled = 1 - filled
  :: else -> break
  od
}

proctype looker(byte me) {
  byte a, b;
  bool got, found;
  atomic { none_ready[me] = !ready[0] && !ready[1] };
  if
  :: a = 0
  :: a = 1
  fi;
  b = 1 - a;

  /* In one go. */
  acquire(a);
  found = ready[a];
  if
  :: found -> release(a); goto done
  :: else
  fi;
#ifdef FAULT_ONE_BY_ONE
  release(a);
#endif
#ifdef FAULT_WAIT_WHILE_HOLDING
  acquire(b);
  got = true;
#else
  try_acquire(b);
#endif
  if
  :: got ->
    found = ready[b];
    release(b);
#ifndef FAULT_ONE_BY_ONE
    release(a);
#endif
    goto decided
  :: else
  fi;
#ifndef FAULT_ONE_BY_ONE
  release(a);
#endif
#ifdef FAULT_BUSY_IS_NOT_READY
  goto decided;
#endif

  /* Each by itself. */
  acquire(a);
  found = ready[a];
  release(a);
  if
  :: found -> goto done
  :: else
  fi;
  acquire(b);
  found = ready[b];
  release(b);
  if
  :: found -> goto done
  :: else
  fi;

#ifndef FAULT_NO_LAST_PASS
  /* All at one moment, in the order of their addresses. */
#ifdef FAULT_ANY_ORDER
  acquire(a);
  acquire(b);
#else
  acquire(0);
  acquire(1);
#endif
  found = ready[0] || ready[1];
  release(0);
  release(1);
#endif
decided:
  assert(found || none_ready[me]);
done:
}

inline take(where) { atomic { ready[where] = false; taken++; note() } }

proctype waiting() {
  acquire(0);
#ifdef FAULT_LINK_ONE_BY_ONE
  if
  :: ready[0] -> take(0); release(0); goto done
  :: else
  fi;
  linked[0] = true;
  release(0);
  acquire(1);
  if
  :: ready[1] -> take(1); release(1); goto done
  :: else
  fi;
  linked[1] = true;
  release(1);
#else
  acquire(1);
#ifndef FAULT_LINK_WITHOUT_LOOK
  if
  :: ready[0] -> take(0); release(0); release(1); goto done
  :: ready[1] -> take(1); release(0); release(1); goto done
  :: else
  fi;
#endif
  linked[0] = true;
  linked[1] = true;
  release(0);
  release(1);
#endif
  claimed; /* parks */
  acquire(0);
  linked[0] = false;
  release(0);
  acquire(1);
  linked[1] = false;
  release(1);
done:
  assert(handed + taken == 1)
}

init {
  atomic {
    if
    :: ready[0] = true
    :: true
    fi;
    run mover();
    run looker(0);
#if LOOKERS > 1
    run looker(1);
#endif
    run waiting()
  };
  /* A value that was there while it waited would have left it parked. */
  (_nr_pr == 1);
  assert(handed + taken == 1)
}
