#include "tests/supervisor.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/death.hpp"

namespace hilo::test {
namespace {

// Installs the filter. Returns the descriptor on which the calls ask, or -1.
int begin_asking(std::initializer_list<long> numbers) {
  std::vector<sock_filter> rules;
  rules.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const long number : numbers) {
    rules.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
    rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  rules.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{.len = static_cast<unsigned short>(rules.size()), .filter = rules.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

union descriptor_message {
  cmsghdr head;
  char space[CMSG_SPACE(sizeof(int))];
};

msghdr message_with(iovec& byte, descriptor_message& room) {
  msghdr message{};
  message.msg_iov = &byte;
  message.msg_iovlen = 1;
  message.msg_control = &room;
  message.msg_controllen = sizeof room;
  return message;
}

bool hand_over(int socket, int descriptor) {
  char none = 0;
  iovec byte{&none, 1};
  descriptor_message room{};
  const msghdr message = message_with(byte, room);
  room.head = {
      .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  std::memcpy(CMSG_DATA(&room.head), &descriptor, sizeof descriptor);
  return ::sendmsg(socket, &message, 0) == 1;
}

int take_over(int socket) {
  char none = 0;
  iovec byte{&none, 1};
  descriptor_message room{};
  msghdr message = message_with(byte, room);
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  if (room.head.cmsg_type != SCM_RIGHTS) return -1;
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(&room.head), sizeof descriptor);
  return descriptor;
}

using answers = std::function<int(const asked_call&)>;

// Returns whether the question is done with: answered, or its caller was interrupted or is gone.
bool try_answer(int listener, const seccomp_notif& question, const answers& answer) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%u/mem", question.pid);
  asked_call call{.number = question.data.nr,
                  .caller = static_cast<int>(question.pid),
                  .memory = ::open(path, O_RDONLY | O_CLOEXEC)};
  std::copy_n(question.data.args, 6, call.arguments);
  const int error = answer(call);
  if (call.memory >= 0) ::close(call.memory);
  if (error == ask_again) {
    return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &question.id) != 0;
  }
  seccomp_notif_resp reply{};
  reply.id = question.id;
  reply.error = -error;
  reply.flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0U;
  (void)::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  return true;
}

void answer_all(int listener, pid_t child, const answers& answer) {
  std::vector<seccomp_notif> kept;
  const auto end = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (end < 0) ::kill(child, SIGKILL);
  pollfd both[] = {{.fd = listener, .events = POLLIN, .revents = 0},
                   {.fd = end, .events = POLLIN, .revents = 0}};
  while (end >= 0 && both[1].revents == 0) {
    if (::poll(both, 2, kept.empty() ? -1 : 2) < 0) continue;
    std::erase_if(kept,
                  [&](const seccomp_notif& one) { return try_answer(listener, one, answer); });
    seccomp_notif question{};
    if ((both[0].revents & POLLIN) == 0) continue;
    // Fails if the caller was interrupted meanwhile, or is gone.
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) continue;
    if (!try_answer(listener, question, answer)) kept.push_back(question);
  }
  (void)::syscall(SYS_close, end);
}

}  // namespace

std::string asked_call::text_at(unsigned long long address) const {
  std::string text;
  char byte = 0;
  while (text.size() < 4096 && ::pread(memory, &byte, 1, static_cast<off_t>(address)) == 1) {
    if (byte == 0) return text;
    text += byte;
    ++address;
  }
  return {};
}

int run_supervised(const std::function<int()>& program, std::initializer_list<long> numbers,
                   const std::function<int(const asked_call&)>& answer) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int listener = begin_asking(numbers);
    if (listener < 0 || !hand_over(ends[1], listener)) ::_exit(127);
    ::_exit(program());
  }
  (void)::syscall(SYS_close, ends[1]);
  const int listener = take_over(ends[0]);
  (void)::syscall(SYS_close, ends[0]);
  answer_all(listener, child, answer);
  int how = -1;
  ::waitpid(child, &how, 0);
  (void)::syscall(SYS_close, listener);
  return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

std::string missing_supervision() {
  const child_end end = run_in_child([] {
    ::_exit(run_supervised(
        [] {
          const auto open = [](const char* path) {
            return ::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
          };
          return open("/there") < 0 && errno == EDOM && open("/") >= 0 ? 0 : 1;
        },
        {SYS_openat},
        [](const asked_call& call) {
          return call.text_at(call.arguments[1]) == "/there" ? EDOM : 0;
        }));
  });
  return end.exited && end.code == 0 ? ""
                                     : "no process can answer for the system calls of another here";
}

}  // namespace hilo::test
