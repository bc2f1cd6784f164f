// Which libc this is compiled for. HILO_GLIBC(2, 32) is 1 for glibc 2.32 or newer, and 0 for an
// older glibc, musl and others.
#pragma once

#include <features.h>

#if defined(__GLIBC__)
#define HILO_GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define HILO_GLIBC(major, minor) 0
#endif
