// How hard a passphrase is to guess, by zxcvbn (Wheeler, USENIX Security 2016): words, names,
// dates, rows of keys and repetitions cost what trying them costs.
#pragma once

#include <string>
#include <vector>

#include "base/secret.hpp"

namespace callward::people {

// 0 to 4, by guesses: under 10^3, 10^6, 10^8, 10^10, or more. `words`: what whoever guesses knows
// besides, as the person's name and the company's; they count as the first words to be tried. Only
// the first kRatedBytesMax bytes are looked at, for the work grows with the square.
int strength_of(const SecretBytes& passphrase, const std::vector<std::string>& words);

inline constexpr int kStrengthMin = 3;
inline constexpr std::size_t kRatedBytesMax = 100;

}  // namespace callward::people
