// The case of a select that waits for a descriptor. runtime/io/select_poll.hpp has the protocol.
#pragma once

#include <memory>
#include <optional>

#include "hilo/detail/api.hpp"
#include "hilo/detail/select_core.hpp"
#include "hilo/detail/spin_lock.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/result.hpp"

namespace hilo::io {
struct select_poll;
}

namespace hilo::detail {

class HILO_API ready_case final : public select_case {
 public:
  ready_case(int fd, short events, result<short>& ready, bool enabled) noexcept;
  ~ready_case() override;

  spin_lock* lock() noexcept override { return &lock_; }
  hilo::status attempt(partner&) override;
  wait_list* list() noexcept override { return &waiters_; }
  void renew() noexcept override;
  void prepare() noexcept override;
  void begin() noexcept override;
  void give_up() noexcept override;
  void dispose() noexcept override;

 private:
  friend io::select_poll;

  const int fd_;
  const short events_;
  result<short>& ready_;
  spin_lock lock_;
  // Guarded by lock_: the select's node or, while a request to the driver is in flight, the owner
  // that waits for its end.
  wait_list waiters_;
  std::optional<result<short>> found_;     // guarded by lock_: the event that woke the select
  std::unique_ptr<io::select_poll> poll_;  // while it waits
};

}  // namespace hilo::detail
