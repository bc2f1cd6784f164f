// A crawler: four fibers fetch the pages of a site, each page once, and put the links that they
// find back into the queue they work on. The queue is unbounded, for who fills it also empties it;
// a wait_group knows when nothing is queued and nothing under way.
#include <chrono>
#include <cstdio>
#include <hilo/hilo.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

using links = std::vector<std::string>;

// The net, and its latency.
std::optional<links> fetch(const std::string& page) {
  static const std::map<std::string, links> site = {
      {"/", {"/docs", "/news", "/"}},
      {"/docs", {"/docs/channels", "/docs/select", "/"}},
      {"/docs/channels", {"/docs/select", "/docs"}},
      {"/docs/select", {"/docs/channels", "/docs/timers"}},
      {"/news", {"/news/1", "/news/2", "/"}},
      {"/news/1", {"/news/2"}},
      {"/news/2", {"/news/1", "/docs"}},
  };
  hilo::sleep_for(1ms);
  const auto found = site.find(page);
  return found == site.end() ? std::nullopt : std::optional(found->second);
}

class crawler {
 public:
  // Pages, and whether they were there.
  std::map<std::string, bool> crawl(const std::string& start) {
    hilo::scope<> workers;
    for (int i = 0; i < 4; ++i) {
      (void)workers.spawn([this] {
        for (const std::string& page : queue_) {
          visit(page);
          pending_.done();
        }
      });
    }
    add(start);
    pending_.wait();
    queue_.close();
    workers.join();
    return pages_;
  }

 private:
  void add(const std::string& page) {
    {
      const std::scoped_lock guard(lock_);
      if (!pages_.emplace(page, false).second) return;
    }
    pending_.add();
    (void)queue_.send(page);
  }
  void visit(const std::string& page) {
    const std::optional<links> found = fetch(page);
    if (!found.has_value()) return;
    {
      const std::scoped_lock guard(lock_);
      pages_[page] = true;
    }
    for (const std::string& one : *found) add(one);
  }

  hilo::channel<std::string> queue_{hilo::unbounded};
  hilo::wait_group pending_;  // pages that are queued or being visited
  hilo::mutex lock_;
  std::map<std::string, bool> pages_;  // guarded by lock_
};

}  // namespace

int main() {
  hilo::run([] {
    for (const auto& [page, there] : crawler().crawl("/")) {
      std::printf("%s%s\n", page.c_str(), there ? "" : " is missing");
    }
  });
}
