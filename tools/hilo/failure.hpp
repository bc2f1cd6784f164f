// Why the command cannot do what it was asked to, and the exit code that says so.
#pragma once

#include <stdexcept>
#include <string>

namespace hilo::command {

// hilo(1) documents these.
enum class exit_code : int {
  done = 0,
  nothing_to_show = 1,  // the target is read, and does not have what was asked for
  wrong_usage = 2,
  unreadable = 3,  // the target cannot be read
};

class failure : public std::runtime_error {
 public:
  failure(exit_code code, const std::string& text) : std::runtime_error(text), code_(code) {}
  exit_code code() const noexcept { return code_; }

 private:
  exit_code code_;
};

}  // namespace hilo::command
