// Kernel threads by pthread_create. Used if the libc is not glibc, if its layout is not understood,
// and under the thread sanitizer, which follows only threads whose creation it sees.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include <pthread.h>
#include <sys/prctl.h>

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/sys/futex.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/backend.hpp"
#include "runtime/thread/ending.hpp"
#include "runtime/thread/stack.hpp"

namespace hilo::kernel {
namespace {

// Freed by the second of two events: the end of the thread and the end of its handle.
struct pthread_record : detail::kernel_thread {
  pthread_t thread{};
  // 0 until the thread has started. The thread stores its number; id() waits for it.
  sys::futex_word tid{0};
  // 1 until the closure has run. The thread stores 0; a join with a deadline waits for it.
  sys::futex_word running{1};
  std::atomic<int> owners{2};

  void* closure = nullptr;
  std::align_val_t closure_alignment{};
  void (*run_and_destroy)(void* closure) noexcept = nullptr;
  char name[16] = {};  // empty: the starting thread's name stays

  ~pthread_record() { ::operator delete(closure, closure_alignment); }
};

pthread_record* pthread_record_of(detail::kernel_thread* thread) noexcept {
  return static_cast<pthread_record*>(thread);
}

void drop(pthread_record* record) noexcept {
  // acq_rel: the last owner frees after everything that the other owner did
  if (record->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete record;
}

void* run_pthread(void* argument) {
  auto* self = static_cast<pthread_record*>(argument);
  // (P1) release: pairs with (P2)
  self->tid.store(static_cast<std::uint32_t>(sys::call(SYS_gettid)), std::memory_order_release);
  sys::futex_wake_all(&self->tid);
  if (self->name[0] != '\0') sys::call(SYS_prctl, PR_SET_NAME, self->name);
  // As in threads made by clone: pthread_cancel does nothing, and pthread_exit ends the process.
  // glibc's pthread_exit unwinds into run_and_destroy, which lets nothing pass. musl's runs the
  // cleanup that is pushed here.
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  pthread_cleanup_push([](void*) { std::terminate(); }, nullptr);
  self->run_and_destroy(self->closure);
  pthread_cleanup_pop(0);
  // (P3) release: pairs with (P4)
  self->running.store(0, std::memory_order_release);
  sys::futex_wake_all(&self->running);
  self->end.announce();
  drop(self);
  return nullptr;
}

class attributes {
 public:
  explicit attributes(const thread_options& options) {
    ::pthread_attr_init(&value_);
    ::pthread_attr_setguardsize(&value_, options.guard_size);
    // glibc counts the guard as part of the stack.
    const int error = ::pthread_attr_setstacksize(&value_, options.stack_size + options.guard_size);
    if (error != 0) {
      ::pthread_attr_destroy(&value_);
      base::fail(error, "start a thread with a stack of " + base::format_bytes(options.stack_size),
                 "the libc refuses thread_options.stack_size");
    }
  }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  ~attributes() { ::pthread_attr_destroy(&value_); }

  const pthread_attr_t* get() const noexcept { return &value_; }

 private:
  pthread_attr_t value_;
};

class pthread_threads final : public backend {
 public:
  detail::kernel_thread* start(const thread_options& options,
                               const detail::thread_body& body) override {
    check_stack_options(options);
    const attributes wanted(options);
    auto record = std::make_unique<pthread_record>();
    record->closure_alignment = std::align_val_t{body.alignment};
    record->closure = ::operator new(body.size, record->closure_alignment);
    record->run_and_destroy = body.run_and_destroy;
    const std::size_t length = std::min(options.name.size(), sizeof record->name - 1);
    std::memcpy(record->name, options.name.data(), length);
    body.construct(record->closure, body.context);

    const int error = ::pthread_create(&record->thread, wanted.get(), run_pthread, record.get());
    if (error != 0) {
      body.destroy(record->closure);
      base::fail(error, "start a thread by pthread_create",
                 "the limit on threads is reached, or there is no memory for a stack of " +
                     base::format_bytes(options.stack_size) +
                     ": see ulimit -u, ulimit -v and pids.max, or run fewer threads");
    }
    return record.release();
  }

  bool join(detail::kernel_thread* handle, deadline until) noexcept override {
    pthread_record* record = pthread_record_of(handle);
    // (P4) acquire: pairs with (P3)
    while (until.has_value() && record->running.load(std::memory_order_acquire) != 0) {
      if (sys::futex_wait_until(record->running, 1, *until) == -ETIMEDOUT &&
          record->running.load(std::memory_order_acquire) != 0) {
        return false;
      }
    }
    const int error = ::pthread_join(record->thread, nullptr);
    HILO_CHECK(error == 0, "pthread_join failed with %d on a joinable thread", error);
    drop(record);
    return true;
  }

  void detach(detail::kernel_thread* handle) noexcept override {
    pthread_record* record = pthread_record_of(handle);
    ::pthread_detach(record->thread);
    drop(record);
  }

  bool is_caller(const detail::kernel_thread* handle) noexcept override {
    return static_cast<const pthread_record*>(handle)->tid.load(std::memory_order_relaxed) ==
           static_cast<std::uint32_t>(sys::call(SYS_gettid));  // relaxed: the caller stored its own
  }

  pid_t id(const detail::kernel_thread* handle) noexcept override {
    const auto* record = static_cast<const pthread_record*>(handle);
    // (P2) acquire: pairs with (P1)
    std::uint32_t tid = record->tid.load(std::memory_order_acquire);
    while (tid == 0) {
      sys::futex_wait(record->tid, 0);
      tid = record->tid.load(std::memory_order_acquire);
    }
    return static_cast<pid_t>(tid);
  }
};

}  // namespace

backend& pthread_backend() {
  static auto* threads = new pthread_threads;
  return *threads;
}

}  // namespace hilo::kernel
