/* A stop request that finds no memory for the stop state: stop_fiber, stop_token_of and
 * stop_source_of in runtime/sched/fibers/handle.cpp, whose comment has the table.
 *
 * Property: when all is quiet, every token that was taken tells the request.
 *
 * Labels, as in the code: T1 the maker publishes the state, T2 who uses it looks for it; T3 the
 * request sets the flag, T4 who took a token reads the flag.
 *
 * Memory. Sequentially consistent but for what the protocol is about: a store may pass a later load.
 * The taker's store of `made` waits in a buffer that empties by itself, at any time; a locked
 * operation waits until it is empty, and the heavy fence empties it. With REFUSED the heavy fence
 * waits until it has emptied by itself. With REAL a light fence waits for the buffer of its side, and
 * the heavy fence orders its caller alone.
 *
 * Abstracted away. The takers are two, of which one makes the state. Whether there is memory is
 * chosen at each try.
 *
 * holds:
 * holds: -DREFUSED
 * holds: -DREAL
 * fault: -DFAULT_NO_HEAVY_FENCE               the request passes no fence between (T3) and (T2)
 * fault: -DREFUSED -DFAULT_NO_GRACE           membarrier is refused, and the heavy fence does not wait
 * fault: -DREAL -DFAULT_NO_LIGHT_FENCE        no light fence between (T1) and (T4)
 * fault: -DFAULT_NO_RECHECK                   the request does not look for a state again
 * fault: -DFAULT_NO_LOOK                      the taker does not read the flag
 * fault: -DFAULT_LOOK_FIRST                   the taker reads the flag before it makes the state
 */

#define NONE 0
#define BEING_MADE 1
#define THERE 2

byte made;
bool buffered;  /* the maker's store of `made` is pending */
bool flag;      /* stop_requested */
bool requested; /* in the state */
byte tokens, over;
bool asked;

#if defined(REAL) || defined(FAULT_NO_GRACE) || defined(FAULT_NO_HEAVY_FENCE)
#define heavy_fence() skip
#elif defined(REFUSED)
#define heavy_fence() !buffered
#else
inline heavy_fence() {
  atomic {
    if
    :: buffered -> buffered = false; made = THERE
    :: else
    fi
  }
}
#endif

#if defined(REAL) && !defined(FAULT_NO_LIGHT_FENCE)
#define light_fence() !buffered
#else
#define light_fence() skip
#endif

proctype drain() {
end_drain:
  do
  :: atomic { buffered -> buffered = false; made = THERE }
  od
}

proctype taker() {
  bool mine, sees;
#ifdef FAULT_LOOK_FIRST
  sees = flag;
#endif
  do
  :: atomic { made == THERE || (mine && buffered) -> break } /* (T2), or what it stored itself */
  :: atomic { made == NONE && !mine -> made = BEING_MADE; mine = true };
    if
    :: buffered = true /* (T1) */
    :: made = NONE; mine = false; goto no_token /* no memory: it throws */
    fi
  od;
  light_fence();
#ifndef FAULT_LOOK_FIRST
#ifndef FAULT_NO_LOOK
  sees = flag; /* (T4) */
#endif
#endif
  if
  :: sees -> requested = true
  :: else
  fi;
  tokens++;
no_token:
  over++
}

proctype request() {
  bool first;
  if
  :: atomic { made == THERE -> first = !requested; requested = true };
    if
    :: !first -> goto done
    :: else
    fi
  :: made == NONE /* there is no memory */
  fi;
  flag = true; /* (T3) */
  heavy_fence();
#ifndef FAULT_NO_RECHECK
  if
  :: made == THERE -> requested = true /* (T2) */
  :: else
  fi;
#endif
done:
  asked = true
}

init {
  atomic {
    run drain();
    run taker();
    run taker();
    run request()
  }
  over == 2 && asked && !buffered;
  assert(tokens == 0 || requested)
}
