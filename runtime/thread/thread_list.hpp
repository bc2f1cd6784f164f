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
// freed. An idle block is no different to glibc from one that a thread uses, but for setuid and its
// kin: those would signal a thread by the number in the block and wait for its answer. So a block
// says what a pthread's says that has ended (libc_layout::ended), which they pass over.
#pragma once

#include <cstdint>

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// Puts a block on the list, unless it is there, or glibc leaves no way, or there is no memory for
// the way. `place` is the block's own note of it, 0 at first; it belongs to who may use the block.
void join_thread_list(const libc_layout& layout, unsigned char* block,
                      std::uint64_t& place) noexcept;

// Around fork, in the parent.
void lock_thread_list() noexcept;
void unlock_thread_list() noexcept;
// In the child instead: glibc has emptied the list there, but for the caller.
void forget_thread_list() noexcept;

}  // namespace hilo::kernel
