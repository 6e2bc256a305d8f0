#include "listen/sounds.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace callward::listen {
namespace {

constexpr std::size_t kSoundsMax = 64;  // of a word that is compared; a longer one is cut

bool vowel(char sound) { return sound == 'a' || sound == 'e' || sound == 'o'; }

// Consonants that are said at the same place.
bool same_place(char a, char b) {
  for (const std::string_view group : {"bp", "dt", "gk", "fv", "szS", "mn", "lr", "jS"})
    if (group.find(a) != std::string_view::npos && group.find(b) != std::string_view::npos)
      return true;
  return false;
}

std::uint32_t swap_cost(char a, char b) {
  if (a == b) return 0;
  return (vowel(a) && vowel(b)) || same_place(a, b) ? 1 : 2;
}
std::uint32_t drop_cost(char sound) { return vowel(sound) ? 1 : 2; }

// Two letters that are one sound, or one that has another name behind some letters.
struct Pair {
  std::string_view letters, sounds;
};
constexpr std::array<Pair, 16> kPairs = {{{"ph", "f"},
                                          {"sh", "S"},
                                          {"ch", "S"},
                                          {"ck", "k"},
                                          {"th", "t"},
                                          {"gh", ""},
                                          {"kn", "n"},
                                          {"wr", "r"},
                                          {"qu", "kw"},
                                          {"ce", "se"},
                                          {"ci", "se"},
                                          {"cy", "se"},
                                          {"ee", "e"},
                                          {"oo", "o"},
                                          {"ou", "o"},
                                          {"ow", "o"}}};

std::string_view single(char c) {
  switch (c) {
    case 'e':
    case 'i':
    case 'y':
      return "e";
    case 'o':
    case 'u':
      return "o";
    case 'c':
    case 'q':
      return "k";
    case 'x':
      return "ks";
    case 'h':
      return "";
    default:
      break;
  }
  static constexpr std::string_view kSame = "abdfgjklmnprstvwz";
  const auto at = kSame.find(c);
  return at == std::string_view::npos ? std::string_view{} : kSame.substr(at, 1);
}

}  // namespace

std::string sounds_of(std::string_view word) {
  std::string out;
  out.reserve(2 * word.size());  // growing would leave copies behind
  for (std::size_t i = 0; i < word.size();) {
    const auto pair = std::find_if(kPairs.begin(), kPairs.end(),
                                   [&](const Pair& p) { return word.substr(i, 2) == p.letters; });
    const auto sounds = pair != kPairs.end() ? pair->sounds : single(word[i]);
    i += pair != kPairs.end() ? 2 : 1;
    for (const char sound : sounds)
      if (out.empty() || out.back() != sound) out += sound;  // doubled letters are one
  }
  // "shine" and "shin": a last e is not said.
  if (out.size() > 2 && word.ends_with('e')) out.pop_back();
  return out;
}

std::uint32_t sound_distance(std::string_view a, std::string_view b, std::uint32_t most) {
  a = a.substr(0, kSoundsMax);
  b = b.substr(0, kSoundsMax);
  const auto apart = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (apart > most) return most + 1;
  std::array<std::uint32_t, kSoundsMax + 1> row{};
  for (std::size_t j = 1; j <= b.size(); ++j) row[j] = row[j - 1] + drop_cost(b[j - 1]);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = row[0];
    row[0] += drop_cost(a[i - 1]);
    auto least = row[0];
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({diagonal + swap_cost(a[i - 1], b[j - 1]), above + drop_cost(a[i - 1]),
                         row[j - 1] + drop_cost(b[j - 1])});
      diagonal = above;
      least = std::min(least, row[j]);
    }
    if (least > most) return most + 1;
  }
  return std::min(row[b.size()], most + 1);
}

}  // namespace callward::listen
