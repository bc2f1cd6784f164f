// Ends without a channel: each call of each kind of end is a message and an abort, and not a crash.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hilo/hilo.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

using namespace std::chrono_literals;

namespace {

struct call {
  const char* name;
  std::function<void()> make;
};

// Both ways to an empty end are tried: the default constructor, and a move.
template <class End, class F>
void check_each(const char* kind, End made, F calls) {
  const End taken = std::move(made);
  CHECK(static_cast<bool>(taken));
  for (const bool moved_from : {false, true}) {
    End fresh;
    End& empty = moved_from ? made : fresh;
    CHECK_FALSE(static_cast<bool>(empty));
    for (const call& one : calls(empty)) {
      const auto end = hilo::test::run_in_child(one.make);
      CAPTURE(one.name);
      CAPTURE(end.describe());
      CHECK(end.aborted_with(std::string("hilo: ") + one.name + " on an empty " + kind));
    }
  }
}

}  // namespace

TEST_CASE("empty ends: each call on a sender says so and aborts") {
  using sender = hilo::sender<int>;
  check_each("sender", sender(hilo::make_channel<int>().out), [](sender& out) {
    return std::vector<call>{
        {"send", [&] { (void)out.send(1); }},
        {"try_send", [&] { (void)out.try_send(1); }},
        {"send_for", [&] { (void)out.send_for(1, 1s); }},
        {"send_until", [&] { (void)out.send_until(1, std::chrono::steady_clock::now()); }},
        {"send_all",
         [&] {
           int values[] = {1};
           std::size_t sent = 0;
           (void)out.send_all(values, sent);
         }},
        {"close", [&] { out.close(); }},
        {"size", [&] { (void)out.size(); }},
        {"closed", [&] { (void)out.closed(); }},
        {"capacity", [&] { (void)out.capacity(); }},
        {"send_to", [&] { (void)hilo::select{hilo::send_to(out, 1)}; }},
        {"send_to",
         [&] {
           (void)hilo::select{hilo::send_to(out, 1), hilo::otherwise};
         }},
    };
  });
}

TEST_CASE("empty ends: each call on a receiver says so and aborts") {
  using receiver = hilo::receiver<int>;
  check_each("receiver", receiver(hilo::make_channel<int>().in), [](receiver& in) {
    static std::optional<int> got;
    return std::vector<call>{
        {"receive", [&] { (void)in.receive(); }},
        {"receive", [&] { (void)in.receive(got); }},
        {"try_receive", [&] { (void)in.try_receive(got); }},
        {"receive_for", [&] { (void)in.receive_for(got, 1s); }},
        {"receive_until", [&] { (void)in.receive_until(got, std::chrono::steady_clock::now()); }},
        {"receive_some",
         [&] {
           std::vector<int> some;
           (void)in.receive_some(some, 1);
         }},
        {"begin", [&] { (void)in.begin(); }},
        {"size", [&] { (void)in.size(); }},
        {"closed", [&] { (void)in.closed(); }},
        {"capacity", [&] { (void)in.capacity(); }},
        {"receive_from", [&] { (void)hilo::select{hilo::receive_from(in, got)}; }},
    };
  });
}

TEST_CASE("empty ends: each call on the receiver of a oneshot says so and aborts") {
  using receiver = hilo::oneshot_receiver<int>;
  check_each("oneshot_receiver", hilo::make_oneshot<int>().in, [](receiver& in) {
    static std::optional<int> got;
    return std::vector<call>{
        {"receive", [&] { (void)in.receive(); }},
        {"receive", [&] { (void)in.receive(got); }},
        {"try_receive", [&] { (void)in.try_receive(got); }},
        {"receive_for", [&] { (void)in.receive_for(got, 1s); }},
        {"receive_until", [&] { (void)in.receive_until(got, std::chrono::steady_clock::now()); }},
        {"receive_from", [&] { (void)hilo::select{hilo::receive_from(in, got)}; }},
    };
  });
}

