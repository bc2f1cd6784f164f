/* The ring that an owner fills and empties and thieves steal from: runtime/sched/queues/work_ring.hpp.
 *
 * Properties: each item is taken exactly once, by the owner or by a thief; at the end the owner
 * finds all that is left, and the ring is empty.
 *
 * Labels, as in the code: R1 R2 of take_newest, R3 R4 of steal, R5 and R7 of push, R6 where top is
 * advanced.
 *
 * Memory. The owner's plain and release stores (the slot, R7, and bottom as it is put back) go
 * through a store buffer, in order; (R1) is seq_cst and waits until the buffer is empty, as does a
 * compare-exchange. The owner reads its own bottom from the buffer: `b`. Thieves store nothing but
 * by compare-exchange.
 *
 * Abstracted away. Two slots instead of 256, and indices of 3 bits instead of 32, so that both wrap;
 * items are pushed one by one, and told apart. Two thieves steal a few times each.
 *
 * holds:
 * holds: -DSTEALS=1 -DITEMS=5
 * fault: -DFAULT_R1           (R1) is a plain store: it may follow (R2)
 * fault: -DFAULT_R2           (R2) comes before (R1)
 * fault: -DFAULT_R3           (R4) is read before (R3)
 * fault: -DFAULT_R5           push reads top too late: the ring may hold one item too many
 * fault: -DFAULT_R6           a thief advances top by a plain store
 * fault: -DFAULT_R7           bottom is published before the slot
 * fault: -DFAULT_LAST         the owner takes the last item without a compare-exchange
 */

#ifndef ITEMS
#define ITEMS 4
#endif
#ifndef STEALS
#define STEALS 2
#endif
#define CAPACITY 2
#define WRAP(i) ((i) & 7)
#define LESS(i, j) (WRAP((j) - (i) + 8) > 0 && WRAP((j) - (i) + 8) < 4) /* as signed: i < j */
#define SLOT(i) ((i) % CAPACITY)
#define START 6 /* soon wraps */
#define BOTTOM CAPACITY

byte top = START, bottom = START;
byte slots[CAPACITY];
bool taken[ITEMS + 1];
chan stores = [4] of { byte, byte }; /* the owner's store buffer: where, what */

inline took(item) {
  atomic {
    assert(item != 0 && !taken[item]);
    taken[item] = true;
    item = 0
  }
}

/* What the owner sees in a slot: its own newest store. */
inline own_slot(index) {
  item = mine[SLOT(index)]
}

inline compare_exchange_top() {
  atomic {
    empty(stores);
    if
    :: top == t -> top = WRAP(t + 1); won = true
    :: else -> won = false; t = top
    fi
  }
}

proctype owner() {
  byte b = START, t, item, pushed;
  byte mine[CAPACITY];
  bool won;
  do
  :: pushed < ITEMS -> /* push() */
#ifdef FAULT_R5
    if
    :: WRAP(b - top + 8) <= CAPACITY ->
#else
    if
    :: WRAP(b - top + 8) < CAPACITY -> /* (R5) */
#endif
      pushed++;
      mine[SLOT(b)] = pushed;
#ifdef FAULT_R7
      stores!BOTTOM, WRAP(b + 1);
      stores!SLOT(b), pushed;
#else
      stores!SLOT(b), pushed;
      stores!BOTTOM, WRAP(b + 1); /* (R7) */
#endif
      b = WRAP(b + 1)
    :: else
    fi
  :: true -> /* take_newest() */
    t = top;
    if
    :: t == b -> goto next
    :: else
    fi;
    b = WRAP(b + 7);
#ifdef FAULT_R2
    t = top;
#endif
    stores!BOTTOM, b; /* (R1) */
#ifndef FAULT_R1
    empty(stores);
#endif
#ifndef FAULT_R2
    t = top; /* (R2) */
#endif
    if
    :: LESS(t, b) -> own_slot(b); took(item)
    :: else ->
      if
      :: t == b ->
        own_slot(b);
#ifdef FAULT_LAST
        top = WRAP(t + 1);
        won = true;
#else
        compare_exchange_top();
#endif
        if
        :: won -> took(item)
        :: else -> item = 0
        fi
      :: else
      fi;
      b = WRAP(b + 1);
      stores!BOTTOM, b
    fi
  :: true -> /* take_oldest() */
    t = top;
    do
    :: b != t ->
      own_slot(t);
      compare_exchange_top();
      if
      :: won -> took(item); break
      :: else -> item = 0
      fi
    :: else -> break
    od
  :: pushed == ITEMS && top == b -> break
next:
    t = 0;
    won = false
  od
}

proctype thief() {
  byte t, b, item, left = STEALS;
  do
  :: left > 0 -> /* steal() */
#ifdef FAULT_R3
    b = bottom;
    t = top;
#else
    t = top;    /* (R3) */
    b = bottom; /* (R4) */
#endif
    if
    :: LESS(t, b) ->
      item = slots[SLOT(t)];
#ifdef FAULT_R6
      if
      :: top == t -> top = WRAP(t + 1); took(item)
      :: else
      fi
#else
      atomic {
        if
        :: top == t -> top = WRAP(t + 1); took(item) /* (R6) */
        :: else
        fi
      }
#endif
    :: else
    fi;
    item = 0;
    t = 0;
    b = 0;
    left--
  :: else -> break
  od
}

proctype memory() {
  byte where, what;
end_memory:
  do
  :: atomic {
      stores?where, what ->
      if
      :: where == BOTTOM -> bottom = what
      :: else -> slots[where] = what
      fi;
      where = 0;
      what = 0
    }
  od
}

proctype monitor() {
  byte i;
  timeout;
  d_step {
    for (i : 1 .. ITEMS) {
      assert(taken[i])
    }
    assert(top == bottom)
  }
}

init {
  atomic {
    run owner();
    run thief();
    run thief();
    run memory();
    run monitor()
  }
}
