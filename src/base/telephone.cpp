#include "base/telephone.hpp"

#include <algorithm>

namespace callward {
namespace {

constexpr std::string_view kSigns = "+-.() ";  // between digits they mean nothing
constexpr std::string_view kInternational = "00";
// Shorter ones are extensions that happen to begin so.
constexpr std::size_t kInternationalDigitsMin = 10;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_sign(char c) { return kSigns.find(c) != std::string_view::npos; }

}  // namespace

std::string plain_telephone(std::string_view user) {
  const bool number = std::ranges::all_of(
      user, [](char c) { return is_digit(c) || is_sign(c) || c == '*' || c == '#'; });
  std::string out;
  bool any = false;
  for (const char c : user) {
    if (number && is_sign(c)) continue;
    any = any || !is_sign(c);
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
  return any ? out : std::string();
}

std::string telephone_key(std::string_view user) {
  auto out = plain_telephone(user);
  if (out.size() >= kInternationalDigitsMin && out.starts_with(kInternational) &&
      std::ranges::all_of(out, is_digit))
    out.erase(0, kInternational.size());
  return out;
}

}  // namespace callward
