// A fiber that waits for MPI, as the progress fiber sees it (mpi/progress.hpp).
//
// The waiter has it in its frame and hands it over by an order. From then on only the progress
// fiber touches the requests, until it says over, or until it has carried out the order to leave.
#pragma once

#include <cstdint>
#include <span>

#include <mpi.h>

#include "hilo/detail/api.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/status.hpp"

namespace hilo::mpi::detail {

struct pending;

// In the list of orders, newest first: written by the waiter before it publishes the order.
struct order {
  order* next = nullptr;
  pending* whose = nullptr;
  bool leaves = false;
};

struct pending {
  // Asks MPI whether the wait is over. Called by the progress fiber.
  using question = bool (*)(pending&);

  pending(std::span<MPI_Request> its_requests, MPI_Status* its_about,
          question its_look = nullptr) noexcept
      : requests(its_requests), about(its_about), look(its_look) {
    join.whose = leave.whose = this;
    leave.leaves = true;
  }
  pending(const pending&) = delete;
  pending& operator=(const pending&) = delete;

  // Hands it to the progress fiber. Once, or again after renew().
  void begin() noexcept;
  // Waits until it is over or `deadline` has come (hilo/detail/deadline.hpp). Unless this returns
  // ok, the progress fiber has forgotten it.
  status sit_out(std::int64_t deadline) noexcept;
  // Takes it back: afterwards the progress fiber has forgotten it. True: it was over before.
  bool end() noexcept;
  bool is_over() noexcept;

  // For a case of a select that waits again.
  void renew() noexcept {
    over = left = false;
    in_front = 0;
  }

  // For the progress fiber.
  void set_over() noexcept { tell(over); }
  void set_left() noexcept { tell(left); }

  const std::span<MPI_Request> requests;
  MPI_Status* const about;  // a place for each request, or MPI_STATUSES_IGNORE
  question look;            // null: over when all requests are complete

  // Of each request: where it is in the table of the progress fiber, or is_complete.
  static constexpr std::uint32_t is_complete = UINT32_MAX;
  std::uint32_t* places = &in_front;
  std::uint32_t in_front = 0;   // for one request
  std::uint32_t remaining = 0;  // requests in the table; 1 for a question
  pending* next = nullptr;      // among those that have a question
  pending* previous = nullptr;  // likewise
  int error = MPI_SUCCESS;      // of the first request that failed

  hilo::detail::sync_lock lock;
  hilo::detail::wait_list waiters;  // guarded by lock: the waiter
  bool over = false;                // guarded by lock
  bool left = false;                // guarded by lock: the order to leave is carried out

  order join;
  order leave;

 private:
  // The last access: the waiter may be gone when the lock is free.
  void tell(bool& what) noexcept;
};

}  // namespace hilo::mpi::detail
