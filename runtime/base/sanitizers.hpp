// Which sanitizer this is built with: HILO_ASAN and HILO_TSAN are 0 or 1. g++ defines macros for
// it, clang has features.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define HILO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HILO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HILO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HILO_TSAN 1
#endif
#endif
#ifndef HILO_ASAN
#define HILO_ASAN 0
#endif
#ifndef HILO_TSAN
#define HILO_TSAN 0
#endif
