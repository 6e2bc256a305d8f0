// Digest answers against the examples of RFC 7616 (3.9.1) and RFC 2617 (3.5).
#include "app/sip_digest.hpp"

#include <gtest/gtest.h>

namespace callward::app {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
SecretBytes secret(std::string_view text) { return SecretBytes(as_bytes(text)); }

constexpr const char* kNonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
constexpr const char* kCnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

std::string challenge(const std::string& algorithm,
                      const std::string& realm = "http-auth@example.org") {
  return "Digest realm=\"" + realm + "\", qop=\"auth, auth-int\", algorithm=" + algorithm +
         ", nonce=\"" + kNonce + "\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
}
DigestCredential mufasa() {
  return std::move(
      *DigestCredential::create("Mufasa", "http-auth@example.org", secret("Circle of Life")));
}

TEST(SipDigest, TheExamplesOfRfc7616) {
  const auto who = mufasa();
  const auto md5 = who.answer({challenge("MD5")}, "GET", "/dir/index.html", kCnonce, 1);
  ASSERT_TRUE(md5);
  EXPECT_TRUE(has(*md5, "response=\"8ca523f5e9506fed4657c9700eebdbec\"")) << *md5;
  EXPECT_TRUE(has(*md5, "nc=00000001") && has(*md5, "qop=auth,") && has(*md5, "opaque=\"FQhe"));
  const auto sha =
      who.answer({challenge("MD5"), challenge("SHA-256")}, "GET", "/dir/index.html", kCnonce, 1);
  ASSERT_TRUE(sha);
  EXPECT_TRUE(
      has(*sha, "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""))
      << *sha;
  EXPECT_FALSE(has(*sha, "Circle"));
}

TEST(SipDigest, WithoutQopAsOfRfc2069) {
  const auto who = DigestCredential::create("Mufasa", "testrealm@host.com", secret("CircleOfLife"));
  ASSERT_TRUE(who);
  const auto said = who->answer({"Digest realm=\"testrealm@host.com\", "
                                 "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""},
                                "GET", "/dir/index.html", "", 1);
  ASSERT_TRUE(said);
  EXPECT_TRUE(has(*said, "response=\"1949323746fe6a43ef61f9606e7febea\"")) << *said;
  EXPECT_FALSE(has(*said, "cnonce"));
}

TEST(SipDigest, AnotherRealmIsNotAnswered) {
  const auto who = mufasa();
  const auto said =
      who.answer({challenge("MD5", "a phone behind the proxy")}, "INVITE", "sip:a@b", kCnonce, 1);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().code, Errc::kDenied);
  EXPECT_FALSE(who.answer({}, "INVITE", "sip:a@b", kCnonce, 1));
}

TEST(SipDigest, WhatIsNoChallenge) {
  const std::vector<std::pair<std::string, Errc>> cases = {
      {"", Errc::kUnsupported},
      {"Basic realm=\"x\"", Errc::kUnsupported},
      {"Digest realm=\"x\"", Errc::kMalformed},
      {"Digest nonce=\"x", Errc::kMalformed},
      {"Digest nonce", Errc::kMalformed},
      {"Digest nonce=\"a\", algorithm=MD5-sess", Errc::kUnsupported},
      {"Digest nonce=\"a\", qop=\"auth-int\"", Errc::kUnsupported},
      {"Digest nonce=\"a\r\nX: y\"", Errc::kMalformed},
      {"Digest nonce=\"" + std::string(kChallengeBytesMax, 'a') + "\"", Errc::kMalformed}};
  for (const auto& [text, code] : cases) {
    const auto read = parse_challenge(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, code) << text;
  }
  const auto odd = parse_challenge("digest\tnonce = \"a\\\"b\" ,, STALE=TRUE,Realm=word,qop=auth");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->nonce, "a\"b");
  EXPECT_EQ(odd->realm, "word");
  EXPECT_TRUE(odd->stale && odd->qop_auth);
}

TEST(SipDigest, ANameOrARealmIsNeeded) {
  EXPECT_FALSE(DigestCredential::create("", "r", secret("p")));
  EXPECT_FALSE(DigestCredential::create("u", "", secret("p")));
}

}  // namespace
}  // namespace callward::app
