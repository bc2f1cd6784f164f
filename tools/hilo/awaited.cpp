// What a waiting fiber waits for. The runtime records only the wait list and the reason; the reason
// tells the kind of object that contains the list.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "runtime/sched/fibers/fiber.hpp"
#include "tools/hilo/picture.hpp"

namespace hilo::command {
namespace {

class finder {
 public:
  finder(target& where, const picture& all) : from_(where.bytes()), all_(all) {
    for (std::uint32_t i = 0; i < all.fibers.size(); ++i) {
      const fiber_view& one = all.fibers[i];
      if (one.join >= sched::join_word::waiters) joined_[one.join] = one.at;
      if (one.join == sched::join_word::watched) watched_.push_back(one.at);
    }
    std::sort(watched_.begin(), watched_.end());
  }

  awaited find(const fiber_view& one) {
    const std::string& reason = all_.reason_of(one);
    const layout& at = all_.runtimes[one.runtime].hilo->at;
    if (reason == "join") return find_joined(one, at);
    if (reason == "io") return find_call(one, at);
    if (reason == "sleep") return find_time(one, at);
    if (one.list == 0 || !one.linked || reason == "select") return {};
    const auto [found, is_new] = lists_.try_emplace(one.list);
    if (is_new) found->second = find_object(one.list, reason, at);
    return found->second;
  }

 private:
  using kind = awaited::kind;

  // Where the list of waiters lies in the object; 0 if that is not known.
  static std::uint32_t list_offset(const std::string& reason, const layout& at) {
    if (reason == "event") return at.event_waiters;
    if (reason == "auto_reset_event") return at.auto_reset_event_waiters;
    if (reason == "latch" || reason == "wait_group") return at.countdown_waiters;
    if (reason == "condition_variable") return at.condition_waiters;
    if (reason.starts_with("shared_mutex")) return at.shared_mutex_waiters;
    return 0;
  }

  bool is_control_block(address at) const {
    for (const runtime_view& runtime : all_.runtimes) {
      for (const pool_view& pool : runtime.pools) {
        if (at >= pool.base && at < pool.base + pool.built.size() * 64 * pool.stride) return true;
      }
    }
    return false;
  }

  awaited find_object(address list, const std::string& reason, const layout& at) {
    awaited its;
    its.what = kind::object;
    its.at = list - list_offset(reason, at);
    if (reason == "mutex") {
      its.what = kind::mutex;
      its.at = list - at.mutex_waiters;
      // The lowest bit says that fibers wait.
      its.holder = from_.value<address>(its.at + at.mutex_holder) & ~address{1};
      if (its.holder != 0 && all_.fiber_at(its.holder) == nullptr) {
        its.by_ended = is_control_block(its.holder);
        its.by_thread = !its.by_ended;
      }
    } else if (reason == "channel send" || reason == "channel receive") {
      its.what = kind::channel;
      its.at = list - (reason == "channel send" ? at.channel_senders : at.channel_receivers);
      its.count = from_.value<std::uint64_t>(its.at + at.channel_count);
      its.capacity = from_.value<std::uint64_t>(its.at + at.channel_capacity);
      its.closed = from_.value<std::uint8_t>(its.at + at.channel_closed) != 0;
    } else if (reason == "semaphore") {
      its.what = kind::semaphore;
      its.at = list - at.semaphore_waiters;
      its.count = from_.value<std::uint64_t>(its.at + at.semaphore_count);
    }
    return its;
  }

  // The joined fiber knows the joiner. If several wait for its end, their list is in its control
  // block.
  awaited find_joined(const fiber_view& one, const layout& at) const {
    awaited its;
    const auto found = joined_.find(one.waiter);
    if (found != joined_.end()) {
      its.holder = found->second;
    } else {
      const auto next = std::upper_bound(watched_.begin(), watched_.end(), one.list);
      if (next == watched_.begin() || one.list >= *(next - 1) + at.fiber_bytes) return its;
      its.holder = *(next - 1);
    }
    its.what = kind::fiber;
    its.at = its.holder;
    return its;
  }

  awaited find_call(const fiber_view& one, const layout& at) const {
    awaited its;
    if (one.slot == 0) return its;
    const auto what = from_.get<std::uint8_t>(one.slot + at.request_what);
    if (!what) return its;
    its.what = kind::descriptor;
    its.call = *what;
    its.count = static_cast<std::uint64_t>(from_.value<int>(one.slot + at.request_fd));
    return its;
  }

  awaited find_time(const fiber_view& one, const layout& at) {
    if (wheels_read_ <= one.runtime) read_wheels(at);
    awaited its;
    const auto found = times_.find(one.waiter);
    if (found == times_.end()) return its;
    its.what = kind::time;
    its.until = found->second;
    return its;
  }

  // A sleeper's timer lies in a frame of the sleeper, and only the wheel leads to it.
  void read_wheels(const layout& at) {
    for (; wheels_read_ < all_.runtimes.size(); ++wheels_read_) {
      const runtime_view& runtime = all_.runtimes[wheels_read_];
      address wheel = from_.value<address>(runtime.at + at.runtime_wheels);
      for (unsigned i = 0; i < std::min(runtime.carriers, 1024U); ++i, wheel += sizeof wheel) {
        read_wheel(from_.value<address>(wheel), at);
      }
    }
  }

  void read_wheel(address wheel, const layout& at) {
    std::vector<address> slots(at.wheel_slot_count);
    if (!from_.read(wheel + at.wheel_slots, slots.data(), slots.size() * sizeof slots[0])) return;
    constexpr unsigned longest = 1 << 20;  // a list that changes may lead in a circle
    for (address chunk : slots) {
      for (unsigned i = 0; chunk != 0 && i < longest; ++i) {
        read_chunk(chunk, at);
        chunk = from_.value<address>(chunk + at.chunk_next);
      }
    }
  }

  void read_chunk(address chunk, const layout& at) {
    constexpr std::uint32_t most = 64;
    const auto count = std::min(from_.value<std::uint32_t>(chunk + at.chunk_count), most);
    std::vector<std::byte> cells(std::size_t{count} * at.cell_bytes);
    if (!from_.read(chunk + at.chunk_cells, cells.data(), cells.size())) return;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::byte* const cell = cells.data() + std::size_t{i} * at.cell_bytes;
      address timer = 0;
      address waiter = 0;
      std::uint64_t expiry = 0;
      std::memcpy(&timer, cell + at.cell_timer, sizeof timer);
      std::memcpy(&waiter, cell + at.cell_waiter, sizeof waiter);
      std::memcpy(&expiry, cell + at.cell_expiry, sizeof expiry);
      // A timer in the control block is the fiber's alarm, which outlives the wait it was set for.
      const address block = waiter - at.fiber_waiter;
      if (timer >= block && timer < block + at.fiber_bytes) continue;
      times_[waiter] = static_cast<std::int64_t>(expiry << at.wheel_tick_shift);
    }
  }

  memory& from_;
  const picture& all_;
  std::unordered_map<address, address> joined_;  // from the joiner's waiter to the joined fiber
  std::vector<address> watched_;                 // fibers for whose end several may wait
  std::unordered_map<address, awaited> lists_;
  std::unordered_map<address, std::int64_t> times_;  // of sleepers, by waiter
  std::size_t wheels_read_ = 0;                      // runtimes
};

}  // namespace

void find_awaited(target& where, picture& all) {
  finder finds(where, all);
  for (fiber_view& one : all.fibers) {
    if (one.state == fiber_state::waiting) one.waits_for = finds.find(one);
  }
}

}  // namespace hilo::command
