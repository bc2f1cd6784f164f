// A place on glibc's list of threads.
//
// What glibc does to all threads it does to those on its lists: the dynamic linker writes the
// variables of a module that it loads where they have a fixed place in every block (initial-exec
// ones, and on CPUs with TLS descriptors any small module's), and dlclose waits for threads that
// look up symbols. So the blocks of ours stand on such a list.
//
// Neither its head nor its lock is published, and neither is needed. glibc adds a thread at the
// head and removes one by writing its two neighbours, so between two neighbours that both stay,
// nobody else writes. Two pthreads on stacks that they were given, made one right after the other,
// are neighbours on the list of such threads; while they wait, two blocks of ours are put between
// them, and these never leave:
//
//     … pthread  first  block  block  …  last  pthread …
//
// From then on only we write between first and last, under our lock. glibc goes along `next`: a
// block is whole before the one before it leads there, and none is ever taken off, as none is ever
// freed.
//
// Blocks that no thread uses. setuid and its kin signal each thread on the list by the number in
// its block, and wait until it has changed its credentials. gdb shows what the flags in the block
// say. So an idle block has the flags of a pthread that has ended (libc_layout::ended), which
// setuid passes over. A thread that runs lacks one of them, `exiting`. The other stays: it keeps
// pthread_cancel from acting on a thread that allows cancellation.
//
//   starting thread, in show_thread()          thread, in hide_thread()
//   the number in the block := 0               `exiting` := 1, an RMW
//   `exiting` := 0                             wait while `changing` is 1
//   clone: the kernel stores the number        block all signals, exit
//
// setuid marks a block by `changing` with a compare-exchange, unless `exiting` is set. So a thread
// that ends is not marked later, and waits if it was marked before: the signal then finds it.
// Should setuid come between show_thread() and clone, the number is 0 and the signal fails; the new
// thread has the credentials of the one that starts it, which has its own mark.
//
// A fiber with a block of its own (tls::own) runs on a carrier whose own block glibc cannot find
// then: the handler would clear the mark in the fiber's block, and setuid would wait for the
// carrier's for ever. So the first such fiber makes all of hilo's threads ended ones for good
// (hide_all_threads), and setuid passes over them from then on.
#pragma once

#include <cstdint>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// Puts a block on the list, unless it is there, or glibc leaves no way, or there is no memory for
// the way. `place` is the block's own note of it, 0 at first; it belongs to who may use the block.
void join_thread_list(const libc_layout& layout, unsigned char* block,
                      std::uint64_t& place) noexcept;

// Gives a block the flags of a thread that has ended. No thread runs on it.
void mark_ended(const libc_layout& layout, unsigned char* block) noexcept;

// A block is a running thread's from the first to the second; see the head of this file. Only a
// block on the list is shown.
void show_thread(const libc_layout& layout, unsigned char* block, std::uint64_t place) noexcept;
void hide_thread(const libc_layout& layout, unsigned char* block) noexcept;

// From now on no thread is shown, and those that are no longer are.
void hide_all_threads() noexcept;

// Around fork, in the parent.
void lock_thread_list() noexcept;
void unlock_thread_list() noexcept;
// In the child instead: glibc has emptied the list there, but for the caller.
void forget_thread_list() noexcept;

}  // namespace hilo::kernel
