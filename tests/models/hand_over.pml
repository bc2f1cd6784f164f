/* A carrier that is held up, and who runs its queue meanwhile: runtime/sched/blocking/spares.hpp, and
 * held_place.cpp; worker::stand_in_for, find_place and leave_place, begin_blocking and end_blocking
 * in runtime/sched/blocking/blocking.cpp. With EXTRA: monitor::relieve, run_queue::share and the unsharing in
 * worker::attend (monitor.cpp, attend.cpp), for a runtime of one carrier, whose ring knows no thieves.
 *
 * Properties. One at a time has the queue and the place, and that one sees all of it; each
 * queued fiber runs once, also if the blocked one waits for it; the blocked fiber goes on, and ends.
 * With EXTRA: owner and thief never take the same fiber.
 *
 * Labels, as in the code: H1 to H5 of the offer.
 *
 * Memory. Sequentially consistent: each change of the offer is a compare-exchange, or a release that
 * the next one acquires. With EXTRA, what the owner stored before it fell asleep in a system call is
 * out of its store buffer, and what it loads afterwards is fresh: the kernel's switch sees to that.
 *
 * Abstracted away. The queue is a number of fibers, and what one of them does is to count itself.
 * The spare comes from a pool of one; that it got up is a bit. The ring is the index of its oldest
 * fiber, read and written in two steps where there are no thieves.
 *
 * holds:
 * holds: -DEXTRA
 * fault: -DFAULT_NO_CAS            the spare takes the place without looking at the offer
 * fault: -DFAULT_NO_CAS_BACK       the carrier takes its place back without looking at the offer
 * fault: -DFAULT_LATE_OFFER        the spare is sent before the place is offered
 * fault: -DFAULT_NO_WAIT           the carrier sleeps as a spare while its queue is being moved
 * fault: -DFAULT_EARLY_MOVED       the queue is called moved before it is
 * fault: -DFAULT_FORGET            the fiber that came back too late is not given to the injector
 * fault: -DEXTRA -DFAULT_NO_LOOK   the thief comes without a look at what the owner does
 * fault: -DEXTRA -DFAULT_NO_SECOND_LOOK   the thief comes though the owner unshared its ring meanwhile
 * fault: -DEXTRA -DFAULT_LATE_COUNT   the extra place is counted after the look
 */

#ifndef EXTRA

#define ROUNDS 2
#define QUEUED 2
#define KEPT 0
#define OFFERED 1
#define MOVING 2
#define MOVED 3

byte offer = KEPT;
bool sent;       /* the spare was woken */
byte queue, moved_queue, injected;
byte ran;        /* fibers that ran, of all rounds */
byte spawned;
byte users;      /* who uses the carrier's queue, at this moment */
bool pooled;     /* the carrier is among the spares, its fiber in the injector */
bool ended;

#define USE atomic { users++; assert(users == 1) }
#define RELEASE users--

/* The carrier. Its fiber spawns others and blocks, and may wait for them while it does. */
proctype carrier() {
  byte round;
  bool waits; /* for the queued fibers */
  do
  :: round < ROUNDS ->
    round++;
    USE;
    queue = queue + QUEUED;
    spawned = spawned + QUEUED;
    RELEASE;
#ifdef FAULT_LATE_OFFER
    sent = true;
#endif
    offer = OFFERED; /* (H1) */
#ifndef FAULT_LATE_OFFER
    sent = true;
#endif
    if /* the call */
    :: waits = true
    :: waits = false
    fi;
    !waits || ran == spawned;
    if
#ifdef FAULT_NO_CAS_BACK
    :: atomic { true -> offer = KEPT }
#else
    :: atomic { offer == OFFERED -> offer = KEPT } /* (H2) */
#endif
      USE; /* it goes on, and runs what waits */
      ran = ran + queue;
      queue = 0;
      RELEASE
    :: atomic { offer != OFFERED && offer != KEPT } ->
#ifndef FAULT_NO_WAIT
      offer == MOVED; /* (H4) */
#endif
      USE; /* gives back what its caches hold */
      RELEASE;
      offer = KEPT; /* (H5) */
      pooled = true;
#ifndef FAULT_FORGET
      injected++;
#endif
      !pooled /* somebody runs the fiber again, on a carrier that has the place */
    fi
  :: else -> break
  od;
  ended = true
}

/* The spare: takes the place, runs everything, and gives the place to the first one's fiber when it
 * meets it in the injector, which stands for a switch to that fiber. */
proctype spare() {
  bool mine;
end_spare:
  do
  :: atomic { sent -> sent = false }
    atomic {
#ifdef FAULT_NO_CAS
      offer = MOVING;
      mine = true
#else
      mine = (offer == OFFERED); /* (H3) */
      if
      :: mine -> offer = MOVING
      :: else
      fi
#endif
    }
    if
    :: mine ->
      mine = false;
#ifdef FAULT_EARLY_MOVED
      offer = MOVED;
#endif
      USE;
      moved_queue = queue;
      queue = 0;
      RELEASE;
#ifndef FAULT_EARLY_MOVED
      offer = MOVED; /* (H4) */
#endif
      ran = ran + moved_queue;
      moved_queue = 0;
      injected > 0;
      injected--;
      pooled = false
    :: else
    fi
  od
}

proctype monitor() {
  timeout;
  assert(ended && ran == spawned && queue == 0)
}

init {
  atomic {
    run carrier();
    run spare();
    run monitor()
  }
}

#else /* EXTRA */

#define FIBERS 4

byte top;               /* the oldest fiber in the ring */
byte taken[FIBERS];
bool shared, in_call;
byte extra;             /* places */

inline took(which) {
  atomic {
    taken[which]++;
    assert(taken[which] == 1)
  }
}

/* The only carrier. Between two takes it may poll, or fall asleep in a system call. */
proctype owner() {
  byte t;
  bool knows;
  do
  :: top < FIBERS -> /* take_oldest() */
    knows = shared;
    t = top;
    if
    :: t >= FIBERS
    :: t < FIBERS && !knows -> top = t + 1; took(t)
    :: t < FIBERS && knows ->
      if
      :: atomic { top == t -> top = t + 1 } took(t)
      :: atomic { top != t }
      fi
    fi;
    t = 0;
    knows = false
  :: in_call = true; in_call = false
  :: shared -> /* attend() */
    if
    :: extra == 0 -> shared = false
    :: else
    fi
  :: top >= FIBERS -> break
  od
}

/* The monitor, and the spare it sends: relieve(), steal(), leave_place(). */
proctype relief() {
  byte t, rounds;
  bool seen;
  do
  :: rounds < 2 ->
    rounds++;
#ifndef FAULT_LATE_COUNT
    extra++;
#endif
    shared = true;
#ifdef FAULT_NO_LOOK
    seen = true;
#else
    seen = in_call;
#ifndef FAULT_NO_SECOND_LOOK
    seen = seen && shared; /* an unsharing was under way when it was told */
#endif
#endif
#ifdef FAULT_LATE_COUNT
    extra++;
#endif
    do
    :: seen && top < FIBERS ->
      t = top;
      if
      :: t >= FIBERS
      :: t < FIBERS ->
        if
        :: atomic { top == t -> top = t + 1 } took(t)
        :: atomic { top != t }
        fi
      fi;
      t = 0
    :: break
    od;
    seen = false;
    extra--
  :: else -> break
  od
}

init {
  atomic {
    run owner();
    run relief()
  }
}

#endif
