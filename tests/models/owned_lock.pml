/* A lock that its first holder owns, and gives up to the second when asked, or loses:
 * include/hilo/detail/spin_lock.hpp and runtime/base/spin_lock.cpp.
 *
 * Properties: one holder at a time, who sees what the last one wrote; nobody waits for ever.
 *
 * Labels, as in the code: B1 the owner says that it is inside, B2 it reads whether it still owns;
 * B3 another takes the ownership away, B4 it waits until the owner is out; B5 another asks for it, B6
 * the owner gives it up.
 *
 * Memory. Sequentially consistent but for what the protocol is about: a store may pass a later load.
 * Each carrier's stores of `inside`, of the data under the lock and of `word` go through a store
 * buffer that empties by itself, in order, at any time; a locked operation waits until it is empty,
 * and the heavy fence empties all of them. With REFUSED there is no membarrier: the heavy fence waits
 * until each buffer has emptied by itself.
 *
 * Abstracted away. Two holds in a row decide the ownership and not 32. `undecided` with the address
 * of the first holder is the number FIRST + carrier. With THREAD the last carrier is a thread that is
 * none, and owns nothing. How a loser waits for the word is left out, and how long one who asked waits
 * for an answer: it may take the ownership away at any time. With ASK_ONLY it never does.
 *
 * holds:
 * holds: -DCARRIERS=3
 * holds: -DCARRIERS=3 -DTHREAD
 * holds: -DASK_ONLY
 * holds: -DHOLDS=4
 * holds: -DREFUSED
 * holds: -DREFUSED -DCARRIERS=3
 * fault: -DFAULT_NO_HEAVY_FENCE    no fence between (B3) and (B4)
 * fault: -DREFUSED -DFAULT_NO_GRACE  membarrier is refused, and the heavy fence does not wait
 * fault: -DFAULT_NO_SECOND_LOOK    the owner goes in without (B2)
 * fault: -DFAULT_LOOK_FIRST        the owner does (B2) before (B1)
 * fault: -DFAULT_NO_WAIT           who takes the ownership away goes on without (B4)
 * fault: -DFAULT_NO_TAKING         who gets the word does not ask who owns the lock
 * fault: -DFAULT_STAY_INSIDE       an owner that finds it is none stays inside while it waits
 * fault: -DFAULT_WRONG_EXIT        who holds by the word leaves as an owner when `inside` is set
 * fault: -DCARRIERS=3 -DFAULT_GIVEN_AGAIN  the ownership is given anew after it was taken away
 * fault: -DFAULT_GIVEN_AT_ONCE     who asked goes on while the owner is on its way out
 * fault: -DFAULT_LEFT_AT_ONCE -DHOLDS=4  so does who finds that it was given up
 * fault: -DFAULT_GIVE_UNORDERED    it is given up before what was done under the lock is to be seen
 * fault: -DFAULT_NO_ANSWER -DASK_ONLY  an owner that is asked goes on
 */

#ifndef CARRIERS
#define CARRIERS 2
#endif
#ifndef HOLDS
#define HOLDS 3 /* of each carrier */
#endif
#define NOBODY 20
#define UNDECIDED 30
#define FIRST 40
#define REVOKED 50 /* + carrier */
#define ASKED 60   /* + carrier */

#define INSIDE 1
#define DATA 2
#define WORD 3

#ifdef THREAD
#define OWNS_NOTHING (me == CARRIERS - 1)
#else
#define OWNS_NOTHING false
#endif

byte owner = UNDECIDED;
bool inside, word;
bool moves; /* it was given up once: the next holder owns it at once */
byte data, sections;
bool held;
chan buffer[CARRIERS] = [4] of { byte, byte };

inline apply(which, value) {
  if
  :: which == INSIDE -> inside = value
  :: which == DATA -> data = value
  :: which == WORD -> word = value
  fi
}

#ifdef REFUSED
inline heavy_fence() {
  other = 0;
#ifndef FAULT_NO_GRACE
  do
  :: other < CARRIERS -> atomic { empty(buffer[other]) -> other++ }
  :: else -> break
  od;
#endif
  atomic { empty(buffer[me]) -> other = 0 }
}
#else
inline heavy_fence() {
  atomic {
    other = 0;
    do
    :: other < CARRIERS ->
      do
      :: buffer[other]?which, value -> apply(which, value)
      :: empty(buffer[other]) -> break
      od;
      other++
    :: else -> break
    od;
    other = 0;
    which = 0;
    value = 0
  }
}
#endif

inline give_up() {
  atomic { /* (B6) */
#ifndef FAULT_GIVE_UNORDERED
    empty(buffer[me]);
#endif
    if
    :: owner == me || owner == ASKED + me -> owner = UNDECIDED
    :: else
    fi
  }
}

