// doctest as hilo's tests use it. Every test source includes this and not doctest itself.
#pragma once

// An assertion is one call, which compiles faster. An exception in the expression of a CHECK then
// ends the test case, and not the check alone.
#define DOCTEST_CONFIG_SUPER_FAST_ASSERTS

#include <ostream>  // doctest forward-declares streams, and then cannot print a std::error_code

#include <doctest/doctest.h>
