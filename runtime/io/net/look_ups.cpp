#include "runtime/io/net/look_ups.hpp"

#include <memory>
#include <mutex>

#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"

namespace hilo::net {
namespace {

// Not a hilo::semaphore: this type has no destructor, because a look-up may outlive static objects.
struct permits {
  detail::spin_lock lock;
  unsigned left = most_look_ups;  // guarded by lock; 0 while a caller waits
  detail::wait_list waiting;      // guarded by lock
};
constinit permits all;

}  // namespace

look_up_permit::look_up_permit(status& end) noexcept {
  all.lock.lock();
  if (all.left == 0) {
    end = detail::wait_in(all.waiting, all.lock, nullptr, "look-up: all its threads are in use");
    held_ = end == status::ok;  // handed over
    return;
  }
  --all.left;
  all.lock.unlock();
  held_ = true;
}

look_up_permit::~look_up_permit() {
  if (!held_) return;
  detail::wait_node* next = nullptr;
  {
    const std::scoped_lock guard(all.lock);
    next = all.waiting.pop();
    if (next == nullptr) ++all.left;
  }
  if (next != nullptr) detail::wake(*next->owner, status::ok);
}

void forget_look_ups() noexcept {
  std::construct_at(&all);
}

}  // namespace hilo::net
