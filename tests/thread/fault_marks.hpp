// How fault_child.cpp tells its tracer where the traced part begins and ends: getpriority with one
// of these as its first argument.
#pragma once

inline constexpr int fault_begin = 7701, fault_end = 7702;
