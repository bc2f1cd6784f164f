/* Who sleeps and who must be woken: runtime/sched/idling/idle.hpp, idle.cpp, and worker::sleep in
 * sleep.cpp, the takes, put_next and put_surplus in run_queue.{hpp,cpp}, search and what follows in
 * steal.cpp.
 *
 * Property: no fiber waits for ever in the injector, in a ring or in a next slot while a worker
 * sleeps for ever, even if all other workers compute for ever; and the counts of searchers,
 * sleepers and the watcher bit are right when nothing moves any more.
 *
 * Labels, as in the code: P1 P2 P3 of the publisher, Q1 Q2 Q3 of the sleeper, K1 K2 of the wake-up,
 * I1 I2 of the injector.
 *
 * Memory. A plain or release store may stay in its CPU's store buffer while later loads of the same
 * CPU are done: what x86 does, and the one reordering of ARM that matters here. Pushes to a ring lie
 * in `buffered` and `late` until a locked operation or a barrier of the same worker, or until `memory` lets
 * them out at any time. All other stores that matter are locked operations or seq_cst in the code.
 *
 * Abstracted away. Fibers are counted and not told apart; what runs may spawn or wake another
 * (both go through put_next), end, or compute for ever, at any point, `budget` times in all. A search
 * may miss anything: only the check before the sleep counts. Ticks and paces: a nap may find a slot
 * stale, or a ring slow, or not. Whom a publisher wakes: any sleeper, where the code takes the last. A timer may end any nap.
 * The end of the runtime is left out: it goes through the lock of the sleepers.
 * A fiber that yields, or that is put back because it is still on a CPU, goes to the ring without
 * being published (put_last): YIELD adds that, and then the property is the weaker one that not
 * all workers sleep while a fiber waits. With SURE nobody watches in vain, for which three workers
 * have too many states.
 *
 * holds:
 * holds: -DYIELD
 * holds: -DN=3 -DGUEST=1 -DBUDGET=0 -DSURE
 * holds: -DN=3 -DGUEST=1 -DBUDGET=1 -DCOMPUTING=1
 * holds: -DN=4 -DGUEST=0 -DBUDGET=1 -DCOMPUTING=2
 * fault: -DFAULT_NO_P2              a publisher's push is still in its store buffer at (P3)
 * fault: -DFAULT_NO_P2_BEHIND       the same of one that waits behind the running fiber
 * fault: -DFAULT_NO_I1              a guest's push is still in its store buffer at (P3)
 * fault: -DFAULT_NO_Q2              the loads of (Q3) are done before (Q1) is seen
 * fault: -DFAULT_NO_RECHECK         a sleeper does not look at the queues again after (Q1)
 * fault: -DFAULT_NO_SLOT_CHECK      a sleeper does not look at the slots after (Q1)
 * fault: -DFAULT_NO_RING_CHECK      nor at those who wait behind others in their rings
 * fault: -DFAULT_LATE_END_WATCH     who gives up its watch does not look at the slots once more
 * fault: -DFAULT_KEEP_WATCH         a watcher that is woken leaves the watch bit set
 * fault: -DFAULT_LEAVE              who lost leave() to a publisher does not count as searching
 * fault: -DFAULT_NO_CHAIN           the last searcher wakes nobody when it found work
 * fault: -DFAULT_EARLY_CHAIN        the last searcher looks for more before it ends its search
 * fault: -DFAULT_QUIET_BATCH        what is moved from the injector to a ring is not published
 * fault: -DFAULT_QUIET_LEAVE -DBUDGET=0   who leaves its sleep for work it saw does not count as searching
 * fault: -DFAULT_QUIET_LEAVE -DN=4 -DGUEST=0 -DBUDGET=1 -DCOMPUTING=2  nor does a watcher that steals a slot
 */

#ifndef N
#define N 2
#endif
#ifndef GUEST
#define GUEST 2 /* fibers that a foreign thread injects */
#endif
#ifndef BUDGET
#define BUDGET 2 /* spawns and wakes by fibers */
#endif
#ifndef COMPUTING
#define COMPUTING 0 /* workers that compute for ever from the start, with a filled slot */
#endif
#define NONE 7

byte injected;    /* the injector's size_, as others see it */
byte ring[N];     /* new fibers in a worker's ring, as others see them */
byte buffered[N]; /* pushes in its store buffer */
byte behind[N];   /* the same for those that were woken, or gave way */
byte late[N];
bool slot[N];
byte searching, sleeping; /* the fields of state_ */
bool watched;             /* the watcher bit of state_ */
bool locked;              /* lock_ */
bool listed[N];           /* sleepers_ */
bool woken[N];
byte budget = BUDGET;

/* Any locked operation of a worker empties its store buffer first. */
inline flush(w) {
  ring[w] = ring[w] + buffered[w];
  buffered[w] = 0;
  behind[w] = behind[w] + late[w];
  late[w] = 0
}

/* A push to its own rings. */
inline push() { buffered[me]++ }
inline push_behind() { late[me]++ }

