#include "runtime/io/pending.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>

#include "runtime/io/net/look_ups.hpp"
#include "runtime/io/request.hpp"
#include "runtime/io/select_poll.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::io {
namespace {

constexpr unsigned chunk_bits = 8;
constexpr unsigned chunks = 1U << 16;  // 16 million descriptors; the addresses cost nothing

using chunk = std::array<slot, std::size_t{1} << chunk_bits>;
// Set once, by the first thread that needs it. (T) release, acquired; publishes the chunk.
constinit std::array<std::atomic<chunk*>, chunks> table{};

}  // namespace

slot* slot_of(int fd) noexcept {
  const auto number = static_cast<unsigned>(fd);
  std::atomic<chunk*>& place = table[(number >> chunk_bits) % chunks];
  chunk* there = place.load(std::memory_order_acquire);  // (T)
  if (there == nullptr) [[unlikely]] {
    std::unique_ptr<chunk> made(new (std::nothrow) chunk);
    if (made == nullptr) return nullptr;
    if (place.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {  // (T)
      there = made.release();
    }
  }
  return &(*there)[number % there->size()];
}

void for_each_slot(const std::function<void(slot&)>& f) {
  for (const std::atomic<chunk*>& place : table) {
    chunk* const there = place.load(std::memory_order_acquire);  // (T)
    if (there == nullptr) continue;
    for (slot& one : *there) f(one);
  }
}

// Relaxed: the child has one thread, and this thread saw each chunk that it can have used.
void forget_calls() noexcept {
  for (const std::atomic<chunk*>& place : table) {
    chunk* const there = place.load(std::memory_order_relaxed);
    if (there == nullptr) continue;
    for (slot& one : *there) std::construct_at(&one);
  }
  forget_modes();
  net::forget_look_ups();
}

void unlink_from(slot& its, pending& one) noexcept {
  detail::wait_node* closer = nullptr;
  {
    const std::scoped_lock guard(its.lock);
    if (one.linked) its.unlink(one);
    if (!its.closers.empty()) [[unlikely]]
      closer = its.take_closers(one.fd);
  }
  detail::wake_all(closer, status::ok);
}

bool slot::is_closing(int fd) const noexcept {
  for (const detail::wait_node* one = closers.first(); one != nullptr; one = one->next) {
    if (*static_cast<const int*>(one->slot) == fd) return true;
  }
  return false;
}

// Under the lock: if no call for `fd` is left, returns the closers that waited for this.
detail::wait_node* slot::take_closers(int fd) noexcept {
  for (const pending* one = first; one != nullptr; one = one->next) {
    if (one->fd == fd) return nullptr;
  }
  detail::wait_node* taken = nullptr;
  for (detail::wait_node *one = closers.first(), *after = nullptr; one != nullptr; one = after) {
    after = one->next;
    if (*static_cast<const int*>(one->slot) != fd || !closers.take(*one)) continue;
    one->next = taken;
    taken = one;
  }
  return taken;
}

closing::closing(int fd) noexcept : its_(fd < 0 ? nullptr : slot_of(fd)) {
  while (its_ != nullptr) {
    its_->lock.lock();
    bool in_flight = false;
    for (pending* one = its_->first; one != nullptr; one = one->next) {
      if (one->fd != fd) continue;
      in_flight = true;
      if (one->several) continue;  // the operation's next call ends it
      // It stays linked while we hold the lock.
      if (one->of_select != nullptr) {
        detail::waiter* const who = one->of_select->tell(result<short>(status::closed, EBADF));
        if (who != nullptr) detail::wake(*who, detail::try_again);
      } else if (one->claim()) {
        detail::wake(*one->who, status::closed);
      }
    }
    if (!in_flight) {
      its_->kind.store(descriptor_kind::unknown, std::memory_order_relaxed);
      return;
    }
    (void)detail::wait_in_until(its_->closers, its_->lock, &fd, detail::until_woken, "io close");
  }
}

closing::~closing() {
  if (its_ != nullptr) its_->lock.unlock();
}

operation::operation(int fd) noexcept {
  if (fd < 0 || sched::current_worker() == nullptr) return;
  its_ = slot_of(fd);
  if (its_ == nullptr) return;  // its calls will not find memory either
  link_.fd = fd;
  link_.several = true;
  const std::scoped_lock guard(its_->lock);
  refused_ = its_->is_closing(fd);
  if (!refused_) its_->link(link_);
}

operation::~operation() {
  if (its_ != nullptr) unlink_from(*its_, link_);
}

void other_end::link(int fd, detail::waiter& who, status& end) noexcept {
  slot* const its = slot_of(fd);
  if (its == nullptr) return;  // no memory: closing it then ends no wait either
  link_.emplace();
  link_->fd = fd;
  link_->who = &who;
  const std::scoped_lock guard(its->lock);
  if (its->is_closing(fd)) {
    end = status::closed;
    return;
  }
  its->link(*link_);
  its_ = its;
}

void other_end::unlink_and_settle() noexcept {
  leave();
  // The caller of close() wakes the waiter.
  if (!link_->claim()) (void)detail::park(*link_->who, "io close");
}

}  // namespace hilo::io
