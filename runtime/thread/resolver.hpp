// The state of libc's resolver (resolver(5)), which is a thread's own: in glibc it lies in the
// thread block, and a thread-local variable leads to it. A thread that does not set that shares the
// main thread's: getaddrinfo is then not safe beside others, and once any thread has used it,
// libc's clean-up at the end of every thread takes a lock that fork does not look after.
#pragma once

#include "runtime/thread/libc_layout.hpp"

namespace hilo::kernel {

// In the specimen: where they are. Where either is not found, the resolver is left alone.
void find_resolver(libc_layout& layout, const unsigned char* block) noexcept;

// In a new thread, as glibc's start of a pthread: makes the state in its block its own.
void lead_to_resolver(const libc_layout& layout, unsigned char* block,
                      void* thread_pointer) noexcept;

// At its end: closes what it has open, and leaves it unused.
void renew_resolver(const libc_layout& layout, unsigned char* block) noexcept;

}  // namespace hilo::kernel
