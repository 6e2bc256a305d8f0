// What a restore may not do to what is there already.
#include "app/backup_seal.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
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
    manifest(line_of("callward.toml", default_config_text()));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  static std::string line_of(const std::string& name, const std::string& content) {
    return boost::json::serialize(
        boost::json::object{{"path", name},
                            {"bytes", content.size()},
                            {"sha256", to_hex(crypto::sha256(as_bytes(content)))}});
  }
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
      line_of("callward.toml", default_config_text()) + "," +
      R"({"path":"server/callward.db","bytes":13,"sha256":"0f3a"})");  // compared as it is copied
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

TEST_F(Restore, WhatIsNotWhatWasBackedUpDoesNotStayInItsPlace) {
  manifest(line_of("callward.toml", default_config_text()) + "," +
           line_of("server/callward.db", "another one, then"));
  const auto done = restore(survivor);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kCorrupt) << done.error().message;
  EXPECT_FALSE(vfs.exists(dir + "/new/server/callward.db"));
  EXPECT_FALSE(vfs.exists(dir + "/new/callward.toml"));
}

// What a restored service runs is in it: no hash, no configuration, unsigned ones included.
TEST_F(Restore, AConfigurationThatTheManifestDoesNotNameIsNone) {
  for (const auto& files :
       {std::string(), line_of("callward.toml", default_config_text() + "\n"),
        line_of("callward.toml", std::string(default_config_text().size(), '#'))}) {
    manifest(files);
    const auto done = restore(survivor);
    ASSERT_FALSE(done) << files;
    EXPECT_EQ(done.error().code, Errc::kCorrupt) << done.error().message;
    EXPECT_FALSE(vfs.exists(dir + "/new")) << "nothing is written";
  }
}

// What is missing is brought, and the same command goes through.
TEST_F(Restore, OneThatFailedHalfwayLeavesItsPlaceAsItWas) {
  write(backup + "/objects/2026/11/26/00/a.cwo", "an object");
  manifest(line_of("callward.toml", default_config_text()) + "," +
           line_of("objects/2026/11/26/00/a.cwo", "an object") + "," +
           line_of("server/callward.db", "of the backup"));
  const auto leaves_nothing = [&] {
    ASSERT_FALSE(restore(survivor));
    for (const auto& item : std::filesystem::recursive_directory_iterator(dir + "/new"))
      EXPECT_TRUE(item.is_directory()) << item.path();
  };
  ASSERT_TRUE(vfs.remove(backup + "/server/callward.db"));
  leaves_nothing();
  std::filesystem::create_directory(backup + "/server/callward.db");  // opens, and does not read
  leaves_nothing();
  std::filesystem::remove(backup + "/server/callward.db");
  write(backup + "/server/callward.db", "of the backup");
  const auto done = restore(survivor);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(read(dir + "/new/objects/2026/11/26/00/a.cwo"), "an object");
}

TEST_F(Restore, HalfACertificateIsSaidBeforeAnythingIsWritten) {
  write(dir + "/new/tls/key.pem", "the operator's");
  EXPECT_EQ(restore(survivor).error().code, Errc::kExists);
  EXPECT_EQ(read(dir + "/new/tls/key.pem"), "the operator's");
  EXPECT_FALSE(vfs.exists(dir + "/new/keeper/credential"));
}

TEST_F(Restore, AWrongCredentialIsNotALoss) {
  const auto done = command_restore({.backup = backup,
                                     .data = dir + "/new",
                                     .credential = dir + "/nowhere",
                                     .log_key = dir + "/old/keeper/log.key",
                                     .mirrors = {survivor},
                                     .allow_unsigned = true,
                                     .json = true});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kFoundBad);
  EXPECT_FALSE(vfs.exists(dir + "/new/keeper/log.key"));
}

TEST_F(Restore, PathsAreSeenFromWhereTheCommandIsGiven) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir);
  const auto done = command_restore({.backup = "backup",
                                     .data = "new",
                                     .credential = "old/keeper/credential",
                                     .log_key = "old/keeper/log.key",
                                     .mirrors = {"old/keeper/../keeper/mirror-1"},
                                     .allow_unsigned = true,
                                     .json = true});
  std::filesystem::current_path(before);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kDone);
  const auto config = load_config(dir + "/new/callward.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(
      std::filesystem::equivalent(config->keys.mirrors.at(0).store_dir, survivor + "/store"));
}

TEST_F(Restore, AKeyThatIsThereOutlivesARestoreThatFails) {
  write(dir + "/new/keeper/log.key", "put there before");
  const auto done = restore(dir + "/nothing");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kFoundBad);
  EXPECT_EQ(read(dir + "/new/keeper/log.key"), "put there before");
}

// Somebody who can write to the backup's folder while it is made: as soon as `file` is there, it is
// another one.
class Exchanging final : public Vfs {
 public:
  Exchanging(std::string file, std::string theirs)
      : file_(std::move(file)), theirs_(std::move(theirs)) {}
  Bytes ours;  // what was written

