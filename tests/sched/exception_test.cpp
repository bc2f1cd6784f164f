// Exceptions and unwinding inside fibers: what is in flight moves with its fiber, and a stack ends
// at the fiber's entry.

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <unwind.h>

#include "hilo/runtime.hpp"

#include "runtime/context/first_frame.hpp"
#include "tests/doctest.hpp"
#include "tests/runtimes.hpp"

namespace {

// Parks and goes on on another carrier, if there is one.
struct mover {
  bool alone;
  void operator()() const { alone ? hilo::yield() : hilo::test::migrate(); }
};

template <class F>
void on_each_mover(F body) {
  for (const unsigned carriers : {1U, 2U, 4U, 8U}) {
    CAPTURE(carriers);
    hilo::run(hilo::runtime_options{.carriers = carriers},
              [&] { body(mover{.alone = carriers == 1}); });
  }
}

template <class F>
void crowd(F body) {
  std::vector<hilo::fiber<bool>> all;
  for (int i = 0; i < 12; ++i) all.push_back(hilo::spawn(body, i));
  for (auto& one : all) CHECK(one.join());
}

struct walk {
  std::vector<std::uintptr_t> addresses;
  static _Unwind_Reason_Code step(_Unwind_Context* frame, void* argument) {
    auto& self = *static_cast<walk*>(argument);
    // The frame that called nobody's code, where there is one, has no address.
    if (_Unwind_GetIP(frame) != 0) self.addresses.push_back(_Unwind_GetIP(frame));
    return self.addresses.size() < 200 ? _URC_NO_REASON : _URC_NORMAL_STOP;
  }
};

[[gnu::noinline]] _Unwind_Reason_Code backtrace(walk& found, int depth) {
  if (depth == 0) return _Unwind_Backtrace(walk::step, &found);
  const _Unwind_Reason_Code end = backtrace(found, depth - 1);
  asm volatile("");  // no tail call: each level is a frame
  return end;
}

}  // namespace

TEST_CASE("exception: unwinding goes through all frames of a fiber and ends at its entry") {
  on_each_mover([](mover move) {
    crowd([move](int i) {
      walk found;
      move();
      const _Unwind_Reason_Code end = backtrace(found, i);
      const auto entry = reinterpret_cast<std::uintptr_t>(&hilo_context_entry);
      return end == _URC_END_OF_STACK && found.addresses.size() > static_cast<std::size_t>(i) + 2 &&
             found.addresses.back() > entry && found.addresses.back() < entry + 32;
    });
  });
}

TEST_CASE("exception: a fiber parks in a catch block, migrates, and rethrows what it caught") {
  on_each_mover([](mover move) {
    crowd([move](int i) {
      try {
        try {
          throw std::runtime_error(std::to_string(i));
        } catch (const std::runtime_error&) {
          move();
          throw;
        }
      } catch (const std::runtime_error& again) {
        move();
        return again.what() == std::to_string(i) && std::uncaught_exceptions() == 0;
      }
    });
  });
}

TEST_CASE("exception: nested ones are each their fiber's, the inner and then the outer again") {
  on_each_mover([](mover move) {
    crowd([move](int i) {
      bool right = true;
      try {
        throw i;
      } catch (int) {
        move();
        try {
          move();
          throw std::to_string(i);
        } catch (const std::string& inner) {
          move();
          right = inner == std::to_string(i);
          try {
            throw;
          } catch (const std::string& same) {
            right = right && &same == &inner;
          }
        }
        move();
        try {
          throw;
        } catch (int outer) {
          return right && outer == i;
        }
      }
      return false;
    });
  });
}

TEST_CASE("exception: a destructor that unwinding runs parks, migrates, and throws within") {
  struct parks {
    mover move;
    bool& right;
    ~parks() {
      right = right && std::uncaught_exceptions() == 1;
      move();
      try {
        move();
        throw 1;
      } catch (int) {
        move();
      }
      right = right && std::uncaught_exceptions() == 1;
    }
  };
  on_each_mover([](mover move) {
    crowd([move](int i) {
      bool right = true;
      try {
        const parks outer{move, right};
        const parks inner{move, right};
        throw std::runtime_error(std::to_string(i));
      } catch (const std::runtime_error& caught) {
        return right && caught.what() == std::to_string(i) && std::uncaught_exceptions() == 0;
      }
    });
  });
}

TEST_CASE("exception: one is kept, handed to another fiber, and thrown there") {
  on_each_mover([](mover move) {
    crowd([move](int i) {
      std::exception_ptr kept;
      try {
        throw i;
      } catch (...) {
        move();
        kept = std::current_exception();
      }
      try {
        hilo::spawn([move, kept] {
          move();
          std::rethrow_exception(kept);
        }).join();
      } catch (int value) {
        return value == i;
      }
      return false;
    });
  });
}
