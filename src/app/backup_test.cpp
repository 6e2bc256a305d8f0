// What a restore may not do to what is there already.
#include "app/backup_seal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "app/cli.hpp"
#include "app/config.hpp"
#include "app/keeper_state.hpp"
#include "audit/log.hpp"
#include "crypto/sha256.hpp"

namespace callward::app {
namespace {

class Restore : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(command_init({.dir = dir + "/old", .json = true}));
    write(backup + "/callward.toml", default_config_text());
    write(backup + "/server/callward.db", "of the backup");
    manifest("");
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  void manifest(const std::string& files) {
    write(backup + "/manifest.json",
          R"({"callward_backup":1,"taken_at":1,"log_size":9,"checkpoint":"","files":[)" + files +
              "]}");
  }
  void write(const std::string& path, const std::string& content) {
    ASSERT_TRUE(vfs.make_dirs(path.substr(0, path.rfind('/'))));
    ASSERT_TRUE(vfs.write_file_atomic(path, as_bytes(content)));
  }
  std::string read(const std::string& path) {
    const auto raw = vfs.read_file(path, 1'000);
    return raw ? std::string(as_text(*raw)) : raw.error().message;
  }
  Result<ExitCode> restore(const std::string& mirror) {
    return command_restore({.backup = backup,
                            .data = dir + "/new",
                            .credential = dir + "/old/keeper/credential",
                            .log_key = dir + "/old/keeper/log.key",
                            .mirrors = {mirror},
                            .allow_unsigned = allow_unsigned,
                            .json = true});
  }

  RealVfs vfs;
  std::string dir = ::testing::TempDir() + "cw-restore-" + std::to_string(::getpid());
  std::string backup = dir + "/backup", survivor = dir + "/old/keeper/mirror-1";
  bool allow_unsigned = true;  // what is written here is of an older version
};

TEST_F(Restore, WithAMirrorThatSurvivedIsAnInstallation) {
  const auto done = restore(survivor);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kDone);
  EXPECT_TRUE(load_config(dir + "/new/callward.toml"));
}

// Its configuration says where its database is: that may be a living one's.
TEST_F(Restore, ADatabaseThatIsThereIsNotWrittenOver) {
  manifest(
      R"({"path":"server/callward.db","bytes":13,"sha256":"0f3a"})");  // copied before it is compared
  write(dir + "/new/server/callward.db", "living");
  EXPECT_EQ(restore(survivor).error().code, Errc::kExists);
  EXPECT_EQ(read(dir + "/new/server/callward.db"), "living");
}

TEST_F(Restore, OneThatNobodySignedIsTakenWhenThatIsSaid) {
  allow_unsigned = false;
  const auto refused = restore(survivor);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("older version"), std::string::npos)
      << refused.error().message;
  EXPECT_FALSE(vfs.exists(dir + "/new/keeper/log.key"));
  EXPECT_FALSE(vfs.exists(dir + "/new/callward.toml"));
}

TEST_F(Restore, AKeyThatIsThereOutlivesARestoreThatFails) {
  write(dir + "/new/keeper/log.key", "put there before");
  const auto done = restore(dir + "/nothing");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kFoundBad);
  EXPECT_EQ(read(dir + "/new/keeper/log.key"), "put there before");
}

// An installation that is stopped, its backup, and somebody who can write to that.
class SignedBackup : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(command_init({.dir = dir + "/old", .json = true}));
    auto config = load_config(dir + "/old/callward.toml");
    ASSERT_TRUE(config) << config.error().message;
    context = std::make_unique<CliContext>(CliContext{std::move(*config), true});
    const auto secrets = load_keeper_secrets(vfs, context->config);
    ASSERT_TRUE(secrets) << secrets.error().message;
    {
      const auto log = audit::Log::open(vfs, context->config.log.dir, context->config.log.origin,
                                        secrets->log_seed);
      ASSERT_TRUE(log) << log.error().message;
      ASSERT_TRUE((*log)->publish());
    }
    ASSERT_TRUE(vfs.make_dirs(context->config.recorder.objects_dir + "/2026/11/26"));
    write(context->config.recorder.objects_dir + "/2026/11/26/" + std::string(32, 'a') + ".cwo",
          "sealed");
    take();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  void take() {
    const auto taken = command_backup(*context, backup);
    ASSERT_TRUE(taken) << taken.error().message;
  }
  void write(const std::string& path, const std::string& content) {
    ASSERT_TRUE(vfs.write_file_atomic(path, as_bytes(content)));
  }
  std::string read(const std::string& path) {
    return std::string(as_text(*vfs.read_file(path, 1u << 20)));
  }
  // One file, and the manifest with it: every hash is right.
  void write_anew(const std::string& name, const std::string& content) {
    write(backup + "/" + name, content);
    auto manifest = boost::json::parse(read(backup + "/manifest.json"));
    for (auto& file : manifest.at("files").as_array())
      if (file.at("path").as_string() == name) {
        file.as_object()["bytes"] = content.size();
        file.as_object()["sha256"] = to_hex(crypto::sha256(as_bytes(content)));
      }
    write(backup + "/manifest.json", boost::json::serialize(manifest));
    ASSERT_TRUE(verify_backup(vfs, backup)->empty()) << "it does not contradict itself";
  }
  std::string own_config() {
    return read(backup + "/callward.toml") + "\n# persons of somebody else's\n";
  }
  ExitCode verified(bool allow_unsigned = false, const std::string& config = "") {
    return *command_backup_verify(
        {.dir = backup, .config = config, .allow_unsigned = allow_unsigned, .json = true});
  }
  std::string why() {
    const auto seal = check_backup_seal(vfs, backup, std::nullopt);
    return seal ? "signed" : seal.error().message;
  }

  RealVfs vfs;
  std::string dir = ::testing::TempDir() + "cw-signed-" + std::to_string(::getpid());
  std::string backup = dir + "/backup";
  std::unique_ptr<CliContext> context;
};

