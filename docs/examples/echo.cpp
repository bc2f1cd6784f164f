// An echo server and its clients in one program. Each connection has a fiber that reads and writes
// as if it blocked; closing the listener ends accept, and with it the server.
#include <cstdio>
#include <hilo/hilo.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace {

void serve(hilo::net::tcp_stream stream) {
  hilo::net::line_reader lines(stream);
  while (auto line = lines.next(std::chrono::seconds(30))) {
    const std::string answer = std::string(*line) + "!\n";
    if (!stream.write_all(answer.data(), answer.size())) return;
  }
}

std::string ask(const hilo::net::address& server, std::string_view question) {
  auto stream = std::move(hilo::net::tcp_stream::connect(server).value());
  stream.write_all(question.data(), question.size()).value();
  stream.end_writing().value();
  hilo::net::line_reader answers(stream);
  return std::string(answers.next().value());
}

}  // namespace

int main() {
  hilo::run([] {
    hilo::net::tcp_listener listener(hilo::net::address::loopback(0));
    const auto address = listener.local().value();
    hilo::fiber<int> server = hilo::spawn([&] {
      int served = 0;
      for (; auto peer = listener.accept(); ++served) hilo::spawn(serve, std::move(*peer)).detach();
      return served;
    });
    for (const char* question : {"hello\n", "are you there\n"}) {
      std::printf("%s\n", ask(address, question).c_str());
    }
    listener.close().value();
    std::printf("served %d connections\n", server.join());
  });
}
