#include "courier/letter.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "courier/letter_rig_test.hpp"

namespace callward::courier {
namespace {

TEST(Letter, AddressesAreOfTheStrictKind) {
  for (const auto* good : {"ann@example.com", "a.b+c@x-1.example", "o'neil_1@a.b.c.example",
                           "!#$%&'*+-/=?^_`{|}~@example.org"})
    EXPECT_TRUE(is_mail_address(good)) << good;
  const std::string label(63, 'a'), local(64, 'l');
  EXPECT_TRUE(is_mail_address(local + "@" + label + ".example"));
  EXPECT_FALSE(is_mail_address(local + "l@" + label + ".example"));
  EXPECT_FALSE(is_mail_address(local + "@" + label + "a.example"));
  EXPECT_TRUE(is_mail_address("a@" + label + "." + label + "." + label + "." + label.substr(3)));
  EXPECT_FALSE(is_mail_address("ab@" + label + "." + label + "." + label + "." + label.substr(2)));
  for (const auto* bad : {"",
                          "@",
                          "ann",
                          "ann@",
                          "@example.com",
                          "ann@example",
                          "ann@localhost",
                          "ann@@example.com",
                          "ann@example.com@x.example",
                          "ann@.example.com",
                          "ann@example.com.",
                          "ann@example..com",
                          ".ann@example.com",
                          "ann.@example.com",
                          "a..b@example.com",
                          "ann@-x.example",
                          "ann@x-.example",
                          "ann@1.2.3.4",
                          "ann@[1.2.3.4]",
                          "\"a b\"@example.com",
                          "ann @example.com",
                          "<ann@example.com>",
                          "ann@example.com,bob@example.com",
                          "Ann <ann@example.com>",
                          "ann@exam\nple.com",
                          "ann@example.com\r\nBcc: b@example.com",
                          "ann@example.com ",
                          "ann@ex_ample.com",
                          "j\xC3\xB6rg@example.com",
                          "ann@b\xC3\xBC.example",
                          "a(c)@example.com"})
    EXPECT_FALSE(is_mail_address(bad)) << bad;
  EXPECT_FALSE(is_mail_address(std::string_view("ann\0@example.com", 16)));
}

TEST(Letter, NumbersAreE164) {
  for (const auto* good : {"+1234567", "+4915112345678", "+123456789012345"})
    EXPECT_TRUE(is_phone_number(good)) << good;
  for (const auto* bad : {"", "+", "4915112345678", "+0123456789", "+123456", "+1234567890123456",
                          "+49 151", "+49151123456x", "++4915112345", "+4915112345678\n"})
    EXPECT_FALSE(is_phone_number(bad)) << bad;
}

TEST(Letter, TextIsUtf8WithoutControlCharacters) {
  for (const auto* good : {"", "plain", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_clean_text(good, false)) << good;
    EXPECT_TRUE(is_clean_text(good, true)) << good;
  }
  for (const auto* lines : {"a\nb", "a\r\nb", "a\tb"}) {
    EXPECT_TRUE(is_clean_text(lines, true)) << lines;
    EXPECT_FALSE(is_clean_text(lines, false)) << lines;
  }
  for (const auto* bad :
       {"a\rb", "\r", "\x1B[0m", "\x7F", "\xC2\x85", "\x80", "\xC0\xAF", "\xC1\xBF", "\xC3",
        "\xE0\x80\x80", "\xE2\x82", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "a\xC3\x28"})
    EXPECT_FALSE(is_clean_text(bad, true)) << to_hex(as_bytes(bad));
  EXPECT_FALSE(is_clean_text(std::string_view("a\0b", 3), true));
}

TEST(Letter, WhatCannotBeSentIsNamed) {
  using test::mail, test::sms;
  EXPECT_STREQ(refusal_of(mail()), "");
  EXPECT_STREQ(refusal_of(sms()), "");
  EXPECT_STREQ(refusal_of(mail("x", "")), "");
  EXPECT_STREQ(refusal_of(mail("x", "s", "+4915112345678")), "bad_address");
  EXPECT_STREQ(refusal_of(sms("x", "ann@example.com")), "bad_address");
  EXPECT_STREQ(refusal_of(mail("x", "a\r\nBcc: b@example.com")), "bad_subject");
  EXPECT_STREQ(refusal_of(mail("")), "bad_text");
  EXPECT_STREQ(refusal_of(mail("a\x01")), "bad_text");
  auto titled = sms();
  titled.subject = "x";
  EXPECT_STREQ(refusal_of(titled), "bad_subject");
  auto none = mail();
  none.channel = static_cast<keys::DeliveryChannel>(3);
  EXPECT_STREQ(refusal_of(none), "bad_channel");
  EXPECT_STREQ(refusal_of(mail(std::string(keys::kMailTextBytesMax, 'a'))), "");
  EXPECT_STREQ(refusal_of(mail(std::string(keys::kMailTextBytesMax + 1, 'a'))), "too_long");
  EXPECT_STREQ(refusal_of(sms(std::string(keys::kSmsTextBytesMax + 1, 'a'))), "too_long");
  EXPECT_STREQ(refusal_of(mail("x", std::string(keys::kSubjectBytesMax + 1, 'a'))), "too_long");
}

// Whatever passes has none of the characters that end a header, a command or an address.
TEST(Letter, NothingThatPassesCanBreakOutOfItsPlace) {
  const auto noise = rc::gen::container<std::string>(
      rc::gen::element('a', '7', '.', '-', '@', '+', '\r', '\n', ' ', '<', '>', ',', ';', ':', '"',
                       '\\', '(', '\0', '\x7F', '\x80', '\xC3', '\xA4'));
  EXPECT_TRUE(rc::check("an address", [&] {
    const auto text = *rc::gen::element<std::string>("ann@example.com", "a@b.example");
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
    const auto mixed = text.substr(0, at) + *noise + text.substr(at);
    const bool passes = is_mail_address(mixed);
    RC_CLASSIFY(passes);
    if (!passes) return;
    for (const char c : mixed)
      RC_ASSERT(c > ' ' && c < 0x7F &&
                std::string_view("<>()[]\\,;:\"").find(c) == std::string::npos);
  }));
  EXPECT_TRUE(rc::check("a subject", [&] {
    const auto text = *noise;
    const bool passes = is_clean_text(text, false);
    RC_CLASSIFY(passes);
    if (!passes) return;
    for (const char c : text) RC_ASSERT(static_cast<unsigned char>(c) >= ' ' && c != 0x7F);
  }));
}

}  // namespace
}  // namespace callward::courier
