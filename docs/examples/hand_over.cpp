// Connections that one server accepts and another serves: the first passes their descriptors over a
// Unix socket, as to a worker process or to the server's own successor.
#include <array>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <string>
#include <utility>

namespace {

using hilo::io::descriptor;
using hilo::net::tcp_stream;
using hilo::net::unix_address;
using hilo::net::unix_stream;

// Takes connections, each with a greeting for it, until the front has no more.
void work(unix_stream front) {
  while (true) {
    std::array<char, 64> greeting{};
    std::array<descriptor, 1> passed;
    const auto got = front.read_with(greeting.data(), greeting.size(), passed);
    if (!got || got->size == 0) return;
    tcp_stream client(passed[0].release());
    (void)client.write_all(greeting.data(), got->size);
  }
}

}  // namespace

int main() {
  hilo::run([] {
    hilo::net::unix_listener door{unix_address()};  // a name that the kernel chooses
    hilo::fiber<void> worker = hilo::spawn(
        [at = door.local().value()] { work(std::move(unix_stream::connect(at).value())); });
    unix_stream to_worker = std::move(door.accept().value());

    hilo::net::tcp_listener listener(hilo::net::address::loopback(0));
    for (const char* const name : {"ada", "grace"}) {
      tcp_stream client = std::move(tcp_stream::connect(listener.local().value()).value());
      {
        const tcp_stream served = std::move(listener.accept().value());
        const std::string greeting = std::string("hello, ") + name + "\n";
        to_worker.write_with(greeting.data(), greeting.size(), std::array{served.fd()}).value();
      }  // closed here; the worker has its own copy
      hilo::net::line_reader lines(client);
      std::printf("%s\n", std::string(lines.next().value()).c_str());
    }
  });
}
