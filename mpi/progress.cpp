#include "mpi/progress.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <new>

#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"

#include "mpi/turn.hpp"
#include "mpi/wait.hpp"

namespace hilo::mpi::detail {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Two ranks that answer each other must not nap in turns for ever. So a nap is short beside the
// time without a completion, and busy_time is longer than the shortest nap, which the kernel makes
// 60 us (prctl(2), PR_SET_TIMERSLACK): each answer then comes sooner than the one before, until
// both sides find it before they nap. Measured: without this, 1.4 ms a message instead of 0.35 us.
constexpr std::int64_t busy_time = nanoseconds(microseconds(200)).count();
constexpr std::int64_t naps_in_silence = 8;
constexpr std::int64_t shortest_nap = nanoseconds(microseconds(20)).count();
constexpr std::int64_t longest_nap = nanoseconds(milliseconds(2)).count();
constexpr std::int64_t most_share = 50;     // looks take at most a 50th of the time
constexpr std::int64_t others_time = 1000;  // a yield that takes so long let others run

}  // namespace

progress& progress::of_process() noexcept {
  alignas(progress) static std::byte place[sizeof(progress)];
  static progress* const one = new (place) progress;
  return *one;
}

void progress::give(order& one) noexcept {
  one.next = orders_.load(std::memory_order_relaxed);
  while (!orders_.compare_exchange_weak(one.next, &one, std::memory_order_seq_cst,  // (G1)
                                        std::memory_order_relaxed)) {
  }
  std::uint32_t seen = state_.load(std::memory_order_seq_cst);  // (G2)
  while (seen != awake) {
    const bool sleeps = seen == napping;
    if (!state_.compare_exchange_weak(seen, awake, std::memory_order_seq_cst,
                                      std::memory_order_seq_cst)) {
      continue;
    }
    if (sleeps) {
      bell_.set();
    } else {
      start();
    }
    return;
  }
}

void progress::start() noexcept {
  try {
    hilo::spawn({.name = "mpi"}, [this] { run(); }).detach();
  } catch (const std::exception&) {
    // No memory for a fiber. The waiter does its work, for all waits, before it parks itself.
    hilo::shielded([this] { run(); });
  }
}

void progress::run() noexcept {
  while (true) {
    const bool asked = carry_out_orders();
    if (entries_.empty() && questions_ == nullptr) {
      state_.store(absent, std::memory_order_seq_cst);                 // (G3)
      if (orders_.load(std::memory_order_seq_cst) == nullptr) return;  // (G4)
      std::uint32_t seen = absent;
      if (!state_.compare_exchange_strong(seen, awake, std::memory_order_seq_cst,
                                          std::memory_order_seq_cst)) {
        return;  // a waiter has started another fiber
      }
      continue;
    }
    const std::int64_t begun = hilo::detail::monotonic_now();
    const bool found = look();
    if (asked || found) last_event_ = begun;
    pause(begun);
  }
}

// In the order in which they were given: a wait joins before it leaves.
bool progress::carry_out_orders() noexcept {
  order* newest = orders_.exchange(nullptr, std::memory_order_seq_cst);  // (G5)
  if (newest == nullptr) return false;
  order* oldest = nullptr;
  while (newest != nullptr) {
    order* const after = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = after;
  }
  while (oldest != nullptr) {
    const order now = *oldest;  // its frame may be gone afterwards
    oldest = now.next;
    if (now.leaves) {
      remove(*now.whose);
      now.whose->set_left();
    } else {
      add(*now.whose);
    }
  }
  return true;
}

void progress::add(pending& one) noexcept {
  one.remaining = 0;
  if (one.look == nullptr && !make_room(one.requests.size())) one.look = ask_all;
  if (one.look != nullptr) {
    one.previous = nullptr;
    one.next = questions_;
    if (questions_ != nullptr) questions_->previous = &one;
    questions_ = &one;
    one.remaining = 1;
    return;
  }
  for (std::uint32_t i = 0; i < one.requests.size(); ++i) {
    if (one.places[i] == pending::is_complete) continue;
    one.places[i] = static_cast<std::uint32_t>(entries_.size());
    handles_.push_back(one.requests[i]);
    entries_.push_back({&one, i});
    ++one.remaining;
  }
  if (one.remaining == 0) one.set_over();
}

