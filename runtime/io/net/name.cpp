// Look-ups of names. getaddrinfo(3) blocks, and nothing interrupts it. If the caller may return
// before the answer, a kernel thread makes the call (look_ups.hpp). It hands the answer over
// through a oneshot, which outlives the caller and the thread. The thread may also outlive the
// caller's runtime. So a fiber of that runtime waits for the thread's end, and the runtime waits
// for that fiber.
#include "hilo/net/name.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/thread.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/net/look_ups.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/io/without_signals.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::net {
namespace {

static_assert(EAI_NONAME < 0 && EAI_AGAIN < 0 && EAI_FAIL < 0, "they share an int with errno");

using answer = result<std::vector<address>>;
using list_owner = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

int io_error_of(int error) noexcept {
  switch (error) {
    case EAI_SYSTEM:
      return errno != 0 ? errno : EAI_FAIL;
    case EAI_MEMORY:
      return ENOMEM;
    case EAI_AGAIN:
    case EAI_NONAME:
      return error;
#ifdef EAI_NODATA
    case EAI_NODATA:
      return EAI_NONAME;
#endif
    default:
      return EAI_FAIL;
  }
}

// Blocks.
answer ask(const std::string& name, std::uint16_t port) noexcept try {
  addrinfo wanted{};
  wanted.ai_flags = AI_NUMERICSERV;
  wanted.ai_socktype = SOCK_STREAM;  // otherwise each address comes once for each type
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(name.c_str(), std::to_string(port).c_str(), &wanted, &first);
  if (error != 0) return failed<std::vector<address>>(io_error_of(error));
  const list_owner owner(first, ::freeaddrinfo);
  std::vector<address> all;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    const address found(one->ai_addr, one->ai_addrlen);
    if (std::find(all.begin(), all.end(), found) == all.end()) all.push_back(found);
  }
  if (all.empty()) return failed<std::vector<address>>(EAI_NONAME);
  return all;
} catch (const std::bad_alloc&) {
  return failed<std::vector<address>>(ENOMEM);
}

// Keeps the runtime from ending until `over` has no sender.
void keep_runtime(oneshot_receiver<bool> over) {
  const spawn_options how{.name = "look-up", .tls = hilo::tls::carrier};
  hilo::spawn(how, [over = std::move(over)]() mutable {
    std::optional<bool> none;
    (void)shielded([&] { return over.receive(none); });
  }).detach();
}

// Starts a thread that asks. The thread sends the answer if it is still wanted.
void begin(std::string name, std::uint16_t port, look_up_permit permit,
           oneshot_sender<answer> out) {
  auto [over, ended] = make_oneshot<bool>();
  {
    const io::without_signals guard;
    thread({.name = "hilo-look-up"}, [name = std::move(name), port, permit = std::move(permit),
                                      out = std::move(out), over = std::move(over)]() mutable {
      (void)out.send(ask(name, port));
    }).detach();
  }
  if (sched::current_worker() != nullptr) keep_runtime(std::move(ended));
}

}  // namespace

answer look_up(std::string_view name, std::uint16_t port, io::until when) noexcept try {
  const bool bounded = when.ns() != detail::no_deadline || detail::current_waiter().limited();
  const detail::wait_limit limit(when.ns());
  const status reached = detail::limit_now();
  if (reached != status::ok) return io::refused<std::vector<address>>({0, reached});
  if (const std::optional<address> known = address::parse(name, port)) return std::vector{*known};
  if (name.empty() || name.find('\0') != name.npos) return failed<std::vector<address>>(EINVAL);
  if (sched::current_worker() == nullptr) {
    if (!bounded) return ask(std::string(name), port);
  } else if (detail::simulating()) [[unlikely]] {
    detail::refuse_simulated("I/O");
  }
  status end = status::ok;
  look_up_permit permit(end);
  if (end != status::ok) return io::refused<std::vector<address>>({0, end});
  auto [out, in] = make_oneshot<answer>();
  begin(std::string(name), port, std::move(permit), std::move(out));
  std::optional<answer> found;
  end = in.receive(found);
  if (end != status::ok) return io::refused<std::vector<address>>({0, end});
  return *std::move(found);
} catch (const std::system_error& error) {
  return failed<std::vector<address>>(error.code().value());
} catch (const std::bad_alloc&) {
  return failed<std::vector<address>>(ENOMEM);
}

}  // namespace hilo::net
