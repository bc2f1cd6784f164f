// Starting programs, and what goes on between them and us.
//
// The child is made as by vfork. It shares our memory and has its own stack. The thread that made
// it (program_parent.hpp) sleeps until the child has called exec or ended. The child writes its
// failures to a report in shared memory. So no pipe is needed, which a concurrent fork elsewhere
// could hold open, and with it delay us. The thread sanitizer cannot follow two processes in one
// memory: under it the child has a copy of the memory.
#include "hilo/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hilo/detail/deadline.hpp"
#include "hilo/limit.hpp"
#include "hilo/select.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/pages.hpp"
#include "runtime/io/call.hpp"
#include "runtime/io/program_parent.hpp"
#include "runtime/io/program_start.hpp"
#include "runtime/io/quiet_write.hpp"

namespace hilo {
namespace {

using step = process_error::step;
using io::start_plan;
using io::start_report;

constexpr std::size_t read_at_once = std::size_t{64} * 1024;  // the size of a pipe

const char* hint_for(step at, int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return "no descriptor is left: see ulimit -n and fs.file-max";
    case EAGAIN:
      return "no more processes are allowed: see ulimit -u and pids.max of its cgroup";
    case EACCES:
      return at == step::exec ? "it may not be executed: see its mode, and those of its directories"
                              : "see its mode, and those of its directories";
    case ENOEXEC:
      return "it is neither a program for this machine nor a script that begins with #!";
    case E2BIG:
      return "the arguments and the environment are too long together";
    case EBADF:
      return "a descriptor that it was lent is not open";
    case ETXTBSY:
      return "its file is open to be written: by this program or another, or by a child that still "
             "has a copy of the descriptor";
    case ETIMEDOUT:
    case ECANCELED:
      return "a limit or a stop request ended the start";
    case EPERM:
      return at == step::group ? "there is no such process group in this session"
                               : "the system call failed";
    case ENOENT:
      return at == step::exec
                 ? "there is no such program, or no interpreter that its first line names"
                 : "there is no such file";
    case ENOTDIR:
      return "a part of the path is not a directory";
    default:
      return "the system call failed";
  }
}

[[noreturn]] void fail(step at, const std::string& path, int error) {
  throw process_error(at, path, error, hint_for(at, error));
}

class shared_report {
 public:
  explicit shared_report(const std::string& path)
      : place_(::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (place_ == MAP_FAILED) fail(step::prepare, path, errno);
    report_ = ::new (place_) start_report;
  }
  ~shared_report() { ::munmap(place_, size()); }
  shared_report(const shared_report&) = delete;
  shared_report& operator=(const shared_report&) = delete;

  start_report* get() const noexcept { return report_; }

 private:
  static std::size_t size() noexcept { return base::to_pages(sizeof(start_report)); }

  void* place_;
  start_report* report_;
};

// A list of strings in the form that exec takes.
class string_list {
 public:
  void add(const std::string& one) { pointers_.push_back(one.c_str()); }
  const char* const* end() {
    pointers_.push_back(nullptr);
    return pointers_.data();
  }

 private:
  std::vector<const char*> pointers_;
};

std::vector<std::string> candidates_for(const std::string& path) {
  if (path.find('/') != std::string::npos) return {path};
  const char* const set = std::getenv("PATH");
  const std::string list = set != nullptr ? set : "/bin:/usr/bin";  // as execvp
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(':', at), list.size());
    const std::string directory = list.substr(at, end - at);
    all.push_back(directory.empty() ? path : directory + "/" + path);
    at = end + 1;
  }
  return all;
}

void check(const program& what) {
  const auto broken = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  const auto any = [&](const std::vector<std::string>& all) {
    return std::any_of(all.begin(), all.end(), broken);
  };
  const auto refuse = [&](const char* why) {
    throw process_error(step::prepare, what.path, EINVAL, why);
  };
  if (what.path.empty()) refuse("its path is empty");
  if (broken(what.path) || broken(what.directory) || any(what.arguments) ||
      (what.environment && any(*what.environment))) {
    refuse("its path, directory, arguments or environment have a zero byte in them");
  }
  if (what.group && *what.group < 0) refuse("its process group has a negative number");
  using enum stdio::kind;
  if (what.in.what() == as_out || what.out.what() == as_out) {
    refuse("only err can go where out goes");
  }
}

