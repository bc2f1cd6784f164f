#include "runtime/thread/forked_process.hpp"

#include <new>

#include <pthread.h>

namespace hilo::kernel {
namespace {

// Set once, before a fiber can fork (release), and read in the child (acquire).
constinit std::atomic<child_function> at_child{nullptr};

}  // namespace

constinit std::atomic<std::uint32_t> forks_so_far{0};

void became_child() noexcept {
  forks_so_far.store(process_number() + 1, std::memory_order_relaxed);
  if (const child_function function = at_child.load(std::memory_order_acquire)) function();
}

void follow_forks() {
  [[maybe_unused]] static const bool registered = [] {
    if (::pthread_atfork(nullptr, nullptr, became_child) != 0) throw std::bad_alloc();
    return true;
  }();
}

void set_child_function(child_function function) noexcept {
  at_child.store(function, std::memory_order_release);
}

}  // namespace hilo::kernel
