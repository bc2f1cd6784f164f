// Nothing shared and no stack: clone is fork. The child continues on a copy of everything.
#include <cstdio>
#include <hilo/clone.hpp>

#include <unistd.h>

int main() {
  int value = 1;

  hilo::child child = hilo::clone().fork();
  if (!child) {  // this is the child, which has none
    value += 41;
    ::_exit(value);
  }
  std::printf("the child %s; here the value is %d\n", child.wait().describe().c_str(), value);

  // The same with the child's part in a function.
  hilo::child second = hilo::clone().start([&] { return value += 6; });
  std::printf("the second %s; here the value is %d\n", second.wait().describe().c_str(), value);
}
