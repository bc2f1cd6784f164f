#include "mpi/wait.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "hilo/detail/deadline.hpp"
#include "hilo/fiber.hpp"
#include "hilo/mpi.hpp"

#include "mpi/any_wait.hpp"
#include "mpi/progress.hpp"
#include "mpi/turn.hpp"

namespace hilo::mpi::detail {

namespace waits = hilo::detail;

namespace {

// A fiber that waits alone asks so often by itself, some microseconds long: an answer that comes at
// once then needs no other fiber. Between looks other fibers may run.
constexpr int own_looks = 128;
constexpr int looks_in_a_row = 8;

// Naps of a kernel thread, which has no progress fiber.
constexpr std::int64_t first_nap_of_thread = 20'000;
constexpr std::int64_t longest_nap_of_thread = 1'000'000;

// relaxed: only one fiber may be the one, and nothing is published
std::atomic<bool> asks_alone{false};

bool ask(pending& one) noexcept {
  const turn mine;
  return one.look != nullptr ? one.look(one) : ask_all(one);
}

bool ask_often(pending& one) noexcept {
  if (!progress::of_process().idle() || asks_alone.exchange(true, std::memory_order_relaxed)) {
    return false;
  }
  bool over = false;
  for (int i = 0; i < own_looks && !over; ++i) {
    if (i % looks_in_a_row == 0) hilo::yield();
    over = ask(one);
  }
  asks_alone.store(false, std::memory_order_relaxed);
  return over;
}

status ask_in_thread(pending& one, std::int64_t deadline) noexcept {
  for (std::int64_t nap = first_nap_of_thread;; nap = std::min(2 * nap, longest_nap_of_thread)) {
    if (waits::is_only_woken(deadline)) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(nap));
    } else {
      const std::int64_t now = waits::monotonic_now();
      if (now >= deadline) return status::timed_out;
      const status end = waits::sleep_until_ns(std::min(deadline, now + nap));
      if (end != status::ok) return end;
    }
    if (ask(one)) return status::ok;
  }
}

}  // namespace

bool ask_all(pending& one) {
  bool all = true;
  for (std::size_t i = 0; i < one.requests.size(); ++i) {
    if (one.places[i] == pending::is_complete) continue;
    int done = 0;
    MPI_Status about;
    const int error = PMPI_Test(&one.requests[i], &done, &about);
    if (done == 0 && error == MPI_SUCCESS) {
      all = false;
      continue;
    }
    about.MPI_ERROR = error;
    if (one.about != MPI_STATUSES_IGNORE) one.about[i] = about;
    if (one.error == MPI_SUCCESS) one.error = error;
    one.places[i] = pending::is_complete;
  }
  return all;
}

outcome settle(const char* call, pending& one, std::int64_t deadline) noexcept {
  status end = status::ok;
  if (ask(one)) {
    waits::count_eager();
  } else if (!in_fiber(call)) {
    end = ask_in_thread(one, deadline);
  } else if (!ask_often(one)) {
    one.begin();
    end = one.sit_out(deadline);
  }
  if (end == status::ok && one.error != MPI_SUCCESS) end = status::failed;
  return {end, one.error};
}

outcome settle_all(const char* call, std::span<MPI_Request> requests, MPI_Status* about,
                   std::int64_t deadline) {
  pending one(requests, about);
  std::unique_ptr<std::uint32_t[]> places;
  if (requests.size() > 1) {
    places = std::make_unique<std::uint32_t[]>(requests.size());
    one.places = places.get();
  }
  return settle(call, one, deadline);
}

status wait_until_ns(MPI_Request& request, MPI_Status* about, std::int64_t deadline) {
  return settle_all("mpi::wait", {&request, 1}, about, deadline).end;
}

status wait_all_until_ns(std::span<MPI_Request> requests, MPI_Status* about,
                         std::int64_t deadline) {
  return settle_all("mpi::wait_all", requests, about, deadline).end;
}

status wait_any_until_ns(std::span<MPI_Request> requests, int& index, MPI_Status* about,
                         std::int64_t deadline) {
  any_wait one(requests, about);
  const outcome how = settle("mpi::wait_any", one, deadline);
  index = one.index;
  return how.end;
}

done_case::done_case(MPI_Request& request, MPI_Status* about, bool enabled) noexcept
    : select_case(enabled), wait_({&request, 1}, about, is_done) {}

// Leaves the request as it is: another case may be taken.
bool done_case::is_done(pending& one) {
  int done = 0;
  return PMPI_Request_get_status(one.requests[0], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS ||
         done != 0;
}

// While the progress fiber looks at the request, nobody else does.
status done_case::attempt(waits::partner&) {
  if (begun_ && !wait_.over) return status::would_block;
  const turn mine;
  int done = 0;
  MPI_Status about;
  const int error = PMPI_Test(wait_.requests.data(), &done, &about);
  if (done == 0 && error == MPI_SUCCESS) return status::would_block;
  about.MPI_ERROR = error;
  if (wait_.about != MPI_STATUS_IGNORE) *wait_.about = about;
  return error == MPI_SUCCESS ? status::ok : status::failed;
}

void done_case::prepare() noexcept {
  constexpr const char* call = "a select with mpi::done_of";
  if (!in_fiber(call)) refuse_thread(call);
  wait_.renew();
  begun_ = true;
  wait_.begin();
}

void done_case::dispose() noexcept {
  if (!begun_) return;
  (void)wait_.end();
  begun_ = false;
}

}  // namespace hilo::mpi::detail

namespace hilo::mpi {

status test(MPI_Request& request, MPI_Status* about) {
  detail::pending one({&request, 1}, about);
  const detail::turn mine;
  if (!detail::ask_all(one)) {
    hilo::detail::count_eager();
    return status::would_block;
  }
  return one.error == MPI_SUCCESS ? status::ok : status::failed;
}

status cancel_receive(MPI_Request& request, MPI_Status* about) {
  MPI_Status own;
  if (about == MPI_STATUS_IGNORE) about = &own;
  if (request != MPI_REQUEST_NULL) {
    const detail::turn mine(detail::turn::alone);
    if (PMPI_Cancel(&request) != MPI_SUCCESS) return status::failed;
  }
  const detail::outcome how =
      detail::settle_all("mpi::cancel_receive", {&request, 1}, about, hilo::detail::until_woken);
  int cancelled = 0;
  PMPI_Test_cancelled(about, &cancelled);
  return cancelled != 0 ? status::cancelled : how.end;
}

}  // namespace hilo::mpi
