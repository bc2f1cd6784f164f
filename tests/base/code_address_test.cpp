#include "runtime/base/code_address.hpp"

#include <cstdint>
#include <string>

#include <dlfcn.h>

#include "tests/doctest.hpp"
#include "tests/skip.hpp"

namespace {

std::string format(const void* address) {
  char text[600];
  hilo::base::format_code_address(address, text, sizeof text);
  return text;
}

}  // namespace

TEST_CASE("code_address: an address in the program and one in a library are module and offset") {
  for (const void* code : {reinterpret_cast<const void*>(&format),
                           static_cast<const void*>(::dlsym(RTLD_DEFAULT, "strlen"))}) {
    Dl_info known{};
    if (::dladdr(code, &known) == 0) HILO_SKIP("this libc knows no modules in a static program");
    const std::string text = format(code);
    CAPTURE(text);
    const std::size_t plus = text.rfind("+0x");
    REQUIRE(plus != std::string::npos);
    CHECK(text[0] == '/');
    CHECK(std::stoull(text.substr(plus + 3), nullptr, 16) ==
          reinterpret_cast<std::uintptr_t>(code) -
              reinterpret_cast<std::uintptr_t>(known.dli_fbase));
  }
}

TEST_CASE("code_address: an address that no file is mapped at stays a number") {
  int here = 0;
  CHECK(format(&here).substr(0, 2) == "0x");
  CHECK(format(reinterpret_cast<const void*>(16)) == "0x10");
}
