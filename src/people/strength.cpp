#include "people/strength.hpp"

#include <zxcvbn.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace callward::people {
namespace {

// A word and its parts: "ada@calls.example" is guessed as "ada", too.
void add_words(const std::string& text, std::vector<std::string>& out) {
  std::string whole, part;
  const auto keep = [&out](std::string& word) {
    constexpr std::size_t kShortest = 3;
    if (word.size() >= kShortest) out.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const auto lower = static_cast<char>(std::tolower(byte));
    whole += lower;
    if (std::isalnum(byte) != 0)
      part += lower;
    else
      keep(part);
  }
  keep(part);
  keep(whole);
}

}  // namespace

int strength_of(const SecretBytes& passphrase, const std::vector<std::string>& words) {
  std::vector<std::string> known;  // the first are taken for those that are tried first
  for (const auto& word : words) add_words(word, known);
  known.insert(known.end(), kKnownWords.begin(), kKnownWords.end());
  std::vector<const char*> list;
  for (const auto& word : known) list.push_back(word.c_str());
  list.push_back(nullptr);
  const auto bytes = passphrase.expose();
  const auto length = std::min(bytes.size(), kRatedBytesMax);
  SecretBytes text(length + 1);  // with its end
  std::copy_n(bytes.begin(), length, text.expose_mut().begin());
  const auto bits =
      ::ZxcvbnMatch(reinterpret_cast<const char*>(text.expose().data()), list.data(), nullptr);
  const auto guesses = bits * std::log10(2.0);
  return guesses < 3 ? 0 : guesses < 6 ? 1 : guesses < 8 ? 2 : guesses < 10 ? 3 : 4;
}

std::size_t characters_of(const SecretBytes& passphrase) {
  constexpr auto begins = [](std::uint8_t byte) { return (byte & 0xC0) != 0x80; };
  return static_cast<std::size_t>(std::ranges::count_if(passphrase.expose(), begins));
}

}  // namespace callward::people
