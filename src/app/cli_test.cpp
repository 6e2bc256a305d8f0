// What the commands say and how they end; what they act on is tested where it is.
#include "app/cli.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/cli_completion.hpp"
#include "app/vault_policy.hpp"
#include "crypto/sha256.hpp"

namespace callward::app {
namespace {

TEST(CliStatus, SaysForEachProcessWhyItDoesNotDoItsWork) {
  const auto lines = status_lines(boost::json::parse(R"({"ready":false,"processes":[
    {"name":"keeper","state":"starting","ready":false,"heartbeat_ms":300,
     "status":{"ready":false,"locked":true,"why":"no credential"}},
    {"name":"keeper2","state":"running","ready":true,"heartbeat_ms":300,
     "status":{"mirrors":[{"store":"/a","good":true,"why":""},{"store":"/b","good":false,"why":"gone"}],
               "log":{"failed":true,"why":"No space left on device"}}},
    {"name":"recorder","state":"waiting","ready":false,"last_exit":"signal 9","status":{}},
    {"name":"listener","state":"running","ready":true,"heartbeat_ms":10,
     "status":{"degraded":"behind","why":"","lag_ms":12300}},
    {"name":"signal","state":"running","ready":true,"heartbeat_ms":10,
     "status":{"malformed":7,"refused":{"busy":3,"no_sdp":2},
               "queues":[{"name":"signal.news","refused":1}]}},
    {"name":"courier","state":"running","ready":true,"heartbeat_ms":10,
     "status":{"email":{"configured":true,"failing":"login"},"sms":{"failing":""}}},
    {"name":"server","state":"running","ready":false,"heartbeat_ms":9000,
     "status":{"degraded":"chart_not_the_logs","why":"it is ahead",
       "connections_refused":4,"witnesses":{"quorum":1,"size":9,"alarms":1,"list":[
       {"name":"w/1","state":"good","alarm":false,"why":""},
       {"name":"w/2","state":"away","alarm":false,"why":"cannot be reached"},
       {"name":"w/3","state":"fork","alarm":true,"why":"it answered 422"}]}}}]})"));
  EXPECT_EQ(
      lines,
      (std::vector<std::string>{
          "keeper: locked: no credential", "keeper2: mirror 2 (/b) is not good: gone",
          "keeper2: the audit log cannot be written: No space left on device",
          "recorder: waiting, its last end: signal 9", "listener: degraded: behind, lag 12 s",
          "signal: refused since its start: busy 3, no_sdp 2",
          "signal: malformed messages since its start: 7",
          "signal: queue signal.news was full 1 times", "courier: e-mails do not get out: login",
          "server: no heartbeat for 9 s; it is killed and restarted after 30 s",
          "server: degraded: chart_not_the_logs (it is ahead)",
          "server: witness w/2: cannot be reached", "server: ALARM: witness w/3: it answered 422",
          "server: connections refused since its start: 4"}));
  EXPECT_TRUE(status_lines(boost::json::parse(R"({"processes":[{"name":"keeper","state":"running",
    "ready":true,"heartbeat_ms":1,"status":{"why":"","mirrors":[{"good":true}]}}]})"))
                  .empty());
}

TEST(CliStatus, SaysInWordsThatNobodyHearsTheCalls) {
  const auto lines = status_lines(boost::json::parse(R"({"processes":[
    {"name":"listener","state":"running","ready":true,"heartbeat_ms":10,
     "status":{"degraded":"no_recogniser","why":"it cannot begin","lag_ms":4000}},
    {"name":"listener","state":"running","ready":true,"heartbeat_ms":10,
     "status":{"degraded":"fewer_recognisers","why":"it went away","lag_ms":0}}]})"));
  EXPECT_EQ(
      lines,
      (std::vector<std::string>{
          "listener: degraded: no_recogniser: nobody hears the calls, so nothing of them is "
          "cleared (it cannot begin), lag 4 s",
          "listener: degraded: fewer_recognisers: some recognisers are missing, hearing takes "
          "longer (it went away), lag 0 s"}));
}

TEST(CliErase, OnlyWhatIsGoneForGoodIsSuccess) {
  EXPECT_EQ(ending_of_order("erased").code, ExitCode::kDone);
  EXPECT_TRUE(ending_of_order("erased").sentence.empty());
  for (const char* outcome :
       {"held", "unconfirmed", "accepted", "intended", "refused", "", "new"}) {
    EXPECT_EQ(ending_of_order(outcome).code, ExitCode::kFailed) << outcome;
    EXPECT_FALSE(ending_of_order(outcome).sentence.empty()) << outcome;
  }
}

