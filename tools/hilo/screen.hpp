// The screen of hilo top: a terminal that is drawn anew, and keys.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace hilo::command {

// Takes the terminal while it lives. SIGINT, SIGTERM and SIGHUP then only ask to quit.
class screen {
 public:
  enum class key { none, quit, up, down, open, back, by_count, by_state, by_reason, by_site };

  screen();
  ~screen();
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;

  std::size_t height() const noexcept;
  // Line `marked` is highlighted; lines before `top` are not shown.
  void draw(const std::vector<std::string>& lines, std::size_t marked, std::size_t top,
            const std::string& foot) noexcept;
  // Waits for a key until then.
  key read_key(std::chrono::steady_clock::time_point until) noexcept;
};

}  // namespace hilo::command
