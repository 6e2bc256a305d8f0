// Telephones by the names that people and telephone systems give them: numbers and words, in many
// spellings of which none is the right one.
#pragma once

#include <string>
#include <string_view>

namespace callward {

// What two spellings of one number or word have in common: "+49 (30) 12-34" is "49301234", "Ann" is
// "ann". No URI: its user part. Empty: neither digit nor letter.
std::string plain_telephone(std::string_view user);

// The same, and "0049301234" is "49301234", too: the prefix that many systems dial before a
// country's code. What is compared when it is asked whose telephone one is. A national number
// ("030 1234") stays what it is: of which country it is nobody says.
std::string telephone_key(std::string_view user);

}  // namespace callward