  Status rename(const std::string& from, const std::string& to) override {
    if (to != file_) return real_.rename(from, to);
    ours = TRY(real_.read_file(from, 1u << 20));
    TRY(real_.rename(from, to));
    return real_.write_file_atomic(to, as_bytes(theirs_));
  }
  Result<std::unique_ptr<VfsFile>> open(const std::string& path, OpenMode mode) override {
    return real_.open(path, mode);
  }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status make_dirs(const std::string& path) override { return real_.make_dirs(path); }
  Status sync_dir(const std::string& path) override { return real_.sync_dir(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return real_.list(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  Status set_read_only(const std::string& path) override { return real_.set_read_only(path); }

 private:
  std::string file_, theirs_;
  RealVfs real_;
};

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
    ASSERT_TRUE(vfs.make_dirs(path.substr(0, path.rfind('/'))));
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
    ASSERT_TRUE(verify_backup(vfs, backup, *read_manifest(vfs, backup)).empty())
        << "it does not contradict itself";
  }
  std::string own_config() {
    return read(backup + "/callward.toml") + "\n# persons of somebody else's\n";
  }
  ExitCode verified(bool allow_unsigned = false, const std::string& config = "") {
    return *command_backup_verify(
        {.dir = backup, .config = config, .allow_unsigned = allow_unsigned, .json = true});
  }
  Result<ExitCode> restore() {
    return command_restore({.backup = backup,
                            .data = dir + "/new",
                            .credential = dir + "/old/keeper/credential",
                            .log_key = dir + "/old/keeper/log.key",
                            .mirrors = {dir + "/old/keeper/mirror-1"},
                            .json = true});
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

// What is asked of customers, and how long it is kept: without it a restored service would go by
// another.
TEST_F(SignedBackup, ThePolicyComesBackWithIt) {
  const auto ours = read(dir + "/old/policy.toml") + "\n# ours\n";
  write(dir + "/old/policy.toml", ours);
  take();
  take();
  const auto done = restore();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(read(dir + "/new/policy.toml"), ours);
}

TEST_F(SignedBackup, APolicyThatIsThereIsNotWrittenOver) {
  write(dir + "/new/policy.toml", "living");
  EXPECT_EQ(restore().error().code, Errc::kExists);
  EXPECT_EQ(read(dir + "/new/policy.toml"), "living");
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
  const auto restored = restore();
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::kCorrupt) << restored.error().message;
  EXPECT_FALSE(vfs.exists(dir + "/new/callward.toml"));
}

TEST_F(SignedBackup, ItsRestoreIsAnInstallation) {
  const auto restored = restore();
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_TRUE(load_config(dir + "/new/callward.toml"));
}

// Manifest and receipt hold, and what the service is to run is somebody else's.
TEST_F(SignedBackup, ItsConfigurationIsRestoredAsItWasSignedOrNotAtAll) {
  auto config = read(backup + "/callward.toml");
  const std::string section = "\n[listener]\n";
  config.insert(config.find(section) + section.size(), "worker = [\"/tmp/theirs\"]\n");
  ASSERT_TRUE(parse_config(config, dir + "/new/callward.toml"));
  write(backup + "/callward.toml", config);
  EXPECT_EQ(why(), "signed") << "of the configuration the receipt does not speak";
  const auto restored = restore();
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, Errc::kCorrupt) << restored.error().message;
  EXPECT_NE(restored.error().message.find("callward.toml"), std::string::npos)
      << restored.error().message;
  EXPECT_FALSE(vfs.exists(dir + "/new")) << "nothing is written";
}

TEST_F(SignedBackup, TheLogNamesTheManifestThatWasWrittenWhateverLiesThereSince) {
  auto others = boost::json::parse(read(backup + "/manifest.json"));
  others.as_object()["taken_at"] = 1;
  Exchanging exchanging(backup + "/manifest.json", boost::json::serialize(others));
  SystemClock clock;
  const auto report = take_backup(exchanging, clock, context->config, backup);
  ASSERT_TRUE(report) << report.error().message;
  const auto sealed = seal_backup(exchanging, clock, context->config, backup, report->manifest);
  ASSERT_TRUE(sealed) << sealed.error().message;
  EXPECT_EQ(read_manifest(vfs, backup)->taken_at, 1) << "it was exchanged";
  EXPECT_NE(why().find("somebody wrote it anew"), std::string::npos) << why();
  write(backup + "/manifest.json", std::string(as_text(exchanging.ours)));
  EXPECT_EQ(why(), "signed");
}

TEST_F(SignedBackup, TheManifestNamesWhatWasWrittenWhateverLiesThereSince) {
  SystemClock clock;
  for (const std::string name :
       {"callward.toml", "server/callward.db", "log/checkpoint", "log/public.key"}) {
    Exchanging exchanging(backup + "/" + name, "somebody else's");
    const auto report = take_backup(exchanging, clock, context->config, backup);
    ASSERT_TRUE(report) << name << ": " << report.error().message;
    const auto& files = report->manifest.files;
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&](const BackedUpFile& known) { return known.path == name; });
    ASSERT_NE(file, files.end()) << name;
    EXPECT_EQ(file->sha256, to_hex(crypto::sha256(exchanging.ours))) << name;
    EXPECT_EQ(file->bytes, exchanging.ours.size()) << name;
    EXPECT_EQ(verify_backup(vfs, backup, report->manifest),
              std::vector<std::string>{name + ": not what was backed up"});
  }
  EXPECT_EQ(vfs.list(parent_of(context->config.server.database))->size(), 1u)
      << "no snapshot is left beside the database";
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
