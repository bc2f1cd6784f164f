#include "runtime/thread/thread_block.hpp"

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstring>

#include <dlfcn.h>
#include <linux/futex.h>
#include <linux/rseq.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>

#include "runtime/base/error.hpp"
#include "runtime/sys/futex.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/cpu.hpp"
#include "runtime/thread/resolver.hpp"
#include "runtime/thread/thread_keys.hpp"
#include "runtime/thread/tls_image.hpp"

namespace hilo::kernel {
namespace {

robust_list_head* prepare_robust_list(const libc_layout& layout, unsigned char* block) noexcept {
  auto* head = reinterpret_cast<robust_list_head*>(block + layout.robust_list);
  head->list.next = &head->list;
  head->futex_offset = layout.robust_lock_offset;
  head->list_op_pending = nullptr;
  return head;
}

void register_robust_list(const libc_layout& layout, unsigned char* block) noexcept {
  robust_list_head* head = prepare_robust_list(layout, block);
  // A kernel that has no robust lists has none to clean up either, so a failure does not matter.
  sys::call(SYS_set_robust_list, head, sizeof *head);
}

struct rseq* rseq_area(const libc_layout& layout, void* thread_pointer) noexcept {
  return reinterpret_cast<struct rseq*>(static_cast<unsigned char*>(thread_pointer) +
                                        layout.rseq_offset);
}

// Nothing unregisters it: the kernel itself drops the registration at the thread's end, and no
// longer touches the area once the thread has begun to exit. The block outlives the thread.
void register_rseq(const libc_layout& layout, void* thread_pointer) noexcept {
  if (layout.rseq_offset == 0) return;
  auto* area = rseq_area(layout, thread_pointer);
  std::memset(area, 0, offsetof(struct rseq, flags) + sizeof area->flags);
  area->cpu_id = static_cast<std::uint32_t>(RSEQ_CPU_ID_UNINITIALIZED);
  if (layout.rseq_length == 0 ||
      sys::call(SYS_rseq, area, layout.rseq_length, 0, cpu::rseq_signature) < 0) {
    // sched_getcpu() then asks the kernel instead of reading the area. And pthreads that this
    // thread creates do not try to register their areas.
    area->cpu_id = static_cast<std::uint32_t>(RSEQ_CPU_ID_REGISTRATION_FAILED);
  }
}

// Cancelling a thread unwinds it, and a callable lets no exception pass: the process would end by
// std::terminate. So cancellation is disabled, and pthread_cancel does nothing.
void refuse_cancellation() noexcept {
  ::pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, nullptr);
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
}

}  // namespace

thread_block thread_block::allocate(const libc_layout& layout) {
  const std::uint64_t generation = module_generation();
  void* thread_pointer = layout.allocate_tls(nullptr);
  if (thread_pointer == nullptr) {
    base::fail(ENOMEM, "allocate the thread-local storage of a thread",
               "memory is used up; run fewer threads, or raise RLIMIT_AS if it is set");
  }
  thread_block made;
  made.thread_pointer_ = thread_pointer;
  made.block_ = static_cast<unsigned char*>(thread_pointer) - layout.thread_pointer;
  made.generation_ = generation;
  cpu::prepare_header(made.block_, reinterpret_cast<const void*>(::pthread_self()));

  // An entry that is alone: glibc's fork unlinks the caller's entry from the list of threads.
  void* entry = made.block_ + layout.list;
  void* const alone[2] = {entry, entry};
  std::memcpy(entry, alone, sizeof alone);

  // Detached: pthread_join and pthread_detach return EINVAL, and pthread_join does not wait for
  // ever.
  if (layout.joiner != 0) {
    std::memcpy(made.block_ + layout.joiner, &made.block_, sizeof made.block_);
  }

  mark_ended(layout, made.block_);
  void* first_table = made.block_ + layout.first_table;
  std::memcpy(made.block_ + layout.specific, &first_table, sizeof first_table);
  return made;
}

std::uint32_t* thread_block::tid(const libc_layout& layout) const noexcept {
  return reinterpret_cast<std::uint32_t*>(block_ + layout.tid);
}

