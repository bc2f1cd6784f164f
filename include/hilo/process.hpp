// Child processes that run programs, with pipes to and from them.
//
//   hilo::process sort({.path = "sort", .in = hilo::stdio::piped(), .out = hilo::stdio::piped()});
//   std::string sorted;
//   const auto end = sort.communicate("b\na\n", &sorted, nullptr, 5s);
//   if (end && end->code() == 0) std::fputs(sorted.c_str(), stdout);
//
// or in one call, which kills the program if it takes too long: hilo::run_program({.path = "sort"},
// "b\na\n", 5s). An error at the start throws process_error, which says what failed; later errors
// are results. For a child that runs a function, or shares more with its parent, see
// hilo/clone.hpp.
//
// A program starts with no signal blocked and with default actions. Signals that this program
// ignores stay ignored, except SIGPIPE, which always gets its default action. The program has its
// three standard descriptors, and the descriptors of this program that are not close-on-exec. All
// descriptors that hilo opens are close-on-exec.
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

// The file behind a standard descriptor of a program.
class stdio {
 public:
  enum class kind : std::uint8_t { inherited, piped, null, file, lent, as_out };

  // The same as in this program.
  stdio() noexcept = default;
  // A pipe; the process object has the other end.
  static stdio piped() noexcept { return stdio(kind::piped); }
  // /dev/null: nothing to read, and written data is dropped.
  static stdio null() noexcept { return stdio(kind::null); }
  // A file. The caller that starts the program opens it (open(2)), relative to the caller's working
  // directory.
  static stdio file(std::string path, int flags = O_RDONLY, mode_t mode = 0666) {
    stdio made(kind::file);
    made.path_ = std::move(path);
    made.number_ = flags;
    made.mode_ = mode;
    return made;
  }
  // A descriptor of the caller; it has to stay open until the program was started.
  static stdio lent(int fd) noexcept {
    stdio made(kind::lent);
    made.number_ = fd;
    return made;
  }
  // For `err`: the same as `out`.
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
  // If it has no '/', it is looked for in this program's PATH. A relative path is relative to
  // `directory`.
  std::string path;
  std::vector<std::string> arguments = {};  // without argv[0], which is `path`
  // The whole environment, each entry "NAME=value"; left out: the environment of this program.
  std::optional<std::vector<std::string>> environment = {};
  std::string directory = {};  // empty: this program's working directory
  stdio in = {};
  stdio out = {};
  stdio err = {};
  // The process group (setpgid(2)). Left out: this program's. 0: a new one, which also has the
  // programs that the program starts, unless they leave it. Else one that exists in this session.
  std::optional<pid_t> group = {};
};

// Why a program was not started.
class process_error : public std::system_error {
 public:
  enum class step : std::uint8_t {
    prepare,    // the request makes no sense; path: the program's
    pipe,       // path: the program's
    open,       // path: the file's
    clone,      // path: the program's
    redirect,   // dup3(2) to a standard descriptor failed; path: the program's
    group,      // setpgid(2) failed; path: the program's
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
    case group:
      return "group";
    case directory:
      return "directory";
    case exec:
      return "exec";
  }
  return "no step";
}

// A program that was started, and its only owner. It is not synchronised, except that other fibers
// may use each of its streams meanwhile.
class HILO_API process {
 public:
  process() noexcept = default;
  // Starts a program. Its memory is shared until exec, and no page table is copied (vfork(2)). The
  // kernel's parent of the program is a thread that stays until the program has ended, so a
  // parent-death signal (prctl(2)) comes with the end of this process only. For a pinned fiber, and
  // for a thread that runs no fiber, it is the caller's own thread. If the program's file is still
  // open for writing (ETXTBSY), the start is tried again for half a second.
  // Parks: while files are opened, and until exec has succeeded or failed; no limit ends this
  // second wait. Callable from: any fiber or thread. Errors: process_error, with the errno of the
  // step that failed; ETIMEDOUT or ECANCELED if a limit ended the opening of a file;
  // std::bad_alloc.
  explicit process(const program& what);
  process(process&&) noexcept = default;
  process& operator=(process&& other) noexcept;
  // Closes the streams. If the program's end was not seen, kills the program with SIGKILL, or its
  // whole group if that is a new one, and waits for the program's end. To let the program end by
  // itself, call wait() before; to let it run on, call release().
  ~process();

