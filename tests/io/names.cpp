#include "tests/io/names.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include <netdb.h>

#include "hilo/fiber.hpp"
#include "hilo/net/address.hpp"

#include "tests/doctest.hpp"

extern "C" {
int __real_getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**);
void __real_freeaddrinfo(addrinfo*);
}

namespace hilo::test {
namespace {

std::mutex guard;
std::vector<scripted_name*> all;

char made_here[] = "";  // the canonical name of an answer that is ours to free

struct entry {
  addrinfo info{};
  net::address its;
};

scripted_name* begin_look_up(const char* name) {
  const std::scoped_lock lock(guard);
  for (scripted_name* const one : all) {
    if (one->name != name) continue;
    one->asked.fetch_add(1, std::memory_order_relaxed);
    return one;
  }
  return nullptr;
}

addrinfo* list_of(const std::vector<std::string>& addresses, const char* port) {
  addrinfo* first = nullptr;
  for (auto text = addresses.rbegin(); text != addresses.rend(); ++text) {
    auto* const one = new entry;
    one->its = net::address::parse(*text, static_cast<std::uint16_t>(std::stoi(port))).value();
    one->info.ai_family = one->its.family();
    one->info.ai_addr = const_cast<sockaddr*>(one->its.data());
    one->info.ai_addrlen = one->its.size();
    one->info.ai_canonname = made_here;
    one->info.ai_next = first;
    first = &one->info;
  }
  return first;
}

}  // namespace

scripted_name::scripted_name(std::string its, std::vector<std::string> answer, bool hold)
    : name(std::move(its)), addresses(std::move(answer)), held(hold) {
  const std::scoped_lock lock(guard);
  all.push_back(this);
}

scripted_name::scripted_name(std::string its, int what) : name(std::move(its)), error(what) {
  const std::scoped_lock lock(guard);
  all.push_back(this);
}

scripted_name::~scripted_name() {
  held.store(false, std::memory_order_release);
  held.notify_all();
  {
    const std::scoped_lock lock(guard);
    all.erase(std::find(all.begin(), all.end(), this));
  }
  while (answered.load(std::memory_order_acquire) != asked.load(std::memory_order_relaxed)) {
    hilo::yield();
  }
}

void scripted_name::until_asked(int times) const {
  while (asked.load(std::memory_order_relaxed) < times) hilo::yield();
}

}  // namespace hilo::test

using hilo::test::scripted_name;

extern "C" int __wrap_getaddrinfo(const char* name, const char* port, const addrinfo* hints,
                                  addrinfo** list) {
  scripted_name* const one = hilo::test::begin_look_up(name);
  if (one == nullptr) return __real_getaddrinfo(name, port, hints, list);
  one->held.wait(true, std::memory_order_acquire);
  const int error = one->error;
  if (error == 0) *list = hilo::test::list_of(one->addresses, port);
  one->answered.fetch_add(1, std::memory_order_release);  // from here on it may be gone
  return error;
}

extern "C" void __wrap_freeaddrinfo(addrinfo* list) {
  if (list == nullptr || list->ai_canonname != hilo::test::made_here) {
    return __real_freeaddrinfo(list);
  }
  while (list != nullptr) {
    addrinfo* const next = list->ai_next;
    delete reinterpret_cast<hilo::test::entry*>(list);
    list = next;
  }
}
