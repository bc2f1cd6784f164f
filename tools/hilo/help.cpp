#include "tools/hilo/help.hpp"

#include <string>

#include "tools/hilo/failure.hpp"

namespace hilo::command {
namespace {

constexpr std::string_view overview =
    R"(hilo looks into programs that use hilo: into a running process, a hung one, or a core file.
The program needs no preparation, and does not notice.

  hilo dump PID|CORE   show all fibers: state, what they wait for, backtraces
  hilo top PID         show the fibers of a process again and again, with rates
  hilo trace PID       record what the workers and fibers of a process do, for Perfetto
  hilo info            show what hilo uses on this machine, and why
  hilo help [COMMAND]  this text, or the text of a command
  hilo --version       the version

Exit codes: 0 done, 1 the target does not have what was asked for, 2 wrong usage, 3 the target
cannot be read or the output cannot be written, 130 interrupted.
)";

constexpr std::string_view dump_help =
    R"(hilo dump PID|CORE [--fiber N] [--no-stacks] [--pause] [--json]

Shows all fibers of a process, or of a core file. Fibers in the same state with the same backtrace
are a group; the largest group comes first. The workers and the kernel threads follow.

  --fiber N     show only fiber number N
  --no-stacks   show no backtraces; fibers are grouped by where they were spawned
  --pause       stop the process while its memory is copied, so that the picture is of one moment
                and has the backtraces of running fibers too
  --json        print JSON

Without --pause the process is not stopped. A fiber that changes while it is read is shown as
"moving", without a backtrace. A fiber that runs has no backtrace then.

The command needs the right to trace the process: the same user, or root. See ptrace(2) and
/proc/sys/kernel/yama/ptrace_scope.
)";

constexpr std::string_view top_help =
    R"(hilo top PID [--every SECONDS] [--count N]

Shows what the fibers of a process do, and draws it anew every second: fibers by state, by what they
wait for and by where they were spawned; how many were spawned, ended and switched a second; the
load of each worker; the fibers that have computed and waited for the longest. The process is not
stopped.

  --every SECONDS  draw at this interval, from 0.1 to 3600
  --count N        end after so many pictures

Keys: the arrows choose a group of fibers, enter shows the backtrace of one of them, escape goes
back. c, s, r and p sort by count, state, reason and place of spawning. q quits.

Where the output is no terminal, plain text is printed once for each picture. top ends when the
process ends.
)";

constexpr std::string_view trace_help =
    R"(hilo trace PID [-t SECONDS] [-o FILE]

Records what the workers and fibers of a process do, and writes a file that ui.perfetto.dev and
Chrome's chrome://tracing open: runs of fibers on each worker, the states of each fiber with the
reason of each wait, arrows from the waker to the woken fiber, spawns, steals, I/O, timers, calls
that block, and the lengths of queues.

  -t SECONDS  record for so long, from 0.1 to 3600; 5 by default
  -o FILE     write to this file; trace-PID.json by default

The process is not stopped. It records from its next switches on, which then take some 50 to 100 ns
longer each. Recording ends when the command ends in any way; after SIGKILL some 2 seconds later.
If the process is too fast for the command, the oldest events are lost, and the command says how
many. Each event takes some 200 bytes of the file.

The command needs the right to trace the process, as hilo dump does.
)";

constexpr std::string_view info_help =
    R"(hilo info [--json]

Shows what hilo uses on this machine, and why: kind of threads, I/O driver, guards of stacks,
thread-local storage of fibers, number of carriers, and limits. Where something better is missing,
a second line says what to change.
)";

}  // namespace

std::string_view help_for(std::string_view which) {
  if (which.empty()) return overview;
  if (which == "dump") return dump_help;
  if (which == "top") return top_help;
  if (which == "trace") return trace_help;
  if (which == "info") return info_help;
  throw failure(exit_code::wrong_usage,
                "there is no command \"" + std::string(which) + "\"; see hilo help");
}

}  // namespace hilo::command
