#include "courier/target.hpp"

#include <gtest/gtest.h>

namespace callward::courier {
namespace {

TEST(Target, PortsAndPathsHaveTheirUsualValues) {
  const auto url = [](const char* text) { return parse_smtp_url(text)->url(); };
  EXPECT_EQ(url("smtp://mail.example.com"), "smtp://mail.example.com:587");
  EXPECT_EQ(url("smtps://mail.example.com"), "smtps://mail.example.com:465");
  EXPECT_EQ(url("smtp://[::1]:25"), "smtp://[::1]:25");
  EXPECT_EQ(parse_gateway_url("https://sms.example")->url(), "https://sms.example:443/");
  EXPECT_EQ(parse_gateway_url("https://sms.example:8443/v1/send")->path, "/v1/send");
}

TEST(Target, OnlyALoopbackAddressGoesWithoutTls) {
  for (const auto* host : {"localhost", "127.0.0.1", "127.9.9.9", "[::1]"}) {
    EXPECT_TRUE(parse_smtp_url("smtp://" + std::string(host) + ":25")->loopback) << host;
    EXPECT_TRUE(parse_gateway_url("http://" + std::string(host) + ":80/")) << host;
  }
  for (const auto* host :
       {"localhost.example.com", "127.example.com", "127.0.0.1.example.com", "128.0.0.1",
        "10.0.0.1", "[::2]", "[fe80::1]", "mail.example.com", "LOCALHOST.x"}) {
    const auto target = parse_smtp_url("smtp://" + std::string(host) + ":25");
    EXPECT_FALSE(target && target->loopback) << host;
    EXPECT_FALSE(parse_gateway_url("http://" + std::string(host) + ":80/")) << host;
  }
}

TEST(Target, WhatALibraryCouldReadOtherwiseIsRefused) {
  using namespace std::string_literals;  // courier_fuzz: a C function reads up to the NUL
  EXPECT_FALSE(parse_smtp_url("smtp://[::1\0e]:587"s));
  EXPECT_FALSE(parse_smtp_url("smtp://[fe80::1%eth0]:587"));
  for (const auto* bad : {"",
                          "mail.example.com",
                          "smtp:mail.example.com",
                          "smtp://",
                          "smtp://:25",
                          "http://x.example",
                          "smtp://user@x.example",
                          "smtp://user:p@x.example:25",
                          "smtp://x.example:0",
                          "smtp://x.example:65536",
                          "smtp://x.example:25x",
                          "smtp://x.example:",
                          "smtp://x.example/y",
                          "smtp://x.example?y",
                          "smtp://x.example#y",
                          "smtp://x..example",
                          "smtp://-x.example",
                          "smtp://x-.example",
                          "smtp://x.example.",
                          "smtp://::1:25",
                          "smtp://[::1",
                          "smtp://[x]:25",
                          "smtp://[127.0.0.1]:25",
                          "smtp://x%2Eexample",
                          "smtp://x example",
                          "smtp://x\n.example",
                          "SMTP://x.example",
                          "smtp:// x.example"})
    EXPECT_FALSE(parse_smtp_url(bad)) << bad;
  for (const auto* bad :
       {"https://x.example/a?b=c", "https://x.example/a#b", "https://x.example/%0d",
        "https://x.example/a b", "https://x.example\\@y.example/", "https://y@x.example/",
        "ftp://x.example/"})
    EXPECT_FALSE(parse_gateway_url(bad)) << bad;
}

}  // namespace
}  // namespace callward::courier
