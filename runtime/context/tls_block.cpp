#include "runtime/context/tls_block.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>
#include <mutex>

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "hilo/detail/spin_lock.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/sanitizers.hpp"
#include "runtime/context/context.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/clone_libc.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::context {
namespace {

// While a block is half made, no signal handler of the program may run on it.
class signals_blocked {
 public:
  signals_blocked() noexcept { set(~std::uint64_t{0}, &before_); }
  ~signals_blocked() { set(before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  static void set(std::uint64_t mask, std::uint64_t* before) noexcept {
    const long error = sys::call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof mask);
    HILO_CHECK(error == 0, "cannot set the signal mask of a carrier: errno %ld", -error);
  }
  std::uint64_t before_ = 0;
};

struct free_blocks {
  detail::spin_lock lock;
  tls_block* first = nullptr;  // guarded by lock
};

// Never destroyed: blocks are kept until the process is gone (thread_block.hpp says why).
free_blocks& all_free() {
  static free_blocks& list = []() -> free_blocks& {
    static auto* made = new free_blocks;
    ::pthread_atfork([] { made->lock.lock(); }, [] { made->lock.unlock(); },
                     [] { made->lock.unlock(); });
    return *made;
  }();
  return list;
}

// Two copies of hilo in one process (libhilo.so and a plugin with libhilo.a in it, or two plugins)
// know nothing of each other. Yet no two fibers may have the same number. So each copy has its own
// range of numbers. A copy takes the first range whose ticket it gets: a ticket is a page at an
// address that all copies know, and the kernel maps that page for one copy only. The child of a
// fork inherits tickets and ranges. Rejected: a symbol that the copies share. If a plugin hides the
// symbols of its libraries, the symbol is hidden too.
constexpr unsigned range_bits = 24;
constexpr unsigned ranges = 1U << (30 - range_bits);
constexpr std::uintptr_t tickets = std::uintptr_t{1} << 37;  // free on each CPU, by its layout
constexpr std::size_t ticket_size = 65536;                   // the largest page size

bool take_ticket(unsigned which) noexcept {
  void* const wanted = reinterpret_cast<void*>(tickets + which * ticket_size);
  void* const got =
      ::mmap(wanted, ticket_size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == wanted) return true;
  if (got != MAP_FAILED) ::munmap(got, ticket_size);  // before Linux 4.17 the address is a hint
  return false;
}

// The first range begins above the kernel's PID_MAX_LIMIT. A copy without a ticket uses the last
// range.
std::uint32_t first_number() noexcept {
  unsigned mine = 0;
  while (mine < ranges - 1 && !take_ticket(mine)) ++mine;
  return (mine << range_bits) + (mine == 0 ? 1U << 22 : 0);
}

std::uint32_t next_number() noexcept {
  static std::atomic<std::uint32_t> last{first_number()};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only has to differ
}

}  // namespace

std::string refuse_tls(const thread_backend_report& backend,
                       [[maybe_unused]] unsigned long hardware_capabilities) {
  if (HILO_ASAN || HILO_TSAN) {
    return "the sanitizer keeps its own account of each kernel thread in the thread's block; build "
           "without it, or leave tls at tls::carrier";
  }
  if (backend.kind != thread_backend_kind::clone) {
    return "the thread backend is " + std::string(backend.name) + ", because " + backend.reason +
           "; a thread block can be made for the clone backend's libc only";
  }
#if defined(__x86_64__)
  constexpr unsigned long fsgsbase = 1UL << 1;  // HWCAP2_FSGSBASE, asm/hwcap2.h
  if ((hardware_capabilities & fsgsbase) == 0) {
    return "the kernel or the CPU does not let a program write fs (FSGSBASE: Linux 5.9, and a CPU "
           "of 2012 or later); leave tls at tls::carrier";
  }
#endif
  return {};
}

const std::string& tls_refusal() {
  static const auto* decided =
      new std::string(refuse_tls(thread_backend(), ::getauxval(AT_HWCAP2)));
  return *decided;
}

tls_block::tls_block(const kernel::libc_layout& layout, kernel::thread_block block) noexcept
    : layout_(layout), block_(block), thread_pointer_(block.thread_pointer()) {
  *block_.tid(layout) = next_number();
}

tls_block* tls_block::take(const void* stack_low, std::size_t stack_bytes) {
  if (!tls_refusal().empty()) {
    base::fail(ENOTSUP, "give a fiber thread-local storage of its own", tls_refusal());
  }
  const kernel::libc_layout& layout = *kernel::understood_layout().layout;
  free_blocks& list = all_free();
  tls_block* one = nullptr;
  {
    const std::scoped_lock guard(list.lock);
    if ((one = list.first) != nullptr) list.first = one->next_free_;
  }
  if (one == nullptr) {
    one = new tls_block(layout, kernel::thread_block::allocate(layout));
  }
  one->block_.join_list(layout);
  kernel::hide_all_threads();
  one->block_.describe_stack(layout, stack_low, stack_bytes);
  if (one->block_.incomplete()) {
    // Completed here, while no thread runs on it, and not at the fiber's start.
    const signals_blocked quiet;
    void* const mine = kernel::cpu::thread_pointer();
    hilo_set_thread_pointer(one->thread_pointer_);
    one->enter();
    hilo_set_thread_pointer(mine);
  }
  return one;
}

void tls_block::give(tls_block* one) noexcept {
  free_blocks& list = all_free();
  const std::scoped_lock guard(list.lock);
  one->next_free_ = list.first;
  list.first = one;
}

void tls_block::run_destructors() noexcept {
  block_.run_destructors(layout_);
  block_.abandon_robust_mutexes(layout_);
}

void tls_block::leave(void* carriers_thread_pointer) noexcept {
  const signals_blocked quiet;
  block_.renew(layout_);
  hilo_set_thread_pointer(carriers_thread_pointer);
}

}  // namespace hilo::context
