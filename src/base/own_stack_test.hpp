// A stack that can be looked at when what ran on it has returned.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace callward::test {

class OwnStack {
 public:
  static constexpr std::size_t kBytes = 1u << 20;
  // On a thread of its own, to its end.
  void run(std::function<void()> what) {
    pthread_attr_t attributes;
    ASSERT_EQ(pthread_attr_init(&attributes), 0);
    ASSERT_EQ(pthread_attr_setstack(&attributes, bytes_.data(), bytes_.size()), 0);
    pthread_t thread{};
    const auto body = [](void* of) -> void* {
      (*static_cast<std::function<void()>*>(of))();
      return nullptr;
    };
    ASSERT_EQ(pthread_create(&thread, &attributes, body, &what), 0);
    ASSERT_EQ(pthread_join(thread, nullptr), 0);
    pthread_attr_destroy(&attributes);
  }
  [[nodiscard]] bool holds(std::string_view text) const { return holds(as_bytes(text)); }
  [[nodiscard]] bool holds(ByteView part) const {
    return std::ranges::search(bytes_, part).begin() != bytes_.end();
  }

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(kBytes);
};

}  // namespace callward::test
