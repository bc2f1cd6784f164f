// Tests of how a process ends: a function runs in a forked child, and the test looks at the child's
// end and at what it wrote.
//
//   const auto end = hilo::test::run_in_child([] { hilo::mutex m; m.unlock(); });
//   CHECK(end.aborted_with("hilo: unlock of a mutex that is not locked"));
//
// Call it from the test case's own thread while no other thread runs, and use no doctest assert in
// the child: it would count in the child's copy. A child that returns exits with 0; one that hangs
// is killed and its end is SIGALRM.
#pragma once

#include <csignal>
#include <functional>
#include <string>
#include <string_view>

namespace hilo::test {

struct child_end {
  bool exited = false;  // by exit or by returning, against being killed by a signal
  int code = 0;         // the exit status, when it exited
  int signal = 0;       // the signal, when it was killed
  std::string output;   // what it wrote to standard output and standard error

  bool says(std::string_view text) const { return output.find(text) != std::string::npos; }
  bool aborted_with(std::string_view text) const {
    return !exited && signal == SIGABRT && says(text);
  }
  // "aborted by signal 6, said: …", for CAPTURE.
  std::string describe() const;
};

child_end run_in_child(const std::function<void()>& body, unsigned seconds = 100);

}  // namespace hilo::test
