/* A reader holds a fiber that waits, to read its stack, while its carrier may be about to run it:
 * context::hold in runtime/context/context.hpp, held_fibers in runtime/tool/held_fibers.hpp.
 *
 * Properties: the fiber does not run while its stack is read; a fiber that was woken runs in the end.
 *
 * Labels, as in the code: H the reader's compare-exchange; S the switch's store that ends `on_cpu`.
 *
 * Memory. Sequentially consistent but for what the protocol is about: a store may pass a later load.
 * The carrier's stores go through a store buffer that empties by itself, in order, at any time; the
 * heavy fence empties it. The reader's two looks are acquire loads, which do not change places.
 *
 * Abstracted away. One carrier is the waker, and runs the fiber next: then nothing but the fence lies
 * between its store and its look. With a second carrier the queue between them orders more. Whether a
 * fiber waits, which is two words in the code, is one bit. There is one reader, since
 * sched::runtimes_kept is a lock.
 *
 * holds:
 * holds: -DROUNDS=3
 * fault: -DFAULT_NO_FENCE    no fence between (H) and the looks
 * fault: -DFAULT_HELD_FIRST  the reader looks for `held` first, and then whether the fiber waits
 * fault: -DFAULT_NO_HELD     it does not look for `held`
 * fault: -DFAULT_NO_WAITS    it does not look whether the fiber waits
 * fault: -DFAULT_NO_LOOK     the carrier does not look at on_cpu
 * fault: -DFAULT_PLAIN_END   the reader stores 0, also where a carrier has stored 1
 * fault: -DFAULT_NO_END      the reader does not let go
 */

#ifndef ROUNDS
#define ROUNDS 2 /* how often the fiber is woken, and how often the reader comes */
#endif
#define HELD 2
#define LONGEST 5

byte on_cpu;      /* 0, 1 or HELD */
bool waits = true;
bool runs;        /* the fiber uses its stack */
bool reads;       /* the reader does */

/* The carrier's store buffer: 0 and 1 are stores of on_cpu, 2 and 3 of waits. */
chan buffer = [LONGEST] of { byte };

inline commit(store) {
  if
  :: store < 2 -> on_cpu = store
  :: else -> waits = store - 2
  fi
}

active proctype memory() {
  byte store;
end:
  do
  :: atomic { buffer?store -> commit(store); store = 0 }
  od
}

active proctype carrier() {
  byte round;
  do
  :: round < ROUNDS ->
    buffer!2; /* a waker ends the wait */
#ifndef FAULT_NO_LOOK
    on_cpu == 0 || buffer??[0]; /* off_cpu(), perhaps of its own store */
#endif
    buffer!1;
    atomic { assert(!reads); runs = true };
    assert(!reads);
    buffer!3; /* it is in a list again */
    atomic { assert(!reads); runs = false };
    buffer!0; /* (S) */
    round++
  :: else -> break
  od
}

active proctype reader() {
  byte round, store;
  bool still, mine;
  do
  :: round < ROUNDS ->
    atomic { mine = on_cpu == 0; if :: mine -> on_cpu = HELD :: else fi }; /* (H) */
    if
    :: mine ->
#ifndef FAULT_NO_FENCE
      atomic {
        do
        :: nempty(buffer) -> buffer?store; commit(store)
        :: empty(buffer) -> break
        od;
        store = 0
      };
#endif
#ifdef FAULT_HELD_FIRST
      mine = on_cpu == HELD;
      still = waits;
#else
#ifndef FAULT_NO_WAITS
      still = waits;
#else
      still = true;
#endif
#ifndef FAULT_NO_HELD
      mine = on_cpu == HELD;
#endif
#endif
      if
      :: mine && still ->
        atomic { assert(!runs); reads = true };
        assert(!runs);
        reads = false
      :: else
      fi;
#ifdef FAULT_PLAIN_END
      on_cpu = 0;
#else
#ifndef FAULT_NO_END
      atomic { if :: on_cpu == HELD -> on_cpu = 0 :: else fi };
#endif
#endif
    :: else
    fi;
    atomic { mine = false; still = false };
    round++
  :: else -> break
  od
}
