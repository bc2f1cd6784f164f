// hilo::clone: from a request to a child.
//
// There are two kinds of children. The first kind continues on a copy of the caller's stack. It
// returns from the system call as in fork, and runs the caller's callable where the callable lies.
// The second kind has its own stack. It enters at enter(), below, and finds on its stack, from the
// top down:
//
//     closure | frame | clone_start        (with shared memory the closure is built there; without
//                                           it, the child calls its copy of the caller's closure)
//
// Signals are blocked across the call. So no handler runs in a child that has no thread block yet,
// or whose block still has the number of its parent.
//
// The kernel knows one address for both CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID. A caller that
// asks for the first alone gets the number in the caller's word. Before the child runs anything of
// the caller's, it moves the address to the word that hilo waits for, by set_tid_address.
#include <cerrno>
#include <csignal>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <linux/futex.h>
#include <linux/sched.h>

#include "hilo/clone.hpp"

#include "runtime/sys/clone.hpp"
#include "runtime/sys/clone3.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/clone_child.hpp"
#include "runtime/thread/clone_error.hpp"
#include "runtime/thread/clone_libc.hpp"
#include "runtime/thread/clone_records.hpp"
#include "runtime/thread/cpu.hpp"
#include "runtime/thread/forked_process.hpp"
#include "runtime/thread/live_threads.hpp"
#include "runtime/thread/shared_memory.hpp"
#include "runtime/thread/signal_mask.hpp"

