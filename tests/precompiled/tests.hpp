// The same for the test programs.
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tests/doctest.hpp"
#include "tests/precompiled/library.hpp"
