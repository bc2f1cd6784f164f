// The constant answer over hilo's streams: a fiber a connection, on one carrier. HILO_IO chooses
// the driver.
#include "hilo/hilo.hpp"

#include <array>
#include <utility>

#include "bench/servers/answer.hpp"

namespace {

void serve(hilo::net::tcp_stream stream) {
  std::array<char, bench::request_room> request;
  while (const auto got = stream.read(request.data(), request.size())) {
    if (*got == 0 || !stream.write_all(bench::answer.data(), bench::answer.size())) break;
  }
}

}  // namespace

int main() {
  hilo::run([] {
    hilo::net::tcp_listener listener(hilo::net::address::loopback(0), {.backlog = bench::backlog});
    bench::announce(listener.local().value().port());
    while (auto peer = listener.accept()) hilo::spawn(serve, std::move(*peer)).detach();
  });
}
