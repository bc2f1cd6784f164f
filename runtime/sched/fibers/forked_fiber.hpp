// A fiber in the child of a fork.
//
// fork(2) copies only the calling thread. In the child, its carrier, its runtime and the other
// fibers are memory that no thread works on. So the forking fiber becomes a plain kernel thread
// there. It continues on the fiber's stack, without a worker, and waits in a futex. It keeps its
// fiber_local values and the limits that it set, and it can start a runtime of its own. Its waiter
// is still the fiber's, because limits and select cases on its stack refer to that waiter. But the
// waiter's kind is now thread.
//
// The copy of the parent's runtime in the child: scheduler::left_behind() tells it from a runtime
// of the child. Wake-ups of its fibers do nothing, and dropping their handles does nothing. A join
// of a fiber that had not ended aborts. The runtime's destructor does nothing.
//
// When the fiber's function returns in the child, it has no scheduler to return to. The child then
// ends as a process does when its last thread ends: by exit(0).
// then ends as a process does whose last thread ends: by exit(0).
#pragma once

namespace hilo::sched {

struct fiber;

// The fiber that the calling thread was before a fork; null in every other thread.
extern constinit thread_local fiber* forked_fiber [[gnu::tls_model("initial-exec")]];

// Called in the child by the thread that forked. `one` is the fiber that it ran.
void go_on_as_thread(fiber& one) noexcept;

// Called before the first fiber runs.
void expect_forks();

// The last call of a fiber that became a thread.
[[noreturn]] void end_in_child(fiber& self) noexcept;

// Called in the child when the caller waits for the end of a fiber that will never end.
[[noreturn]] void refuse_to_wait(const fiber& one) noexcept;

}  // namespace hilo::sched
