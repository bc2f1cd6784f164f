// net::serve: a server's loop.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/doctest.hpp"
#include "tests/io/drivers.hpp"

namespace {

using namespace std::chrono_literals;
using hilo::result;
using hilo::status;
using hilo::net::address;
using hilo::net::serve;
using hilo::net::tcp_listener;
using hilo::net::tcp_stream;
using hilo::test::on_each_driver;

constexpr auto serve_patience = 100s;  // of what comes

const auto give_back = [](tcp_stream peer) {
  char buffer[4096];
  while (auto got = peer.read(buffer, sizeof buffer)) {
    if (*got == 0 || !peer.write_all(buffer, *got)) break;
  }
};

tcp_stream client_of(const tcp_listener& to) {
  return tcp_stream::connect(to.local().value(), serve_patience).value();
}

// Whether the peer gives back what it gets.
bool gives_back(tcp_stream& peer) {
  char byte = 'e';
  return peer.write_all(&byte, 1) && peer.read_exactly(&byte, 1, serve_patience) && byte == 'e';
}

// Whether the peer has ended the connection.
bool was_ended(tcp_stream& peer) {
  char byte = 0;
  const auto got = peer.read(&byte, 1, serve_patience);
  return got ? *got == 0 : got.status() == status::failed;
}

}  // namespace

TEST_CASE("serve: gives each connection to a fiber, and returns ok after a stop") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::stop_source stop;
    auto server =
        hilo::spawn([&] { return serve(listener, give_back, {.stop = stop.get_token()}); });
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(client_of(listener));
    for (tcp_stream& one : clients) CHECK(gives_back(one));
    stop.request_stop();
    clients.clear();
    CHECK(server.join().status() == status::ok);
  });
}

TEST_CASE("serve: serves no more connections at the same time than it may") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::stop_source stop;
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::atomic<int> all{0};
    const auto handler = [&](tcp_stream peer) {
      const int mine = now.fetch_add(1, std::memory_order_relaxed) + 1;
      for (int seen = most.load(std::memory_order_relaxed);
           seen < mine && !most.compare_exchange_weak(seen, mine, std::memory_order_relaxed);) {
      }
      give_back(std::move(peer));
      now.fetch_sub(1, std::memory_order_relaxed);
      all.fetch_add(1, std::memory_order_relaxed);
    };
    auto server = hilo::spawn(
        [&] { return serve(listener, handler, {.connections = 3, .stop = stop.get_token()}); });
    {
      hilo::scope<> clients;
      for (int i = 0; i < 30; ++i) {
        CHECK(clients.spawn([&] {
          auto peer = client_of(listener);
          CHECK(gives_back(peer));
        }) == status::ok);
      }
      clients.join();
    }
    stop.request_stop();
    CHECK(server.join().status() == status::ok);
    CHECK(all.load(std::memory_order_relaxed) == 30);
    CHECK(most.load(std::memory_order_relaxed) <= 3);
  });
}

TEST_CASE("serve: a handler learns of the stop, and finishes what it has begun") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::stop_source stop;
    hilo::event begun;
    const auto handler = [&](tcp_stream peer, const std::stop_token& leave) {
      char byte = 0;
      CHECK(peer.read_exactly(&byte, 1, serve_patience));
      begun.set();
      CHECK(hilo::with_stop(leave, [] { return hilo::sleep_for(1h); }) == status::cancelled);
      CHECK(hilo::sleep_for(1ms) == status::ok);
      CHECK(peer.write_all(&byte, 1));
    };
    auto server = hilo::spawn(
        [&] { return serve(listener, handler, {.stop = stop.get_token(), .grace = 1h}); });
    auto client = client_of(listener);
    CHECK(client.write_all("x"));
    begun.wait();
    stop.request_stop();
    char byte = 0;
    CHECK(client.read_exactly(&byte, 1, serve_patience));
    CHECK(server.join().status() == status::ok);
  });
}

TEST_CASE("serve: serves the connections that the kernel had accepted when the stop came") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(client_of(listener));
      CHECK(clients.back().write_all("x"));
      CHECK(clients.back().end_writing());
    }
    std::stop_source stop;
    stop.request_stop();
    CHECK(serve(listener, give_back, {.stop = stop.get_token()}).status() == status::ok);
    for (tcp_stream& one : clients) {
      char byte = 0;
      CHECK(one.read_exactly(&byte, 1, serve_patience));
      CHECK(byte == 'x');
    }
  });
}