// Whether the table can take so many requests more.
bool progress::make_room(std::size_t more) noexcept {
  const std::size_t wanted = entries_.size() + more;
  if (wanted <= done_.size()) return true;
  const std::size_t size = std::max(wanted, 2 * done_.size());
  try {
    handles_.reserve(size);
    entries_.reserve(size);
    statuses_.resize(size);
    done_.resize(size);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void progress::remove(pending& one) noexcept {
  if (one.remaining == 0) return;  // it is over, and was removed then
  if (one.look != nullptr) {
    (one.previous != nullptr ? one.previous->next : questions_) = one.next;
    if (one.next != nullptr) one.next->previous = one.previous;
  } else {
    for (std::uint32_t i = 0; i < one.requests.size(); ++i) {
      if (one.places[i] != pending::is_complete) remove_at(one.places[i]);
    }
  }
  one.remaining = 0;
}

// The last entry takes the place.
void progress::remove_at(std::uint32_t place) noexcept {
  if (place + 1 != entries_.size()) {
    handles_[place] = handles_.back();
    entries_[place] = entries_.back();
    entries_[place].whose->places[entries_[place].number] = place;
  }
  handles_.pop_back();
  entries_.pop_back();
}

bool progress::look() noexcept {
  const bool in_table = !entries_.empty() && look_at_table();
  const bool asked = questions_ != nullptr && look_at_questions();
  return in_table || asked;
}

bool progress::look_at_table() noexcept {
  const auto count = static_cast<int>(handles_.size());
  int found = 0;
  int outcome = MPI_SUCCESS;
  {
    const turn mine;
    outcome = PMPI_Testsome(count, handles_.data(), &found, done_.data(), statuses_.data());
  }
  if (outcome != MPI_SUCCESS && outcome != MPI_ERR_IN_STATUS) {
    // The call itself failed, and MPI's error handler was called: all waits end with its error.
    for (found = 0; found < count; ++found) {
      done_[found] = found;
      statuses_[found] = MPI_Status{};
      statuses_[found].MPI_ERROR = outcome;
    }
  }
  if (found == MPI_UNDEFINED || found == 0) return false;
  pending* over = nullptr;
  for (int i = 0; i < found; ++i) {
    if (outcome == MPI_SUCCESS) statuses_[i].MPI_ERROR = MPI_SUCCESS;
    note(entries_[done_[i]], handles_[done_[i]], statuses_[i], over);
  }
  // From the last place on, so that the entry that takes a free place is not done itself.
  std::sort(done_.begin(), done_.begin() + found, std::greater<>());
  for (int i = 0; i < found; ++i) remove_at(static_cast<std::uint32_t>(done_[i]));
  while (over != nullptr) {
    pending& one = *over;
    over = one.next;
    one.set_over();
  }
  return true;
}

// A request is complete. A wait that is over is put before the others.
void progress::note(const entry& which, MPI_Request now, const MPI_Status& about,
                    pending*& over) noexcept {
  pending& one = *which.whose;
  one.requests[which.number] = now;
  one.places[which.number] = pending::is_complete;
  if (one.about != MPI_STATUSES_IGNORE) one.about[which.number] = about;
  if (one.error == MPI_SUCCESS) one.error = about.MPI_ERROR;
  if (--one.remaining != 0) return;
  one.next = over;
  over = &one;
}

bool progress::look_at_questions() noexcept {
  bool found = false;
  for (pending* one = questions_; one != nullptr;) {
    pending* const after = one->next;
    bool is_over = false;
    {
      const turn mine;
      is_over = one->look(*one);
    }
    if (is_over) {
      remove(*one);
      one->set_over();
      found = true;
    }
    one = after;
  }
  return found;
}

// After a look that began then.
void progress::pause(std::int64_t begun) noexcept {
  const std::int64_t silence = begun - last_event_;
  const std::int64_t looked = hilo::detail::monotonic_now();
  const std::int64_t cost = looked - begun;
  hilo::yield();
  if (silence < busy_time) return;
  // Where other fibers use the carrier, a look between their turns costs little, and no nap is
  // needed to give up the CPU.
  if (hilo::detail::monotonic_now() - looked > others_time + most_share * cost) return;
  const std::int64_t longest = std::max(longest_nap, most_share * cost);
  const std::int64_t nap = std::clamp(silence / naps_in_silence, shortest_nap, longest);
  state_.store(napping, std::memory_order_seq_cst);          // (G3)
  if (orders_.load(std::memory_order_seq_cst) == nullptr) {  // (G4)
    (void)bell_.wait_for(nanoseconds(nap));
  }
  state_.store(awake, std::memory_order_seq_cst);
}

}  // namespace hilo::mpi::detail
