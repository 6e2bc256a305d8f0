// Multinomial logistic regression over named features: the shares of its classes. Pure; a section
// of a language's turns.txt (listen/talk_model.hpp), written by tools/listening/train:
//
//   classes none | ask password | ...      the names of all classes
//   bias -12 3 ...                         one number a class, in hundredths
//   feature<TAB>class:weight class:weight  by the class's number, in hundredths
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"

namespace callward::listen {

inline constexpr std::size_t kModelClassesMax = 64;
inline constexpr std::size_t kModelFeaturesMax = 1u << 17;

class LinearModel {
 public:
  // Strict: another order or form is kMalformed.
  Status add_line(std::string_view line);
  [[nodiscard]] bool whole() const { return !bias_.empty(); }
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }
  // One a class, together 1. Features that the model does not know count for nothing.
  [[nodiscard]] std::vector<float> shares(std::span<const std::string_view> features) const;

 private:
  struct Weight {
    std::uint8_t cls = 0;
    std::int16_t hundredths = 0;
  };
  Status add_feature(std::string_view line);

  std::vector<std::string> classes_;
  std::vector<int> bias_;
  struct Hash {
    using is_transparent = void;  // what is looked up is not copied: it may be of a secret
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, std::vector<Weight>, Hash, std::equal_to<>> weights_;
};

}  // namespace callward::listen
