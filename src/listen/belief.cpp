#include "listen/belief.hpp"

#include <algorithm>
#include <cctype>

#include "base/secret.hpp"

namespace callward::listen {
namespace {

// Bytes of the character that begins with `lead`; 0: none does.
std::size_t length_of(std::uint8_t lead) {
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

// Overlong forms, surrogates, and what is beyond U+10FFFF begin like this.
bool second_fits(std::uint8_t lead, std::uint8_t second) {
  if (lead == 0xE0) return second >= 0xA0;
  if (lead == 0xED) return second <= 0x9F;
  if (lead == 0xF0) return second >= 0x90;
  return lead != 0xF4 || second <= 0x8F;
}

}  // namespace

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
    const auto length = length_of(byte(0));
    if (length == 0 || length > text.size() - at) return false;
    for (std::size_t i = 1; i < length; ++i)
      if ((byte(i) & 0xC0) != 0x80) return false;
    if (length > 1 && !second_fits(byte(0), byte(1))) return false;
    at += length;
  }
  return true;
}

bool well_formed(std::span<const Word> words) {
  return words.size() <= kWorkerWordsMax &&
         std::all_of(words.begin(), words.end(), [](const Word& word) {
           return !word.text.empty() && word.text.size() <= kWordBytesMax && is_utf8(word.text);
         });
}

bool says_too_little(std::span<const Word> words, std::uint32_t speech_ms) {
  const auto said = std::count_if(words.begin(), words.end(), [](const Word& word) {
    return std::any_of(word.text.begin(), word.text.end(), [](char c) {  // not "..."
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0;
    });
  });
  return speech_ms >= kLittleFromMs && static_cast<std::uint32_t>(said) * kWordEachMs < speech_ms;
}

std::uint32_t SameAnswers::count(std::span<const Word> words) {
  if (words.empty()) return 0;
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325 ^ key_;  // FNV-1a: nobody gains by a collision
  for (const auto& word : words) {
    for (const char c : word.text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100'0000'01B3;
    hash = (hash ^ 0x20) * 0x100'0000'01B3;
  }
  count_ = hash == last_ ? count_ + 1 : 1;
  last_ = hash;
  return count_;
}

void SameAnswers::forget() {
  wipe(&last_, sizeof last_);
  count_ = 0;
}

SameAnswers::~SameAnswers() { wipe(&last_, sizeof last_); }

}  // namespace callward::listen
