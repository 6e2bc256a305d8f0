// Databases of earlier servers are migrated, and hold what they held; later ones are refused.
#include <boost/json.hpp>

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

using test::fresh_dir;

boost::json::object fixture() {
  RealVfs vfs;
  const auto raw =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/tests/fixtures/server.json", 1u << 20);
  EXPECT_TRUE(raw);
  return boost::json::parse(as_text(*raw)).as_object();
}
std::vector<std::string> texts(const boost::json::value& list) {
  std::vector<std::string> out;
  for (const auto& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

TEST(Upgrade, DatabasesOfEveryVersionAreMigratedAndKeepTheirRows) {
  const auto all = fixture();
  const auto steps = texts(all.at("steps"));
  for (std::size_t version = 2; version <= steps.size(); ++version) {
    const auto path = fresh_dir("upgrade") + "/callward.db";
    {
      const auto old = db::open_sqlite(path, {steps.begin(), steps.begin() + version});
      ASSERT_TRUE(old) << old.error().message;
      for (const auto& row : texts(all.at("all"))) ASSERT_TRUE((*old)->execute(row));
      for (const auto& row : texts(all.at("rows").at(std::to_string(version))))
        ASSERT_TRUE((*old)->execute(row));
      const auto call = std::string(all.at("call").as_string());
      ASSERT_TRUE(
          (*old)->execute("INSERT INTO calls VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                          {call, std::int64_t{1'700'000'000'000}, std::int64_t{4}, std::int64_t{2},
                           "2023/11/14/" + call + ".cwo", *from_hex(all.at("event").as_string())}));
    }
    const auto now = db::open_sqlite(path, server_migrations());
    ASSERT_TRUE(now) << version << ": " << now.error().message;
    EXPECT_EQ((*now)->query("PRAGMA user_version")->at(0).number(0),
              static_cast<std::int64_t>(server_migrations().size()));
    EXPECT_EQ((*now)->query("SELECT name FROM persons")->size(), 1u);
    EXPECT_EQ((*now)->query("SELECT at FROM notes")->size(), 1u);
    EXPECT_EQ((*now)->query("SELECT call FROM retired")->size(), 0u);
    for (const char* table : {"customer_records", "customer_cases", "requests", "customer_log",
                              "customer_orders", "customer_forms"})
      EXPECT_TRUE((*now)->query(std::string("SELECT * FROM ") + table)) << version << table;
    RealVfs vfs;
    store::FileObjectStore objects(vfs, "/nonexistent");
    Link keeper("/nonexistent/k.sock", keys::kKeeperFrameBytesMax, keeper_hello);
    Link recorder("/nonexistent/r.sock", store::kRecorderFrameBytesMax, recorder_hello);
    Catalog catalog(**now, objects, keeper, recorder);
    const auto calls = catalog.list({});
    ASSERT_TRUE(calls) << calls.error().message;
    ASSERT_EQ(calls->size(), 1u);
    EXPECT_EQ(calls->at(0).sequence, 7u);
    EXPECT_EQ(calls->at(0).direction, keys::Direction::kOutgoing);
    EXPECT_EQ(calls->at(0).account.size(), 2u);
    EXPECT_EQ(calls->at(0).flags, std::vector<std::string>{"imported"});
  }
}

TEST(Upgrade, TodaysFirstStepsAreTheOldOnes) {
  const auto steps = texts(fixture().at("steps"));
  const auto now = server_migrations();
  ASSERT_GE(now.size(), steps.size());
  const auto packed = [](std::string text) {
    std::erase(text, ' ');
    return text;
  };
  for (std::size_t i = 0; i < steps.size(); ++i)
    EXPECT_EQ(packed(now[i]), packed(steps[i])) << "a step that was released does not change";
}

TEST(Upgrade, ADatabaseOfTheNextVersionIsRefusedByItsNumber) {
  const auto path = fresh_dir("upgrade") + "/callward.db";
  const auto next = std::to_string(server_migrations().size() + 1);
  {
    const auto now = db::open_sqlite(path, server_migrations());
    ASSERT_TRUE((*now)->execute("PRAGMA user_version = " + next));
  }
  const auto read = db::open_sqlite(path, server_migrations());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kUnsupported);
  EXPECT_NE(read.error().message.find("version " + next), std::string::npos);
}

}  // namespace
}  // namespace callward::api
