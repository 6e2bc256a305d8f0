#include "app/config.hpp"

#include <gtest/gtest.h>

namespace callward::app {
namespace {

TEST(Config, EmptyFileGivesDefaultsBesideIt) {
  const auto config = parse_config("", "/srv/cw/callward.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data_dir, "/srv/cw");
  EXPECT_EQ(config->socket("keeper"), "/srv/cw/run/keeper.sock");
  EXPECT_EQ(config->keys.mirrors.size(), 2u);
  EXPECT_EQ(config->sip.listen, "127.0.0.1");
}

TEST(Config, TheWrittenDefaultFileIsValid) {
  const auto config = parse_config(default_config_text(), "/srv/cw/callward.toml");
  ASSERT_TRUE(config) << config.error().message;
}

TEST(Config, UnknownNamesAreErrorsWithTheNearestName) {
  const auto key = parse_config("[sip]\nprot = 5060\n", "/x/c.toml");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().message, "line 2: sip.prot is unknown; did you mean sip.port?");
  const auto section = parse_config("[spi]\n", "/x/c.toml");
  ASSERT_FALSE(section);
  EXPECT_EQ(section.error().message, "line 1: [spi] is unknown; did you mean [sip]?");
}

TEST(Config, WrongTypesAndBoundsSayWhatIsExpected) {
  for (const char* text :
       {"[sip]\nport = 70000", "[sip]\nport = \"5060\"", "[sip]\nudp = 1", "sip = 3",
        "[sip]\nown_numbers = [1]", "[keys]\non_deadline = \"maybe\"", "[keys]\nmirrors = []",
        "[recorder]\nrtp_port_first = 3000\nrtp_port_last = 3000", "[sip", "a = 1"}) {
    const auto config = parse_config(text, "/x/c.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Errc::kConfig);
  }
}

TEST(Config, RelativePathsStandBesideTheFile) {
  const auto config = parse_config(
      "[recorder]\nspool_dir = \"fast/spool\"\n[log]\ndir = \"/var/log/cw\"\n", "/x/c.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->recorder.spool_dir, "/x/fast/spool");
  EXPECT_EQ(config->log.dir, "/var/log/cw");
}

}  // namespace
}  // namespace callward::app
