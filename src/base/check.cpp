#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace callward {
void check_failed(const char* condition, const char* file, int line) noexcept {
  // The condition's text is source code, never data: nothing personal can stand in it.
  std::fprintf(stderr, "{\"event\":\"check_failed\",\"condition\":\"%s\",\"at\":\"%s:%d\"}\n",
               condition, file, line);
  std::abort();
}
}  // namespace callward
