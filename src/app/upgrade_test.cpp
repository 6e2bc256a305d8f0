// Configuration and backups of earlier versions are read; a later backup is refused by its number.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/backup.hpp"
#include "app/config.hpp"

namespace callward::app {
namespace {

std::string fixture(const std::string& name) {
  RealVfs vfs;
  const auto raw =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/tests/fixtures/" + name, 1u << 20);
  EXPECT_TRUE(raw) << raw.error().message;
  return std::string(as_text(*raw));
}

TEST(Upgrade, TheFirstConfigurationIsReadAndMeansTheSame) {
  const auto config = parse_config(fixture("callward-1.toml"), "/srv/cw/callward.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->keys.mirrors.size(), 2u);
  EXPECT_EQ(config->keys.mirrors[1].anchor_dir, "/srv/cw/keeper/mirror-2/anchor");
  EXPECT_EQ(config->recorder.spool_files_max, 64u);
  EXPECT_FALSE(config->retention.policy().any()) << "what it did not say keeps for ever";
}

TEST(Upgrade, TheFirstBackupsManifestIsReadAndTheNextVersionRefusedByItsNumber) {
  RealVfs vfs;
  const auto dir = ::testing::TempDir() + "cw-manifest-" + std::to_string(::getpid());
  ASSERT_TRUE(vfs.make_dirs(dir));
  auto text = fixture("manifest-1.json");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestName, as_bytes(text)));
  const auto read = read_manifest(vfs, dir);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->files.size(), 1u);
  EXPECT_EQ(read->log_size, 2u);
  text.replace(text.find("\"callward_backup\":1"), 19, "\"callward_backup\":2");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestName, as_bytes(text)));
  const auto next = read_manifest(vfs, dir);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Errc::kUnsupported) << next.error().message;
  EXPECT_NE(next.error().message.find('2'), std::string::npos) << next.error().message;
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace callward::app
