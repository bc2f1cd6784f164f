// doctest as hilo's tests use it. Every test source includes this and not doctest itself.
#pragma once

#include <ostream>  // doctest forward-declares streams, and then cannot print a std::error_code

#include <doctest/doctest.h>