TEST_CASE("serve: a stop ends it also while clients keep coming") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    const address at = listener.local().value();
    std::stop_source stop;
    std::atomic<int> served{0};
    const auto handler = [&](const tcp_stream&) { served.fetch_add(1, std::memory_order_relaxed); };
    auto server = hilo::spawn([&] { return serve(listener, handler, {.stop = stop.get_token()}); });
    auto clients = hilo::spawn([&] {
      while (tcp_stream::connect(at, serve_patience)) {
      }
    });
    while (served.load(std::memory_order_relaxed) < 20) hilo::yield();
    stop.request_stop();
    CHECK(server.join().status() == status::ok);
    CHECK(listener.close());
    clients.join();
  });
}

TEST_CASE("serve: ends the waits of handlers after the grace time, or when its caller is stopped") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::stop_source stop;
    auto server = hilo::spawn(
        [&] { return serve(listener, give_back, {.stop = stop.get_token(), .grace = 1ms}); });
    auto client = client_of(listener);
    CHECK(gives_back(client));
    stop.request_stop();
    CHECK(server.join().status() == status::ok);
    CHECK(was_ended(client));

    auto stopped = hilo::spawn([&] { return serve(listener, give_back, {.grace = 1h}); });
    client = client_of(listener);
    CHECK(gives_back(client));
    stopped.request_stop();
    CHECK(stopped.join().status() == status::cancelled);
    CHECK(was_ended(client));

    const auto late = hilo::with_timeout(2ms, [&] { return serve(listener, give_back); });
    CHECK(late.status() == status::timed_out);
    CHECK(late.error().value() == ETIMEDOUT);
  });
}

TEST_CASE("serve: says that the listener was closed") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    auto server = hilo::spawn([&] { return serve(listener, give_back); });
    auto client = client_of(listener);
    CHECK(gives_back(client));
    CHECK(listener.close());
    CHECK(gives_back(client));
    CHECK(client.end_writing());
    CHECK(server.join().status() == status::closed);
  });
}

TEST_CASE("serve: hands the exception of a handler to the callback, and serves on") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    std::stop_source stop;
    std::string said;
    const auto on_error = [&](const std::exception_ptr& error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::runtime_error& its) {
        said = its.what();
      }
    };
    const auto handler = [](tcp_stream peer) {
      char byte = 0;
      CHECK(peer.read_exactly(&byte, 1, serve_patience));
      if (byte == 'f') throw std::runtime_error("as it was told to");
      CHECK(peer.write_all(&byte, 1));
    };
    auto server = hilo::spawn(
        [&] { return serve(listener, handler, {.stop = stop.get_token(), .on_error = on_error}); });
    auto failed = client_of(listener);
    CHECK(failed.write_all("f"));
    CHECK(was_ended(failed));
    auto next = client_of(listener);
    CHECK(gives_back(next));
    stop.request_stop();
    CHECK(server.join().status() == status::ok);
    CHECK(said == "as it was told to");
  });
}

TEST_CASE("serve: rethrows what the callback throws, and ends the other connections") {
  on_each_driver([] {
    tcp_listener listener(address::loopback(0));
    const auto handler = [](tcp_stream peer) {
      char byte = 0;
      if (peer.read_exactly(&byte, 1) && byte == 'f') throw std::runtime_error("gone");
    };
    auto server = hilo::spawn([&] {
      return serve(listener, handler, {.on_error = [](const std::exception_ptr& error) {
                     std::rethrow_exception(error);
                   }});
    });
    auto other = client_of(listener);
    auto failing = client_of(listener);
    CHECK(failing.write_all("f"));
    CHECK_THROWS_WITH_AS((void)server.join(), "gone", std::runtime_error);
    CHECK(was_ended(other));
  });
}

TEST_CASE("serve: serves Unix sockets too, and refuses a stack that all fibers would share") {
  on_each_driver([] {
    hilo::net::unix_listener listener((hilo::net::unix_address()));
    std::stop_source stop;
    const auto handler = [&](hilo::net::unix_stream peer) {
      CHECK(peer.write_all("hello"));
      stop.request_stop();
    };
    auto server = hilo::spawn([&] { return serve(listener, handler, {.stop = stop.get_token()}); });
    auto client = hilo::net::unix_stream::connect(listener.local().value(), serve_patience).value();
    char got[5];
    CHECK(client.read_exactly(got, sizeof got, serve_patience));
    CHECK(server.join().status() == status::ok);

    std::vector<std::byte> stack(64 * 1024);
    const hilo::net::serve_options shared{.fibers = {.stack = stack}};
    CHECK_THROWS_AS((void)serve(listener, handler, shared), std::system_error);
  });
}
