/* The monitor sleeps without end while all workers do, and somebody runs a fiber again; and the
 * runtime ends: monitor::running, rouse, watch and stop in runtime/sched/monitor.{hpp,cpp};
 * idle_workers in idle.hpp.
 *
 * Properties: a worker that runs a fiber is looked after, however long it runs; there is one monitor
 * at most; once stop() returned there is none, and none comes.
 *
 * Labels, as in the code: D1, D2 the monitor's store and look, D3, D4 the worker's.
 *
 * Memory. Sequentially consistent: D1 to D4 are.
 *
 * Abstracted away. A worker runs until it was looked at, so that one which nobody looks after hangs;
 * a nap with an end is no wait at all. Whether the futex wakes for nothing does not matter: the word
 * is looked at again. LASTING: the end comes when all workers are through, so that it rescues none.
 *
 * holds:
 * holds: -DLASTING
 * fault: -DFAULT_D2 -DLASTING       the monitor does not look again who sleeps
 * fault: -DFAULT_D3 -DLASTING       the worker reads the word before it leaves the sleepers
 * fault: -DFAULT_D4 -DLASTING       the worker does not read the word
 * fault: -DFAULT_NO_WAKE -DLASTING  the word says awake, but nobody wakes the monitor
 * fault: -DFAULT_AWAKE_AFTER_END  the monitor that woke stores awake, over the end
 * fault: -DFAULT_START_UNLOCKED   it is started without the lock
 * fault: -DFAULT_START_TWICE      it is started without a look at the word under the lock
 * fault: -DFAULT_STOP_UNLOCKED    stop() takes no lock
 */

#define WORKERS 2
#define RUNS 2
#define ABSENT 0
#define AWAKE 1
#define DOZING 2
#define ENDED 3

byte word = ABSENT;
bool starting;            /* the lock `starting_` */
bool waits;               /* the monitor, in its futex */
byte sleepers = WORKERS;
byte to_look_at;          /* workers that run and were not looked at since */
byte monitors, started;   /* alive; to be joined: thread_ */
bool stopped;             /* stop() returned */
byte through;             /* workers that will run no more */

inline unlock() { starting = false }

proctype watching() {
  do
  :: word == ENDED -> break
  :: else ->
    to_look_at = 0; /* look() */
    if
    :: sleepers >= WORKERS ->
      atomic { /* (D1) */
        if
        :: word == AWAKE -> word = DOZING
        :: else -> goto next
        fi
      };
#ifndef FAULT_D2
      if
      :: sleepers >= WORKERS -> /* (D2) */
#endif
        atomic { /* futex(2): sleeps if the word is as said */
          if
          :: word == DOZING -> waits = true
          :: else
          fi
        };
        !waits
#ifndef FAULT_D2
      :: else
      fi
#endif
      ;
#ifdef FAULT_AWAKE_AFTER_END
      word = AWAKE
#else
      atomic {
        if
        :: word == DOZING -> word = AWAKE
        :: else
        fi
      }
#endif
    :: true /* somebody runs, or moved since the last look */
    fi;
next: skip
  od;
  atomic { assert(!stopped); monitors-- }
}

inline rouse() {
  atomic {
    seen = word;
    if
    :: seen == DOZING -> word = AWAKE
    :: else
    fi
  };
  if
  :: seen == DOZING ->
#ifndef FAULT_NO_WAKE
    waits = false
#endif
  :: seen == ABSENT ->
#ifndef FAULT_START_UNLOCKED
    atomic { !starting -> starting = true };
#endif
#ifdef FAULT_START_UNLOCKED
    seen = word;
    word = (seen == ABSENT -> AWAKE : seen);
#else
    atomic {
#ifndef FAULT_START_TWICE
      seen = word;
#endif
      if
      :: seen == ABSENT -> word = AWAKE
      :: else
      fi
    };
#endif
    if
    :: seen == ABSENT ->
      atomic {
        assert(monitors == 0 && !stopped);
        monitors++;
        started++;
        run watching()
      }
    :: else
    fi;
    unlock()
  :: else
  fi
}

proctype worker() {
  byte left = RUNS;
  byte seen;
  do
  :: left > 0 && word != ENDED ->
    left--;
#ifdef FAULT_D3
    seen = word;
    sleepers--;
#else
    sleepers--; /* (D3) */
    seen = word; /* (D4) */
#endif
#ifndef FAULT_D4
    if
    :: seen != AWAKE -> rouse()
    :: else
    fi;
#endif
    to_look_at = 1; /* it runs */
    to_look_at == 0 || word == ENDED;
    sleepers++
  :: else -> break
  od;
  through++
}

proctype stopping() {
#ifdef LASTING
  through == WORKERS;
#endif
#ifndef FAULT_STOP_UNLOCKED
  atomic { !starting -> starting = true };
#endif
  word = ENDED;
  byte mine = started; /* std::move(thread_) */
  unlock();
  waits = false; /* futex(2): wake */
  if
  :: mine > 0 -> monitors == 0 /* join() */
  :: else
  fi;
  atomic { assert(monitors == 0); stopped = true }
}

init {
  atomic {
    run worker();
    run worker();
    run stopping()
  }
}
