// Days and receipts: what leaves the house, and is checked without us.
#include "audit/daily.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "audit/receipt.hpp"
#include "audit/verify.hpp"

namespace callward::audit {
namespace {

constexpr std::int64_t kDayMs = 24 * 3'600'000;
constexpr std::int64_t kMidnight = 1'795'564'800'000;  // 2026-11-25T00:00:00Z
// Of a day of that November.
constexpr std::int64_t noon_of(int day) { return kMidnight + (day - 25) * kDayMs + kDayMs / 2; }

class Daily : public ::testing::Test {
 protected:
  void SetUp() override {
    dir = ::testing::TempDir() + "cw-daily-" + std::to_string(::getpid());
    std::filesystem::remove_all(dir);
    log = std::move(*Log::open(vfs, dir, key.name, seed));
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  void grow(Log& to, std::uint64_t size, const std::string& cause = "test") {
    while (to.size() < size) {
      for (int i = 0; i < 200 && to.size() + static_cast<std::uint64_t>(i) < size; ++i)
        ASSERT_TRUE(
            to.stage({"call_missing", "recorder", "-", at, {{"cause", cause}, {"sip_status", i}}}));
      ASSERT_TRUE(to.commit());
    }
    ASSERT_TRUE(to.publish());
  }
  std::string note() { return read_checkpoint(vfs, dir + "/checkpoint", key)->note; }
  // The log's files as they are, put aside.
  std::string copy() {
    const auto aside = dir + "-copy";
    std::filesystem::remove_all(aside);
    std::filesystem::copy(dir, aside, std::filesystem::copy_options::recursive);
    return aside;
  }
  void close(const std::string& day) {
    const auto closed = close_day(vfs, dir, key, day, note());
    ASSERT_TRUE(closed) << closed.error().message;
  }
  VerifyReport verify(const WitnessPolicy& policy = {}, bool required = false) {
    return *verify_log(vfs, dir, key, {}, policy, required);
  }

  RealVfs vfs;
  SeededEntropy entropy{11};
  Key32 seed = entropy.key(), witness_seed = entropy.key();
  NamedKey key{"example.com/log", *crypto::ed25519_public(seed)};
  WitnessKey witness{"witness.example/1", *crypto::ed25519_public(witness_seed)};
  std::string dir;
  std::unique_ptr<Log> log;
  std::int64_t at = noon_of(24);  // of the entries that grow() adds
};

TEST_F(Daily, EachDayContinuesTheOneBefore) {
  const std::vector<std::pair<std::string, std::uint64_t>> days{{"2026-11-20", 0},
                                                                {"2026-11-21", 7},
                                                                {"2026-11-22", 256},
                                                                {"2026-11-23", 256},
                                                                {"2026-11-25", 700}};
  for (const auto& [day, size] : days) {
    at = noon_of(std::stoi(day.substr(8)));
    grow(*log, size);
    close(day);
  }
  EXPECT_EQ(list_days(vfs, dir)->size(), 5u);
  EXPECT_EQ(close_day(vfs, dir, key, "2026-11-25", note()).error().code, Errc::kExists);
  for (std::size_t i = 1; i < days.size(); ++i) {
    const auto before = *read_day(vfs, dir, days[i - 1].first);
    const auto next = *read_day(vfs, dir, days[i].first);
    const auto checked = check_continues(before, next, key, {});
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(checked->size, days[i].second);
  }
  // A day that is left out: its proof begins elsewhere, and another can be had from the tiles.
  const auto first = *read_day(vfs, dir, "2026-11-21");
  const auto last = *read_day(vfs, dir, "2026-11-25");
  EXPECT_EQ(check_continues(first, last, key, {}).error().code, Errc::kState);
  EXPECT_TRUE(check_continues(first, *continue_from(vfs, dir, key, 7, last.note), key, {}));
  EXPECT_EQ(check_continues(last, first, key, {}).error().code, Errc::kCorrupt);
  const auto report = verify();
  EXPECT_TRUE(report.good()) << report.findings.front();
  EXPECT_TRUE(report.warnings.empty()) << report.warnings.front();
  EXPECT_EQ(report.days, 5u);
}

// Whoever writes the log anew, with its own key, cannot make it continue what a stranger holds.
TEST_F(Daily, ALogThatWasWrittenAnewDoesNotContinueYesterday) {
  grow(*log, 300);
  close("2026-11-24");
  const auto yesterday = *read_day(vfs, dir, "2026-11-24");
  log.reset();
  const auto aside = copy();
  std::filesystem::remove_all(dir);
  log = std::move(*Log::open(vfs, dir, key.name, seed));
  grow(*log, 300, "another");
  close("2026-11-24");
  const auto same_size = *read_day(vfs, dir, "2026-11-24");
  EXPECT_EQ(check_continues(yesterday, same_size, key, {}).error().code, Errc::kCorrupt);
  at += kDayMs;
  grow(*log, 400, "another");
  const auto today = *continue_from(vfs, dir, key, 300, note());
  EXPECT_EQ(check_continues(yesterday, today, key, {}).error().code, Errc::kCorrupt);
  EXPECT_TRUE(verify().good());  // in itself it is in order
  // But not together with a day that it does not continue.
  std::filesystem::copy(
      aside + "/daily", dir + "/daily",
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(verify().good());
  std::filesystem::remove_all(aside);
}

TEST_F(Daily, EveryByteOfADayIsChecked) {
  at = noon_of(23);
  grow(*log, 100);
  close("2026-11-23");
  at = noon_of(24);
  grow(*log, 300);
  close("2026-11-24");
  const auto before = *read_day(vfs, dir, "2026-11-23");
  const auto text = encode_continuation(*read_day(vfs, dir, "2026-11-24"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto read = parse_continuation(bad);
    EXPECT_FALSE(read && check_continues(before, *read, key, {})) << i;
  }
  for (const char* name : {"/daily/2026-11-24.checkpoint", "/daily/2026-11-24.consistency"}) {
    const auto whole = *vfs.read_file(dir + name, 1 << 20);
    for (std::size_t i = 0; i < whole.size(); i += 3) {
      auto bad = whole;
      bad[i] ^= 1;
      ASSERT_TRUE(vfs.write_file_atomic(dir + name, bad));
      EXPECT_FALSE(verify().good()) << name << " " << i;
    }
    ASSERT_TRUE(vfs.remove(dir + name));
    if (std::string(name).ends_with("consistency")) {
      EXPECT_FALSE(verify().good());
    }
    ASSERT_TRUE(vfs.write_file_atomic(dir + name, whole));
  }
  EXPECT_TRUE(verify().good());
}

// A day's file holds all of its day, and nothing of the day after the next: a short one would leave
// out of every archive what was logged behind it.
TEST_F(Daily, ADayIsHeldToItsMidnight) {
  at = noon_of(23);
  grow(*log, 10);
  at = kMidnight - 2'000;  // published a little after midnight
  const auto early = note();
  grow(*log, 20);
  close("2026-11-24");
  EXPECT_TRUE(verify().good());
  at = kMidnight - 1'000;
  grow(*log, 21);
  at = noon_of(25);
  grow(*log, 30);
  EXPECT_TRUE(verify().good()) << verify().findings.front();
  std::filesystem::remove_all(dir + "/daily");
  at = kMidnight + kDayMs + 5'000;
  grow(*log, 40);
  ASSERT_TRUE(close_day(vfs, dir, key, "2026-11-25", early));  // signed, a beginning, and too short
  auto report = verify();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].find("daily/2026-11-25.checkpoint: entry 10 "), std::string::npos)
      << report.findings[0];
  std::filesystem::remove_all(dir + "/daily");
  close("2026-11-24");  // of two days later
  EXPECT_TRUE(verify().good());
  std::filesystem::remove_all(dir + "/daily");
  close("2026-11-23");
  report = verify();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].find("daily/2026-11-23.checkpoint: entry 39 "), std::string::npos)
      << report.findings[0];
}

// What is behind a day may stand in the journal alone.
TEST_F(Daily, ADayIsHeldToItsMidnightByTheJournalToo) {
  grow(*log, 20);
  close("2026-11-24");
  ASSERT_TRUE(log->stage({"call_missing",
                          "recorder",
                          "-",
                          kMidnight - 2 * 3'600'000,
                          {{"cause", "late"}, {"sip_status", 503}}}));
  ASSERT_TRUE(log->commit());
  const auto report = verify();
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_NE(report.findings[0].find("entry 20 "), std::string::npos) << report.findings[0];
}

TEST_F(Daily, ADayIsClosedOnceSoonAfterItsEnd) {
  DayCloser closer(vfs, dir, key, false);
  EXPECT_FALSE(closer.tick(kMidnight));  // there is no checkpoint yet
  grow(*log, 10);
  EXPECT_EQ(**closer.tick(kMidnight), "2026-11-24");
  at = kMidnight;
  grow(*log, 20);
  EXPECT_FALSE(closer.tick(kMidnight + 1'000)->has_value());
  EXPECT_FALSE(DayCloser(vfs, dir, key, false).tick(kMidnight + 2'000)->has_value());
  EXPECT_FALSE(closer.tick(kMidnight + 86'399'999)->has_value());
  EXPECT_EQ(**closer.tick(kMidnight + 86'400'000), "2026-11-25");
  EXPECT_TRUE(check_continues(*read_day(vfs, dir, "2026-11-24"), *read_day(vfs, dir, "2026-11-25"),
                              key, {}));
  // A week later: the days between have no files, and the last one continues what there is.
  EXPECT_EQ(**closer.tick(kMidnight + 7 * 86'400'000ll), "2026-12-01");
  EXPECT_EQ(list_days(vfs, dir)->size(), 3u);
  EXPECT_TRUE(verify().good());
}

TEST_F(Daily, ADayBeforeTheLogHasNoFile) {
  at = 1'000;  // 1970-01-01
  grow(*log, 10);
  DayCloser closer(vfs, dir, key, false);
  EXPECT_FALSE(closer.tick(5'000)->has_value());
  EXPECT_FALSE(vfs.exists(dir + "/daily"));
}

TEST_F(Daily, ADayWaitsForItsWitnessesAWhile) {
  grow(*log, 10);
  ASSERT_TRUE(vfs.make_dirs(dir + "/witness"));
  const auto cosigned = [&] { return note() + *cosign(note(), witness.name, witness_seed, 9); };
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kWitnessedFile, as_bytes(cosigned())));
  grow(*log, 20);
  DayCloser closer(vfs, dir, key, true);
  EXPECT_FALSE(closer.tick(kMidnight)->has_value());  // what they signed is older
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kWitnessedFile, as_bytes(cosigned())));
  EXPECT_EQ(**closer.tick(kMidnight + 30'000), "2026-11-24");
  EXPECT_TRUE(find_cosignature(read_day(vfs, dir, "2026-11-24")->note, witness));
  grow(*log, 30);
  EXPECT_FALSE(closer.tick(kMidnight + 86'400'000)->has_value());
  EXPECT_EQ(**closer.tick(kMidnight + 86'400'000 + DayCloser::kWitnessWaitMs), "2026-11-25");
  EXPECT_FALSE(find_cosignature(read_day(vfs, dir, "2026-11-25")->note, witness));
}

TEST_F(Daily, ARolledBackLogIsToldByItsDays) {
  grow(*log, 100);
  log.reset();
  const auto aside = copy();
  log = std::move(*Log::open(vfs, dir, key.name, seed));
  grow(*log, 300);
  close("2026-11-24");
  log.reset();
  std::filesystem::copy(dir + "/daily", aside + "/daily", std::filesystem::copy_options::recursive);
  const auto report = *verify_log(vfs, aside, key);
  ASSERT_FALSE(report.good());
  EXPECT_NE(report.findings.front().find("rolled back"), std::string::npos);
  std::filesystem::remove_all(aside);
}

TEST_F(Daily, WitnessesAreCheckedWhereTheyAreNamed) {
  grow(*log, 50);
  const WitnessPolicy policy{{witness}, 1};
  EXPECT_EQ(verify(policy).warnings.size(), 1u);  // none yet
  EXPECT_FALSE(verify(policy, true).good());
  ASSERT_TRUE(vfs.make_dirs(dir + "/witness"));
  const auto plain = note();
  const auto good = plain + *cosign(plain, witness.name, witness_seed, 9);
  const auto write = [&](const std::string& text) {
    ASSERT_TRUE(vfs.write_file_atomic(dir + "/" + kWitnessedFile, as_bytes(text)));
  };
  write(good);
  grow(*log, 400);  // the log goes on
  const auto report = verify(policy, true);
  EXPECT_TRUE(report.good()) << report.findings.front();
  EXPECT_EQ(report.witnessed_size, 50u);
  EXPECT_EQ(report.witnesses, std::vector<std::string>{witness.name});
  for (std::size_t i = 0; i < good.size(); i += 3) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    write(bad);
    EXPECT_FALSE(verify(policy, true).good()) << i;
  }
  write(plain);
  EXPECT_FALSE(verify(policy, true).good());
  EXPECT_TRUE(verify().good());
}

TEST_F(Daily, ReceiptsProveEveryEntry) {
  grow(*log, 700);
  for (const std::uint64_t index : {0, 1, 255, 256, 511, 512, 699}) {
    const auto receipt = make_receipt(vfs, dir, key, index);
    ASSERT_TRUE(receipt) << receipt.error().message;
    const auto again = parse_receipt(encode_receipt(*receipt));
    ASSERT_TRUE(again);
    const auto checked = check_receipt(*again, std::nullopt, key, {});
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_EQ(checked->checkpoint.size, 700u);
    EXPECT_TRUE(check_entry(checked->entry));
    EXPECT_FALSE(check_receipt(*again, as_bytes("another"), key, {}));
  }
  EXPECT_EQ(make_receipt(vfs, dir, key, 700).error().code, Errc::kNotFound);
  // Witnessed where witnesses were, under an older tree.
  ASSERT_TRUE(vfs.make_dirs(dir + "/witness"));
  const auto plain = note();
  ASSERT_TRUE(vfs.write_file_atomic(
      dir + "/" + kWitnessedFile, as_bytes(plain + *cosign(plain, witness.name, witness_seed, 9))));
  grow(*log, 1'000);
  const WitnessPolicy policy{{witness}, 1};
  const auto old_one = *make_receipt(vfs, dir, key, 600);
  EXPECT_EQ(check_receipt(old_one, std::nullopt, key, policy)->checkpoint.size, 700u);
  const auto new_one = *make_receipt(vfs, dir, key, 800);
  EXPECT_FALSE(check_receipt(new_one, std::nullopt, key, policy));
  EXPECT_EQ(check_receipt(new_one, std::nullopt, key, {})->checkpoint.size, 1'000u);
}

}  // namespace
}  // namespace callward::audit
