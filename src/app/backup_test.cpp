// What a restore may not do to what is there already.
#include "app/backup.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "app/cli.hpp"
#include "app/config.hpp"

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
                            .json = true});
  }

  RealVfs vfs;
  std::string dir = ::testing::TempDir() + "cw-restore-" + std::to_string(::getpid());
  std::string backup = dir + "/backup", survivor = dir + "/old/keeper/mirror-1";
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

TEST_F(Restore, AKeyThatIsThereOutlivesARestoreThatFails) {
  write(dir + "/new/keeper/log.key", "put there before");
  const auto done = restore(dir + "/nothing");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, ExitCode::kFoundBad);
  EXPECT_EQ(read(dir + "/new/keeper/log.key"), "put there before");
}

}  // namespace
}  // namespace callward::app
