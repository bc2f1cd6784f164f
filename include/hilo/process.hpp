// Child processes that run programs, with pipes to and from them.
//
//   hilo::process sort({.path = "sort", .in = hilo::stdio::piped(), .out = hilo::stdio::piped()});
//   std::string sorted;
//   const auto end = sort.communicate("b\na\n", &sorted, nullptr, 5s);
//   if (end && end->code() == 0) std::fputs(sorted.c_str(), stdout);
//
// or in one call, which kills what takes too long: hilo::run_program({.path = "sort"}, "b\na\n",
// 5s). Starting throws process_error, which says what failed; what comes later is a result. For a
// child that runs a function, or shares more with its parent, see hilo/clone.hpp.
//
// A program starts with no signal blocked, and with the default action for all of them but those
// that this program ignores, which stay ignored; SIGPIPE is never. It has its three standard
// descriptors, and those of this program that are not close-on-exec: all that hilo opens are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/types.h>

#include "hilo/child.hpp"
#include "hilo/detail/api.hpp"
#include "hilo/io.hpp"
#include "hilo/pipe.hpp"
#include "hilo/result.hpp"

namespace hilo {

// What one of a program's standard descriptors is.
class stdio {
 public:
  enum class kind : std::uint8_t { inherited, piped, null, file, lent, as_out };

  // This program's own.
  stdio() noexcept = default;
  // A pipe, whose other end the process object has.
  static stdio piped() noexcept { return stdio(kind::piped); }
  // /dev/null: nothing to read, and what is written is dropped.
  static stdio null() noexcept { return stdio(kind::null); }
  // A file, opened by the caller of the program's start (open(2)), in its working directory.
  static stdio file(std::string path, int flags = O_RDONLY, mode_t mode = 0666) {
    stdio made(kind::file);
    made.path_ = std::move(path);
    made.number_ = flags;
    made.mode_ = mode;
    return made;
  }
  // A descriptor of the caller's, which has to be open until the program was started.
  static stdio lent(int fd) noexcept {
    stdio made(kind::lent);
    made.number_ = fd;
    return made;
  }
  // For `err`: wherever `out` goes.
  static stdio as_out() noexcept { return stdio(kind::as_out); }

  kind what() const noexcept { return what_; }
  const std::string& path() const noexcept { return path_; }  // of a file
  int number() const noexcept { return number_; }             // the descriptor, or a file's flags
  mode_t mode() const noexcept { return mode_; }              // of a file that is made

 private:
  explicit stdio(kind what) noexcept : what_(what) {}

  kind what_ = kind::inherited;
  int number_ = 0;
  mode_t mode_ = 0;
  std::string path_;
};

struct program {
  // Looked for in this program's PATH if there is no '/' in it. If it is relative, it is so to
  // `directory`.
  std::string path;
  std::vector<std::string> arguments = {};  // without argv[0], which is `path`
  // "NAME=value" each, and nothing else; left out: this program's own environment.
  std::optional<std::vector<std::string>> environment = {};
  std::string directory = {};  // empty: this program's working directory
  stdio in = {};
  stdio out = {};
  stdio err = {};
};

// Why a program was not started.
class process_error : public std::system_error {
 public:
  enum class step : std::uint8_t {
    prepare,    // what was asked for makes no sense; path: the program's
    pipe,       // path: the program's
    open,       // path: the file's
    clone,      // path: the program's
    redirect,   // a descriptor became no standard one (dup3(2)); path: the program's
    directory,  // path: the directory's
    exec,       // path: the program's
  };

  HILO_API process_error(step at, const std::string& path, int error, const std::string& hint);

  step at() const noexcept { return at_; }
  const char* path() const noexcept { return path_.what(); }
  const char* what() const noexcept override { return text_.what(); }

