// The end of a stack's slot holds the address of its control block, and the control block lies just
// below (runtime/sched/fibers/fiber.cpp). A small fiber's frames lie below that, in the same page.
// So one read of a page gets all of a small fiber, and some hundred of these reads are one system
// call.
//
// A process goes on while it is read. So some fields of a fiber are read a second time, after its
// frames. If they differ, the fiber has run meanwhile, and its frames are not used.
#include "tools/hilo/fibers.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/sched/fibers/fiber.hpp"
#include "tools/hilo/registers.hpp"

namespace hilo::command {
namespace {

constexpr std::size_t at_a_time = 512;
constexpr std::size_t page = 4096;
// What a control block's colour and alignment may add to its size: build_fiber().
constexpr std::size_t above_block = 16 * 64 + 256;
constexpr std::size_t most_frame_bytes = std::size_t{4} << 20;  // of one fiber

class fiber_reader {
 public:
  fiber_reader(target& where, const runtime_view& its, bool with_frames, const take_fiber& take)
      : from_(where.bytes()),
        still_(where.still()),
        its_(its),
        at_(its.hilo->at),
        with_frames_(with_frames),
        take_(take),
        tail_bytes_(with_frames ? std::max(page, at_.fiber_bytes + above_block)
                                : at_.fiber_bytes + above_block) {
    const auto ends = std::minmax(
        {at_.fiber_sp, at_.fiber_on_cpu, at_.fiber_id, at_.fiber_parked_on, at_.fiber_join});
    checked_from_ = ends.first;
    checked_bytes_ = ends.second + sizeof(address) - ends.first;
  }

  void read_pool(const pool_view& pool) {
    for (std::size_t word = 0; word < pool.built.size(); ++word) {
      for (std::uint64_t bits = pool.built[word]; bits != 0; bits &= bits - 1) {
        const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        candidate one;
        one.top = pool.base + (index + 1) * pool.stride;
        one.low = one.top - pool.stack_size;
        one.begin = one.top - tail_bytes_;
        one.bytes = tail_bytes_;
        add(one);
      }
    }
    finish();
  }

  void read_user_stacks() {
    for (const address at : its_.on_user_stacks) {
      candidate one;
      one.at = one.begin = at;
      one.bytes = at_.fiber_bytes;
      add(one);
    }
    finish();
  }

  std::size_t missing() const noexcept { return missing_; }

 private:
  struct candidate {
    address at = 0;  // of the control block; 0: the end of the slot tells
    address begin = 0;
    std::size_t bytes = 0;
    address top = 0;
    address low = 0;
    const std::byte* copy = nullptr;   // from begin
    const std::byte* block = nullptr;  // the control block in it
    fiber_view view{};
    std::vector<std::byte> deep;  // frames, if they are not in the copy
    frames_copy frames{};
  };

  void add(const candidate& one) {
    batch_.push_back(one);
    if (batch_.size() == at_a_time) finish();
  }

  void finish() {
    read_blocks();
    std::erase_if(batch_, [&](candidate& one) {
      const bool found = find_block(one);
      if (!found) ++missing_;
      return !found || !parse(one);
    });
    if (with_frames_) read_deep_frames();
    if (!still_) check_again();
    for (candidate& one : batch_) take_(one.view, one.frames);
    batch_.clear();
  }

  void read_blocks() {
    buffer_.resize(batch_.size() * tail_bytes_);
    pieces_.clear();
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      pieces_.push_back({batch_[i].begin, &buffer_[i * tail_bytes_], batch_[i].bytes});
    }
    from_.read(pieces_);
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      batch_[i].copy = pieces_[i].there ? &buffer_[i * tail_bytes_] : nullptr;
    }
  }

  bool find_block(candidate& one) const {
    if (one.copy == nullptr) return false;
    if (one.at == 0) {
      std::memcpy(&one.at, one.copy + one.bytes - sizeof one.at, sizeof one.at);
      if (one.at < one.begin || one.at > one.top - at_.fiber_bytes) return false;
    }
    one.block = one.copy + (one.at - one.begin);
    return true;
  }

  template <class T>
  static T value(const candidate& one, std::uint32_t offset) {
    T value;
    std::memcpy(&value, one.block + offset, sizeof value);
    return value;
  }
  static bool flag(const candidate& one, std::uint32_t offset) {
    return value<std::uint8_t>(one, offset) != 0;
  }

