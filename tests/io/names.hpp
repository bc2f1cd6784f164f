// Names that the test answers for: the program is linked with --wrap=getaddrinfo.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace hilo::test {

// While one lives, look-ups of its name get its answer, from any thread. Its end waits for them.
class scripted_name {
 public:
  // These addresses, in this order; or an error of getaddrinfo(3). While `held`, look-ups block.
  scripted_name(std::string name, std::vector<std::string> addresses, bool held = false);
  scripted_name(std::string name, int error);
  ~scripted_name();
  scripted_name(const scripted_name&) = delete;
  scripted_name& operator=(const scripted_name&) = delete;

  const std::string name;
  const std::vector<std::string> addresses;
  const int error = 0;
  std::atomic<bool> held{false};
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};

  // Lets others run until there were so many look-ups.
  void until_asked(int times) const;
};

}  // namespace hilo::test