inline wake_one() {
  atomic {
    !locked -> locked = true;
    if
    :: searching != 0 -> skip
    :: searching == 0 && listed[0] -> chosen = 0
    :: searching == 0 && listed[1] -> chosen = 1
#if N > 2
    :: searching == 0 && listed[2] -> chosen = 2
#endif
#if N > 3
    :: searching == 0 && listed[3] -> chosen = 3
#endif
    :: else -> skip
    fi;
    if
    :: chosen == NONE -> locked = false
    :: else -> listed[chosen] = false
    fi
  }
  if
  :: chosen != NONE ->
    atomic { searching++; sleeping--; locked = false }
    woken[chosen] = true; /* (K1) */
    chosen = NONE
  :: else
  fi
}

/* (P3) and what follows */
inline look_for_sleepers(though) {
  if
  :: sleeping != 0 && searching == 0 && !(though) -> wake_one()
  :: else
  fi
}

inline published() {
#ifndef FAULT_NO_P2
  atomic { flush(me) } /* (P2) */
#endif
  look_for_sleepers(false)
}

inline run_next() {
  atomic { taken = slot[me]; slot[me] = true; flush(me) } /* (P1) and (P2) of the slot */
  if
  /* (P1) surplus: the displaced fiber goes to a ring */
  :: taken ->
    push();
    published()
  :: taken ->
    push_behind();
#ifndef FAULT_NO_P2_BEHIND
    atomic { flush(me) } /* (P2) */
#endif
    look_for_sleepers(watched)
  :: else -> look_for_sleepers(watched)
  fi;
  taken = false
}

inline take_injected() {
  atomic {
    flush(me);
    if
    :: injected > 0 ->
      injected--;
      have = true;
      if
      :: injected * 2 >= N -> injected--; extra = true
      :: true
      fi
    :: else
    fi
  }
}

inline steal_from(v) {
  ring[v]--;
  have = true;
  if
  :: ring[v] > 0 -> ring[v]--; extra = true
  :: true
  fi
}

inline check_queues() {
  if
  :: injected != 0 -> stay = false /* (I2) */
  :: else
  fi;
  n = 0;
  do
  :: n < N && stay ->
    if
    :: ring[n] != 0 -> stay = false
    :: else
    fi;
    n++
  :: else -> break
  od;
  n = 0
}

/* Before it runs what it found: whether there is more, anywhere. */
inline look_everywhere() {
  stay = true;
  check_queues();
  n = 0;
  do
  :: n < N && stay ->
    if
    :: slot[n] || behind[n] != 0 -> stay = false
    :: else
    fi;
    n++
  :: else -> break
  od;
  n = 0
}

inline find_behind() {
  who = NONE;
#ifndef FAULT_NO_SLOT_CHECK
  n = 0;
  do
  :: n < N && who == NONE ->
    if
#ifdef FAULT_NO_RING_CHECK
    :: n != me && slot[n] -> who = n
#else
    :: n != me && (slot[n] || behind[n] != 0) -> who = n
#endif
    :: else
    fi;
    n++
  :: else -> break
  od;
  n = 0
#endif
}

