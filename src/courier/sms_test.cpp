#include "courier/sms.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "courier/letter_rig_test.hpp"

namespace callward::courier {
namespace {

std::string body(keys::Deliver message) {
  const Letter letter{std::move(message), 1'795'508'999'123};
  return std::string(as_text(build_sms(letter).expose()));
}

TEST(Sms, IsWrittenAsItStandsHere) {
  EXPECT_EQ(body(test::sms("Code \"918273\" \\ \xE2\x82\xAC\r\nsoon\tover\n")),
            "{\"id\":\"ab000000000000000000000000000000\",\"to\":\"+4915112345678\","
            "\"text\":\"Code \\\"918273\\\" \\\\ \xE2\x82\xAC\\r\\nsoon\\tover\\n\","
            "\"sent_at\":\"2026-11-24T08:29:59.123Z\"}");
}

// Made with another program: openssl dgst -sha256 -mac hmac, over "1795508999123" and the body.
TEST(Sms, TheSignatureIsHmacOverTimeAndBody) {
  const std::string key = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(sms_signature(as_bytes(key), "1795508999123", as_bytes("{\"id\":\"x\"}")),
            "965d56ca87419421ec9c5b4682587395b5d719bbbbb8eac0459057bcc87b3f18");
  EXPECT_NE(sms_signature(as_bytes(key), "1795508999124", as_bytes("{\"id\":\"x\"}")),
            sms_signature(as_bytes(key), "1795508999123", as_bytes("{\"id\":\"x\"}")));
}

TEST(Sms, NoTextBreaksOutOfItsQuotes) {
  EXPECT_TRUE(rc::check([](const std::string& noise) {
    if (noise.empty() || noise.size() > keys::kSmsTextBytesMax || !is_clean_text(noise, true))
      return;
    const auto json = body(test::sms(noise));
    const auto begin = json.find("\"text\":\"") + 8;
    std::size_t at = begin;
    std::string read;
    for (; json[at] != '"'; ++at) {
      RC_ASSERT(static_cast<unsigned char>(json[at]) >= ' ');
      if (json[at] != '\\') {
        read += json[at];
        continue;
      }
      const char c = json[++at];
      read += c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
    RC_ASSERT(read == noise);
    RC_ASSERT(json.substr(at).starts_with("\",\"sent_at\":\""));
  }));
}

}  // namespace
}  // namespace callward::courier