 private:
  step at_;
  std::runtime_error path_, text_;  // which copy without throwing, as an exception must
};

constexpr const char* to_string(process_error::step step) noexcept {
  using enum process_error::step;
  switch (step) {
    case prepare:
      return "prepare";
    case pipe:
      return "pipe";
    case open:
      return "open";
    case clone:
      return "clone";
    case redirect:
      return "redirect";
    case directory:
      return "directory";
    case exec:
      return "exec";
  }
  return "no step";
}

// A program that was started, and its one owner. It is not synchronised, but for its streams, each
// of which another fiber may use meanwhile.
class HILO_API process {
 public:
  process() noexcept = default;
  // Starts a program. Its memory is shared until exec, and no page table is copied (vfork(2)).
  // The kernel's parent of the program is a thread that stays until the program has ended, so a
  // parent-death signal (prctl(2)) comes with the end of this process only. For a pinned fiber, and
  // for a thread that runs no fiber, it is the caller's own thread. If the program's file is still
  // open to be written (ETXTBSY), the start is tried again for half a second.
  // Parks: while files are opened, and until the program was executed or could not be, which no
  // limit ends. Callable from: any fiber or thread. Errors: process_error, with the errno of its
  // step; ETIMEDOUT or ECANCELED if a limit ended the opening of a file; std::bad_alloc.
  explicit process(const program& what);
  process(process&&) noexcept = default;
  process& operator=(process&& other) noexcept;
  // Closes the streams, kills the program with SIGKILL unless its end was seen, and waits for it.
  // To let it end by itself call wait() before; to let it go on, release().
  ~process();

  // Whether there is a program whose end was not seen yet.
  [[nodiscard]] explicit operator bool() const noexcept { return bool(child_); }
  // Its number; 0 once its end was seen.
  [[nodiscard]] pid_t id() const noexcept { return child_.id(); }

  // The ends of the streams that are stdio::piped(), to be closed by the caller where the program
  // shall find the end of its input; without a descriptor otherwise.
  io::pipe_writer& in() noexcept { return in_; }
  io::pipe_reader& out() noexcept { return out_; }
  io::pipe_reader& err() noexcept { return err_; }

  // Waits for the program's end, and tells it as often as it is asked. The streams stay open: what
  // the program left in a pipe can be read afterwards; one that waits for its pipe to be emptied,
  // or for more input, does not end. Parks: until then, or a limit. Callable from: any fiber or
  // thread. Errors: ECHILD when there never was one; those of child::wait.
  result<exit_status> wait(io::until when = {}) noexcept;

  // Feeds `input` and closes in(), reads out() and err() to their ends, and waits for the
  // program's: whatever it reads and writes first, no full pipe holds it up for ever. A program
  // that does not read its input to the end is no error. What was read is appended to `out` and
  // `err`, however this ends; what is null is dropped. Programs that it started and left behind may
  // hold the pipes open; the end comes when they close them too. After a limit the program still
  // runs: kill it, or call again with what was not fed yet, which `fed`, if given, tells. Parks:
  // until then, or a limit. Callable from: any fiber or thread. Errors: as wait, and of read and
  // write; EMSGSIZE: `out` or `err` would be longer than `longest`; ENOMEM.
  result<exit_status> communicate(std::string_view input, std::string* out, std::string* err,
                                  io::until when = {}, std::size_t longest = std::string::npos,
                                  std::size_t* fed = nullptr) noexcept;

  // Sends a signal (pidfd_send_signal(2)): it cannot meet another process. Parks: never.
  // Errors: ESRCH: it has ended, or there is none; EPERM; EINVAL: there is no such signal.
  result<void> kill(int signal) noexcept;

  // Lets the program go and returns its number; waiting for it is the caller's business from now
  // on, with waitpid(2). The streams are still this object's.
  pid_t release() noexcept { return child_.release(); }

 private:
  child child_;
  std::optional<exit_status> end_;
  io::pipe_writer in_;
  io::pipe_reader out_, err_;
};

// What run_program returns.
struct program_end {
  exit_status end;
  std::string out, err;  // what it wrote
};

// Runs a program to its end: feeds it `input`, and collects what it writes, all at once. `in`,
// `out` and `err` of `what` become pipes where they are inherited; the others stay. Parks: until
// then. A limit (timed_out, cancelled) kills it with SIGKILL, and so does an error; the kernel has
// let go of it on return. A limit also ends the opening of files before the start. Callable from:
// any fiber or thread. Errors: process_error if it was not started; else those of
// process::communicate.
HILO_API result<program_end> run_program(program what, std::string_view input = {},
                                         io::until when = {},
                                         std::size_t longest = std::string::npos);

}  // namespace hilo