TEST_CASE(
    "empty ends: a oneshot's sender that is empty or used up refuses, and says it is closed") {
  hilo::oneshot_sender<int> out;
  CHECK(out.closed());
  CHECK(out.send(1) == hilo::status::closed);
  CHECK(out.fail(std::make_exception_ptr(1)) == hilo::status::closed);
}

TEST_CASE("empty ends: each call on the ends of a watch says so and aborts") {
  using sender = hilo::watch_sender<int>;
  using receiver = hilo::watch_receiver<int>;
  check_each("watch_sender", hilo::make_watch(0).out, [](sender& out) {
    return std::vector<call>{
        {"send", [&] { (void)out.send(1); }},
        {"send_replace", [&] { (void)out.send_replace(1); }},
        {"borrow", [&] { (void)out.borrow(); }},
        {"subscribe", [&] { (void)out.subscribe(); }},
        {"count_receivers", [&] { (void)out.count_receivers(); }},
    };
  });
  check_each("watch_receiver", hilo::make_watch(0).in, [](receiver& in) {
    return std::vector<call>{
        {"borrow", [&] { (void)in.borrow(); }},
        {"borrow_and_update", [&] { (void)in.borrow_and_update(); }},
        {"has_changed", [&] { (void)in.has_changed(); }},
        {"changed", [&] { (void)in.changed(); }},
        {"changed_for", [&] { (void)in.changed_for(1s); }},
        {"changed_until", [&] { (void)in.changed_until(std::chrono::steady_clock::now()); }},
        {"wait", [&] { (void)in.wait([](int) { return true; }); }},
        {"closed", [&] { (void)in.closed(); }},
        {"changed_of", [&] { (void)hilo::select{hilo::changed_of(in)}; }},
    };
  });
}

TEST_CASE("empty ends: each call on the ends of a broadcast says so and aborts") {
  using sender = hilo::broadcast_sender<int>;
  using receiver = hilo::broadcast_receiver<int>;
  check_each("broadcast_sender", hilo::make_broadcast<int>(1).out, [](sender& out) {
    return std::vector<call>{
        {"send", [&] { (void)out.send(1); }},
        {"subscribe", [&] { (void)out.subscribe(); }},
        {"count_receivers", [&] { (void)out.count_receivers(); }},
    };
  });
  check_each("broadcast_receiver", hilo::make_broadcast<int>(1).in, [](receiver& in) {
    static std::shared_ptr<const int> got;
    return std::vector<call>{
        {"receive", [&] { (void)in.receive(); }},
        {"receive", [&] { (void)in.receive(got); }},
        {"try_receive", [&] { (void)in.try_receive(got); }},
        {"receive_for", [&] { (void)in.receive_for(got, 1s); }},
        {"receive_until", [&] { (void)in.receive_until(got, std::chrono::steady_clock::now()); }},
        {"size", [&] { (void)in.size(); }},
        {"closed", [&] { (void)in.closed(); }},
        {"resubscribe", [&] { (void)in.resubscribe(); }},
        {"begin", [&] { (void)in.begin(); }},
        {"receive_from", [&] { (void)hilo::select{hilo::receive_from(in, got)}; }},
    };
  });
}

TEST_CASE("empty ends: a case of select that is not enabled may have one") {
  hilo::run([] {
    const hilo::sender<int> out;
    const hilo::receiver<int> in;
    hilo::oneshot_receiver<int> answer;
    hilo::watch_receiver<int> setting;
    hilo::broadcast_receiver<int> news;
    std::optional<int> number;
    std::shared_ptr<const int> message;
    const hilo::selection which =
        hilo::select{hilo::send_to(out, 1, static_cast<bool>(out)),
                     hilo::receive_from(in, number, static_cast<bool>(in)),
                     hilo::receive_from(answer, number, static_cast<bool>(answer)),
                     hilo::changed_of(setting, static_cast<bool>(setting)),
                     hilo::receive_from(news, message, static_cast<bool>(news)),
                     hilo::after(1ms)};
    CHECK(which.index == 5);
  });
}
