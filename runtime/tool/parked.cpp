#include "runtime/tool/parked.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string_view>

#include <poll.h>
#include <unistd.h>

#include "hilo/detail/channel_core.hpp"

#include "runtime/base/code_address.hpp"
#include "runtime/tool/root.hpp"

namespace hilo::tool {
namespace {

using sched::join_word::waiters;

std::uintptr_t number(const void* pointer) noexcept {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

std::uint32_t offset_of(field_number which) noexcept {
  return hilo_root.table[static_cast<std::size_t>(which)].value;
}

// A field of an object of which only a part is known. The field may be private, and its class
// needs to know nothing of reports.
template <class T>
T field_of(std::uintptr_t object, field_number which) noexcept {
  T value;
  std::memcpy(&value, reinterpret_cast<const char*>(object) + offset_of(which), sizeof value);
  return value;
}

// The same of a word that others may change meanwhile.
std::uintptr_t word_of(std::uintptr_t object, field_number which) noexcept {
  auto* const word = reinterpret_cast<std::uintptr_t*>(object + offset_of(which));
  return std::atomic_ref(*word).load(std::memory_order_relaxed);
}

// The object that contains the list in which the fiber waits.
std::uintptr_t object_of(const fiber& one, field_number list) noexcept {
  return number(one.list) - offset_of(list);
}

std::string text_of(const char* format, std::uintptr_t object) {
  char text[64];
  std::snprintf(text, sizeof text, format, object);
  return text;
}

std::string describe_channel(const fiber& one, bool sends) {
  const auto at =
      object_of(one, sends ? field_number::channel_senders : field_number::channel_receivers);
  const auto capacity = field_of<std::size_t>(at, field_number::channel_capacity);
  std::string text = sends ? "waits to send into channel " : "waits to receive from channel ";
  text += text_of("%#zx", at) + " (" +
          std::to_string(field_of<std::size_t>(at, field_number::channel_count));
  return text + (capacity == detail::no_bound ? " values, unbounded)"
                                              : " of " + std::to_string(capacity) + " values)");
}

}  // namespace

std::string name_of(const fiber& one) {
  char text[64];
  sched::describe_fiber(one, text, sizeof text);
  return text;
}

std::string call_site(const void* return_address) {
  char text[600];
  // The return address of the call, minus one, lies in the call instruction.
  base::format_code_address(static_cast<const char*>(return_address) - 1, text, sizeof text);
  return text;
}

std::string spawn_site_of(const fiber& one) {
  return call_site(one.spawned_at);
}

void write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
      (void)::poll(&room, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      return;
    }
  }
}

const char* reason_of(const fiber& one) noexcept {
  return one.parked_on != nullptr ? one.parked_on : "";
}

population::population() {
  for_each_runtime([this](sched::scheduler& its) {
    its.for_each_built([this](const fiber& one) { add(one); });
  });
  sort();
}

population::population(slots_are_kept) {
  for_each_runtime(
      [this](sched::scheduler& its) { its.for_each_kept([this](const fiber& one) { add(one); }); });
  sort();
}

void population::add(const fiber& one) {
  const std::uintptr_t join = one.join.load(std::memory_order_acquire);
  (join == sched::join_word::ended ? ended_ : alive_).push_back(&one);
  if (join >= waiters) joined_.emplace_back(join, &one);
}

void population::sort() {
  std::sort(alive_.begin(), alive_.end(), std::less<>());
  std::sort(ended_.begin(), ended_.end(), std::less<>());
  std::sort(joined_.begin(), joined_.end());
}

const fiber* population::find(const void* block,
                              const std::vector<const fiber*>& where) const noexcept {
  const auto at = std::lower_bound(where.begin(), where.end(), block, std::less<const void*>());
  return at != where.end() && *at == block ? *at : nullptr;
}

