/* Leaving and continuing stacks: park, yield, wake in runtime/sched/park.cpp, pick, take and
 * switch_to in runtime/sched/worker.{hpp,cpp}, the end of a fiber and create() in spawn.cpp, and
 * the switch (runtime/context).
 *
 * Properties: no two carriers stand on one stack; a stack is continued only once its registers are
 * saved; no fiber is in two queues; each wake ends exactly one park; every fiber comes to its end
 * (no deadlock), also when two carriers take each other's fibers, when a fiber finds itself in its
 * own queue, and when spawn waits on a fiber's stack for a stack that its last fiber is just leaving.
 *
 * Labels, as in the code: S, the store of 0 to on_cpu by the switch.
 *
 * Memory. Sequentially consistent: of the two stores that could be reordered, saving the registers
 * and (S), the second is a release; FAULT_EARLY_S is what happens otherwise.
 *
 * Abstracted away. All queues are one bag from which any carrier may take any fiber, or find
 * nothing although there is something (it lies with another worker). A carrier sleeps while the bag
 * is empty; sleep_wake.pml has the rest of that. A wait list is a bit: linked. A foreign thread
 * wakes the one that is linked, sooner or later.
 *
 * holds:
 * holds: -DFIBERS=2 -DROUNDS=3
 * fault: -DFAULT_NO_ON_CPU       pick() does not look at on_cpu
 * fault: -DFAULT_BASE_HASTE      the base context does not wait for on_cpu
 * fault: -DFAULT_WAIT_ON_STACK   pick() waits for on_cpu on the fiber's stack
 * fault: -DFAULT_EARLY_S         on_cpu is cleared before the registers are saved
 * fault: -DFAULT_EARLY_S_SP      on_cpu is cleared before the new stack pointer is loaded
 * fault: -DFAULT_SELF_SWITCH     a fiber that finds itself in its queue switches to itself
 * fault: -DFAULT_LATE_UNLINK     a waker looks and unlinks in two steps
 * fault: -DFAULT_REUSE           spawn does not wait until the last fiber has left its stack
 */

#ifndef FIBERS
#define FIBERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* parks or yields of a fiber */
#endif
#define CARRIERS 2
#define BASE (FIBERS + me)
#define CONTEXTS (FIBERS + CARRIERS)

#if FIBERS > 2
#define ALL_ENDED (ended[0] && ended[1] && ended[2])
#else
#define ALL_ENDED (ended[0] && ended[1])
#endif

bool on_cpu[CONTEXTS];
bool saved[CONTEXTS]; /* its registers are on its stack, and sp says where */
byte standing[CARRIERS];
bool queued[FIBERS];
bool linked[FIBERS];  /* in a wait list */
bool woken[FIBERS];   /* woken, and the park has not returned yet */
bool parked[FIBERS];  /* left in park(), where it will return */
bool ended[FIBERS];   /* its stack was given back */
byte rounds[FIBERS];
byte spawns = 1;      /* lives on used stacks */

inline push(which) {
  atomic {
    assert(!queued[which]);
    queued[which] = true
  }
}

/* unlink, then wake() */
inline wake_some() {
  if
#ifdef FAULT_LATE_UNLINK
  :: linked[0] -> other = 0; linked[other] = false
  :: linked[1] -> other = 1; linked[other] = false
#else
  :: atomic { linked[0] -> linked[0] = false; other = 0 }
  :: atomic { linked[1] -> linked[1] = false; other = 1 }
#endif
#if FIBERS > 2
  :: atomic { linked[2] -> linked[2] = false; other = 2 }
#endif
  fi;
  atomic {
    assert(!woken[other]);
    woken[other] = true
  }
  push(other);
  other = 0
}

inline take() {
  if
  :: atomic { queued[0] -> queued[0] = false; next = 0 }
  :: atomic { queued[1] -> queued[1] = false; next = 1 }
#if FIBERS > 2
  :: atomic { queued[2] -> queued[2] = false; next = 2 }
#endif
  :: running != BASE -> next = BASE /* nothing here */
  :: atomic { running == BASE && ALL_ENDED } -> goto end_carrier
  fi
}

inline switch_to_next() {
  on_cpu[next] = true;
#ifdef FAULT_EARLY_S
  on_cpu[running] = false;
#endif
  saved[running] = true;
#ifdef FAULT_EARLY_S_SP
  on_cpu[running] = false;
#endif
  atomic {
    assert(saved[next]);
    assert(standing[1 - me] != next);
    saved[next] = false;
    standing[me] = next
  }
#if !defined(FAULT_EARLY_S) && !defined(FAULT_EARLY_S_SP)
  on_cpu[running] = false; /* (S) */
#endif
  running = next
}

proctype carrier(byte me) {
  byte running = BASE, next, other;

base:
  take();
#ifndef FAULT_BASE_HASTE
  !on_cpu[next]; /* wait_off_cpu() */
#endif
  switch_to_next();

fiber:
  atomic {
    if
    :: parked[running] ->
      assert(woken[running]);
      woken[running] = false;
      parked[running] = false
    :: else
    fi
  }

work:
  if
  :: wake_some(); goto work
  :: atomic { spawns > 0 && ended[0] -> spawns--; ended[0] = false; other = 0 } goto reuse
  :: atomic { spawns > 0 && ended[1] -> spawns--; ended[1] = false; other = 1 } goto reuse
  :: rounds[running] > 0 -> /* it parks */
    rounds[running]--;
    parked[running] = true;
    linked[running] = true
  :: rounds[running] > 0 -> /* it yields */
    rounds[running]--;
    take();
    assert(next != running);
    if
    :: next == BASE -> goto work
    :: next != BASE && on_cpu[next] -> push(next); goto work
    :: else
    fi;
    push(running);
    switch_to_next();
    goto fiber
  :: rounds[running] == 0 -> ended[running] = true /* given back, while we still stand on it */
  fi;

  /* pick() */
  take();
  if
#ifndef FAULT_SELF_SWITCH
  :: next == running -> goto fiber /* woken before it left */
  :: next != running && next != BASE ->
#else
  :: next != BASE && next != running ->
#endif
#if defined(FAULT_WAIT_ON_STACK)
    !on_cpu[next]
#elif !defined(FAULT_NO_ON_CPU)
    if
    :: on_cpu[next] -> push(next); next = BASE
    :: else
    fi
#else
    skip
#endif
  :: else
  fi;
  switch_to_next();
  if
  :: running == BASE -> goto base
  :: else -> goto fiber
  fi;

reuse: /* create(), on the spawner's stack */
#ifndef FAULT_REUSE
  !on_cpu[other];
#endif
  atomic {
    assert(standing[0] != other && standing[1] != other);
    saved[other] = true; /* prepare_context() */
    push(other);
    other = 0
  }
  goto work;

end_carrier:
  skip
}

proctype foreign_thread() {
  byte other;
end_foreign_thread:
  do
  :: wake_some()
  od
}

init {
  byte i;
  atomic {
    for (i : 0 .. FIBERS - 1) {
      saved[i] = true;
      queued[i] = true;
      rounds[i] = ROUNDS
    }
    for (i : 0 .. CARRIERS - 1) {
      standing[i] = FIBERS + i;
      on_cpu[FIBERS + i] = true;
      run carrier(i)
    }
    run foreign_thread()
  }
}
