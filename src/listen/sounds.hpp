// English letters -> the sounds that they are read as, roughly: enough to tell "sunshine" from
// "sonshine" (alike) and from "sunshade" (not). For what recognisers write instead of a word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace callward::listen {

// Letters a-z only (others are left out); the result is never longer than twice the word.
std::string sounds_of(std::string_view word);

// What it takes to make one of the other: 1 a vowel or a consonant of the same place of the mouth,
// 2 any other sound. Stops at `most` + 1.
std::uint32_t sound_distance(std::string_view a, std::string_view b, std::uint32_t most);

}  // namespace callward::listen
