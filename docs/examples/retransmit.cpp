// Questions and answers over UDP, where any datagram may be lost: who asks waits for the answer no
// longer than a while, and asks again. This server loses the first copy of every question.
#include <array>
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
using hilo::net::udp_socket;

void serve(udp_socket& socket) {
  std::set<std::string, std::less<>> heard;
  std::array<char, 64> buffer{};
  while (auto got = socket.receive_from(buffer.data(), buffer.size())) {
    if (got->truncated()) continue;
    const std::string_view question(buffer.data(), got->size);
    if (heard.emplace(question).second) continue;
    const std::string answer = std::to_string(question.size()) + " bytes";
    (void)socket.send_to(answer.data(), answer.size(), got->from);
  }
}

void ask(const hilo::net::address& server, std::string_view question) {
  udp_socket socket = std::move(udp_socket::connect(server).value());
  std::array<char, 64> buffer{};
  for (int tries = 1;; ++tries) {
    socket.send(question.data(), question.size()).value();
    const auto got = socket.receive(buffer.data(), buffer.size(), 100ms);
    if (got.status() == hilo::status::timed_out) continue;
    const std::string answer(buffer.data(), got->size);
    std::printf("%s, at try %s\n", answer.c_str(), tries > 1 ? "2 or later" : "1");
    return;
  }
}

}  // namespace

int main() {
  hilo::run([] {
    udp_socket socket(hilo::net::address::loopback(0));
    const auto address = socket.local().value();
    hilo::fiber<void> server = hilo::spawn([&] { serve(socket); });
    for (const char* question : {"how long is this", "and this"}) ask(address, question);
    socket.close().value();  // ends receive_from with closed, and with it the server
  });
}
