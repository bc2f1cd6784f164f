// A C library with callbacks, hiredis, driven by a fiber: many fibers ask over one connection, and
// each waits for its own answer. The server is a fiber, too. docs/foreign-libraries.md explains it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <hilo/hilo.hpp>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <hiredis/async.h>

namespace {

using words = std::vector<std::string>;

std::string text_of(const redisReply& reply) {
  return reply.type == REDIS_REPLY_NIL ? "nothing" : std::string(reply.str, reply.len);
}
// Frees it.
std::string text_of(void* reply) {
  const std::unique_ptr<void, decltype(&freeReplyObject)> its(reply, freeReplyObject);
  return reply == nullptr ? "no answer" : text_of(*static_cast<redisReply*>(reply));
}

// One fiber owns the library's context, and only it calls the library, which is not made for
// several threads. The library says which events it waits for; the fiber waits for them, and for
// questions, and tells the library what happened.
class redis {
 public:
  explicit redis(const hilo::net::address& server)
      : context_(redisAsyncConnect("127.0.0.1", server.port())) {
    if (context_ == nullptr || context_->err != 0) throw std::runtime_error("cannot connect");
    context_->ev.data = this;
    context_->ev.addRead = [](void* its) { of(its).events_ |= POLLIN; };
    context_->ev.delRead = [](void* its) { of(its).events_ &= ~POLLIN; };
    context_->ev.addWrite = [](void* its) { of(its).events_ |= POLLOUT; };
    context_->ev.delWrite = [](void* its) { of(its).events_ &= ~POLLOUT; };
    context_->ev.cleanup = [](void* its) { of(its).context_ = nullptr; };  // then it frees it
    owner_ = hilo::spawn([this] { drive(); });
  }
  ~redis() {
    questions_.close();
    owner_.join();
  }

  // Empty if the connection is gone, or a limit of the caller's came first.
  std::optional<std::string> ask(words what) {
    auto [out, in] = hilo::make_oneshot<std::string>();
    if (questions_.send({std::move(what), std::move(out)}) != hilo::status::ok) return {};
    return in.receive();
  }

 private:
  using answer_end = hilo::oneshot_sender<std::string>;
  struct question {
    words what;
    answer_end answer;
  };

  static redis& of(void* its) { return *static_cast<redis*>(its); }

  void drive() {
    bool open = true;
    while (context_ != nullptr) {
      std::optional<question> next;
      hilo::result<short> ready = 0;
      const hilo::selection first = hilo::select{
          hilo::receive_from(questions_, next, open),
          hilo::io::ready_of(context_->c.fd, static_cast<short>(events_), ready, events_ != 0)};
      if (first == 1 && ready) {
        tell(*ready);
      } else if (first != 0) {
        redisAsyncFree(context_);  // we were asked to stop
      } else if (next) {
        put(std::move(*next));
      } else {
        open = false;
        redisAsyncDisconnect(context_);  // once all is answered
      }
    }
    questions_.close();
    while (questions_.receive()) continue;  // whose answers are not to come
  }

  void tell(short ready) {
    if ((ready & ~POLLOUT) != 0) redisAsyncHandleRead(context_);
    if ((ready & POLLOUT) != 0 && context_ != nullptr) redisAsyncHandleWrite(context_);
  }

  void put(question one) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : one.what) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    auto answer = std::make_unique<answer_end>(std::move(one.answer));
    const int error = redisAsyncCommandArgv(
        context_, take, answer.get(), static_cast<int>(texts.size()), texts.data(), sizes.data());
    if (error == REDIS_OK) (void)answer.release();  // take() has it
  }

  // Called by the library, within tell(). Without a reply the connection is gone. Then the sender
  // goes away without a message, and the fiber that asked finds that.
  static void take(redisAsyncContext*, void* reply, void* answer) {
    const std::unique_ptr<answer_end> its(static_cast<answer_end*>(answer));
    if (reply != nullptr) (void)its->send(text_of(*static_cast<redisReply*>(reply)));
  }

  redisAsyncContext* context_;
  int events_ = 0;
  hilo::channel<question> questions_;
  hilo::fiber<void> owner_;
};

