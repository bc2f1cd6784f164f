// A token bucket: a request takes a token, a ticker puts one in every 2 ms, and what does not fit
// is lost. So three requests may come at once, and then one every 2 ms.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <hilo/hilo.hpp>

using namespace std::chrono_literals;

namespace {

struct token {};

class rate_limiter {
 public:
  rate_limiter(std::size_t burst, std::chrono::nanoseconds period)
      : tokens_(burst), refill_(period), refiller_(hilo::spawn([this] {
          while (refill_.wait() == hilo::status::ok) (void)tokens_.try_send(token{});
        })) {
    while (tokens_.try_send(token{}) == hilo::status::ok) {
    }
  }
  ~rate_limiter() { refill_.stop(); }
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;

  // Waits until a request is allowed.
  void admit() { (void)tokens_.receive(); }

 private:
  hilo::channel<token> tokens_;
  hilo::ticker refill_;
  hilo::fiber<void> refiller_;  // joined first
};

}  // namespace

int main() {
  hilo::run([] {
    const auto start = std::chrono::steady_clock::now();
    rate_limiter limit(3, 2ms);
    hilo::scope<> clients;
    for (int i = 0; i < 12; ++i) (void)clients.spawn([&] { limit.admit(); });
    clients.join();
    const bool kept = std::chrono::steady_clock::now() - start >= (12 - 3) * 2ms;
    std::printf("12 requests in no less than 18 ms: %s\n", kept ? "true" : "false");
  });
}
