#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

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

// An error of one of those that are written together takes its own rows with it, and no other's.
TEST_F(Databases, WhatIsWrittenTogetherStandsOrFallsAlone) {
  auto db = *open_sqlite(path, kOne);
  constexpr std::int64_t kThreads = 8, kEach = 50;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::int64_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::int64_t i = 0; i < kEach; ++i) {
        const auto id = t * kEach + i;
        const auto outcome = db->write([&]() -> Status {
          TRY(db->execute("INSERT INTO t VALUES (?1, ?2, NULL)", {id, std::to_string(id)}));
          if (id % 5 == 0) return fail(Errc::kState, std::to_string(id));
          if (id % 7 == 0) TRY(db->execute("INSERT INTO t VALUES (?1, 'again', NULL)", {id}));
          return {};
        });
        const auto code = id % 5 == 0 ? Errc::kState : Errc::kExists;
        const bool bad = id % 5 == 0 || id % 7 == 0;
        if (outcome.has_value() == bad || (bad && outcome.error().code != code)) ++wrong;
        if (id % 5 == 0 && outcome.error().message != std::to_string(id)) ++wrong;
        // Who was told that it stands finds it.
        if (!bad && db->query("SELECT id FROM t WHERE id = ?1", {id})->size() != 1) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const auto rows = *db->query("SELECT id FROM t ORDER BY id");
  std::vector<std::int64_t> there, expected;
  for (const auto& row : rows) there.push_back(row.number(0));
  for (std::int64_t id = 0; id < kThreads * kEach; ++id)
    if (id % 5 != 0 && id % 7 != 0) expected.push_back(id);
  EXPECT_EQ(there, expected);
}

// While the first one is at it the others wait, and one thread does the work of all of them.
TEST_F(Databases, WhatWaitsIsWrittenInOne) {
  auto db = *open_sqlite(path, kOne);
  constexpr std::int64_t kOthers = 12;
  std::atomic<std::int64_t> coming{0};
  std::mutex mutex;
  std::set<std::thread::id> by;
  std::vector<std::thread> threads;
  const auto first = db->write([&]() -> Status {
    for (std::int64_t id = 1; id <= kOthers; ++id)
      threads.emplace_back([&, id] {
        ++coming;
        EXPECT_TRUE(db->write([&]() -> Status {
          {
            const std::lock_guard lock(mutex);
            by.insert(std::this_thread::get_id());
          }
          TRY(db->execute("INSERT INTO t VALUES (?1, ?2, NULL)", {id, std::to_string(id)}));
          return {};
        }));
      });
    while (coming < kOthers) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // now they wait
    return {};
  });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(first);
  EXPECT_LT(by.size(), static_cast<std::size_t>(kOthers) / 2);
  EXPECT_EQ(db->query("SELECT id FROM t")->size(), static_cast<std::size_t>(kOthers));
}

// Whoever reads while others write waits for nobody, and sees what is committed.
TEST_F(Databases, ReadingGoesOnWhileSomebodyWrites) {
  auto db = *open_sqlite(path, kOne);
  const auto count = [&] { return db->query("SELECT COUNT(*) FROM t")->at(0).number(0); };
  EXPECT_TRUE(db->transaction([&]() -> Status {
    TRY(db->execute("INSERT INTO t VALUES (1, 'x', NULL)"));
    EXPECT_EQ(count(), 1) << "its own";
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < 2 * Database::kReaders; ++i)
      readers.emplace_back([&] { EXPECT_EQ(count(), 0) << "not committed yet"; });
    for (auto& reader : readers) reader.join();
    return {};
  }));
  EXPECT_EQ(count(), 1);
  EXPECT_TRUE(db->write([&]() -> Status {
    TRY(db->execute("INSERT INTO t VALUES (2, 'y', NULL)"));
    std::thread([&] { EXPECT_EQ(count(), 1); }).join();
    return {};
  }));
  std::thread([&] { EXPECT_EQ(count(), 2) << "committed by another"; }).join();
}