namespace hilo::kernel {
namespace {

using detail::block_choice;
using detail::clone_body;
using detail::clone_request;
using detail::stack_choice;

template <class T>
std::uint64_t address(T* pointer) noexcept {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

// What libc's fork does for its child besides copying the memory. It sets the number in the thread
// block, which recursive mutexes compare, and the count of threads. It also registers the robust
// list, because the kernel does not copy the registration.
struct copied_libc {
  std::uint32_t* number = nullptr;
  const libc_layout* layout = nullptr;
  bool copied = false;
  robust_list_head* robust = nullptr;
  std::size_t robust_length = 0;

  static copied_libc of_caller() {
    copied_libc found;
    found.number = number_of_caller();
    found.layout = understood_layout().layout;
    found.copied = true;
    sys::call(SYS_get_robust_list, 0, &found.robust, &found.robust_length);
    return found;
  }

  // Called in the child.
  void put_right() const noexcept {
    if (number != nullptr) *number = static_cast<std::uint32_t>(sys::call(SYS_gettid));
    if (layout != nullptr) count_only_caller(*layout);
    if (copied) became_child();
    if (robust == nullptr) return;
    robust->list.next = &robust->list;
    sys::call(SYS_set_robust_list, robust, robust_length);
  }
};

// What the child finds on its own stack.
struct frame {
  record* home;  // the child runs on its block; null: as the flags say
  sys::futex_word* gone;
  bool move_gone;  // by set_tid_address, see above
  bool give_back;  // the record goes back by the threads' protocol when the handle is released
  bool thread;
  std::uint64_t signal_mask;
  copied_libc libc;  // without shared memory
  void* closure;
  int (*run)(void*) noexcept;
};

[[noreturn]] void leave(int code, bool thread) noexcept {
  for (;;) sys::call(thread ? SYS_exit : SYS_exit_group, code);
}

[[noreturn]] void enter(void* argument) {
  // A copy: the caller may look at the frame, so the frame stays as it is.
  const frame self = *static_cast<frame*>(argument);
  if (self.move_gone) sys::call(SYS_set_tid_address, self.gone);
  self.libc.put_right();
  record* const home = self.home;
  if (home != nullptr) {
    *home->block.tid(*home->layout) = static_cast<std::uint32_t>(sys::call(SYS_gettid));
    home->block.enter(*home->layout);
  }
  set_signal_mask(self.signal_mask);
  const int code = self.run(self.closure);
  if (home != nullptr) {
    home->block.run_destructors(*home->layout);
    if (self.thread) count_end(*home->layout);
    set_signal_mask(all_signals);
    home->block.renew(*home->layout);
    // (C1) of clone_backend.cpp. `ended` also says that the block can be used by another thread.
    // That is false if the child ends anywhere else than here.
    if (home->owner.exchange(release_by::ended, std::memory_order_acq_rel) ==
            release_by::detached &&
        self.give_back) {
      clone_records().release_when_gone(home);
    }
  }
  leave(code, self.thread);
}

// A call in progress. Its destructor undoes the preparation, unless there is a child.
class launch {
 public:
  launch(const clone_request& request, const clone_body* body)
      : request_(request), body_(body), flags_(request.flags), shared_(has(flags_, share::memory)) {
    check_request(request);
  }
  launch(const launch&) = delete;
  launch& operator=(const launch&) = delete;
  ~launch() {
    if (made_ == nullptr) return;
    if (made_->gone != nullptr && made_->gone != request_.clear_tid) {
      made_->gone->store(0, std::memory_order_relaxed);  // there is no child that could see it
    }
    if (closure_ != nullptr) body_->destroy(closure_);
    if (made_->home != nullptr) {
      clone_records().release(std::exchange(made_->home, nullptr));
    }
    discard(made_.release());
  }

  // In the caller: returns the record. In a child that continues on a copy without a body: returns
  // null.
  child_record* go() {
    if (has(flags_, share::thread_group)) {
      made_->kind = child_record::relation::thread;
    } else if (has(flags_, share::parent)) {
      // Nothing else can report its end to us, and its number may be reused before we ask.
      made_->kind = child_record::relation::sibling;
      flags_ = flags_ | with::pidfd;
    }
    if (shared_ && !has(flags_, share::thread_group)) {
      shared_with_child.store(true, std::memory_order_relaxed);
    }
    choose_block();
    choose_stack();
    choose_words();
    const copied_libc libc = shared_ ? copied_libc{} : copied_libc::of_caller();
    if (bottom_ == nullptr) return go_on_copy(libc);
    fill_frame(libc);
    const std::uint64_t mask = set_signal_mask(all_signals);
    frame_->signal_mask = mask;
    const bool counted = frame_->thread && made_->home != nullptr;
    if (counted) count_start(*made_->home->layout);
    const long id = with_stack();
    if (counted && id < 0) take_back_start(*made_->home->layout);
    set_signal_mask(mask);
    return finish(id);
  }

 private:
  void choose_block() {
    block_ = request_.block;
    if (block_ == block_choice::automatic) {
      block_ = shared_ ? block_choice::own : block_choice::callers;
    }
    if (block_ != block_choice::own) return;
    const clone_layout& libc = understood_layout();
    if (libc.layout == nullptr) refuse_block(libc.reason);
    made_->home = clone_records().acquire(wanted_stack(), *libc.layout);
  }

  thread_options wanted_stack() const {
    thread_options options;
    // If the caller gives a stack, the record's own stack stays unused: it costs addresses, no
    // memory.
    if (request_.stack != stack_choice::given) options.stack_size = request_.stack_size;
    return options;
  }

  void choose_stack() {
    stack_choice choice = request_.stack;
    if (choice == stack_choice::automatic) {
      choice = shared_ ? stack_choice::own : stack_choice::none;
    }
    if (choice == stack_choice::none) return;
    if (choice == stack_choice::given) {
      bottom_ = static_cast<unsigned char*>(request_.stack_bottom);
      place_frame(bottom_ + request_.stack_size);
      return;
    }
    if (made_->home == nullptr) made_->memory = stack::map(wanted_stack());
    const stack& own = made_->home != nullptr ? made_->home->memory : made_->memory;
    bottom_ = own.bottom();
    place_frame(own.top());
  }

  void place_frame(unsigned char* end) {
    auto top = reinterpret_cast<std::uintptr_t>(end);
    const auto lowest = reinterpret_cast<std::uintptr_t>(bottom_);
    const std::size_t closure = shared_ ? body_->size + body_->alignment : 0;
    check_stack_room(top - lowest, closure + sizeof(frame) + 64);
    if (shared_) {
      top = (top - body_->size) & ~(static_cast<std::uintptr_t>(body_->alignment) - 1);
      void* place = reinterpret_cast<void*>(top);
      body_->construct(place, body_->context);
      closure_ = place;
    }
    top = (top - sizeof(frame)) & ~std::uintptr_t{15};
    frame_ = ::new (reinterpret_cast<void*>(top)) frame{};
    top -= sizeof(sys::clone_start);
    start_ = ::new (reinterpret_cast<void*>(top)) sys::clone_start{enter, frame_};
  }

  void fill_frame(const copied_libc& libc) noexcept {
    frame_->libc = libc;
    frame_->home = made_->home;
    frame_->gone = made_->gone;
    frame_->move_gone = move_gone_;
    frame_->give_back = made_->home != nullptr && made_->gone == &made_->home->alive;
    frame_->thread = made_->kind == child_record::relation::thread;
    frame_->closure = shared_ ? closure_ : body_->context;
    frame_->run = shared_ ? body_->run_and_destroy : body_->run_in_place;
  }

  void choose_words() noexcept {
    parent_tid_ = request_.parent_tid;
    child_tid_ = request_.child_tid;
    clear_ = request_.clear_tid != nullptr;
    if (clear_) {
      child_tid_ = request_.clear_tid;
      std::uint32_t zero = 0;
      // relaxed: ordered by clone
      request_.clear_tid->compare_exchange_strong(zero, 1, std::memory_order_relaxed);
      if (shared_) made_->gone = request_.clear_tid;
    }
    if (!shared_ || clear_) return;
    made_->gone = made_->home != nullptr ? &made_->home->alive : &made_->own_gone;
    made_->gone->store(1, std::memory_order_relaxed);  // ordered by clone
    move_gone_ = request_.child_tid != nullptr;
    if (!move_gone_) {
      child_tid_ = made_->gone;
      clear_ = true;
    }
  }

  clone_args arguments() noexcept {
    std::uint64_t bits = static_cast<std::uint64_t>(flags_);
    clone_args all{};
    if (parent_tid_ != nullptr) bits |= CLONE_PARENT_SETTID;
    if (request_.child_tid != nullptr) bits |= CLONE_CHILD_SETTID;
    if (clear_) bits |= CLONE_CHILD_CLEARTID;
    if (block_ != block_choice::callers) bits |= CLONE_SETTLS;
    if (request_.cgroup >= 0) {
      bits |= CLONE_INTO_CGROUP;
      all.cgroup = static_cast<std::uint64_t>(request_.cgroup);
    }
    all.flags = bits;
    all.pidfd = address(&made_->pidfd);
    all.parent_tid = address(parent_tid_);
    all.child_tid = address(child_tid_);
    all.exit_signal = static_cast<std::uint64_t>(exit_signal());
    if (block_ == block_choice::own) {
      all.tls = address(made_->home->block.thread_pointer());
    } else if (block_ == block_choice::given) {
      all.tls = address(request_.thread_pointer);
    }
    if (request_.tid_count != 0) {
      all.set_tid = address(request_.tids);
      all.set_tid_size = request_.tid_count;
    }
    if (bottom_ != nullptr) {
      all.stack = address(bottom_);
      all.stack_size = address(start_) - address(bottom_);
    }
    return all;
  }

  int exit_signal() const noexcept {
    if (request_.exit_signal >= 0) return request_.exit_signal;
    return made_->kind == child_record::relation::child ? SIGCHLD : 0;
  }

  // Whether the older call can do the same. Some seccomp filters refuse clone3 with ENOSYS, so that
  // callers use clone instead.
  static bool fits_clone(const clone_args& all) noexcept {
    const bool one_word_twice = (all.flags & CLONE_PIDFD) && (all.flags & CLONE_PARENT_SETTID);
    return all.flags >> 32 == 0 && !(all.flags & CSIGNAL) && all.set_tid_size == 0 &&
           !one_word_twice;
  }
  std::uint32_t* first_word(const clone_args& all) noexcept {
    if (all.flags & CLONE_PIDFD) return reinterpret_cast<std::uint32_t*>(&made_->pidfd);
    return reinterpret_cast<std::uint32_t*>(parent_tid_);
  }

  long with_stack() noexcept {
    const clone_args all = arguments();
    const long id = sys::hilo_sys_clone3(&all, sizeof all);
    if (id != -ENOSYS || !fits_clone(all)) return id;
    return sys::hilo_sys_clone(all.flags | all.exit_signal, start_, first_word(all),
                               reinterpret_cast<std::uint32_t*>(child_tid_),
                               reinterpret_cast<void*>(all.tls));
  }

  long on_copy() noexcept {
    const clone_args all = arguments();
    const long id = sys::call(SYS_clone3, &all, sizeof all);
    if (id != -ENOSYS || !fits_clone(all)) return id;
#if defined(__x86_64__)
    return sys::call(SYS_clone, all.flags | all.exit_signal, 0, first_word(all), child_tid_,
                     all.tls);
#else
    return sys::call(SYS_clone, all.flags | all.exit_signal, 0, first_word(all), all.tls,
                     child_tid_);
#endif
  }

  child_record* go_on_copy(const copied_libc& libc) {
    const std::uint64_t mask = set_signal_mask(all_signals);
    const long id = on_copy();
    if (id == 0) {
      libc.put_right();
      set_signal_mask(mask);
      if (body_ != nullptr) leave(body_->run_in_place(body_->context), false);
      (void)made_.release();  // the record is the caller's; this is a copy
      return nullptr;
    }
    set_signal_mask(mask);
    return finish(id);
  }

  child_record* finish(long id) {
    if (id < 0) fail_to_clone(static_cast<int>(-id), request_, flags_);
    made_->id = static_cast<pid_t>(id);
    return made_.release();
  }

  const clone_request& request_;
  const clone_body* const body_;
  clone_flags flags_;
  const bool shared_;
  std::unique_ptr<child_record> made_ = std::make_unique<child_record>();
  block_choice block_{};
  unsigned char* bottom_ = nullptr;  // of the child's stack; null: it continues on a copy
  sys::clone_start* start_ = nullptr;
  frame* frame_ = nullptr;
  void* closure_ = nullptr;  // on the child's stack
  std::atomic<std::uint32_t>* parent_tid_ = nullptr;
  std::atomic<std::uint32_t>* child_tid_ = nullptr;  // for both of SETTID and CLEARTID
  bool clear_ = false;
  bool move_gone_ = false;
};

child_record* start_clone(const clone_request& request, const clone_body* body,
                          std::error_code* error) {
  if (error == nullptr) return launch(request, body).go();
  try {
    return launch(request, body).go();
  } catch (const std::system_error& problem) {
    *error = problem.code();
    return nullptr;
  }
}

}  // namespace
}  // namespace hilo::kernel

namespace hilo::detail {

child_record* start_child(const clone_request& request, const clone_body& body,
                          std::error_code* error) {
  return kernel::start_clone(request, &body, error);
}

child_record* fork_child(const clone_request& request, std::error_code* error) {
  if (request.stack == stack_choice::own || request.stack == stack_choice::given ||
      has(request.flags, share::memory)) {
    if (error == nullptr) kernel::refuse_fork();
    *error = std::make_error_code(std::errc::invalid_argument);
    return nullptr;
  }
  return kernel::start_clone(request, nullptr, error);
}

}  // namespace hilo::detail