TEST(CliDecide, KeptIsSuccessAndHeldRangesAreNamedWithTheirOrder) {
  EXPECT_EQ(ending_of_order("kept").code, ExitCode::kDone);
  const auto held = boost::json::parse(R"({"total":1,"calls":[{"call":"aa","started_at":1,"orders":[
    {"order":"bb","reason_code":"card","total_ms":3000,"ranges":[
      {"stream":"customer","start_ms":61000,"end_ms":63000},
      {"stream":"agent","start_ms":0,"end_ms":1000}]}]}]})");
  EXPECT_EQ(
      held_lines(held),
      (std::vector<std::string>{
          "aa  bb  customer  " + short_duration(61'000) + " - " + short_duration(63'000) + "  card",
          "aa  bb  agent  " + short_duration(0) + " - " + short_duration(1'000) + "  card"}));
  EXPECT_TRUE(held_lines(boost::json::parse(R"({"total":0,"calls":[]})")).empty());
  CliContext context;
  EXPECT_EQ(command_decide(context, {.call = std::string(32, 'a'), .order = std::string(32, 'b')})
                .error()
                .code,
            Errc::kConfig);
  EXPECT_EQ(command_decide(context, {.call = "aa", .order = "bb", .erase = true}).error().code,
            Errc::kConfig);
}

TEST(CliFields, SaysHowFarErasingIsAndWhatWouldGo) {
  const auto has = [](const std::vector<std::string>& lines, const std::string& part) {
    return std::ranges::any_of(
        lines, [&](const auto& line) { return line.find(part) != std::string::npos; });
  };
  const auto now = field_retention_lines(boost::json::parse(
      R"({"state":"erasing","due":1200,"in_hand":1000,"done":500,"done_customers":250,"since":1,
      "batch_at":1,"batch":500,"unconfirmed":3,"errors":2,"why":"no good mirror","rows":9})"));
  EXPECT_TRUE(has(now, "500 fields of 250 customers gone"));
  EXPECT_TRUE(has(now, "due: 1200 fields, in hand: 1000"));
  EXPECT_TRUE(has(now, "waiting for a mirror: 3 customers"));
  EXPECT_TRUE(has(now, "rows or rounds that failed: 2, the last one: no good mirror"));
  EXPECT_TRUE(has(field_retention_lines(boost::json::parse(R"({"state":"stopped","why":"x"})")),
                  "STOPPED, nothing is erased: x"));
  const auto waits = field_retention_lines(boost::json::parse(
      R"({"state":"stopped","stop":"volume","stop_why":"150 customers are due at once","waits":true,
      "shorter_since":1,"counted_at":9,"to_confirm":151,"due_customers":150,"may":100,
      "keep":{"reference_days":20,"contact_days":10},
      "in_force":{"reference_days":365,"contact_days":30}})"));
  EXPECT_TRUE(has(waits, "STOPPED, secrets alone go: 150 customers are due at once"));
  EXPECT_TRUE(has(waits,
                  "the policy states 20 days of reference and 10 of contact; what is stored "
                  "is kept by 365 days of reference and 30 of contact"));
  EXPECT_TRUE(has(waits, "of 151 customers something would go at once"));
  EXPECT_TRUE(has(waits, "confirm --customers 151 --reason"));
  EXPECT_FALSE(has(waits, "nothing is erased")) << "secrets are";
  EXPECT_EQ(field_confirm_address("https://a.example", {2, "as said & agreed\xC3\xA9"}),
            "https://a.example/system/retention#customers=2&reason=as%20said%20%26%20agreed%c3%a9");
  const auto counted = field_forecast_lines(boost::json::parse(
      R"({"keep":{"reference_days":365},"customers":1,"classes":[{"class":"contact","kind":"email",
      "to_compare":4,"held_due":1,"goes":{"due":7,"no_end":4}}]})"));
  EXPECT_TRUE(has(counted, "contact      email               7       0"));
  EXPECT_TRUE(has(counted, "4 fields can only be compared once the open cases are closed"));
  EXPECT_TRUE(has(counted, "1 field would be gone, were there no legal hold"));
}

TEST(CliFields, ACountThatIsLostOrAnothersIsNoResult) {
  const auto run = [](const char* text) { return boost::json::parse(text); };
  const auto begun = run(R"({"state":"running","at":5,"keep":{"reference_days":9}})");
  EXPECT_TRUE(check_dry_run(begun, begun));
  EXPECT_TRUE(check_dry_run(begun, run(R"({"state":"done","at":5,"keep":{"reference_days":9}})")));
  for (const char* not_it : {"null", R"({"state":"","at":5,"keep":{"reference_days":9}})",
                             R"({"state":"failed","why":"x","at":5,"keep":{"reference_days":9}})",
                             R"({"state":"done","at":6,"keep":{"reference_days":9}})",
                             R"({"state":"done","at":5,"keep":{"reference_days":8}})"})
    EXPECT_FALSE(check_dry_run(begun, run(not_it))) << not_it;
}

TEST(CliUser, SaysWhoIsHereAndWhatAReleaseLacks) {
  EXPECT_EQ(user_lines(boost::json::parse(R"({"founded":true,"lacks":["an expert"],
    "lacks_for_two":["a second authorised person"],"people":[
    {"person":"01","name":"olga","state":"here","roles":["reviewer","owner"],"answers_to":"",
     "passkeys":2,"on_duty":false},
    {"person":"02","name":"eve","state":"invited","roles":["agent"],"answers_to":"01",
     "passkeys":0,"on_duty":false}]})")),
            (std::vector<std::string>{"olga: here, reviewer owner, 2 passkeys",
                                      "eve: invited, agent, answers to olga",
                                      "a release lacks: an expert",
                                      "break-glass, and a release after a number that was changed "
                                      "lately, lack: a second authorised person"}));
  const auto unfounded = user_lines(boost::json::parse(R"({"founded":false,"people":[]})"));
  ASSERT_EQ(unfounded.size(), 1u);
  EXPECT_NE(unfounded[0].find("user found"), std::string::npos);
}

TEST(CliUser, TheFoundingTokenIsKeptAsItsHashAndANewOneReplacesIt) {
  RealVfs vfs;
  Config config;
  config.data_dir = ::testing::TempDir() + "cw-founding-" + std::to_string(::getpid());
  ASSERT_TRUE(vfs.make_dirs(config.data_dir + "/keeper"));
  EXPECT_FALSE(load_founding(vfs, config));
  const std::string first(64, 'a'), second(64, 'b');
  ASSERT_TRUE(keep_founding(vfs, config, first));
  EXPECT_EQ(*load_founding(vfs, config), crypto::sha256(*from_hex(first)));
  EXPECT_EQ(std::string(as_text(*vfs.read_file(config.founding_file(), 200))).find(first),
            std::string::npos);
  ASSERT_TRUE(keep_founding(vfs, config, second));
  EXPECT_EQ(*load_founding(vfs, config), crypto::sha256(*from_hex(second)));
  EXPECT_FALSE(keep_founding(vfs, config, "aa"));
  std::filesystem::remove_all(config.data_dir);
}

// What bash itself offers with the script at `line`'s last word.
std::string offered(const CLI::App& app, const std::string& line) {
  const auto file = "/tmp/cw-completion-" + std::to_string(::getpid());
  std::ofstream(file) << completion_script(app) << "COMP_WORDS=(" << line
                      << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_callward\n"
                         "echo -n \"${COMPREPLY[@]}\"\n";
  std::string out;
  std::array<char, 512> buffer{};
  auto* pipe = ::popen(("bash " + file).c_str(), "r");
  if (pipe == nullptr) return "no bash";
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  ::pclose(pipe);
  std::filesystem::remove(file);
  return out;
}

TEST(CliCompletion, OffersWhatTheTreeHasAtEachPlace) {
  CLI::App app;
  int number = 0;
  bool flag = false;
  auto* log = app.add_subcommand("log");
  log->add_subcommand("verify")->add_flag("--json", flag);
  log->add_subcommand("types");
  auto* erase = app.add_subcommand("erase");
  erase->add_option("call", number);
  erase->add_option("--from", number);
  app.add_subcommand("process")->group("");
  EXPECT_EQ(offered(app, "callward ''"), "log erase --help");
  EXPECT_EQ(offered(app, "callward log ''"), "verify types --help");
  EXPECT_EQ(offered(app, "callward log verify --j"), "--json");
  EXPECT_EQ(offered(app, "callward erase 1234 --fr"), "--from");
  EXPECT_EQ(offered(app, "callward proc"), "");
}

TEST(CliProgress, IsOneLineThatGoesAndNothingWhereNobodyLooks) {
  const auto written = [](bool wanted) {
    auto* file = std::tmpfile();
    {
      Progress progress(wanted, "objects", file);
      for (std::uint64_t i = 0; i < 1'000; ++i) progress.show(i, 1'000);
    }
    std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
    EXPECT_EQ(std::fseek(file, 0, SEEK_SET), 0);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
    std::fclose(file);
    return text;
  };
  EXPECT_EQ(written(false), "");
  EXPECT_EQ(written(true).find("\r\033[Kobjects: 0 of 1000"), 0u);
  EXPECT_LT(written(true).size(), 200u) << "a few times a second, not each time";
  EXPECT_TRUE(written(true).ends_with("\r\033[K"));
}

}  // namespace
}  // namespace callward::app
