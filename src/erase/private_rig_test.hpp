// A keeper, a call that runs, an agent who is private in it; and a log that may fail.
#pragma once

#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>

#include "audit/rules.hpp"
#include "base/failing_vfs_test.hpp"
#include "erase/keeper_rig_test.hpp"

namespace callward::erase {

inline const std::string kAgent(32, 'a');
inline const std::string kOther(32, 'b');

struct PrivateDisk {
  FailingVfs disk;
  std::string folder = ::testing::TempDir() + "cw-private-" + std::to_string(::getpid());
};

class PrivateMode : public ::testing::Test, public PrivateDisk, public KeeperRig {
 protected:
  PrivateMode() : KeeperRig(disk, folder) {}
  void SetUp() override {
    std::filesystem::remove_all(dir);
    ASSERT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  Result<keys::PrivateState> say(const CallId& call, bool on, const std::string& who = kAgent,
                                 std::uint16_t kept = 0) {
    Answer<keys::PrivateState> answer;
    keeper->private_mode({call, on, who, kept}, answer.reply());
    keeper->end_round();
    return answer.value;
  }
  // The agent speaks in stream 1, and stays recorded.
  Result<keys::PrivateState> customer_only(const CallId& call) {
    return say(call, true, kAgent, 0b10);
  }
  Result<keys::PrivateState> look(const CallId& call) {
    Answer<keys::PrivateState> answer;
    keeper->private_look({call}, answer.reply());
    return answer.value;
  }
  Errc refusal(const CallId& call, bool on, const std::string& who = kAgent) {
    const auto answer = say(call, on, who);
    EXPECT_FALSE(answer);
    return answer ? Errc{} : answer.error().code;
  }
  // Time in the keeper's own steps.
  void pass(std::int64_t seconds) {
    for (std::int64_t i = 0; i < seconds; ++i) {
      clock.advance_ms(1'000);
      keeper->tick();
    }
  }
  // A call of `seconds` so far, all of it heard; its records of the next `more`, too.
  CallId talk(std::uint32_t seconds, std::uint32_t more = 400) {
    const auto call = begin();
    for (std::uint8_t stream : {std::uint8_t{0}, std::uint8_t{1}}) {
      keys::ForwardKeys forward(nodes, stream);
      for (std::uint32_t i = 0; i < (seconds + more) * 10; ++i)
        records[{stream, i}] =
            cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = i},
                        call, as_bytes("audio"), *forward.take(i));
    }
    clock.advance_ms(std::int64_t{seconds} * 1'000);
    hear(call, seconds * 10);
    return call;
  }
  std::uint32_t erased_segments(const CallId& call, std::uint8_t stream = 0) {
    std::uint32_t count = 0;
    const auto state = *keeper->call_state(call);
    for (const auto& item : state.erased)
      if (item.range.stream == stream && item.reason == "private")
        count += item.range.end - item.range.first;
    return count;
  }
  std::vector<boost::json::object> entries(const std::string& type) {
    std::vector<boost::json::object> found;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      if (entry.type == type) {
        found.push_back(entry.data);
        found.back()["actor"] = entry.actor;
      }
      return {};
    }));
    return found;
  }
  // What the log's rules say of it, whoever kept it.
  std::vector<std::string> broken_rules() {
    audit::RuleChecker checker;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      checker.add(index, *audit::encode_entry(entry));
      return {};
    }));
    std::vector<std::string> out;
    for (const auto& finding : checker.finish().findings)
      if (finding.rule->name.starts_with("private") || finding.rule->name.starts_with("erase"))
        out.push_back(std::string(finding.rule->name) + ": " + finding.what);
    return out;
  }
  // From here on the log takes nothing, until mend().
  void lose_log() {
    disk.refuse = [](const std::string& path, FileCall call) {
      return call == FileCall::kWrite && path.find("/journal-") != std::string::npos;
    };
  }
  void log_is_back() {
    disk.refuse = {};
    mend();
  }
  void end(const CallId& call, std::uint32_t segments) {
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, segments}, {1, segments}}}, ended.reply());
    keeper->end_round();
    EXPECT_TRUE(ended.value);
  }
};

}  // namespace callward::erase
