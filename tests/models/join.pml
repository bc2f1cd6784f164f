/* The word at which a fiber and its handle meet: join_word in runtime/sched/fibers/fiber.hpp; end_fiber,
 * join_fiber, detach_fiber, give_back and create in runtime/sched/fibers/spawn.cpp; fiber<T>::join in
 * include/hilo/fiber.hpp.
 *
 * Properties: the fiber is given back exactly once, by the joiner, the detacher or itself; the one
 * that takes or destroys the result sees it whole, and it is destroyed exactly once; a joiner that waits
 * is woken exactly once; nobody looks at the task after it was destroyed; a new life is laid out on the
 * stack only when the last one has left it.
 *
 * Labels, as in the code: J1 join, J2 the fiber's end, J3 detach, J5 the look before the end, S (the
 * switch off the stack).
 *
 * Memory. The result is a plain store: it lies in `result_buffered` until a locked operation of the
 * fiber, or until `memory` lets it out.
 *
 * Abstracted away. Parking and waking are one bit (park.pml). Three lives on one stack, one after the
 * other; the next is created by another carrier as soon as the stack was given back.
 *
 * holds:
 * fault: -DFAULT_PLAIN_END       (J2) is a load and a store instead of an exchange
 * fault: -DFAULT_PLAIN_JOIN      (J1) is a load and a store
 * fault: -DFAULT_PLAIN_DETACH    (J3) is a load and a store
 * fault: -DFAULT_LATE_RESULT     the result is written after (J2)
 * fault: -DFAULT_LATE_LOOK       the fiber looks at its task after (J2) although it was not detached
 * fault: -DFAULT_NO_WAIT         the next life does not wait for (S)
 * fault: -DFAULT_SELF_GIVE       the fiber gives itself back whenever no joiner waits
 * fault: -DFAULT_DROP_TWICE      the fiber forgets that it destroyed its result at (J5)
 */

#define RUNNING 0
#define ENDED 1
#define DETACHED 2
#define WAITER 3
#define LIVES 3

byte word;
bool on_cpu;
bool result, result_buffered;
bool task;             /* there, not yet destroyed */
bool given;            /* the stack is in a cache */
bool woken;            /* the joiner's waiter */
bool held;             /* it waits in the slot of the carrier on which its handle is, and no other has it */
byte givers;           /* who gave it back, in this life */
byte started, handled; /* lives begun; lives whose handle is done */

inline destroy() {
  atomic {
    assert(task && result);
    task = false
  }
}

inline give_back() {
  atomic {
    assert(givers == 0);
    givers++;
    given = true
  }
}

proctype fiber() {
  byte before, life;
  bool dropped;
end_fiber:
  do
  :: started > life && !held ->
    life++;
#ifndef FAULT_LATE_RESULT
    result_buffered = true;
#endif
    if
    :: word == DETACHED -> /* (J5) */
      atomic { result = result || result_buffered; result_buffered = false }; /* its own: it sees it */
      destroy();
#ifndef FAULT_DROP_TWICE
      dropped = true
#endif
    :: else
    fi;
#ifdef FAULT_PLAIN_END
    before = word;
    word = ENDED;
#else
    before = word;
    if
    :: before == WAITER -> /* (J2), plain: what was stored before is let out first */
      atomic { result = result || result_buffered; result_buffered = false };
      word = ENDED
    :: else ->
      atomic { /* (J2) */
        before = word;
        word = ENDED;
        result = result || result_buffered;
        result_buffered = false
      }
    fi;
#endif
#ifdef FAULT_LATE_RESULT
    result_buffered = true;
#endif
#ifdef FAULT_LATE_LOOK
    assert(task);
#endif
    if
    :: before == DETACHED ->
      if
      :: !dropped -> destroy()
      :: else
      fi;
      dropped = false;
      give_back()
    :: before == WAITER ->
      atomic {
        assert(!woken);
        woken = true /* wake() */
      }
#ifdef FAULT_SELF_GIVE
    :: before == RUNNING -> give_back()
#else
    :: before == RUNNING
#endif
    fi;
    before = 0;
    assert(started == life); /* nobody was put onto the stack that we stand on */
    on_cpu = false           /* (S) */
  od
}

proctype handle() {
  byte before, life;
end_handle:
  do
  :: started > life ->
    life++;
    if
    :: true -> /* join() */
      if
      :: word == ENDED -> goto join_returns
      :: else
      fi;
#ifdef FAULT_PLAIN_JOIN
      before = word;
      if
      :: before == RUNNING -> word = WAITER
      :: else
      fi;
      held = false;
#else
      if
      :: held -> /* (J1), plain: it waits in our slot, and runs when we park */
        before = word;
        if
        :: before == RUNNING -> word = WAITER
        :: else
        fi;
        held = false;
        goto joined
      :: else
      fi;
      atomic { /* (J1) */
        before = word;
        if
        :: before == RUNNING -> word = WAITER
        :: else
        fi
      }
joined:
#endif
      if
      :: before == RUNNING -> atomic { woken -> woken = false } /* park() */
      :: else
      fi;
join_returns:
      destroy();
      give_back()
    :: true -> /* detach() */
      held = false; /* it may be run from now on */
#ifdef FAULT_PLAIN_DETACH
      before = word;
      if
      :: before != ENDED -> word = DETACHED
      :: else
      fi;
#else
      atomic { /* (J3) */
        before = word;
        if
        :: before != ENDED -> word = DETACHED
        :: else
        fi
      }
#endif
      if
      :: before == ENDED -> destroy(); give_back()
      :: else
      fi
    fi;
    before = 0;
    handled++
  od
}

/* create(), by another carrier, and the first switch to the fiber */
proctype spawner() {
  do
  :: started < LIVES ->
    given;
    given = false;
#ifndef FAULT_NO_WAIT
    !on_cpu; /* (S) */
#endif
    handled == started; /* the model has one handle */
    assert(started == 0 || givers == 1);
    assert(!task && !woken && !on_cpu);
    atomic {
      word = RUNNING;
      result = false;
      task = true;
      givers = 0;
      on_cpu = true;
      if
      :: held = true
      :: held = false
      fi;
      started++
    }
  :: else -> break
  od;
  given && handled == LIVES && !on_cpu && !task
}

proctype memory() {
end_memory:
  do
  :: atomic { result_buffered -> result = true; result_buffered = false }
  od
}

init {
  atomic {
    given = true;
    run fiber();
    run handle();
    run spawner();
    run memory()
  }
}