inline section() {
  assert(!held);
  held = true;
  /* Its own store, if that is still on its way; else memory. */
  if
  :: buffer[me]??[DATA, _] -> seen = mine
  :: else -> seen = data
  fi;
  assert(seen == sections);
  atomic { sections++; mine = seen + 1; seen = 0 };
  buffer[me]!DATA, mine;
  held = false
}

/* Of one that has the word, while another owns the lock. */
inline challenge() {
  victim = owner;
  atomic { /* (B5) */
    if
    :: owner == victim && victim < CARRIERS -> owner = ASKED + victim
    :: else
    fi
  };
  if
  :: owner == UNDECIDED
#ifndef ASK_ONLY
  :: atomic { owner == ASKED + victim -> owner = REVOKED + victim } /* (B3) */
#endif
  fi;
  if
  :: owner == REVOKED + victim ->
#ifndef FAULT_NO_HEAVY_FENCE
    heavy_fence();
#endif
#ifndef FAULT_NO_WAIT
    !inside; /* (B4) */
#endif
    owner = NOBODY
  :: else ->
#ifndef FAULT_GIVEN_AT_ONCE
    !inside; /* (B4) */
#endif
    moves = true;
    if
    :: !OWNS_NOTHING -> owner = me
    :: OWNS_NOTHING
    :: owner = NOBODY /* it moved too often, or too slowly */
    fi
  fi;
  victim = 0
}

proctype carrier(byte me) {
  byte holds, seen, mine, which, value, other, first, victim;
  bool by_word;
  do
  :: holds < HOLDS ->
    holds++;
    do
    :: first = owner;
      by_word = true;
      if
      :: first == me || first == ASKED + me ->
#ifdef FAULT_LOOK_FIRST
        by_word = (owner != first);
#endif
        buffer[me]!INSIDE, true; /* (B1) */
#ifndef FAULT_LOOK_FIRST
#ifdef FAULT_NO_SECOND_LOOK
        by_word = false;
#else
        by_word = (owner != first); /* (B2) */
#endif
#endif
        if
#ifdef FAULT_STAY_INSIDE
        :: by_word -> break
#else
        :: by_word -> buffer[me]!INSIDE, false /* and once more, if it is asked now */
#endif
        :: else -> break
        fi
      :: else -> break
      fi
    od;
    first = 0;
    if
    :: by_word ->
      atomic { !word && empty(buffer[me]) -> word = true };
      if
      :: owner == UNDECIDED && moves ->
#ifndef FAULT_LEFT_AT_ONCE
        !inside; /* (B4) */
#endif
        if
        :: !OWNS_NOTHING -> owner = me
        :: OWNS_NOTHING
        fi
      :: owner == UNDECIDED && !moves -> owner = (OWNS_NOTHING -> NOBODY : FIRST + me)
      :: owner == FIRST + me -> owner = me
#ifdef FAULT_GIVEN_AGAIN
      :: owner == NOBODY -> owner = me
#else
      :: owner == NOBODY
#endif
      :: owner >= FIRST && owner < REVOKED && owner != FIRST + me -> owner = NOBODY
      :: owner < CARRIERS ->
#ifndef FAULT_NO_TAKING
        challenge()
#endif
      fi
    :: else
    fi;
    section();
    if /* unlock(): what it sees of `inside` is its own store, if that is still on its way */
    :: buffer[me]??[INSIDE, _] -> seen = !by_word
    :: else -> seen = inside
    fi;
    if
#ifdef FAULT_WRONG_EXIT
    :: seen -> buffer[me]!INSIDE, false
    :: !seen -> buffer[me]!WORD, false
#else
    :: seen && (owner == me || owner == ASKED + me || owner == REVOKED + me) ->
      assert(!by_word);
      if
#ifndef FAULT_NO_ANSWER
      :: owner == ASKED + me -> give_up()
#endif
      :: moves -> give_up() /* unlock_to_wait() */
      :: true /* unlock_and_keep() */
      fi;
      buffer[me]!INSIDE, false
    :: else ->
      assert(by_word);
      buffer[me]!WORD, false
#endif
    fi;
    seen = 0
  :: else -> break
  od;
end_carrier: /* comes by again some time, and answers */
#ifdef FAULT_NO_ANSWER
  false
#else
  do
  :: owner == ASKED + me -> give_up()
  od
#endif
}

proctype drains(byte me) {
  byte which, value;
end_drains:
  do
  :: atomic { buffer[me]?which, value -> apply(which, value); which = 0; value = 0 }
  od
}

init {
  byte i;
  atomic {
    do
    :: i < CARRIERS -> run carrier(i); run drains(i); i++
    :: else -> break
    od
  }
}
