// MPI in fibers: a fiber waits for a message by parking. Part of libhilo-mpi, which is built where
// there is an MPI (docs/mpi.md).
//
//   hilo::run([] {
//     const hilo::mpi::session mpi;
//     int number = mpi.rank();
//     MPI_Bcast(&number, 1, MPI_INT, 0, MPI_COMM_WORLD);  // parks
//
//     MPI_Request answer;
//     MPI_Irecv(&number, 1, MPI_INT, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &answer);
//     if (hilo::mpi::wait_for(answer, 1s) == hilo::status::timed_out) {
//       if (hilo::mpi::cancel_receive(answer) == hilo::status::ok) use(number);  // it came at last
//     }
//   });
//
// MPI's own blocking calls (MPI_Recv, MPI_Bcast, MPI_Wait and the others that docs/mpi.md lists)
// park by themselves if a fiber makes them; in a kernel thread they block. They keep MPI's
// contract: no stop request and no limit ends them. The waits below can be ended.
//
// A request is waited for in one place at a time, as MPI has it. Nothing here is callable in a
// simulation (hilo/simulate.hpp): then the process aborts with a message, because a seed cannot
// repeat what other processes do.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

// Without the C++ bindings that MPI 3 removed.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include "hilo/detail/api.hpp"
#include "hilo/detail/deadline.hpp"
#include "hilo/detail/mpi_pending.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/status.hpp"

namespace hilo::mpi {

// MPI from its initialisation to its end. One at a time in a process, on the stack of main() or of
// the first fiber.
class session {
 public:
  // Initialises MPI with MPI_THREAD_MULTIPLE. If MPI is initialised already, uses it, and leaves
  // its end to the code that initialised it. If MPI grants less than MPI_THREAD_MULTIPLE, each call
  // that this library replaces takes one lock, and a line on standard error says so; if MPI grants
  // less than MPI_THREAD_SERIALIZED, these calls must also come from the one kernel thread that
  // initialised MPI, so make the session in a fiber of a runtime with one carrier, whose
  // stuck_after is 0.
  // Never parks, but blocks its kernel thread for as long as the ranks take to start.
  // Errors: std::logic_error if there is a session, or if MPI was ended before;
  // std::runtime_error if MPI does not start.
  HILO_API session();

  // Ends MPI if this session initialised it: all ranks must do so. No fiber may wait for a request
  // any more, else it aborts with a message.
  HILO_API ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  // This process's number among those that were started together, and how many these are: of
  // MPI_COMM_WORLD.
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }

  // The thread level that MPI grants: MPI_THREAD_MULTIPLE, or less.
  [[nodiscard]] int thread_level() const noexcept { return thread_level_; }

 private:
  int rank_ = 0;
  int size_ = 0;
  int thread_level_ = 0;
  bool ends_mpi_ = false;
};

namespace detail {

// The time of a wait: as the deadlines in hilo/detail/deadline.hpp.
HILO_API status wait_until_ns(MPI_Request& request, MPI_Status* about, std::int64_t deadline);
HILO_API status wait_all_until_ns(std::span<MPI_Request> requests, MPI_Status* about,
                                  std::int64_t deadline);
HILO_API status wait_any_until_ns(std::span<MPI_Request> requests, int& index, MPI_Status* about,
                                  std::int64_t deadline);

}  // namespace detail

// Waits until the operation of a request is complete, as MPI_Wait (MPI 4.0, 3.7.3): the request
// becomes MPI_REQUEST_NULL or, if it is persistent, inactive. Returns ok; failed if the operation
// ended with an error, whose code is then in about->MPI_ERROR, and MPI's error handler was called;
// cancelled or timed_out if a stop request or a limit came first (hilo/limit.hpp). The request is
// then as before, and its buffer still belongs to MPI: wait again, or call cancel_receive().
// Parks: until then. Callable from: any fiber or thread. Ordering: what the sender did before it
// sent is not ordered by hilo but by MPI.
[[nodiscard]] inline status wait(MPI_Request& request, MPI_Status* about = MPI_STATUS_IGNORE) {
  return detail::wait_until_ns(request, about, hilo::detail::no_deadline);
}
template <class R, class P>
[[nodiscard]] status wait_for(MPI_Request& request, std::chrono::duration<R, P> patience,
                              MPI_Status* about = MPI_STATUS_IGNORE) {
  return detail::wait_until_ns(request, about, hilo::detail::deadline_after(patience));
}
template <class C, class D>
[[nodiscard]] status wait_until(MPI_Request& request, std::chrono::time_point<C, D> when,
                                MPI_Status* about = MPI_STATUS_IGNORE) {
  return hilo::detail::wait_until_time(
      when, [&](std::int64_t deadline) { return detail::wait_until_ns(request, about, deadline); });
}

