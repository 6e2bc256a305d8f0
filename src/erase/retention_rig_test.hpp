// A keeper with retention: its days go by in ticks, a recorder deletes, a file has its state.
#pragma once

#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <set>

#include "audit/rules.hpp"
#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {

inline constexpr std::int64_t kDays = 30;
inline constexpr std::int64_t kMinuteMs = 60'000;
inline constexpr std::int64_t kYearMs = 365 * kDayMs;

class RetentionRig : public ::testing::Test, public KeeperRig {
 protected:
  RetentionRig()
      : KeeperRig(disk(), ::testing::TempDir() + "cw-retention-" + std::to_string(::getpid())) {}
  static FailingVfs& disk() {
    static FailingVfs files;
    return files;
  }
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    policy.retention.days = {kDays, kDays, 0, 0};
    begin_keeper();
  }
  void TearDown() override {
    disk().refuse = {};
    std::filesystem::remove_all(dir);
  }

  Keeper::Outbox retention_outbox() {
    auto out = outbox();
    out.remove_objects = [this](const keys::RemoveObjects& message, auto done) {
      for (const auto& one : message.calls) asked_to_remove.push_back(one.call);
      if (!recorder_there) return done(fail(Errc::kUnavailable, "the recorder is not there"));
      keys::ObjectsRemoved removed;
      for (const auto& one : message.calls)
        removed.fates.push_back(stuck.contains(one.call) ? keys::ObjectFate::kLater : fate);
      done(std::move(removed));
    };
    out.load_retention = [this]() -> Result<std::string> {
      if (saved.empty()) return fail(Errc::kNotFound, "none yet");
      return saved;
    };
    out.save_retention = [this](const std::string& text) -> Status {
      if (!disk_writes) return fail(Errc::kIo, "the disk is gone");
      saved = text;
      return {};
    };
    return out;
  }
  void begin_keeper() {
    keeper.reset();
    log.reset();
    store.reset();
    store = std::move(*keys::KeyStore::open(vfs, entropy, paths, wrap));
    log = std::move(*audit::Log::open(vfs, dir + "/log", "test/log", seed));
    keeper = std::make_unique<Keeper>(clock, entropy, *store, *log, policy, retention_outbox());
    const auto started = keeper->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  CallId finished() {
    const auto id = begin();
    record(id, 50);
    Answer<keys::Ack> ended;
    keeper->call_end({id, clock.utc_ms(), "bye", {{0, 50}, {1, 50}}}, ended.reply());
    hear(id, 50);
    keeper->listen_done({id});
    keeper->end_round();
    return id;
  }
  // So many days of ordinary life, with ticks: calls begin (`a_day` of them), time goes on.
  void live(int days, int a_day = 0) {
    for (int day = 0; day < days; ++day) {
      for (int i = 0; i < a_day; ++i) calls.push_back(finished());
      ticks(24 * 6, 10 * kMinuteMs);
    }
  }
  void ticks(int count, std::int64_t step_ms = 1'000) {
    for (int i = 0; i < count; ++i) {
      clock.advance_ms(step_ms);
      keeper->tick();
    }
  }
  boost::json::object report() {
    Answer<keys::RetentionStatus> answer;
    keeper->retention_status({}, answer.reply());
    return boost::json::parse(answer.value->json).as_object();
  }
  Result<keys::RetentionStatus> run(bool dry = false, const std::string& who = "operator") {
    Answer<keys::RetentionStatus> answer;
    keeper->run_retention({who, dry}, answer.reply());
    keeper->end_round();
    if (answer.value && !dry) ticks(30);
    return std::move(answer.value);
  }
  Result<keys::RetentionStatus> confirm(std::uint64_t count) {
    Answer<keys::RetentionStatus> answer;
    keeper->confirm_retention({"operator", count, std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    if (answer.value) ticks(30);
    return std::move(answer.value);
  }
  void hold(const CallId& id, bool on) {
    Answer<keys::Ack> answer;
    keeper->set_hold({id, on, "operator", std::string(64, 'a')}, answer.reply());
    keeper->end_round();
    ASSERT_TRUE(answer.value);
  }
  bool gone(const CallId& id) { return !keeper->call_state(id)->known; }
  std::size_t left() {
    return static_cast<std::size_t>(
        std::count_if(calls.begin(), calls.end(), [&](const CallId& id) { return !gone(id); }));
  }
  std::map<std::string, int> broken_rules() {
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::map<std::string, int> out;
    for (const auto& finding : checker.finish().findings)
      if (finding.rule->name.find("retention") != std::string_view::npos ||
          finding.rule->name == "hold-is-kept" || finding.rule->name == "deleted-was-erased" ||
          finding.rule->name.starts_with("erase"))
        ++out[std::string(finding.rule->name) + ": " + finding.what];
    return out;
  }
  void nothing_is_erased_and(const std::string& cause) {
    EXPECT_EQ(left(), calls.size());
    EXPECT_EQ(log_types()["retention_intended"], 0);
    EXPECT_EQ(log_types()["retention_stopped"], 1);
    const auto status = report();
    EXPECT_EQ(status.at("state").as_string(), "stopped");
    EXPECT_NE(status.at("why").as_string().find(cause), std::string::npos) << status.at("why");
    EXPECT_FALSE(run()) << "not by hand either";
    EXPECT_EQ(left(), calls.size());
  }

  std::vector<CallId> calls, asked_to_remove;
  std::set<CallId> stuck;  // the recorder cannot delete these: a disk that has an error there
  std::string saved;
  bool recorder_there = true, disk_writes = true;
  keys::ObjectFate fate = keys::ObjectFate::kGone;
};

}  // namespace callward::erase