void thread_block::describe_stack(const libc_layout& layout, const void* bottom,
                                  std::size_t size) const noexcept {
  if (layout.stack == 0) return;
  std::memcpy(block_ + layout.stack, &bottom, sizeof bottom);
  std::memcpy(block_ + layout.stack + sizeof bottom, &size, sizeof size);
}

bool thread_block::incomplete() const noexcept {
  return fresh_ || generation_ != module_generation();
}

void thread_block::enter(const libc_layout& layout) noexcept {
  if (fresh_) refuse_cancellation();
  fresh_ = false;
  if (generation_ != module_generation()) reset_tls_images(layout);
  register_robust_list(layout, block_);
  register_rseq(layout, thread_pointer_);
  lead_to_resolver(layout, block_, thread_pointer_);
  // Every time, because setlocale may have been called since.
  layout.init_ctype();
}

void thread_block::enter_untold(const libc_layout& layout) noexcept {
  fresh_ = false;
  if (generation_ != module_generation()) {
    generation_ = module_generation();
    reset_tls_images(layout);
  }
  prepare_robust_list(layout, block_);
  if (layout.rseq_offset != 0) {
    // glibc writes the same if the kernel refuses: sched_getcpu() then asks the kernel.
    rseq_area(layout, thread_pointer_)->cpu_id =
        static_cast<std::uint32_t>(RSEQ_CPU_ID_REGISTRATION_FAILED);
  }
  lead_to_resolver(layout, block_, thread_pointer_);
  layout.init_ctype();
}

// Does the same as the kernel's exit_robust_list (kernel/futex/core.c). The lowest bit of a link
// marks a mutex with priority inheritance. The kernel takes care of the waiters of such a mutex.
void thread_block::abandon_robust_mutexes(const libc_layout& layout) noexcept {
  auto* head = reinterpret_cast<robust_list_head*>(block_ + layout.robust_list);
  const auto link_of = [](const void* link) {
    return reinterpret_cast<struct robust_list*>(reinterpret_cast<std::uintptr_t>(link) &
                                                 ~std::uintptr_t{1});
  };
  const void* tagged = head->list.next;
  while (link_of(tagged) != &head->list) {
    auto* const link = link_of(tagged);
    const bool inherits = link != tagged;
    tagged = link->next;  // read first: the next owner links the mutex elsewhere
    auto& word = *reinterpret_cast<sys::futex_word*>(reinterpret_cast<unsigned char*>(link) +
                                                     layout.robust_lock_offset);
    std::uint32_t before = word.load(std::memory_order_relaxed);  // confirmed by the exchange
    bool ours = true;
    do {
      ours = (before & FUTEX_TID_MASK) == *tid(layout);
      // release: the thread that recovers the mutex sees what was done under it, as after an unlock
    } while (ours &&
             !word.compare_exchange_weak(before, (before & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
                                         std::memory_order_release, std::memory_order_relaxed));
    if (ours && !inherits && (before & FUTEX_WAITERS) != 0) {
      sys::futex_wake_one(&word, sys::futex_scope::shared);
    }
  }
  head->list.next = &head->list;
}

void thread_block::run_destructors(const libc_layout& layout) noexcept {
  // In glibc's order.
  if (layout.run_thread_local_destructors != nullptr) layout.run_thread_local_destructors();
  run_key_destructors(layout, block_);
}

void thread_block::renew(const libc_layout& layout) noexcept {
  mark_ended(layout, block_);  // also forgets a cancellation request
  refuse_cancellation();
  renew_resolver(layout, block_);
  // Read first: a module that is loaded meanwhile then makes the block incomplete and not wrong.
  generation_ = module_generation();
  if (layout.free_thread_caches != nullptr) {
    layout.free_thread_caches();
    reset_tls_images(layout);
    return;
  }
  // glibc's own variables stay, because the malloc cache is one of them. Those that the next thread
  // could notice are reset one by one.
  ::uselocale(LC_GLOBAL_LOCALE);
  if (::dlerror() != nullptr) ::dlerror();  // the second call frees the text of the first
  reset_tls_images(layout);
  errno = 0;
  h_errno = 0;
}

}  // namespace hilo::kernel
