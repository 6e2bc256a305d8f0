#include "people/leaked.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <filesystem>
#include <set>

#include "base/fresh_dir_test.hpp"
#include "crypto/sha1.hpp"

namespace callward::people {
namespace {

SecretBytes phrase(std::string_view text) { return SecretBytes(as_bytes(text)); }

// FIPS 180-4: the example that everybody has.
TEST(Sha1, OfAbc) {
  EXPECT_EQ(to_hex(crypto::sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

class Leaked : public ::testing::Test {
 protected:
  RealVfs vfs;
  std::string dir = callward::test::fresh_dir("leaked");
  std::string file = dir + "/list";
  ~Leaked() override { std::filesystem::remove_all(dir); }
  Result<LeakedList> open(const std::string& text) {
    EXPECT_TRUE(vfs.write_file_atomic(file, as_bytes(text)));
    return LeakedList::open(vfs, file);
  }
  static std::string name_of(const std::string& passphrase, bool upper) {
    auto name = to_hex(crypto::sha1(as_bytes(passphrase)));
    if (upper)
      for (auto& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
  }
  // As it is given away: in order, with how often, and lines that end as under Windows.
  static std::string list_of(const std::set<std::string>& passphrases, const std::string& end) {
    std::set<std::string> lines;
    int n = 1;
    for (const auto& one : passphrases)
      lines.insert(name_of(one, true) + ":" + std::to_string(n = n * 7 % 1'000'003));
    std::string text;
    for (const auto& line : lines) text += line + end;
    return text;
  }
};

TEST_F(Leaked, WhatIsInTheListIsFoundAndNothingElse) {
  std::set<std::string> all;
  for (int i = 0; i < 3'000; ++i) all.insert("correct horse " + std::to_string(i));
  for (const char* end : {"\r\n", "\n"}) {
    auto text = list_of(all, end);
    const auto list = open(text);
    ASSERT_TRUE(list) << list.error().message;
    for (const auto& one : all) ASSERT_TRUE(*list->has(phrase(one))) << one;
    for (int i = 3'000; i < 6'000; ++i)
      ASSERT_FALSE(*list->has(phrase("correct horse " + std::to_string(i)))) << i;
    // Without an end of the last line, and without numbers.
    text.resize(text.size() - std::string(end).size());
    EXPECT_TRUE(*open(text)->has(phrase("correct horse 7")));
  }
  EXPECT_TRUE(*open(name_of("one alone", false))->has(phrase("one alone")));
  EXPECT_FALSE(*open(name_of("one alone", false))->has(phrase("another one")));
}

TEST_F(Leaked, ListsOfEveryLengthAgreeWithASet) {
  EXPECT_TRUE(rc::check([this] {
    const auto all = *rc::gen::nonEmpty(rc::gen::arbitrary<std::set<std::string>>());
    const auto list = open(list_of(all, "\n"));
    RC_ASSERT(list.has_value());
    for (const auto& one : all) RC_ASSERT(*list->has(phrase(one)));
    const auto other = *rc::gen::arbitrary<std::string>();
    RC_ASSERT(*list->has(phrase(other)) == all.contains(other));
  }));
}

TEST_F(Leaked, WhatIsNoSuchListIsRefusedAtTheStart) {
  EXPECT_EQ(LeakedList::open(vfs, dir + "/none").error().code, Errc::kConfig);
  std::string by_count;  // the other order in which such lists are given away
  for (int i = 0; i < 2'000; ++i) by_count += name_of(std::to_string(i), true) + ":9\n";
  for (const auto& bad : {std::string(), std::string("password1234\nletmein\n"), by_count,
                          std::string(10'000, 'A'), name_of("x", true) + " 7\n"})
    EXPECT_EQ(open(bad).error().code, Errc::kConfig) << bad.substr(0, 60);
}

TEST_F(Leaked, ADamagedLineIsAnErrorAndNoPassphrase) {
  std::set<std::string> all;
  for (int i = 0; i < 3'000; ++i) all.insert(std::to_string(i));
  const auto list = open(list_of(all, "\n"));
  ASSERT_TRUE(list);
  const auto size = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, 0);
  std::filesystem::resize_file(file, size);  // zeros, under the file that is open
  EXPECT_EQ(list->has(phrase("7")).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace callward::people
