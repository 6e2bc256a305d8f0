// Configuration and backups of earlier versions are read; a later backup is refused by its number.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/backup_seal.hpp"
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
  EXPECT_EQ(read->version, 1u);
  const auto seal = check_backup_seal(vfs, dir, std::nullopt);
  ASSERT_TRUE(seal) << seal.error().message;
  EXPECT_FALSE(seal->is_signed) << "nobody signed it then";
  text.replace(text.find("\"callward_backup\":1"), 19, "\"callward_backup\":3");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestName, as_bytes(text)));
  const auto next = read_manifest(vfs, dir);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Errc::kUnsupported) << next.error().message;
  EXPECT_NE(next.error().message.find('3'), std::string::npos) << next.error().message;
  std::filesystem::remove_all(dir);
}

TEST(Upgrade, ABackupsSignatureOfTodayIsReadForEver) {
  RealVfs vfs;
  const auto dir = ::testing::TempDir() + "cw-signature-" + std::to_string(::getpid());
  ASSERT_TRUE(vfs.make_dirs(dir));
  auto manifest = fixture("backup-2/manifest.json");
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestName, as_bytes(manifest)));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestReceiptName,
                                    as_bytes(fixture("backup-2/manifest.receipt"))));
  const auto key = audit::parse_verifier_key(fixture("backup-2/public.key"));
  ASSERT_TRUE(key) << key.error().message;
  const auto seal = check_backup_seal(vfs, dir, *key);
  ASSERT_TRUE(seal) << seal.error().message;
  EXPECT_TRUE(seal->is_signed);
  EXPECT_FALSE(seal->own_key);
  manifest.back() = ' ';
  manifest += "}";  // the same to a reader of JSON
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kManifestName, as_bytes(manifest)));
  EXPECT_EQ(check_backup_seal(vfs, dir, *key).error().code, Errc::kCorrupt);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace callward::app