  // False: no fiber lives there.
  bool parse(candidate& one) const {
    fiber_view& view = one.view;
    view.join = value<address>(one, at_.fiber_join);
    if (view.join == sched::join_word::ended) return false;
    if (one.top == 0) {
      one.top = value<address>(one, at_.fiber_top);
      one.low = one.top - value<std::uint64_t>(one, at_.fiber_user_bytes);
    }
    view.at = one.at;
    view.waiter = one.at + at_.fiber_waiter;
    view.top = one.top;
    view.low = one.low;
    view.id = value<std::uint64_t>(one, at_.fiber_id);
    view.spawned_at = value<address>(one, at_.fiber_spawned_at);
    view.parked_on = value<address>(one, at_.fiber_parked_on);
    view.parked_at = value<std::uint32_t>(one, at_.fiber_parked_at);
    view.list = value<address>(one, at_.fiber_list);
    view.slot = value<address>(one, at_.fiber_slot);
    view.carrier = value<address>(one, at_.fiber_carrier);
    view.sp = value<address>(one, at_.fiber_sp);
    view.deadline = value<std::int64_t>(one, at_.fiber_deadline);
    view.on_cpu = value<std::uint32_t>(one, at_.fiber_on_cpu) != 0;
    view.started = flag(one, at_.fiber_started);
    view.linked = flag(one, at_.fiber_linked);
    view.stop_requested = flag(one, at_.fiber_stop_requested);
    view.owns_tls = (value<std::uint8_t>(one, at_.fiber_keeps) & sched::keeps::thread_block) != 0;
    const std::size_t room = std::min<std::size_t>(view.name.size(), at_.fiber_name_room);
    std::memcpy(view.name.data(), one.block + at_.fiber_name, room);
    const address work = value<address>(one, at_.fiber_work);
    if (!view.started && work != 0) view.invoke = word(one, work + at_.task_invoke);
    if (!with_frames_ || view.on_cpu) return true;
    one.frames = {.sp = view.sp, .low = one.low, .top = one.top, .bytes = {}};
    if (view.sp < one.low || view.sp >= one.at) {
      view.changed = true;
    } else if (view.sp >= one.begin) {
      one.frames.bytes = {one.copy + (view.sp - one.begin), one.block};
    }
    return true;
  }

  // A word near the control block.
  address word(const candidate& one, address at) const {
    address value = 0;
    if (at >= one.begin && at + sizeof value <= one.begin + one.bytes) {
      std::memcpy(&value, one.copy + (at - one.begin), sizeof value);
      return value;
    }
    return from_.value<address>(at);
  }

  void read_deep_frames() {
    pieces_.clear();
    for (candidate& one : batch_) {
      if (one.view.on_cpu || one.view.changed || !one.frames.bytes.empty()) continue;
      one.deep.resize(std::min<std::size_t>(one.at - one.view.sp, most_frame_bytes));
      one.frames.bytes = one.deep;
      pieces_.push_back({one.view.sp, one.deep.data(), one.deep.size()});
    }
    from_.read(pieces_);
    std::size_t next = 0;
    for (candidate& one : batch_) {
      if (one.deep.empty()) continue;
      if (!pieces_[next++].there) one.view.changed = true;
    }
  }

  void check_again() {
    buffer_again_.resize(batch_.size() * checked_bytes_);
    pieces_.clear();
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      pieces_.push_back(
          {batch_[i].at + checked_from_, &buffer_again_[i * checked_bytes_], checked_bytes_});
    }
    from_.read(pieces_);
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      candidate& one = batch_[i];
      if (!pieces_[i].there ||
          std::memcmp(one.block + checked_from_, &buffer_again_[i * checked_bytes_],
                      checked_bytes_) != 0) {
        one.view.changed = true;
        one.frames.bytes = {};
      }
    }
  }

  memory& from_;
  const bool still_;
  const runtime_view& its_;
  const layout& at_;
  const bool with_frames_;
  const take_fiber& take_;
  const std::size_t tail_bytes_;
  std::size_t checked_from_ = 0;
  std::size_t checked_bytes_ = 0;
  std::size_t missing_ = 0;
  std::vector<candidate> batch_;
  std::vector<piece> pieces_;
  std::vector<std::byte> buffer_, buffer_again_;
};

}  // namespace

const char* to_string(fiber_state one) noexcept {
  switch (one) {
    case fiber_state::fresh:
      return "not started";
    case fiber_state::runnable:
      return "runnable";
    case fiber_state::running:
      return "running";
    case fiber_state::blocking:
      return "blocking";
    case fiber_state::waiting:
      return "waiting";
    case fiber_state::moving:
      return "moving";
  }
  return "unknown";
}

std::size_t read_fibers(target& where, const runtime_view& its, bool with_frames,
                        const take_fiber& take) {
  fiber_reader reader(where, its, with_frames, take);
  for (const pool_view& pool : its.pools) reader.read_pool(pool);
  reader.read_user_stacks();
  return reader.missing();
}

}  // namespace hilo::command
