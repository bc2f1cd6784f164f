// What hilo knows about glibc's thread block (`struct pthread`). All of it is found at run time.
//
// For debuggers, glibc publishes the layout as descriptors named _thread_db_*, each {bits, count,
// offset}. The other fields are found on a specimen: one thread made by pthread_create whose stack
// and robust list we know, so that the fields that hold them can be recognised. Every field is then
// checked against the specimen and the calling thread. If anything is missing, doubled or
// different, this libc is not understood: there is no layout, and a reason.
//
// The specimen has a second use. Its creation takes glibc out of its single-threaded mode (both
// copies of __libc_single_threaded, stdio locking, the handler behind setuid), exactly as glibc
// itself does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <pthread.h>

#include "runtime/thread/libc_symbol.hpp"

struct dl_find_object;  // <dlfcn.h>

namespace hilo::kernel {

struct libc_layout {
  // Offsets in the block.
  std::size_t size = 0;
  std::size_t thread_pointer = 0;  // where it points; behind the block on some CPUs
  std::size_t tid = 0;
  std::size_t list = 0;         // {next, prev}; unlinked by the child of a fork
  std::size_t specific = 0;     // array of pointers to tables of pthread_setspecific values
  std::size_t first_table = 0;  // the table that lies in the block itself
  std::size_t robust_list = 0;  // the head given to the kernel
  std::size_t stack = 0;        // {lowest address, size}, for pthread_getattr_np; 0: not found
  std::size_t joiner = 0;       // points at the block itself if detached; 0: not found
  std::size_t cancelled = 0;    // flags of pthread_cancel, an int; 0: not found
  std::uint32_t ended = 0;      // their value in a pthread that has ended; 0: not found
  // Two of the flags: the thread is ending; its credentials are being changed. 0: not found.
  std::uint32_t exiting = 0;
  std::uint32_t changing = 0;
  std::size_t resolver = 0;             // struct __res_state; 0: not found
  std::ptrdiff_t resolver_pointer = 0;  // the variable that leads there, from the thread pointer

  std::ptrdiff_t robust_lock_offset = 0;  // from a robust list entry to its mutex's futex

  // pthread keys: `tables` tables of `slots` values each; key = table * slots + slot.
  std::size_t tables = 0;
  std::size_t slots = 0;
  struct {
    std::size_t size, sequence, data;
  } value{};
  struct {
    std::size_t size, sequence, destructor;
    const unsigned char* table;
  } key{};

  // The rseq area, relative to the thread pointer; 0: glibc has none. Length 0: glibc has not
  // registered it, because the kernel has no rseq or glibc was told not to, and glibc has marked
  // that.
  std::ptrdiff_t rseq_offset = 0;
  std::size_t rseq_length = 0;

  void* (*allocate_tls)(void*) = nullptr;  // returns a thread pointer
  void (*run_thread_local_destructors)() = nullptr;
  void (*init_ctype)() = nullptr;
  // _dl_find_object, since glibc 2.35: the module that has an address, without a lock. With it,
  // where a module's description has the fixed place of its variables. Null: not known.
  int (*find_object)(void*, dl_find_object*) = nullptr;
  std::size_t fixed_place = 0;
  void (*free_thread_caches)() = nullptr;  // static programs only: __libc_thread_freeres
  std::uint32_t* live_threads = nullptr;   // __nptl_nthreads; see live_threads.hpp
};

struct layout_discovery {
  bool understood = false;
  libc_layout layout;
  std::string reason;  // why not; empty when understood
};

// Returns when the kernel has finished a pthread, detached or not, whose stack is ours.
// pthread_join cannot be used: it refuses a detached thread, and it ends the process if a futex
// call fails.
void wait_for_end(const libc_layout& layout, pthread_t thread) noexcept;

// Runs once per lookup. Creates one pthread and waits for its end. Throws std::system_error if it
// cannot create the pthread.
layout_discovery discover_libc_layout(symbol_lookup find = find_libc_symbol);

}  // namespace hilo::kernel