TEST_F(SignedBackup, TheLogsKeyStandsForEveryFileOfIt) {
  EXPECT_EQ(verified(), ExitCode::kDone);
  EXPECT_EQ(verified(false, dir + "/old/callward.toml"), ExitCode::kDone) << "and it is ours";
  const auto seal = check_backup_seal(vfs, backup, std::nullopt);
  ASSERT_TRUE(seal && seal->is_signed);
  EXPECT_TRUE(seal->own_key);
  take();
  EXPECT_EQ(verified(), ExitCode::kDone) << "again, on top";
}

TEST_F(SignedBackup, OneThatWasWrittenAnewIsRefused) {
  write_anew("callward.toml", own_config());
  EXPECT_EQ(verified(), ExitCode::kFoundBad);
  EXPECT_EQ(verified(true), ExitCode::kFoundBad);
  EXPECT_NE(why().find("somebody wrote it anew"), std::string::npos) << why();
}

TEST_F(SignedBackup, WithoutItsSignatureItIsNoOlderOne) {
  write_anew("callward.toml", own_config());
  std::filesystem::remove(backup + "/manifest.receipt");
  EXPECT_EQ(verified(true), ExitCode::kFoundBad) << "its version says that it was signed";
  auto manifest = read(backup + "/manifest.json");
  manifest.replace(manifest.find("\"callward_backup\":2"), 19, "\"callward_backup\":1");
  write(backup + "/manifest.json", manifest);
  EXPECT_EQ(verified(), ExitCode::kFoundBad) << "nor is it taken for one unasked";
}

// With a log of somebody else's in it, and that one's signature.
TEST_F(SignedBackup, SomebodyElsesIsRefusedByTheKeyThatIsKeptApart) {
  ASSERT_TRUE(command_init({.dir = dir + "/other", .json = true}));
  const auto ours = dir + "/old/callward.toml";
  const auto key = read(dir + "/old/log/public.key");
  const auto other = load_config(dir + "/other/callward.toml");
  ASSERT_TRUE(other);
  const auto secrets = load_keeper_secrets(vfs, *other);
  ASSERT_TRUE(secrets);
  {
    const auto log = audit::Log::open(vfs, other->log.dir, other->log.origin, secrets->log_seed);
    ASSERT_TRUE(log && (*log)->publish());
  }
  write_anew("log/public.key", read(other->log.dir + "/public.key"));
  write_anew("callward.toml", own_config());
  SystemClock clock;
  const auto sealed = seal_backup(vfs, clock, *other, backup, *read_manifest(vfs, backup));
  ASSERT_TRUE(sealed) << sealed.error().message;
  EXPECT_EQ(verified(), ExitCode::kDone) << "it agrees with itself: whose it is, the key says";
  EXPECT_EQ(verified(false, ours), ExitCode::kFoundBad);
  EXPECT_EQ(*command_backup_verify({.dir = backup, .key = key, .json = true}), ExitCode::kFoundBad);
  const auto restored = command_restore({.backup = backup,
                                         .data = dir + "/new",
                                         .credential = dir + "/old/keeper/credential",
                                         .log_key = dir + "/old/keeper/log.key",
                                         .mirrors = {dir + "/old/keeper/mirror-1"},
                                         .json = true});
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::kCorrupt) << restored.error().message;
  EXPECT_FALSE(vfs.exists(dir + "/new/callward.toml"));
}

// Restored from an older backup, it must not grow by this until the key store takes it for its own.
TEST_F(SignedBackup, ALogThatTheKeysAreAheadOfIsNotWrittenTo) {
  SystemEntropy entropy;
  {
    const auto keys = open_keys(vfs, entropy, context->config);
    ASSERT_TRUE(keys);
    keys->store->stage_put(keys->store->allot_row(), SecretBytes(8));
    ASSERT_TRUE(keys->store->commit(5));
    ASSERT_EQ(keys->store->log_size(), 5u);
  }
  const auto taken = command_backup(*context, backup);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::kCorrupt) << taken.error().message;
  EXPECT_EQ(verified(true), ExitCode::kFoundBad) << "there, and not signed";
}

// What was copied before is taken over unread, and must not become signed that way.
TEST_F(SignedBackup, TheNextOneDoesNotSignWhatSomebodyPutThere) {
  const auto object = "objects/2026/11/26/" + std::string(32, 'a') + ".cwo";
  write_anew(object, "somebody else's");
  take();
  EXPECT_EQ(read(backup + "/" + object), "sealed");
  EXPECT_EQ(verified(), ExitCode::kDone);
}

}  // namespace
}  // namespace callward::app
