// Look-ups of names. getaddrinfo(3) blocks, and nothing interrupts it; so where its caller may go
// first, somebody else makes the call, and hands the answer over through a oneshot, which outlives
// whichever of them goes last.
#include "hilo/net/name.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "hilo/blocking.hpp"
#include "hilo/detail/decision.hpp"
#include "hilo/detail/waiter.hpp"
#include "hilo/fiber.hpp"
#include "hilo/limit.hpp"
#include "hilo/oneshot.hpp"
#include "hilo/thread.hpp"

#include "runtime/io/call.hpp"
#include "runtime/io/net/option.hpp"
#include "runtime/io/without_signals.hpp"
#include "runtime/sched/worker.hpp"

namespace hilo::net {
namespace {

static_assert(EAI_NONAME < 0 && EAI_AGAIN < 0 && EAI_FAIL < 0, "they share an int with errno");

// Plug-ins of libc use more than a fiber has by default, and are loaded on this stack.
constexpr std::size_t stack_size = 1024 * 1024;

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
  wanted.ai_socktype = SOCK_STREAM;  // else each address comes once for each type
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

// Has somebody else ask, who sends the answer if it is still wanted.
void begin(std::string name, std::uint16_t port, oneshot_sender<answer> out) {
  if (sched::current_worker() != nullptr) {
    const spawn_options how{.name = "look-up", .stack_size = stack_size, .tls = hilo::tls::carrier};
    hilo::spawn(how, [name = std::move(name), port, out = std::move(out)]() mutable {
      (void)out.send(hilo::blocking([&] { return ask(name, port); }));
    }).detach();
  } else {
    const io::without_signals guard;
    thread({.name = "hilo-look-up"}, [name = std::move(name), port,
                                      out = std::move(out)]() mutable {
      (void)out.send(ask(name, port));
    }).detach();
  }
}

}  // namespace

answer look_up(std::string_view name, std::uint16_t port, io::until when) noexcept try {
  const bool bounded = when.ns() != detail::no_deadline || detail::current_waiter().limited();
  const detail::wait_limit limit(when.ns());
  const status reached = this_fiber::limit_reached();
  if (reached != status::ok) return io::refused<std::vector<address>>({0, reached});
  if (const std::optional<address> known = address::parse(name, port)) return std::vector{*known};
  if (name.empty() || name.find('\0') != name.npos) return failed<std::vector<address>>(EINVAL);
  if (sched::current_worker() == nullptr) {
    if (!bounded) return ask(std::string(name), port);
  } else if (detail::simulating()) [[unlikely]] {
    detail::refuse_simulated("I/O");
  }
  auto [out, in] = make_oneshot<answer>();
  begin(std::string(name), port, std::move(out));
  std::optional<answer> found;
  const status end = in.receive(found);
  if (end != status::ok) return io::refused<std::vector<address>>({0, end});
  return *std::move(found);
} catch (const std::system_error& error) {
  return failed<std::vector<address>>(error.code().value());
} catch (const std::bad_alloc&) {
  return failed<std::vector<address>>(ENOMEM);
}

}  // namespace hilo::net