proctype worker(byte me) {
  bool is_searching, have, extra, taken, last, stay, watching, beaten;
  byte n, who = NONE, stale = NONE, chosen = NONE;

  if
  :: me < COMPUTING -> goto end_computing
  :: else
  fi;

next:
  /* take() */
  if
  :: slot[me] -> atomic { have = slot[me]; slot[me] = false; flush(me) }
  :: else
  fi;
  if
  :: !have ->
    atomic {
      if
      :: ring[me] + buffered[me] > 0 -> flush(me); ring[me]--; have = true
      :: behind[me] + late[me] > 0 -> flush(me); behind[me]--; have = true
      :: else
      fi
    }
  :: else
  fi;
  if
  :: !have && injected > 0 ->
    take_injected();
    if
    :: extra ->
      extra = false;
      if /* run_later */
      :: push()
      :: push_behind()
      fi;
#ifndef FAULT_QUIET_BATCH
      if
      :: !is_searching -> published()
      :: else
      fi
#endif
    :: else
    fi
  :: else
  fi;

  /* search() */
  if
  :: !have && !is_searching ->
    if
    :: 2 * searching >= N -> goto searched
    :: else -> atomic { searching++; flush(me); is_searching = true }
    fi
  :: else
  fi;
  if
  :: !have ->
    if
    :: atomic { me != 0 && ring[0] > 0 -> steal_from(0) }
    :: atomic { me != 1 && ring[1] > 0 -> steal_from(1) }
#if N > 2
    :: atomic { me != 2 && ring[2] > 0 -> steal_from(2) }
#endif
#if N > 3
    :: atomic { me != 3 && ring[3] > 0 -> steal_from(3) }
#endif
    :: injected > 0 -> take_injected()
    :: true
    fi;
    if
    :: extra -> atomic { push(); extra = false }
    :: else
    fi
  :: else
  fi;

searched:
  if
  :: have && is_searching ->
#ifdef FAULT_EARLY_CHAIN
    look_everywhere();
#endif
    atomic { last = (searching == 1); searching--; is_searching = false; flush(me) }
#ifndef FAULT_NO_CHAIN
    if
    :: last ->
#ifndef FAULT_EARLY_CHAIN
      look_everywhere();
#endif
      if
      :: !stay -> published()
      :: else
      fi
    :: else
    fi;
#endif
    stay = false;
    last = false
  :: else
  fi;
  if
  :: have ->
    have = false;
    do
    :: atomic { budget > 0 -> budget-- } run_next()
    :: goto next /* it ends or parks */
#ifdef YIELD
    :: push_behind(); goto next
#endif
    :: goto end_computing
    od
  :: else
  fi;

  /* sleep() */
  woken[me] = false;
  stay = true;
#ifdef FAULT_NO_Q2
  check_queues();
#endif
#ifndef SURE
  if /* something is behind, or this worker was woken in vain */
  :: atomic { watching = !watched; watched = true; flush(me) }
  :: true
  fi;
#endif
  atomic { /* enter(): (Q1) and (Q2) */
    !locked -> listed[me] = true;
    sleeping++;
    searching = searching - is_searching;
    is_searching = false;
    flush(me)
  }
#if !defined(FAULT_NO_Q2) && !defined(FAULT_NO_RECHECK)
  check_queues(); /* (Q3) */
#endif
  do
  :: stay && !woken[me] -> /* (K2) */
    find_behind(); /* (Q3) */
    if
    :: who == NONE && watching -> /* it has napped in vain often enough */
      atomic { watched = false; flush(me) }
      watching = false;
#ifndef FAULT_LATE_END_WATCH
      find_behind()
#endif
    :: true /* it naps once more */
    fi;
    if
    :: who != NONE && !watching -> atomic { watching = !watched; watched = true; flush(me) }
    :: else
    fi;
    if
    :: watching -> skip /* a nap; it may end at any time */
    :: else
end_sleeping:
      woken[me] /* the futex */
    fi;
    if
    :: watching -> break /* a timer is due */
    :: watching && who != NONE && (slot[who] || behind[who] != 0) -> stale = who; break
    :: true
    fi
  :: else -> break
  od;
#ifndef FAULT_KEEP_WATCH
  if
  :: watching -> watched = false
  :: else
  fi;
#endif
  watching = false;
  who = NONE;
  stay = false;

  /* leave() */
  atomic {
    !locked ->
    if
    :: listed[me] ->
      listed[me] = false;
      sleeping--;
#ifndef FAULT_QUIET_LEAVE
      searching++;
      is_searching = true;
#endif
      flush(me)
    :: else -> beaten = true
    fi
  }
  if
  :: !beaten && stale != NONE ->
    atomic { /* steal_behind() */
      if
      :: slot[stale] -> slot[stale] = false; have = true
      :: behind[stale] != 0 ->
        behind[stale]--;
        have = true;
        if
        :: behind[stale] != 0 -> behind[stale]--; extra = true
        :: true
        fi
      :: else
      fi;
      flush(me)
    }
    stale = NONE;
    if
    :: extra -> atomic { push_behind(); extra = false }
    :: else
    fi;
    if
    :: have -> atomic { have = false; push_behind() } /* run_later */
    :: else
    fi
  :: !beaten && stale == NONE
  :: beaten -> /* a publisher was faster */
    beaten = false;
    stale = NONE;
#ifndef FAULT_LEAVE
    is_searching = true;
#endif
    woken[me] /* (K2) */
  fi;
  goto next;

end_computing:
  false
}

/* A thread that is no carrier: inject_as_guest(). */
proctype guest() {
  byte chosen = NONE, left = GUEST;
  do
  :: left > 0 ->
#ifdef FAULT_NO_I1
    bool wake = sleeping != 0 && searching == 0; /* (P3) before the push is seen */
    injected++;
    if
    :: wake -> wake_one()
    :: else
    fi;
#else
    injected++; /* (P1), (I1), (P2) */
    look_for_sleepers(false);
#endif
    left--
  :: else -> break
  od
}

/* The store buffers. */
proctype memory() {
end_memory:
  do
  :: atomic { buffered[0] + late[0] > 0 -> flush(0) }
  :: atomic { buffered[1] + late[1] > 0 -> flush(1) }
#if N > 2
  :: atomic { buffered[2] + late[2] > 0 -> flush(2) }
#endif
#if N > 3
  :: atomic { buffered[3] + late[3] > 0 -> flush(3) }
#endif
  od
}

/* When nothing moves any more: only sleepers and computing fibers are left. */
proctype monitor() {
  byte i, waiting;
  timeout;
  d_step {
    waiting = injected;
    for (i : 0 .. N - 1) {
      waiting = waiting + ring[i] + behind[i] + slot[i]
    }
    i = 0
  }
#ifdef YIELD
  assert(waiting == 0 || sleeping < N);
#else
  assert(waiting == 0 || sleeping == 0);
#endif
  assert(searching == 0 && !watched && !locked)
}

init {
  byte i;
  atomic {
    for (i : 0 .. N - 1) {
      if
      :: i < COMPUTING -> slot[i] = true
      :: else
      fi;
      run worker(i)
    }
    run guest();
    run memory();
    run monitor()
  }
}
