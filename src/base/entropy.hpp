// Where random bytes come from. One interface, so that tests can replay and record every key ever
// made.
#pragma once

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward {

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(MutByteView out) = 0;  // never fails: the process ends if the kernel has none

  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    fill(out);
    return out;
  }
  Key32 key() {
    Key32 out;
    fill(out.expose_mut());
    return out;
  }
};

// getrandom(2).
class SystemEntropy final : public Entropy {
 public:
  void fill(MutByteView out) override;
};

// Deterministic (SplitMix64 over a seed): for tests and the simulator only.
class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : state_(seed) {}
  void fill(MutByteView out) override;

 private:
  std::uint64_t state_;
};

}  // namespace callward
