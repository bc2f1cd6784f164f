/* An order to the monitor to start a thread: monitor::start_spare() and take_order() in
 * runtime/sched/watch/monitor.cpp.
 *
 * Properties: each order is carried out once, by the monitor or by the asker that took it back. The
 * asker leaves after that, and the monitor never uses an order whose asker has left. Without
 * timeouts too, every asker leaves: no order is lost while the monitor goes to sleep or wakes.
 *
 * Labels, as in the code: O the exchange or compare-exchange that takes the order, and `done`.
 *
 * Memory. Sequentially consistent: `order` and `done` are released and acquired by their own
 * operations, and `word` only says that there may be an order.
 *
 * Abstracted away. What the monitor looks at between two naps. A nap ends by itself at any time;
 * a sleep ends only by a wake-up. With TIMEOUTS an asker may lose its patience at any time.
 *
 * holds:
 * holds: -DTIMEOUTS
 * fault: -DFAULT_NO_WAKE                the asker does not wake the monitor
 * fault: -DFAULT_DOZE_OVER              the monitor goes to sleep by a store, over an order
 * fault: -DFAULT_WAKE_OVER              after its sleep the monitor stores awake, over an order
 * fault: -DFAULT_LATE_SIGN              the asker says that there is an order before there is one
 * fault: -DTIMEOUTS -DFAULT_LOOK        the monitor reads the order, and does not take it
 * fault: -DTIMEOUTS -DFAULT_IMPATIENT   an asker whose order was taken leaves without `done`
 * fault: -DFAULT_USED_LATE              the monitor uses the order after `done`
 */

#define ASKERS 2
#define NONE ASKERS

mtype = { awake, dozing, asked, ended };

mtype word = awake;
byte order = NONE;
bool done[ASKERS], here[ASKERS];
byte made[ASKERS];
bool starting; /* the lock of start_spare() and stop() */
bool asleep;
byte left;

proctype asker(byte me) {
  atomic { !starting -> starting = true }
  here[me] = true;
#ifdef FAULT_LATE_SIGN
  word = asked;
  asleep = false;
  order = me; /* (O) */
#else
  order = me; /* (O) */
  word = asked;
#ifndef FAULT_NO_WAKE
  asleep = false;
#endif
#endif
  if
  :: done[me]
#ifdef TIMEOUTS
  :: true ->
    if
    :: atomic { order == me -> order = NONE } /* (O) */
      made[me]++
    :: atomic { order != me -> skip }
#ifndef FAULT_IMPATIENT
      done[me]
#endif
    fi
#endif
  fi;
  here[me] = false;
  assert(made[me] == 1);
  atomic { starting = false; left++ }
}

/* A worker that runs a fiber again. */
proctype worker() {
  if
  :: atomic { word == dozing -> word = awake }
    asleep = false
  :: true
  fi
}

proctype stop() {
  left == ASKERS;
  word = ended;
  asleep = false
}

proctype watch() {
  byte mine = NONE;
  do
  :: word == ended -> break
  :: word != ended ->
    if
    :: atomic { word == asked -> word = awake }
#ifdef FAULT_LOOK
      mine = order;
#else
      atomic { mine = order; order = NONE } /* (O) */
#endif
      if
      :: mine != NONE ->
        assert(here[mine]);
        made[mine]++;
        done[mine] = true; /* (O) */
#ifdef FAULT_USED_LATE
        assert(here[mine]);
#endif
        mine = NONE
      :: else
      fi
    :: atomic { word != asked -> skip }
    fi;
    if
#ifdef FAULT_DOZE_OVER
    :: word = dozing;
#else
    :: atomic { word == awake -> word = dozing }
#endif
      if
      :: atomic { word == dozing -> asleep = true }
        !asleep
      :: atomic { word != dozing -> skip }
      fi;
#ifdef FAULT_WAKE_OVER
      if
      :: word != ended -> word = awake
      :: else
      fi
#else
      if
      :: atomic { word == dozing -> word = awake }
      :: atomic { word != dozing -> skip }
      fi
#endif
    :: true /* a nap */
    fi
  od
}

init {
  atomic {
    run watch();
    run worker();
    run stop();
    run asker(0);
    run asker(1)
  }
}
