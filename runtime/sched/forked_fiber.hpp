// A fiber in the child of a fork.
//
// fork(2) copies the calling thread only: in the child its carrier, its runtime and the other
// fibers are memory that nobody looks after. So the forking fiber becomes a plain kernel thread
// there. It goes on on the fiber's stack; it has no worker, it waits in a futex, it keeps its
// fiber_local values and the limits that it set, and it can start a runtime of its own. Its waiter
// stays the fiber's, because limits and select cases on its stack refer to that, but is of the
// thread kind.
//
// The copy of the parent's runtime in the child: scheduler::left_behind() tells it from a runtime
// of the child. Wake-ups of its fibers are dropped, and so are handles; joining one of its fibers
// that had not ended aborts; its destructor does nothing.
//
// When the fiber's function returns in the child, it has no scheduler to return to. The child
// then ends as a process does whose last thread ends: by exit(0).
#pragma once

namespace hilo::sched {

struct fiber;

// The fiber that the calling thread was before a fork; null in every other thread.
extern constinit thread_local fiber* forked_fiber [[gnu::tls_model("initial-exec")]];

// In the child, by the thread that forked: `one` is the fiber that it ran.
void go_on_as_thread(fiber& one) noexcept;

// Before the first fiber runs.
void expect_forks();

// The last call of such a fiber.
[[noreturn]] void end_in_child(fiber& self) noexcept;

// In the child, when the caller waits for the end of a fiber that will never come.
[[noreturn]] void refuse_to_wait(const fiber& one) noexcept;

}  // namespace hilo::sched
