// All public headers, and nothing else: initialisers.py looks at its object.
#include "hilo/hilo.hpp"
#include "hilo/kernel.hpp"