  // Whether there is a program whose end was not seen yet.
  [[nodiscard]] explicit operator bool() const noexcept { return bool(child_); }
  // Its number; 0 once its end was seen.
  [[nodiscard]] pid_t id() const noexcept { return child_.id(); }

  // The ends of the streams that are stdio::piped(); other streams have no descriptor here. If the
  // program must find the end of its input, the caller closes in().
  io::pipe_writer& in() noexcept { return in_; }
  io::pipe_reader& out() noexcept { return out_; }
  io::pipe_reader& err() noexcept { return err_; }

  // Waits for the program's end, and returns how it ended; a later call returns the same again. The
  // streams stay open: data that the program left in a pipe can be read afterwards. A program that
  // waits until its pipe is emptied, or for more input, does not end.
  // Parks: until the program has ended, or a limit. Callable from: any fiber or thread. Errors:
  // ECHILD if there never was a program; those of child::wait.
  result<exit_status> wait(io::until when = {}) noexcept;

  // Writes `input` to in() and closes it, reads out() and err() to their ends, and waits for the
  // program's end. All that happens at the same time, so no full pipe holds the program up for
  // ever. If the program does not read its whole input, that is not an error. The data that was
  // read is appended to `out` and `err`, also after an error; if one is null, its data is dropped.
  // If the program started other programs and left them behind, they may hold the pipes open; the
  // call then ends when they close the pipes too. After a limit the program still runs: kill it, or
  // call again with the rest of the input; `fed`, if given, says how many bytes were written.
  // Parks: until then, or a limit. Callable from: any fiber or thread. Errors: as wait, read and
  // write; EMSGSIZE: `out` or `err` would be longer than `longest`; ENOMEM.
  result<exit_status> communicate(std::string_view input, std::string* out, std::string* err,
                                  io::until when = {}, std::size_t longest = std::string::npos,
                                  std::size_t* fed = nullptr) noexcept;

  // Sends a signal (pidfd_send_signal(2)); the signal cannot reach another process. Parks: never.
  // Errors: ESRCH: the program has ended, or there is none; EPERM; EINVAL: there is no such signal.
  result<void> kill(int signal) noexcept;
  // Sends a signal to all processes of the program's new group (kill(2)). Possible until the
  // program's end was seen; after that, the number may be that of another group. Parks: never.
  // Errors: as kill; EINVAL: the program has no new group (program::group).
  result<void> kill_group(int signal) noexcept;

  // Gives up the program and returns its number. From now on the caller must wait for it, with
  // waitpid(2). This object keeps the streams.
  pid_t release() noexcept { return child_.release(); }

 private:
  child child_;
  bool leads_group_ = false;
  std::optional<exit_status> end_;
  io::pipe_writer in_;
  io::pipe_reader out_, err_;
};

// The result of run_program.
struct program_end {
  exit_status end;
  std::string out, err;  // the data that it wrote
};

// Runs a program to its end: writes `input` to it, and collects its output at the same time. If
// `in`, `out` or `err` of `what` is inherited, it becomes a pipe; other settings stay.
// Parks: until the program has ended. A limit (timed_out, cancelled) or an error kills the program
// with SIGKILL, or its new group; on return, the kernel has finished with it. A limit also ends the
// opening of files before the start. Callable from: any fiber or thread. Errors: process_error if
// it was not started; else the errors of process::communicate.
HILO_API result<program_end> run_program(program what, std::string_view input = {},
                                         io::until when = {},
                                         std::size_t longest = std::string::npos);

}  // namespace hilo
