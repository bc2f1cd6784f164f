// Connects to the first of several addresses that answers (RFC 8305).
//
// An attempt needs no fiber: connect(2) on a socket in non-blocking mode goes on by itself. One
// select waits for all attempts that are under way, and for the time at which the next begins. So
// to give an attempt up, its socket is closed.
//
// The rest of RFC 8305 is not done: one getaddrinfo(3) asks for the addresses of both families and
// waits for both answers.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/limit.hpp"
#include "hilo/net/name.hpp"
#include "hilo/net/tcp.hpp"
#include "hilo/select.hpp"

#include "runtime/base/error.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/sched/current.hpp"

namespace hilo::net {
namespace {

// Section 5, Connection Attempt Delay: the recommended value.
constexpr std::int64_t attempt_delay = 250'000'000;  // ns

struct attempt {
  address to;
  socket its;               // while the attempt is under way
  result<short> ready = 0;  // what the select found
  int error = 0;            // how the attempt ended
};

// Section 4: the two families in turn, the family of the first address first. Within a family the
// order stays.
std::vector<attempt> in_turn(std::span<const address> all) {
  std::vector<attempt> ordered(all.size());
  std::size_t place[2] = {0, 0};  // of the first's family, of the other: the next to be put
  std::size_t count = 0;
  const auto find_next = [&](bool other) {
    std::size_t& at = place[other ? 1 : 0];
    while (at < all.size() && (all[at].family() != all[0].family()) != other) ++at;
    return at < all.size();
  };
  for (bool other = false; count < all.size(); other = !other) {
    if (find_next(other)) ordered[count++].to = all[place[other ? 1 : 0]++];
  }
  return ordered;
}

class attempts {
 public:
  explicit attempts(std::span<const address> to) : all_(in_turn(to)) {}

  // Parks: until an attempt has connected, all have failed, or a limit is reached.
  result<tcp_stream> run() {
    while (!connected_) {
      const status end = detail::limit_now();
      if (end != status::ok) return io::refused<tcp_stream>({0, end});
      if (begun_ < all_.size() && (under_way_ == 0 || detail::monotonic_now() >= next_at_)) {
        begin(all_[begun_++]);
      } else if (under_way_ == 0) {
        return failed<tcp_stream>(all_[0].error);
      } else {
        wait();
      }
    }
    return std::move(connected_);
  }

  std::string to_string() const {
    if (begun_ == 0) return "none";
    std::string text;
    for (std::size_t i = 0; i < begun_; ++i) {
      const attempt& one = all_[i];
      text += (i == 0 ? "" : ", ") + one.to.to_string() + " (" +
              (one.error != 0 ? base::errno_name(one.error) : "no answer") + ")";
    }
    return text;
  }

 private:
  void begin(attempt& one) {
    next_at_ = detail::monotonic_now() + attempt_delay;
    one.its =
        socket(::socket(one.to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    ++under_way_;
    if (!one.its) return end(one, errno);
    if (::connect(one.its.fd(), one.to.data(), one.to.size()) == 0) return end(one, 0);
    if (errno != EINPROGRESS && errno != EINTR) end(one, errno);
  }

  void end(attempt& one, int error) {
    --under_way_;
    one.error = error;
    if (error == 0) {
      // The same mode as a socket that was connected by one call.
      (void)::fcntl(one.its.fd(), F_SETFL, ::fcntl(one.its.fd(), F_GETFL) & ~O_NONBLOCK);
      connected_ = tcp_stream(one.its.release());
      (void)connected_.set_nodelay(true);
    } else {
      (void)one.its.close();
      next_at_ = 0;
    }
  }

  // Waits until an attempt has ended, or the next may begin. If several are connected, takes the
  // attempt that comes first in the order.
  void wait() {
    select_list events;
    std::vector<attempt*> whose;
    for (attempt& one : all_) {
      if (!one.its) continue;
      whose.push_back(&one);
      events.add([&] { return io::ready_of(one.its.fd(), POLLOUT, one.ready); });
    }
    if (begun_ < all_.size()) {
      using std::chrono::steady_clock;
      events.at(steady_clock::time_point(std::chrono::nanoseconds(next_at_)));
    }
    const selection first = events.wait_first();
    if (first >= whose.size()) return;
    attempt& one = *whose[first];
    int error = one.ready.error().value();
    socklen_t size = sizeof error;
    if (one.ready && ::getsockopt(one.its.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
    end(one, error);
  }

  std::vector<attempt> all_;
  std::size_t begun_ = 0;
  std::size_t under_way_ = 0;
  std::int64_t next_at_ = 0;  // when the next begins, even if others are under way
  tcp_stream connected_;
};

result<tcp_stream> connect_to_any(std::span<const address> to, const std::string& name,
                                  std::string* why) {
  if (to.empty()) {
    if (why != nullptr) *why = "hilo: cannot connect" + name + ": there is no address";
    return failed<tcp_stream>(EINVAL);
  }
  if (sched::current_worker() != nullptr && detail::simulating()) [[unlikely]]
    detail::refuse_simulated("I/O");
  attempts all(to);
  result<tcp_stream> connected = all.run();
  if (!connected && why != nullptr) {
    const char* const end = hilo::to_string(connected.status());
    *why = "hilo: cannot connect" + name + ": " + end + "; tried " + all.to_string();
  }
  return connected;
}

}  // namespace

result<tcp_stream> tcp_stream::connect(std::span<const address> to, io::until when,
                                       std::string* why) noexcept try {
  const detail::wait_limit limit(when.ns());
  return connect_to_any(to, "", why);
} catch (const std::bad_alloc&) {
  return failed<tcp_stream>(ENOMEM);
}

result<tcp_stream> tcp_stream::connect(std::string_view name, std::uint16_t port, io::until when,
                                       std::string* why) noexcept try {
  const detail::wait_limit limit(when.ns());
  const result<std::vector<address>> found = look_up(name, port);
  if (!found) {
    if (why != nullptr) {
      *why = "hilo: cannot connect to " + std::string(name) + ": its look-up: " +
             (found.status() == status::failed ? found.error().message()
                                               : hilo::to_string(found.status()));
    }
    return because<tcp_stream>(found);
  }
  return connect_to_any(*found, " to " + std::string(name), why);
} catch (const std::bad_alloc&) {
  return failed<tcp_stream>(ENOMEM);
}

}  // namespace hilo::net
