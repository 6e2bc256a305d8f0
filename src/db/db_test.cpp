#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "db/database.hpp"

namespace callward::db {
namespace {

const std::vector<std::string> kOne = {
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, raw BLOB) STRICT;"};

class Databases : public ::testing::Test {
 protected:
  void SetUp() override {
    path = ::testing::TempDir() + "cw-db-" + std::to_string(::getpid()) + ".db";
    clear();
  }
  void TearDown() override { clear(); }
  void clear() {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end);
  }
  std::string path;
};

TEST_F(Databases, ValuesComeBackAsTheyWere) {
  auto db = *open_sqlite(path, kOne);
  ASSERT_TRUE(db->execute("INSERT INTO t VALUES (?1, ?2, ?3)",
                          {std::int64_t{1}, std::string("a'; DROP TABLE t; --"), Bytes{1, 0, 2}}));
  const auto rows = *db->query("SELECT id, name, raw, NULL FROM t");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].number(0), 1);
  EXPECT_EQ(rows[0].text(1), "a'; DROP TABLE t; --");
  EXPECT_EQ(rows[0].blob(2), (Bytes{1, 0, 2}));
  EXPECT_TRUE(rows[0].null(3));
  EXPECT_EQ(db->execute("INSERT INTO t VALUES (1, 'x', NULL)").error().code, Errc::kExists);
}

TEST_F(Databases, AFailedTransactionLeavesNothing) {
  auto db = *open_sqlite(path, kOne);
  EXPECT_FALSE(db->transaction([&]() -> Status {
    TRY(db->execute("INSERT INTO t VALUES (1, 'x', NULL)"));
    return fail(Errc::kState, "no");
  }));
  EXPECT_TRUE(db->query("SELECT * FROM t")->empty());
}

TEST_F(Databases, MigrationsGoForwardAndANewerFileIsRefused) {
  {
    ASSERT_TRUE(open_sqlite(path, kOne));
  }
  auto two = kOne;
  two.emplace_back("ALTER TABLE t ADD COLUMN more INTEGER; CREATE INDEX t_more ON t (more);");
  {
    auto db = *open_sqlite(path, two);
    EXPECT_TRUE(db->execute("INSERT INTO t VALUES (1, 'x', NULL, 5)"));
  }
  EXPECT_EQ(open_sqlite(path, kOne).error().code, Errc::kUnsupported);
}

TEST_F(Databases, ABrokenStructureIsFound) {
  {
    auto db = *open_sqlite(path, kOne);
    for (std::int64_t i = 0; i < 500; ++i)
      ASSERT_TRUE(db->execute("INSERT INTO t VALUES (?1, ?2, NULL)",
                              {i, "name " + std::to_string(i * 7'919 % 500)}));
  }
  ASSERT_TRUE(check_sqlite(path)->empty());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  constexpr std::streamoff kPage = 4'096, kCellCount = 3;  // of the second page's head
  file.seekp(kPage + kCellCount);
  file.put('\x7f');
  file.close();
  EXPECT_FALSE(check_sqlite(path)->empty());
  std::filesystem::resize_file(path, kPage + 100);
  EXPECT_FALSE(check_sqlite(path)->empty());
}

}  // namespace
}  // namespace callward::db
