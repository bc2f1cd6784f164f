// A place on glibc's list of threads.
//
// When glibc does something to all threads, it does it to the threads on its lists. An example is
// the dynamic linker: when it loads a module, it writes those variables of the module that have a
// fixed place in every block (initial-exec variables, and on CPUs with TLS descriptors the
// variables of any small module). Another is dlclose: it waits for threads that look up symbols. So
// hilo's blocks are on such a list.
//
// glibc does not publish the head of the list or its lock, and neither is needed. glibc adds a
// thread at the head, and removes a thread by writing its two neighbours. So if two neighbours both
// stay, no other code writes between them. Two pthreads on stacks that hilo gave them, made one
// right after the other, are neighbours on the list of such threads. While these pthreads wait,
// hilo puts two of its blocks between them. These two blocks never leave:
//
//     … pthread  first  block  block  …  last  pthread …
//
// From then on only hilo writes between first and last, under its own lock. glibc follows `next`.
// So a block is whole before the block in front of it points there. A block is never taken off the
// list, because a block is never freed.
//
// Blocks that no thread uses. setuid and similar calls signal each thread on the list by the number
// in its block, and wait until the thread has changed its credentials. gdb shows the state that the
// flags in the block say. So an idle block has the flags of a pthread that has ended
// (libc_layout::ended), and setuid skips it. The block of a running thread lacks one of these
// flags, `exiting`. The other flag stays: it makes pthread_cancel do nothing to a thread that
// allows cancellation.
//
//   starting thread, in show_thread()          thread, in hide_thread()
//   the number in the block := 0               `exiting` := 1, an RMW
//   `exiting` := 0                             wait while `changing` is 1
//   clone: the kernel stores the number        block all signals, exit
//
// setuid marks a block by `changing` with a compare-exchange, unless `exiting` is set. So a thread
// that ends is not marked later. If it was marked before, it waits, and the signal finds it. If
// setuid comes between show_thread() and clone, the number is 0 and the signal fails. That is
// harmless: the new thread gets the credentials of the starting thread, which has its own mark.
//
// A fiber with its own block (tls::own) runs on a carrier, and glibc cannot find the carrier's own
// block then. The signal handler would clear the mark in the fiber's block, and setuid would wait
// for the carrier's mark for ever. So when the first such fiber starts, all blocks of hilo are
// marked as ended for good (hide_all_threads), and setuid skips them from then on.
#pragma once

#include <cstdint>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// Puts a block on the list. Does nothing if the block is on it, if glibc leaves no way, or if there
// is no memory for the way. `place` is the block's own note of it, 0 at first; it belongs to the
// thread that may use the block.
void join_thread_list(const libc_layout& layout, unsigned char* block,
                      std::uint64_t& place) noexcept;

// Gives a block the flags of a thread that has ended. No thread may run on it.
void mark_ended(const libc_layout& layout, unsigned char* block) noexcept;

// From show_thread() until hide_thread() a block is a running thread's; see the head of this file.
// Only a block on the list is shown.
void show_thread(const libc_layout& layout, unsigned char* block, std::uint64_t place) noexcept;
void hide_thread(const libc_layout& layout, unsigned char* block) noexcept;

// From now on no thread is shown. Threads that are shown now become hidden.
void hide_all_threads() noexcept;

// Called around fork, in the parent.
void lock_thread_list() noexcept;
void unlock_thread_list() noexcept;
// Called in the child instead: there glibc has emptied the list, except for the caller.
void forget_thread_list() noexcept;

}  // namespace hilo::kernel
