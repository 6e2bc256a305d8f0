#include "listen/linear_model.hpp"

#include <algorithm>
#include <cmath>

#include "listen/language_lines.hpp"

namespace callward::listen {

Status LinearModel::add_feature(std::string_view line) {
  const auto tab = line.find('\t');
  if (tab == std::string_view::npos || tab == 0)
    return fail(Errc::kMalformed, "a feature, a tab, and its weights");
  if (weights_.size() >= kModelFeaturesMax) return fail(Errc::kTooLarge, "too many features");
  std::vector<Weight> weights;
  for (const auto word : split(line.substr(tab + 1), ' ')) {
    const auto colon = std::min(word.find(':'), word.size());
    const auto cls = TRY(number_of<std::uint8_t>(word.substr(0, colon)));
    if (cls >= classes_.size() || colon == word.size())
      return fail(Errc::kMalformed, "class:weight");
    const auto twice = std::any_of(weights.begin(), weights.end(),
                                   [cls](const Weight& weight) { return weight.cls == cls; });
    if (twice) return fail(Errc::kMalformed, "a class that stands there twice");
    weights.push_back({cls, TRY(number_of<std::int16_t>(word.substr(colon + 1)))});
  }
  if (!weights_.emplace(line.substr(0, tab), std::move(weights)).second)
    return fail(Errc::kMalformed, "a feature that stands there twice");
  return {};
}

Status LinearModel::add_line(std::string_view line) {
  constexpr std::string_view kClasses = "classes ", kBias = "bias ";
  if (classes_.empty()) {
    if (!line.starts_with(kClasses)) return fail(Errc::kMalformed, "classes come first");
    for (const auto name : split(line.substr(kClasses.size()), '|'))
      classes_.emplace_back(trim(name));
    if (classes_.size() > kModelClassesMax) return fail(Errc::kTooLarge, "too many classes");
    return {};
  }
  if (!bias_.empty()) return add_feature(line);
  if (!line.starts_with(kBias)) return fail(Errc::kMalformed, "classes, then their bias");
  std::vector<int> bias;
  for (const auto word : split(line.substr(kBias.size()), ' '))
    bias.push_back(TRY(number_of<int>(word)));
  if (bias.size() != classes_.size())
    return fail(Errc::kMalformed, "as many biases as there are classes");
  bias_ = std::move(bias);
  return {};
}

std::vector<float> LinearModel::shares(std::span<const std::string_view> features) const {
  std::vector<double> sums(bias_.begin(), bias_.end());
  for (const auto feature : features)
    if (const auto found = weights_.find(feature); found != weights_.end())
      for (const auto& weight : found->second) sums[weight.cls] += weight.hundredths;
  const auto most = *std::max_element(sums.begin(), sums.end());
  double all = 0;
  for (auto& sum : sums) all += sum = std::exp((sum - most) / 100);
  std::vector<float> shares;
  for (const auto sum : sums) shares.push_back(static_cast<float>(sum / all));
  return shares;
}

}  // namespace callward::listen