// The same for several requests, until all are complete. `about` is MPI_STATUSES_IGNORE, or has a
// place for each. Unless it returns ok, the requests that are not complete are as before; of those
// that are, `about` has the status, and they are MPI_REQUEST_NULL or inactive.
[[nodiscard]] inline status wait_all(std::span<MPI_Request> requests,
                                     MPI_Status* about = MPI_STATUSES_IGNORE) {
  return detail::wait_all_until_ns(requests, about, hilo::detail::no_deadline);
}
template <class R, class P>
[[nodiscard]] status wait_all_for(std::span<MPI_Request> requests,
                                  std::chrono::duration<R, P> patience,
                                  MPI_Status* about = MPI_STATUSES_IGNORE) {
  return detail::wait_all_until_ns(requests, about, hilo::detail::deadline_after(patience));
}
template <class C, class D>
[[nodiscard]] status wait_all_until(std::span<MPI_Request> requests,
                                    std::chrono::time_point<C, D> when,
                                    MPI_Status* about = MPI_STATUSES_IGNORE) {
  return hilo::detail::wait_until_time(when, [&](std::int64_t deadline) {
    return detail::wait_all_until_ns(requests, about, deadline);
  });
}

// The same until one of the requests is complete: `index` is then its number. All others are as
// before. If all are MPI_REQUEST_NULL or inactive, returns ok, and `index` is MPI_UNDEFINED.
[[nodiscard]] inline status wait_any(std::span<MPI_Request> requests, int& index,
                                     MPI_Status* about = MPI_STATUS_IGNORE) {
  return detail::wait_any_until_ns(requests, index, about, hilo::detail::no_deadline);
}
template <class R, class P>
[[nodiscard]] status wait_any_for(std::span<MPI_Request> requests, int& index,
                                  std::chrono::duration<R, P> patience,
                                  MPI_Status* about = MPI_STATUS_IGNORE) {
  return detail::wait_any_until_ns(requests, index, about, hilo::detail::deadline_after(patience));
}
template <class C, class D>
[[nodiscard]] status wait_any_until(std::span<MPI_Request> requests, int& index,
                                    std::chrono::time_point<C, D> when,
                                    MPI_Status* about = MPI_STATUS_IGNORE) {
  return hilo::detail::wait_until_time(when, [&](std::int64_t deadline) {
    return detail::wait_any_until_ns(requests, index, about, deadline);
  });
}

// As wait(), without waiting: would_block if the operation is not complete. Never parks; a
// would_block counts (docs/fibers.md), so a loop that asks lets other fibers run.
[[nodiscard]] HILO_API status test(MPI_Request& request, MPI_Status* about = MPI_STATUS_IGNORE);

// Gives up a receive that a wait left behind (MPI_Cancel). Afterwards the request is
// MPI_REQUEST_NULL and the buffer belongs to the caller again. Returns ok if a message had come
// meanwhile: it is in the buffer, and `about` describes it. Returns cancelled if not: the next
// receive gets the message. So no message is lost, and none is received twice; with Open MPI this
// does not hold while another kernel thread waits inside MPI (docs/mpi.md).
// Only for receives: MPI cannot take back a send, whose request must be waited for until the
// receiver has taken the message.
// Parks: until MPI has answered, which is soon; no stop request and no limit ends it. Callable
// from: any fiber or thread.
[[nodiscard]] HILO_API status cancel_receive(MPI_Request& request,
                                             MPI_Status* about = MPI_STATUS_IGNORE);

namespace detail {

class HILO_API done_case final : public hilo::detail::select_case {
 public:
  done_case(MPI_Request& request, MPI_Status* about, bool enabled) noexcept;

  hilo::detail::spin_lock* lock() noexcept override { return &wait_.lock; }
  status attempt(hilo::detail::partner& other) override;
  hilo::detail::wait_list* list() noexcept override { return &wait_.waiters; }
  void prepare() noexcept override;
  void dispose() noexcept override;

 private:
  static bool is_done(pending& one);

  pending wait_;
  bool begun_ = false;  // the progress fiber looks at the request
};

}  // namespace detail

// A case of select: ready when the operation of the request is complete. If it is taken, the
// request is completed as by wait(); an error of MPI's is in about->MPI_ERROR, and the selection's
// `end` is then failed. While the case is not taken, the request is as before.
// Only for a select in a fiber; in a kernel thread a select that has to wait aborts with a message.
inline auto done_of(MPI_Request& request, MPI_Status* about = MPI_STATUS_IGNORE,
                    bool enabled = true) noexcept {
  return detail::done_case(request, about, enabled);
}

}  // namespace hilo::mpi
