#include "vault/normalise.hpp"

#include <gtest/gtest.h>

#include "base/own_stack_test.hpp"

namespace callward::vault {
namespace {

// The libraries copy short texts from place to place, in frames of theirs: of what was normalised,
// or could not be, nothing is left there.
TEST(Normalise, NothingIsLeftOnTheStack) {
  struct Given {
    FieldKind kind;
    const char *text, *part, *wide;
    bool good;
  };
  (void)normalise(FieldKind::kPhone, as_bytes("+12025550100"), "US");  // reads its tables once
  test::OwnStack stack;
  for (const auto& [kind, text, part, wide, good] : {
           Given{FieldKind::kPhone, "+16502530047", "02530047", "", true},
           Given{FieldKind::kPhone, "(650) 253-0047", "530047", "", true},
           Given{FieldKind::kPhone, "+1650253004711122233", "53004711", "", false},
           Given{FieldKind::kName, "Wintergreen", "winterg", "wint", true},
           Given{FieldKind::kServiceWord, "Wintergreen \xff", "wintergr", "wint", true},
           Given{FieldKind::kAddress, "Wintergreen Lane 4711, a long way from everything else",
                 "wintergreen lane", "lane", true},
           Given{FieldKind::kPin, "471-199", "471199", "", true},
           Given{FieldKind::kEmail, "Wintergreen@calls.example", "wintergreen@", "", true},
       }) {
    // Not in a register or a string that this function still has: it runs elsewhere.
    bool was_good = false;
    stack.run(
        [&] { was_good = normalise(kind, as_bytes(std::string_view(text)), "US").has_value(); });
    EXPECT_EQ(was_good, good) << text;
    EXPECT_FALSE(stack.holds(part)) << text;
    EXPECT_FALSE(stack.holds(std::string_view(text).substr(0, 6))) << text;
    std::string utf16;  // as ICU has it
    for (const char* c = wide; *c != 0; ++c) utf16 += {*c, '\0'};
    EXPECT_FALSE(!utf16.empty() && stack.holds(utf16)) << text;
  }
}

}  // namespace
}  // namespace callward::vault
