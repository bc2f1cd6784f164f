// A server that answers each line in capitals, in C: one fiber for each connection, a bound on
// their number, a deadline for each client, and a stop that lets no connection leak.
#include <ctype.h>
#include <errno.h>
#include <hilo/hilo.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { clients = 20, most_connections = 8 };

// Answers until the client ends its side. The descriptor is this fiber's.
static int serve(void* argument) {
  const int fd = (int)(intptr_t)argument;
  char text[256];
  ssize_t got;
  int error = 0;
  while ((got = hilo_recv(fd, text, sizeof text, 0, hilo_after(5 * HILO_SECOND))) > 0) {
    for (ssize_t i = 0; i < got; ++i) text[i] = (char)toupper((unsigned char)text[i]);
    error = hilo_write_all(fd, text, (size_t)got, hilo_after(HILO_SECOND), NULL);
    if (error != 0) break;
  }
  hilo_close(fd);
  return 0;  // a client that fails does not stop the others
}

// Accepts until it is asked to stop. Returns the number of connections.
static void* accept_all(void* argument) {
  const int listener = *(int*)argument;
  intptr_t accepted = 0;
  hilo_scope* connections = NULL;
  hilo_scope_options options = HILO_SCOPE_OPTIONS;
  options.limit = most_connections;
  if (hilo_scope_open(&connections, &options) != 0) return NULL;
  while (1) {
    const int fd = hilo_accept(listener, NULL, NULL, SOCK_CLOEXEC, HILO_FOREVER);
    if (fd < 0) break;  // -ECANCELED: the program stops
    if (hilo_scope_spawn(connections, serve, (void*)(intptr_t)fd) != 0) {
      hilo_close(fd);
      break;
    }
    ++accepted;
  }
  hilo_scope_close(connections);
  return (void*)accepted;
}

static int ask(void* port) {
  static const char question[] = "hello from c\n";
  char answer[sizeof question] = "";
  const int fd = hilo_tcp_connect("127.0.0.1", *(uint16_t*)port, hilo_after(5 * HILO_SECOND));
  if (fd < 0) return fd;
  int error = hilo_write_all(fd, question, sizeof question - 1, HILO_FOREVER, NULL);
  if (error == 0) {
    error = hilo_read_all(fd, answer, sizeof question - 1, hilo_after(5 * HILO_SECOND), NULL);
  }
  hilo_close(fd);
  return error == 0 && strcmp(answer, "HELLO FROM C\n") != 0 ? -EPROTO : error;
}

static void* program(void* unused) {
  int listener = hilo_tcp_listen("127.0.0.1", 0);
  if (listener < 0) {
    fprintf(stderr, "listen: %s\n", strerror(-listener));
    return unused;
  }
  uint16_t port = (uint16_t)hilo_port(listener);
  hilo_fiber* server = NULL;
  hilo_scope* asking = NULL;
  if (hilo_spawn(&server, NULL, accept_all, &listener) != 0) return unused;
  int error = hilo_scope_open(&asking, NULL);
  for (int i = 0; i < clients && error == 0; ++i) error = hilo_scope_spawn(asking, ask, &port);
  if (error == 0) error = hilo_scope_join(asking);
  hilo_scope_close(asking);

  void* accepted = NULL;
  hilo_stop(server);
  hilo_join(server, &accepted);
  hilo_close(listener);
  printf("%d connections, all answers %s\n", (int)(intptr_t)accepted,
         error == 0 ? "right" : strerror(-error));
  return unused;
}

int main(void) {
  return hilo_run(NULL, program, NULL, NULL) == 0 ? 0 : 1;
}