// How long a start is tried while the program's file is open to be written. A child that any thread
// of this process makes has a copy of each descriptor until it has called exec. If the program's
// file was written and closed just then, that copy prevents the start, usually for some
// microseconds. The kernel does not report when the copy is gone. Half a second in all; guess.
constexpr std::int64_t first_pause = 1'000'000;   // ns, doubled each time
constexpr std::int64_t last_pause = 256'000'000;  // ns

child make_child(const program& what, start_plan& plan) {
  const std::vector<std::string> paths = candidates_for(what.path);
  string_list candidates, arguments, environment;
  for (const std::string& one : paths) candidates.add(one);
  arguments.add(what.path);
  for (const std::string& one : what.arguments) arguments.add(one);
  if (what.environment) {
    for (const std::string& one : *what.environment) environment.add(one);
  }
  const shared_report report(what.path);
  plan.candidates = candidates.end();
  plan.arguments = arguments.end();
  plan.environment = what.environment ? environment.end() : ::environ;
  if (what.group) plan.group = *what.group;
  plan.directory = what.directory.empty() ? nullptr : what.directory.c_str();
  plan.report = report.get();

  for (std::int64_t pause = first_pause;; pause *= 2) {
    std::error_code error;
    child made = io::make_program(plan, error);
    if (error) fail(step::clone, what.path, error.value());
    if (plan.report->error == 0) return made;
    (void)made.wait();  // the child has ended
    if (plan.report->error != ETXTBSY || pause > last_pause) break;
    *plan.report = {};
    (void)shielded([&] { return detail::sleep_until_ns(detail::monotonic_now() + pause); });
  }
  const step at = plan.report->at;
  fail(at, at == step::directory ? what.directory : what.path, plan.report->error);
}

// The descriptors that become the program's, and our copies of them, which are closed afterwards.
struct ends {
  std::array<io::descriptor, 3> opened;
  start_plan plan;

  void keep(std::size_t which, int fd) {
    opened[which] = io::descriptor(fd);
    plan.streams[which] = fd;
  }

  // Returns our end of a pipe, or -1.
  int choose(std::size_t which, const stdio& what, const program& whose) {
    using enum stdio::kind;
    switch (what.what()) {
      case inherited:
        return -1;
      case lent:
        if (what.number() < 0) fail(step::redirect, whose.path, EBADF);
        plan.streams[which] = what.number();
        return -1;
      case as_out:
        plan.streams[which] = plan.streams[1] >= 0 ? plan.streams[1] : 1;
        return -1;
      case null:
        open(which, "/dev/null", O_RDWR, 0);
        return -1;
      case file:
        open(which, what.path(), what.number(), what.mode());
        return -1;
      case piped:
        break;
    }
    result<io::pipe_ends> made = io::pipe();
    if (!made) fail(step::pipe, whose.path, made.error().value());
    keep(which, which == 0 ? made->reader.release() : made->writer.release());
    return which == 0 ? made->writer.release() : made->reader.release();
  }

  void open(std::size_t which, const std::string& path, int flags, mode_t mode) {
    const result<int> fd = io::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (!fd) fail(step::open, path, fd.error().value());
    keep(which, *fd);
  }
};

}  // namespace

process_error::process_error(step at, const std::string& path, int error, const std::string& hint)
    : std::system_error(error, std::system_category()),
      at_(at),
      path_(path),
      text_("hilo: cannot " +
            std::string(at == step::open        ? "open "
                        : at == step::directory ? "start a program in "
                                                : "run ") +
            path + ": " + base::errno_name(error) + " (" + hint + ")") {}

process::process(const program& what) {
  check(what);
  ends its;
  in_ = io::pipe_writer(its.choose(0, what.in, what));
  out_ = io::pipe_reader(its.choose(1, what.out, what));
  err_ = io::pipe_reader(its.choose(2, what.err, what));
  child_ = make_child(what, its.plan);
  leads_group_ = what.group == 0;
}

process& process::operator=(process&& other) noexcept {
  process taken(std::move(other));
  std::swap(child_, taken.child_);
  std::swap(leads_group_, taken.leads_group_);
  std::swap(end_, taken.end_);
  std::swap(in_, taken.in_);
  std::swap(out_, taken.out_);
  std::swap(err_, taken.err_);
  return *this;
}

process::~process() {
  if (!child_) return;
  (void)(leads_group_ ? kill_group(SIGKILL) : kill(SIGKILL));
}

