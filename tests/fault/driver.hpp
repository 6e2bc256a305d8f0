// One operation of the product on real files, for tests/fault/strace_test.py, which makes each of
// its system calls fail in turn, or kills it there:
//
//   fault_driver make OP DIR      what stands on the disk before
//   fault_driver act OP DIR       opens that; says "ready THREAD" and waits for a line; then acts,
//                                 and says what it acknowledges. Errors are met as the process of
//                                 the product meets them: tried again.
//   fault_driver check OP DIR BEFORE DEAD FILE
//                                 opens DIR with what recovers it, and says what does not hold.
//                                 BEFORE and DEAD: copies of DIR from before the operation and
//                                 from after its end; FILE: the lines that `act` said.
//
// OP: erase, log, spool, object, repair.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/entropy.hpp"
#include "base/vfs.hpp"

namespace callward::fault {

// A phase has random numbers of its own, the same in each run: no key is made twice, and every run
// makes the same calls.
enum class Phase : std::uint8_t { kMake = 1, kAct = 2, kCheck = 3 };

struct Scene {
  Phase phase{};
  std::string dir, before, dead;
  std::vector<std::string> said;  // by `act`, one line each
  [[nodiscard]] std::vector<std::string> said_after(const std::string& word) const;
};

void say(const std::string& line);       // one write(2): said whole, or not at all
void ready(int thread);                  // until told to go on
void wrong(const std::string& finding);  // counted; the program ends with 1
void expect(bool holds, const std::string& finding);
int this_thread();
int other_thread();  // of a process with two

template <class T>
T need(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
    std::exit(3);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline constexpr int kTriesMax = 8;  // after an error; the test makes one call fail

struct Operation {
  const char* name;
  void (*make)(const Scene&);
  void (*act)(const Scene&);
  void (*check)(const Scene&);
};
extern const Operation kErase, kRepair, kLog, kSpool, kObject;

}  // namespace callward::fault