// Somebody always reads: the log beside the file begins anew all the same.
TEST_F(Databases, TheLogBesideTheFileHasABoundWhoeverReads) {
  auto db = *open_sqlite(path, kOne);
  ASSERT_TRUE(db->execute("INSERT INTO t VALUES (0, 'x', NULL)"));
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < Database::kReaders; ++i)
    readers.emplace_back([&] {
      while (!done)
        EXPECT_TRUE(db->query(
            "SELECT COUNT(*), (SELECT COUNT(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
            "SELECT i + 1 FROM n WHERE i < 300) SELECT i FROM n)) FROM t WHERE id = 0"));
    });
  constexpr std::int64_t kWrites = 400, kBytes = 200'000;  // five times the bound
  std::uintmax_t most = 0;
  for (std::int64_t id = 1; id <= kWrites; ++id) {
    EXPECT_TRUE(
        db->execute("INSERT INTO t VALUES (?1, ?2, ?3)", {id, std::to_string(id), Bytes(kBytes)}));
    most = std::max(most, std::filesystem::file_size(path + "-wal"));
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_LT(most, static_cast<std::uintmax_t>(Database::kLogPagesMax) * 4'096 * 3);
}

// What is kept to undo a work is no file: a sandbox lets none be made elsewhere.
TEST_F(Databases, NothingIsWrittenBesideTheDatabase) {
  auto db = *open_sqlite(path, kOne);
  EXPECT_EQ(db->query("PRAGMA temp_store")->at(0).number(0), 2);
  // Far more than the pages that are kept in memory in any case.
  EXPECT_TRUE(db->write([&]() -> Status {
    for (std::int64_t id = 0; id < 2'000; ++id)
      TRY(db->execute("INSERT INTO t VALUES (?1, ?2, ?3)", {id, std::to_string(id), Bytes(4'000)}));
    TRY(db->execute("UPDATE t SET raw = NULL"));
    return {};
  }));
}

// A full disk ends the transaction by itself: what came after it must not stand alone, nor be told
// of as lost while it stands.
TEST_F(Databases, WhereTheDiskIsFullNobodyIsToldOtherwiseThanItIs) {
  auto db = *open_sqlite(path, kOne);
  ASSERT_TRUE(db->query("PRAGMA max_page_count = 24"));
  constexpr std::int64_t kThreads = 8, kEach = 12;
  std::atomic<int> wrong{0}, full{0}, stand{0};
  std::vector<std::thread> threads;
  for (std::int64_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (std::int64_t i = 0; i < kEach; ++i) {
        const auto id = thread * kEach + i;
        const bool large = thread < 2;
        const auto outcome = db->write([&]() -> Status {
          TRY(db->execute("INSERT INTO t VALUES (?1, ?2, ?3)",
                          {id, std::to_string(id), Bytes(large ? 200'000 : 1)}));
          return {};
        });
        const auto there = db->query("SELECT id FROM t WHERE id = ?1", {id})->size();
        if (there != (outcome ? 1u : 0u) || (large && outcome)) ++wrong;
        if (!outcome && outcome.error().code != Errc::kFull) ++wrong;
        full += outcome ? 0 : 1;
        stand += outcome ? 1 : 0;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(full, 2 * kEach);
  EXPECT_GT(stand, 0);
}

// A commit that fails takes all with it that it was for; whoever hears that it stands finds it.
TEST_F(Databases, WhatACommitThatFailsWasForIsNotThere) {
  auto db = *open_sqlite(
      path, {"CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;"
             "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t (id) "
             "DEFERRABLE INITIALLY DEFERRED) STRICT;"});
  constexpr std::int64_t kThreads = 8, kEach = 40;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0}, stand{0};
  for (std::int64_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (std::int64_t i = 0; i < kEach; ++i) {
        const auto id = thread * kEach + i;
        const bool dangling = thread == 0 && i % 2 == 0;  // seen by the commit alone
        const auto outcome = db->write([&]() -> Status {
          if (!dangling) TRY(db->execute("INSERT INTO t VALUES (?1)", {id}));
          TRY(db->execute("INSERT INTO u VALUES (?1, ?1)", {id}));
          return {};
        });
        const auto there = db->query("SELECT id FROM u WHERE id = ?1", {id})->size();
        if (there != (outcome ? 1u : 0u) || (dangling && outcome)) ++wrong;
        stand += outcome ? 1 : 0;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(stand, 0);
  EXPECT_TRUE(db->query("PRAGMA foreign_key_check")->empty());
}

// More texts than are kept prepared, one of them in use again and again.
TEST_F(Databases, ManyTexts) {
  auto db = *open_sqlite(path, kOne);
  for (std::int64_t i = 0; i < 2 * static_cast<std::int64_t>(Database::kStatementsMax); ++i) {
    const auto text = "INSERT INTO t VALUES (?1, 'n" + std::to_string(i) + "', NULL)";
    ASSERT_TRUE(db->execute(text, {i}));
    ASSERT_EQ(db->query("SELECT COUNT(*) FROM t WHERE id <= ?1", {i})->at(0).number(0), i + 1);
  }
  // One that failed is good again, with other parameters.
  const auto* text = "INSERT INTO t VALUES (?1, ?2, NULL)";
  EXPECT_EQ(db->execute(text, {std::int64_t{0}, std::string("x")}).error().code, Errc::kExists);
  EXPECT_TRUE(db->execute(text, {std::int64_t{-1}, std::string("x")}));
  // And so it is when the tables have changed under it.
  EXPECT_TRUE(db->execute("ALTER TABLE t ADD COLUMN more INTEGER"));
  EXPECT_FALSE(db->execute(text, {std::int64_t{-2}, std::string("y")}));
  EXPECT_EQ(db->query("SELECT * FROM t WHERE id = -1")->size(), 1u);
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
