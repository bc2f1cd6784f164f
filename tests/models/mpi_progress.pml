/* Fibers hand their waits for MPI to the progress fiber, and take them back: progress::give, run,
 * carry_out_orders and pause in mpi/progress.cpp; pending::sit_out and end in mpi/pending.cpp.
 *
 * Properties: each wait ends, by its message or by being taken back; there is one progress fiber at
 * most; the progress fiber does not touch a wait whose waiter has gone; in the end there is no
 * progress fiber, and no order is left.
 *
 * Labels, as in the code: G1 the push of an order, G2 the read of state_, G3 the store of absent or
 * napping, G4 the read of the list, G5 taking the list.
 *
 * Memory. Sequentially consistent, as are all accesses of the list and of state_.
 *
 * Abstracted away. The list is a set: its orders are carried out in the order in which they were
 * given, a wait's order to leave after its order to join. A message comes at any time or never. A
 * nap ends by the bell, or by its time if there is a message to find: a nap that ends by its time
 * for nothing would hide a bell that does not ring.
 *
 * holds:
 * fault: -DFAULT_READ_FIRST      the waiter reads state_ before it pushes its order
 * fault: -DFAULT_NO_LOOK_AGAIN   the progress fiber ends without reading the list again
 * fault: -DFAULT_NAP_AT_ONCE     the progress fiber naps without reading the list again
 * fault: -DFAULT_LEAVE_FIRST     a wait's order to leave is carried out before its order to join
 * fault: -DFAULT_NO_ANSWER       the waiter goes before its order to leave is carried out
 * fault: -DFAULT_STORE           the waiter starts the fiber by a store, not by a compare-exchange
 */

#define WAITERS 2

mtype = { absent, awake, napping };

mtype state = absent;
bool bell;
bool joins[WAITERS];    /* orders in the list */
bool leaves[WAITERS];
bool in_table[WAITERS]; /* the progress fiber looks for its message */
bool comes[WAITERS];    /* MPI has the message */
bool over[WAITERS];
bool answered[WAITERS];
bool gone[WAITERS];
byte fibers;            /* progress fibers that may touch the table */

#define no_orders (!joins[0] && !joins[1] && !leaves[0] && !leaves[1])
#define table_empty (!in_table[0] && !in_table[1])
#define something_to_find ((in_table[0] && comes[0]) || (in_table[1] && comes[1]))

inline give(which) {
#ifdef FAULT_READ_FIRST
  seen = state;
  which = true;
#else
  which = true; /* (G1) */
  seen = state;    /* (G2) */
#endif
  do
  :: seen == awake -> break
  :: else ->
#ifdef FAULT_STORE
    state = awake;
    won = true;
#else
    atomic {
      if
      :: state == seen -> state = awake; won = true
      :: else -> seen = state; won = false
      fi
    };
#endif
    if
    :: won && seen == napping -> bell = true; break
    :: won && seen == absent -> run progress(); break
    :: else
    fi
  od;
  won = false;
  seen = awake
}

inline end(i) {
  atomic {
    if
    :: in_table[i] -> in_table[i] = false
    :: else
    fi
  };
  assert(!gone[i]);
  answered[i] = true
}

inline carry_out(i) {
#ifdef FAULT_LEAVE_FIRST
  if
  :: leaving[i] -> end(i)
  :: else
  fi;
#endif
  if
  :: joining[i] -> assert(!gone[i]); in_table[i] = true
  :: else
  fi;
#ifndef FAULT_LEAVE_FIRST
  if
  :: leaving[i] -> end(i)
  :: else
  fi;
#endif
  joining[i] = false;
  leaving[i] = false
}

inline look(i) {
  if
  :: in_table[i] && comes[i] ->
    assert(!gone[i]);
    in_table[i] = false;
    over[i] = true;
    found = true
  :: else
  fi
}

proctype progress() {
  bool joining[WAITERS], leaving[WAITERS];
  bool found;
  fibers++;
  assert(fibers == 1);
  do
  :: true ->
    atomic { /* (G5) */
      joining[0] = joins[0]; joining[1] = joins[1];
      leaving[0] = leaves[0]; leaving[1] = leaves[1];
      joins[0] = false; joins[1] = false;
      leaves[0] = false; leaves[1] = false
    };
    carry_out(0);
    carry_out(1);
    if
    :: table_empty ->
      atomic { state = absent; fibers-- }; /* (G3) */
#ifdef FAULT_NO_LOOK_AGAIN
      break;
#else
      if
      :: no_orders -> break /* (G4) */
      :: else
      fi;
#endif
      atomic {
        if
        :: state == absent -> state = awake; fibers++
        :: else -> break /* a waiter has started another */
        fi
      }
    :: else ->
      found = false;
      look(0);
      look(1);
      if
      :: found
      :: !found ->
        state = napping; /* (G3) */
#ifndef FAULT_NAP_AT_ONCE
        if
        :: !no_orders /* (G4) */
        :: else ->
#endif
          if
          :: bell -> bell = false
          :: something_to_find
          fi;
#ifndef FAULT_NAP_AT_ONCE
        fi;
#endif
        state = awake
      fi
    fi
  od
}

proctype message(byte me) {
  if
  :: comes[me] = true
  :: true
  fi
}

proctype waiter(byte me) {
  mtype seen = awake;
  bool won;
  give(joins[me]);
  if
  :: over[me]
  :: true -> /* its time is up, or a stop was requested */
    if
    :: over[me]
    :: else ->
      give(leaves[me]);
#ifndef FAULT_NO_ANSWER
      answered[me]
#endif
    fi
  fi;
  gone[me] = true
}

init {
  atomic {
    run message(0);
    run message(1);
    run waiter(0);
    run waiter(1)
  };
  gone[0] && gone[1];
  (fibers == 0 && state == absent && no_orders && table_empty)
}
