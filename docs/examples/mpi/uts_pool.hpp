// What the fibers of a rank share in uts.cpp: nodes that any of them may take, and what the token
// that detects the end of the search has to know about the rank.
#pragma once

#include <atomic>
#include <cstddef>
#include <hilo/hilo.hpp>
#include <mutex>
#include <vector>

#include "uts_tree.hpp"

// Moves every second node, the oldest first. Old nodes have large subtrees, so each half gets large
// and small ones.
inline void split(std::vector<node>& from, std::vector<node>& to, std::size_t most) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (i % 2 == 0 && to.size() < most) {
      to.push_back(from[i]);
    } else {
      from[kept++] = from[i];
    }
  }
  from.resize(kept);
}

struct token {
  long under_way = 0;  // messages with nodes: those sent minus those received
  int black = 0;       // a rank received nodes after the token had passed it
  int end = 0;
};

class pool {
 public:
  explicit pool(unsigned workers) : workers_(workers) {}

  // Relaxed: it is a hint. The nodes are read under the lock.
  bool is_empty() const noexcept { return empty_.load(std::memory_order_relaxed); }

  void give_half(std::vector<node>& stack) {
    const std::scoped_lock guard(lock_);
    split(stack, nodes_, nodes_.size() + stack.size());
    note_change();
  }

  // Waits for nodes. Returns false at the end of the search.
  bool take_half(std::vector<node>& stack) {
    std::unique_lock guard(lock_);
    ++hungry_;
    note_change();
    changed_.wait(guard, [&] { return ended_ || !nodes_.empty(); });
    --hungry_;
    split(nodes_, stack, nodes_.size());
    note_change();
    return !ended_;
  }

  // Nodes for another rank, perhaps none.
  std::vector<node> answer(std::size_t most) {
    std::vector<node> half;
    const std::scoped_lock guard(lock_);
    split(nodes_, half, most);
    if (!half.empty()) ++under_way_;
    note_change();
    return half;
  }

  void receive(const node* first, std::size_t count) {
    const std::scoped_lock guard(lock_);
    nodes_.insert(nodes_.end(), first, first + count);
    --under_way_;
    black_ = true;
    note_change();
  }

  // Waits until a worker needs nodes from other ranks. Returns false at the end of the search.
  bool wait_for_hunger() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return ended_ || (hungry_ > 0 && nodes_.empty()); });
    return !ended_;
  }

  // Waits until the rank has no nodes, and writes the rank's part into the token.
  void pass(token& it) {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [&] { return hungry_ == workers_ && nodes_.empty(); });
    it.under_way += under_way_;
    if (black_) it.black = 1;
    black_ = false;
  }

  void end() {
    const std::scoped_lock guard(lock_);
    ended_ = true;
    note_change();
  }

 private:
  void note_change() {
    empty_.store(nodes_.empty(), std::memory_order_relaxed);
    changed_.notify_all();
  }

  const unsigned workers_;
  std::atomic<bool> empty_{true};  // written under lock_
  hilo::mutex lock_;               // guards all members below
  hilo::condition_variable changed_;
  std::vector<node> nodes_;
  unsigned hungry_ = 0;  // workers that wait for nodes
  long under_way_ = 0;   // as in the token
  bool black_ = false;
  bool ended_ = false;
};
