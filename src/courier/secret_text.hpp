// Text that holds a secret, written piece by piece: the room is taken once, so that nothing grows
// and leaves an unwiped copy behind.
#pragma once

#include <cstring>
#include <string_view>

#include "base/check.hpp"
#include "base/secret.hpp"

namespace callward::courier {

class SecretText {
 public:
  explicit SecretText(std::size_t room) : bytes_(room) {}
  // CHECKs the room: its bound is the caller's arithmetic, never a stranger's.
  void add(std::string_view text) {
    CHECK(text.size() <= bytes_.size() - used_);
    if (!text.empty()) std::memcpy(bytes_.expose_mut().data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void add(char c) { add(std::string_view(&c, 1)); }
  // A copy of exactly what was written; this one is wiped when it goes.
  [[nodiscard]] SecretBytes take() const { return SecretBytes(bytes_.expose().first(used_)); }

 private:
  SecretBytes bytes_;
  std::size_t used_ = 0;
};

}  // namespace callward::courier