// A fiber with a connection of its own: where the library would block, the fiber waits.
std::string ask_alone(const hilo::net::address& server, const char* what) {
  const std::unique_ptr<redisContext, decltype(&redisFree)> its(
      redisConnectNonBlock("127.0.0.1", server.port()), redisFree);
  if (its == nullptr || redisAppendCommand(its.get(), what) != REDIS_OK) return "cannot ask";
  for (int done = 0; done == 0;) {
    if (!hilo::io::poll(its->fd, POLLOUT, std::chrono::seconds(10))) return "no connection";
    if (redisBufferWrite(its.get(), &done) != REDIS_OK) return its->errstr;
  }
  void* reply = nullptr;
  while (reply == nullptr) {
    if (!hilo::io::poll(its->fd, POLLIN, std::chrono::seconds(10))) return "no answer";
    if (redisBufferRead(its.get()) != REDIS_OK) return its->errstr;
    if (redisGetReplyFromReader(its.get(), &reply) != REDIS_OK) return its->errstr;
  }
  return text_of(reply);
}

// What cannot be driven is called as it is, where it blocks a kernel thread and no fiber.
std::string ask_blocking(const hilo::net::address& server, const char* what) {
  return hilo::blocking([&]() -> std::string {
    const std::unique_ptr<redisContext, decltype(&redisFree)> connection(
        redisConnect("127.0.0.1", server.port()), redisFree);
    if (connection == nullptr || connection->err != 0) return "cannot connect";
    return text_of(redisCommand(connection.get(), what));
  });
}

// As much of a Redis server as is asked of it. A request is "*2", "$3", "GET", "$4", "name".
class server {
 public:
  const hilo::net::address address() const { return listener_.local().value(); }
  void run() {
    hilo::scope<> all;
    while (auto peer = listener_.accept()) {
      (void)all.spawn([this, its = std::move(*peer)]() mutable { serve(its); });
    }
    all.join();
  }
  void close() { (void)listener_.close(); }

 private:
  void serve(hilo::net::tcp_stream& peer) {
    hilo::net::line_reader lines(peer);
    while (auto count = lines.next()) {
      words what(std::strtoul(count->data() + 1, nullptr, 10));
      for (std::string& word : what) {
        (void)lines.next();
        if (auto line = lines.next()) word = *line;
      }
      const std::string reply = reply_to(what);
      if (!peer.write_all(reply.data(), reply.size())) return;
    }
  }

  std::string reply_to(const words& what) {
    const std::scoped_lock guard(lock_);
    if (what[0] == "PING") return "+PONG\r\n";
    if (what[0] == "SET") return values_[what[1]] = what[2], "+OK\r\n";
    const auto found = values_.find(what[1]);
    if (found == values_.end()) return "$-1\r\n";
    std::string reply("$");
    return reply += std::to_string(found->second.size()) + "\r\n" + found->second + "\r\n";
  }

  hilo::net::tcp_listener listener_{hilo::net::address::loopback(0)};
  hilo::mutex lock_;
  std::map<std::string, std::string> values_;  // guarded by lock_
};

}  // namespace

int main() {
  hilo::run([] {
    server there;
    hilo::fiber<void> serving = hilo::spawn([&] { there.run(); });
    {
      redis client(there.address());
      std::printf("SET: %s\n", client.ask({"SET", "greeting", "hello there"})->c_str());
      std::printf("GET: %s\n", client.ask({"GET", "greeting"})->c_str());
      std::printf("GET of what is not: %s\n", client.ask({"GET", "other"})->c_str());

      std::vector<hilo::fiber<int>> all;
      for (int i = 0; i < 100; ++i) {
        all.push_back(hilo::spawn([&, name = "key " + std::to_string(i)] {
          int right = 0;
          for (int j = 0; j < 5; ++j) {
            const std::string value = name + ", round " + std::to_string(j);
            (void)client.ask({"SET", name, value});
            right += client.ask({"GET", name}) == value ? 1 : 0;
          }
          return right;
        }));
      }
      int right = 0;
      for (auto& one : all) right += one.join();
      std::printf("100 fibers, one connection: %d right answers\n", right);
    }
    std::printf("PING, alone: %s\n", ask_alone(there.address(), "PING").c_str());
    std::printf("PING, blocking: %s\n", ask_blocking(there.address(), "PING").c_str());
    there.close();
    serving.join();
  });
}
