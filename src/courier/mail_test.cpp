#include "courier/mail.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "courier/letter_rig_test.hpp"
#include "courier/mail_reader_test.hpp"

namespace callward::courier {
namespace {

const MailSender kSender{"callward@example.org", ""};
constexpr std::int64_t kSentAt = 1'795'508'999'123;

std::string built(keys::Deliver message, const MailSender& sender = kSender) {
  const Letter letter{std::move(message), kSentAt};
  return std::string(as_text(build_mail(sender, letter).expose()));
}

TEST(Mail, IsWrittenAsItStandsHere) {
  EXPECT_EQ(built(test::mail("Your code is 918273.\nIt is good for 5 minutes = soon.\n")),
            "Date: Tue, 24 Nov 2026 08:29:59 +0000\r\n"
            "From: <callward@example.org>\r\n"
            "To: <ann@example.com>\r\n"
            "Subject: Your code\r\n"
            "Message-ID: <ab000000000000000000000000000000@example.org>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "\r\n"
            "Your code is 918273.\r\n"
            "It is good for 5 minutes =3D soon.\r\n");
}

TEST(Mail, DatesAreOfRfc5322) {
  EXPECT_EQ(mail_date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(mail_date(951'782'399'999), "Mon, 28 Feb 2000 23:59:59 +0000");
  EXPECT_EQ(mail_date(951'782'400'000), "Tue, 29 Feb 2000 00:00:00 +0000");
}

TEST(Mail, SubjectsAndNamesOfAnyScriptAreEncoded) {
  const std::string subject =
      "Ihr Code f\xC3\xBCr die R\xC3\xBC"
      "ckfrage \xF0\x9F\x94\x91";
  const auto raw =
      built(test::mail("x\n", subject), {"callward@example.org", "B\xC3\xBCro \"Nord\""});
  EXPECT_EQ(raw.find('\xC3'), std::string::npos);
  const auto mail = test::read_mail(raw);
  ASSERT_TRUE(mail) << raw;
  EXPECT_EQ(test::decode_words(mail->header("Subject")), subject);
  EXPECT_EQ(test::decode_words(mail->header("From")),
            "B\xC3\xBCro \"Nord\" <callward@example.org>");
  EXPECT_NE(built(test::mail(), {"callward@example.org", "Example Ltd"})
                .find("From: \"Example Ltd\"\r\n <callward@example.org>\r\n"),
            std::string::npos);
  // Plain as it looks, it would be read as something else.
  EXPECT_EQ(mail_words("=?utf-8?B?eA==?=", 9).find("eA=="), std::string::npos);
  EXPECT_EQ(mail_words("", 9), "");
}

// RFC 2047, 5: each encoded word stands for whole characters.
TEST(Mail, NoCharacterIsCutInTwo) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += "\xF0\x9F\x98\x80\xC3\xA4\xE2\x82\xAC";
  for (std::size_t used = 0; used < 90; ++used) {
    const auto words = mail_words(text, used);
    std::string whole;
    for (std::size_t at = words.find("=?"); at != std::string::npos; at = words.find("=?", at)) {
      const auto end = words.find("?=", at);
      const auto raw = from_base64(words.substr(at + 10, end - at - 10));
      ASSERT_TRUE(raw) << words;
      EXPECT_TRUE(is_clean_text(as_text(*raw), false)) << used << " " << words;
      whole += as_text(*raw);
      at = end + 2;
    }
    EXPECT_EQ(whole, text) << used;
  }
}

TEST(Mail, TextComesBackAsItWas) {
  const auto text_of = [](std::string_view text) {
    const auto mail = test::read_mail(built(test::mail(text)));
    return mail ? mail->text : "unreadable";
  };
  EXPECT_EQ(text_of("no end"), "no end\n");
  EXPECT_EQ(text_of("a\r\nb\n\n c \n"), "a\nb\n\n c \n");
  EXPECT_EQ(text_of(".\n..\n"), ".\n..\n");
  EXPECT_EQ(text_of(std::string(76, 'a')), std::string(76, 'a') + "\n");
  EXPECT_EQ(text_of(std::string(75, 'a') + " \nb"), std::string(75, 'a') + " \nb\n");
  EXPECT_EQ(text_of(std::string(500, '=')), std::string(500, '=') + "\n");
}

// A random text of whole characters, and the largest one, fit the room that was taken for them.
TEST(Mail, AnyTextSubjectAndNameAreReadBackByAReaderOfItsOwn) {
  EXPECT_TRUE(rc::check([] {
    const auto piece =
        rc::gen::element<std::string>("a", " ", "\t", "\n", "\r\n", "=", ".", "?", "\"", "\xC3\xA4",
                                      "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "code 123456 ", "From ");
    const auto joined = [](const std::vector<std::string>& pieces, std::size_t most) {
      std::string out;
      for (const auto& one : pieces)
        if (out.size() + one.size() <= most) out += one;
      return out;
    };
    const auto size = *rc::gen::inRange<std::size_t>(1, 3'000);
    auto text =
        joined(*rc::gen::container<std::vector<std::string>>(size, piece), keys::kMailTextBytesMax);
    auto subject =
        joined(*rc::gen::container<std::vector<std::string>>(60, piece), keys::kSubjectBytesMax);
    auto name = joined(*rc::gen::container<std::vector<std::string>>(20, piece), 60);
    std::erase_if(subject, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
    std::erase_if(name, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
    RC_PRE(!name.empty());
    const auto raw = built(test::mail(text, subject), {"callward@example.org", name});
    const auto mail = test::read_mail(raw);
    RC_ASSERT(mail.has_value());
    std::string lines;
    for (const char c : text)
      if (c != '\r') lines += c;
    if (!lines.ends_with('\n')) lines += '\n';
    RC_ASSERT(mail->text == lines);
    RC_ASSERT(mail->headers.size() == (subject.empty() ? 8u : 9u));
    if (!subject.empty()) {
      const auto read = test::decode_words(mail->header("Subject"));
      RC_ASSERT(read == subject);
    }
    const auto from = test::decode_words(mail->header("From"));
    RC_ASSERT(from == name + " <callward@example.org>" ||
              from == "\"" + name + "\" <callward@example.org>");
  }));
}

TEST(Mail, TheLargestFitTheirRoom) {
  for (const std::string unit : {"a", "=", "\n", "\xF0\x9F\x98\x80", " \n"}) {
    std::string text, subject;
    while (text.size() + unit.size() <= keys::kMailTextBytesMax) text += unit;
    while (subject.size() + 4 <= keys::kSubjectBytesMax) subject += "\xF0\x9F\x98\x80";
    const auto mail = test::read_mail(built(
        test::mail(text, subject, std::string(64, 'a') + "@" + std::string(63, 'b') + ".example")));
    EXPECT_TRUE(mail) << unit;
  }
}

}  // namespace
}  // namespace callward::courier