result<exit_status> process::wait(io::until when) noexcept try {
  if (end_.has_value()) return *end_;
  if (!child_) return {status::failed, ECHILD};
  const result<short> ended = io::poll(child_.pidfd(), POLLIN, when);
  if (!ended) return {ended.status(), ended.error().value()};
  end_ = child_.wait();
  return *end_;
} catch (const std::system_error& error) {
  return {status::failed, error.code().value()};
}

result<void> process::kill(int signal) noexcept try {
  if (!child_) return {status::failed, ESRCH};
  child_.kill(signal);
  return {};
} catch (const std::system_error& error) {
  return {status::failed, error.code().value()};
}

result<void> process::kill_group(int signal) noexcept {
  if (!child_) return {status::failed, ESRCH};
  if (!leads_group_) return {status::failed, EINVAL};
  // Nobody else can have the number: the program was not waited for.
  if (::kill(-child_.id(), signal) != 0) return {status::failed, errno};
  return {};
}

namespace {

// Reads what is available and appends it to `text`. Closes the end when there is no more.
result<void> collect(io::pipe_reader& from, std::vector<char>& buffer, std::string* text,
                     std::size_t longest) {
  const result<std::size_t> got = from.read(buffer.data(), buffer.size());
  if (!got) return {got.status(), got.error().value()};
  if (*got == 0) return from.close();
  if (text == nullptr) return {};
  const std::size_t room = longest - std::min(longest, text->size());
  text->append(buffer.data(), std::min(*got, room));
  return *got <= room ? result<void>() : result<void>(status::failed, EMSGSIZE);
}

// Writes as much as there is room for.
result<void> feed(io::pipe_writer& into, std::string_view& input) noexcept {
  const long sent = io::write_quietly(into.fd(), input.data(), input.size());
  if (sent >= 0) input.remove_prefix(static_cast<std::size_t>(sent));
  if (sent == -EPIPE) return into.close();
  if (sent >= 0 || sent == -EAGAIN || sent == -EINTR) return {};
  return {status::failed, static_cast<int>(-sent)};
}

}  // namespace

result<exit_status> process::communicate(std::string_view input, std::string* out, std::string* err,
                                         io::until when, std::size_t longest,
                                         std::size_t* fed) noexcept try {
  const detail::wait_limit limit(when.ns());
  const std::size_t all = input.size();
  std::vector<char> buffer(read_at_once);
  result<void> done;
  while (done) {
    if (in_ && input.empty()) (void)in_.close();
    if (!in_ && !out_ && !err_) break;
    // A descriptor that is always ready would never notice the limit.
    if (const status end = detail::limit_now(); end != status::ok) {
      done = io::refused<void>({0, end});
      break;
    }
    result<short> room = 0;
    result<short> output = 0;
    result<short> errors = 0;
    const selection ready = select{io::ready_of(in_.fd(), POLLOUT, room, bool(in_)),
                                   io::ready_of(out_.fd(), POLLIN, output, bool(out_)),
                                   io::ready_of(err_.fd(), POLLIN, errors, bool(err_))};
    const result<short>& found = ready == 0 ? room : ready == 1 ? output : errors;
    if (ready == selection::none) {
      done = io::refused<void>({0, ready.end});
    } else if (!found) {
      done = {found.status(), found.error().value()};
    } else if (ready == 0) {
      done = feed(in_, input);
    } else {
      done = collect(ready == 1 ? out_ : err_, buffer, ready == 1 ? out : err, longest);
    }
  }
  if (fed != nullptr) *fed = all - input.size();
  if (!done) return {done.status(), done.error().value()};
  return wait();
} catch (const std::bad_alloc&) {
  return {status::failed, ENOMEM};
} catch (const std::length_error&) {
  return {status::failed, ENOMEM};
}

result<program_end> run_program(program what, std::string_view input, io::until when,
                                std::size_t longest) {
  for (stdio* const one : {&what.in, &what.out, &what.err}) {
    if (one->what() == stdio::kind::inherited) *one = stdio::piped();
  }
  const detail::wait_limit limit(when.ns());
  process its;
  try {
    its = process(what);
  } catch (const process_error& error) {
    const int number = error.code().value();
    const status end = detail::limit_now();
    if (end == status::ok || (number != ETIMEDOUT && number != ECANCELED)) throw;
    return io::refused<program_end>({0, end});
  }
  program_end all;
  const result<exit_status> end = its.communicate(input, &all.out, &all.err, when, longest);
  if (!end) return {end.status(), end.error().value()};
  all.end = *end;
  return all;
}

}  // namespace hilo