const fiber* population::joined_by(const fiber& one) const noexcept {
  const std::pair wanted(number(static_cast<const detail::waiter*>(&one)),
                         static_cast<const fiber*>(nullptr));
  const auto at = std::lower_bound(joined_.begin(), joined_.end(), wanted);
  return at != joined_.end() && at->first == wanted.first ? at->second : nullptr;
}

bool population::is_parked(const fiber& one) const noexcept {
  return one.context.off_cpu() && still_waits(one);
}

bool population::still_waits(const fiber& one) const noexcept {
  if ((one.claimed.load(std::memory_order_acquire) & 1) != 0) return false;
  if (one.linked.load(std::memory_order_acquire)) return true;
  const fiber* const its = joined_by(one);
  return its != nullptr && its->join.load(std::memory_order_acquire) ==
                               number(static_cast<const detail::waiter*>(&one));
}

const fiber* population::awaited_by(const fiber& one) const noexcept {
  const std::string_view reason = reason_of(one);
  if (reason == "mutex") {
    const std::uintptr_t holder =
        word_of(object_of(one, field_number::mutex_waiters), field_number::mutex_holder);
    const void* const its = reinterpret_cast<const void*>(holder & ~std::uintptr_t{1});
    const fiber* const found = find(its, alive_);
    return found != nullptr ? found : find(its, ended_);
  }
  if (reason != "join") return nullptr;
  if (const fiber* const plain = joined_by(one)) return plain;
  // The list is in the control block of the fiber to be joined.
  const auto after = std::upper_bound(alive_.begin(), alive_.end(),
                                      static_cast<const void*>(one.list), std::less<const void*>());
  if (after == alive_.begin()) return nullptr;
  const fiber* const its = *(after - 1);
  return number(one.list) < number(its) + sizeof(fiber) ? its : nullptr;
}

std::string population::describe_wait(const fiber& one) const {
  const std::string_view reason = reason_of(one);
  const fiber* const other = awaited_by(one);
  if (reason == "join") return "waits for the end of " + (other ? name_of(*other) : "a fiber");
  if (reason == "channel send" || reason == "channel receive") {
    return describe_channel(one, reason == "channel send");
  }
  if (reason == "select") return "waits in a select";
  if (reason == "semaphore") {
    const auto at = object_of(one, field_number::semaphore_waiters);
    return text_of("waits for semaphore %#zx", at) + " (count " +
           std::to_string(field_of<std::size_t>(at, field_number::semaphore_count)) + ")";
  }
  if (reason != "mutex") {
    return "waits for " + std::string(reason) + text_of(" (list %#zx)", number(one.list));
  }
  std::string text =
      text_of("waits for mutex %#zx", object_of(one, field_number::mutex_waiters)) + ", held by ";
  if (other == nullptr) return text + "a kernel thread";
  text += name_of(*other);
  return find(other, alive_) != nullptr ? text : text + ", which has ended";
}

// Each fiber waits for at most one other. So a walk from fiber to fiber ends, or comes back to a
// fiber of the same walk.
std::vector<std::vector<const fiber*>> population::cycles(
    const std::function<const fiber*(const fiber&)>& awaited) const {
  std::vector<std::vector<const fiber*>> all;
  std::vector<std::size_t> walks(alive_.size(), 0);  // the walk that came there first
  for (std::size_t begin = 0; begin < alive_.size(); ++begin) {
    std::vector<const fiber*> path;
    const fiber* one = alive_[begin];
    while (one != nullptr && find(one, alive_) != nullptr) {
      const auto at = std::lower_bound(alive_.begin(), alive_.end(), one, std::less<>());
      std::size_t& walk = walks[static_cast<std::size_t>(at - alive_.begin())];
      if (walk == begin + 1) {
        all.emplace_back(std::find(path.begin(), path.end(), one), path.end());
        break;
      }
      if (walk != 0) break;
      walk = begin + 1;
      path.push_back(one);
      one = awaited(*one);
    }
  }
  return all;
}

}  // namespace hilo::tool
