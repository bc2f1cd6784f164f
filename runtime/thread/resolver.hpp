// The state of libc's resolver (resolver(5)). Each thread has its own state: in glibc it lies in
// the thread block, and a thread-local variable points to it. A thread that does not set the
// variable shares the main thread's state. Then getaddrinfo is not safe beside other threads. And
// once any thread has used the shared state, libc's clean-up at the end of every thread takes a
// lock that fork does not handle.
#pragma once

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// Called in the specimen: finds both. If either is not found, hilo leaves the resolver alone.
void find_resolver(libc_layout& layout, const unsigned char* block) noexcept;

// Called in a new thread, as in glibc's start of a pthread: makes the thread use the state in its
// block.
void lead_to_resolver(const libc_layout& layout, unsigned char* block,
                      void* thread_pointer) noexcept;

// Called at the thread's end: closes what the state has open, and leaves it unused.
void renew_resolver(const libc_layout& layout, unsigned char* block) noexcept;

}  // namespace hilo::kernel
