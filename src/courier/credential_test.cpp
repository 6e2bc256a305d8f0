#include "courier/credential.hpp"

#include <gtest/gtest.h>

namespace callward::courier {
namespace {

TEST(Credential, ALoginIsTwoLines) {
  for (const auto* good : {"ann\np w\xC3\xA4\n", "ann\np w\xC3\xA4"}) {
    const auto login = parse_mail_login(as_bytes(good));
    ASSERT_TRUE(login) << good;
    EXPECT_EQ(as_text(login->user.expose()), "ann");
    EXPECT_EQ(as_text(login->password.expose()), "p w\xC3\xA4");
  }
  for (const auto* bad : {"", "\n", "ann", "ann\n", "\npw\n", "ann\n\n", "ann\npw\nmore\n",
                          "ann\npw\n\n", "ann\r\npw\r\n", "ann\np\x01w\n", "ann\n\xFF\n"}) {
    const auto login = parse_mail_login(as_bytes(bad));
    ASSERT_FALSE(login) << bad;
    EXPECT_EQ(login.error().message.find("ann"), std::string::npos);
  }
}

TEST(Credential, AKeyIsAFileOfEnoughBytes) {
  const std::string key(32, 'k');
  EXPECT_EQ(as_text(parse_sms_key(as_bytes(key + "\n"))->expose()), key);
  EXPECT_EQ(as_text(parse_sms_key(as_bytes(key))->expose()), key);
  EXPECT_EQ(parse_sms_key(as_bytes(key + "\n\n"))->size(), 33u);
  EXPECT_FALSE(parse_sms_key(as_bytes(key.substr(1) + "\n")));
  EXPECT_FALSE(parse_sms_key({}));
  EXPECT_TRUE(parse_sms_key(as_bytes(std::string(256, 'k'))));
  EXPECT_FALSE(parse_sms_key(as_bytes(std::string(257, 'k'))));
}

}  // namespace
}  // namespace callward::courier
