#include "base/entropy.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/check.hpp"

namespace callward {

void SystemEntropy::fill(MutByteView out) {
  while (!out.empty()) {
    const auto got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void SeededEntropy::fill(MutByteView out) {
  for (std::size_t i = 0; i < out.size(); i += 8) {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    for (std::size_t k = 0; k < 8 && i + k < out.size(); ++k)
      out[i + k] = static_cast<std::uint8_t>(z >> (8 * k));
  }
}

}  // namespace callward
