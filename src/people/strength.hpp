// How hard a passphrase is to guess, by zxcvbn (Wheeler, USENIX Security 2016): words, names,
// dates, rows of keys and repetitions cost what trying them costs.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/secret.hpp"

namespace callward::people {

// 0 to 4, by guesses: under 10^3, 10^6, 10^8, 10^10, or more. `words`: what whoever guesses knows
// besides, as the person's name and the company's; with kKnownWords they count as the first words
// to be tried. Only the first kRatedBytesMax bytes are looked at, for the work grows with the
// square.
int strength_of(const SecretBytes& passphrase, const std::vector<std::string>& words);

// As a person counts: code points of UTF-8. Bytes that are no UTF-8 count for no more than that.
std::size_t characters_of(const SecretBytes& passphrase);

// The product's name, and words of the trade: whoever guesses here tries them first.
inline constexpr std::array kKnownWords = {
    "callward", "call",       "calls",     "caller",  "callcenter", "callcentre",   "contact",
    "center",   "centre",     "customer",  "client",  "agent",      "support",      "service",
    "hotline",  "helpdesk",   "telephone", "phone",   "headset",    "recorder",     "recording",
    "record",   "vault",      "secret",    "privacy", "passphrase", "passkey",      "console",
    "reviewer", "supervisor", "expert",    "auditor", "owner",      "administrator"};

inline constexpr int kStrengthMin = 3;
inline constexpr std::size_t kRatedBytesMax = 100;

}  // namespace callward::people
