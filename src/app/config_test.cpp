#include "app/config.hpp"

#include <gtest/gtest.h>

#include <map>

namespace callward::app {
namespace {

TEST(Config, EmptyFileGivesDefaultsBesideIt) {
  const auto config = parse_config("", "/srv/cw/callward.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data_dir, "/srv/cw");
  EXPECT_EQ(config->socket("keeper"), "/srv/cw/run/keeper.sock");
  EXPECT_EQ(config->keys.mirrors.size(), 2u);
  EXPECT_EQ(config->sip.listen, "127.0.0.1");
}

TEST(Config, TheWrittenDefaultFileIsValid) {
  const auto config = parse_config(default_config_text(), "/srv/cw/callward.toml");
  ASSERT_TRUE(config) << config.error().message;
}

TEST(Config, UnknownNamesAreErrorsWithTheNearestName) {
  const auto key = parse_config("[sip]\nprot = 5060\n", "/x/c.toml");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().message, "line 2: sip.prot is unknown; did you mean sip.port?");
  const auto section = parse_config("[spi]\n", "/x/c.toml");
  ASSERT_FALSE(section);
  EXPECT_EQ(section.error().message, "line 1: [spi] is unknown; did you mean [sip]?");
}

TEST(Config, WrongTypesAndBoundsSayWhatIsExpected) {
  for (const char* text :
       {"[sip]\nport = 70000", "[sip]\nport = \"5060\"", "[sip]\nudp = 1", "sip = 3",
        "[sip]\nown_numbers = [1]", "[keys]\non_deadline = \"maybe\"", "[keys]\nmirrors = []",
        "[recorder]\nrtp_port_first = 3000\nrtp_port_last = 3000", "[sip", "a = 1"}) {
    const auto config = parse_config(text, "/x/c.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Errc::kConfig);
  }
}

TEST(Config, RelativePathsStandBesideTheFile) {
  const auto config = parse_config(
      "[recorder]\nspool_dir = \"fast/spool\"\n[log]\ndir = \"/var/log/cw\"\n", "/x/c.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->recorder.spool_dir, "/x/fast/spool");
  EXPECT_EQ(config->log.dir, "/var/log/cw");
}

struct KeyCase {
  const char* key;    // "sip.port"
  const char* good;   // TOML
  const char* other;  // a value of another type
};
constexpr std::array kKeys = {
    KeyCase{"data.dir", "\"d\"", "1"}, KeyCase{"data.run_dir", "\"r\"", "[]"},
    KeyCase{"keys.mirrors", "[{store=\"a\",anchor=\"b\"}]", "\"a\""},
    KeyCase{"keys.credential_file", "\"c\"", "true"},
    KeyCase{"keys.clear_deadline_s", "60", "60.0"}, KeyCase{"keys.on_deadline", "\"hold\"", "1"},
    KeyCase{"keys.persist_every_s", "30", "\"30\""},
    KeyCase{"keys.question_open_s_max", "90", "1979-05-27"},
    KeyCase{"keys.listener_share_percent", "60", "101"},
    KeyCase{"keys.private_s_max", "180", "181"}, KeyCase{"keys.private_share_percent", "25", "0"},
    KeyCase{"log.dir", "\"l\"", "{}"}, KeyCase{"log.origin", "\"o\"", "1"},
    KeyCase{"log.witnesses", "[]", "[{url=\"https://w\",key=\"a\"}]"},
    KeyCase{"log.witness_quorum", "1", "0"}, KeyCase{"log.witness_every_s", "3600", "0"},
    KeyCase{"sip.listen", "\"127.0.0.1\"", "127"}, KeyCase{"sip.port", "0", "-1"},
    KeyCase{"sip.udp", "false", "\"false\""}, KeyCase{"sip.tcp", "true", "1"},
    KeyCase{"sip.own_numbers", "[\"7*\"]", "\"7*\""}, KeyCase{"sip.own_domains", "[]", "[true]"},
    KeyCase{"sip.session_expires_s", "90", "89"}, KeyCase{"callback.proxy", "\"\"", "1"},
    KeyCase{"callback.from", "\"sip:a@b\"", "[]"}, KeyCase{"callback.from_name", "\"Us\"", "1"},
    KeyCase{"callback.expert_uri", "\"sip:{extension}@b\"", "1"},
    KeyCase{"callback.customer_uri", "\"sip:{number}@b\"", "1"},
    KeyCase{"callback.user", "\"u\"", "1"}, KeyCase{"callback.realm", "\"r\"", "1"},
    KeyCase{"callback.password_file", "\"p\"", "1"},
    KeyCase{"callback.codecs", "[\"pcma\"]", "\"pcma\""},
    KeyCase{"callback.media_address", "\"10.0.0.5\"", "1"},
    KeyCase{"callback.rtp_port_first", "1024", "1023"},
    KeyCase{"callback.rtp_port_last", "65535", "65536"},
    KeyCase{"recorder.media_address", "\"127.0.0.1\"", "[]"},
    KeyCase{"recorder.rtp_port_first", "1024", "1023"},
    KeyCase{"recorder.rtp_port_last", "65535", "65536"}, KeyCase{"recorder.calls_max", "1", "0"},
    KeyCase{"recorder.spool_dir", "\"s\"", "\"\""},
    KeyCase{"recorder.spool_file_bytes", "1048576", "1048575"},
    KeyCase{"recorder.spool_files_max", "2", "1"}, KeyCase{"recorder.objects_dir", "\"o\"", "\"\""},
    KeyCase{"recorder.rtp_timeout_s", "1", "0"}, KeyCase{"recorder.jitter_ms", "20", "2001"},
    KeyCase{"recorder.disk_reserve_bytes", "0", "-1"},
    KeyCase{"recorder.rtp_source", "\"announced\"", "\"nearest\""},
    KeyCase{"listener.workers", "256", "257"}, KeyCase{"listener.worker", "[\"python\"]", "[]"},
    KeyCase{"listener.grammar_dir", "\"g\"", "\"\""}, KeyCase{"listener.model", "\"m\"", "1"},
    KeyCase{"listener.device", "\"cuda\"", "\"tpu\""},
    KeyCase{"listener.compute", "\"float16\"", "\"int4\""}, KeyCase{"listener.threads", "64", "65"},
    KeyCase{"listener.check", "\"c.wav\"", "\"\""},
    KeyCase{"listener.language", "\"de\"", "\"../de\""},
    KeyCase{"listener.behind_ms_max", "1000", "999"},
    KeyCase{"server.listen", "\"127.0.0.1\"", "\"\""},
    KeyCase{"server.port", "65535", "99999999999999999999"},
    KeyCase{"server.tls_certificate", "\"t\"", "\"\""}, KeyCase{"server.tls_key", "\"t\"", "\"\""},
    KeyCase{"server.database", "\"x/y.db\"", "\"\""},
    KeyCase{"server.console_dir", "\"c\"", "\"\""}, KeyCase{"server.threads", "1", "0"},
    KeyCase{"server.leaked_passphrases", "\"l\"", "1"},
    KeyCase{"server.time_zone", "\"Europe/Berlin\"", "1"}, KeyCase{"retention.days", "0", "-1"},
    KeyCase{"retention.incoming_days", "365", "36501"},
    KeyCase{"retention.outgoing_days", "1", "\"1\""},
    KeyCase{"retention.unknown_days", "0", "true"}, KeyCase{"retention.import_days", "30", "30.5"},
    // Without what belongs to it a URL is an error: see below.
    KeyCase{"courier.smtp_url", "\"\"", "\"smtp://x.example\""},
    KeyCase{"courier.smtp_starttls", "true", "\"yes\""},
    KeyCase{"courier.smtp_credential_file", "\"c/s\"", "1"},
    KeyCase{"courier.smtp_ca_file", "\"c/ca.pem\"", "\"ca.pem\""},
    KeyCase{"courier.mail_from", "\"c@example.com\"", "1"},
    KeyCase{"courier.mail_from_name", "\"C\"", "\"a\\nb\""},
    KeyCase{"courier.sms_url", "\"\"", "\"https://x.example\""},
    KeyCase{"courier.sms_key_file", "\"c/k\"", "\"keeper/k\""},
    KeyCase{"courier.sms_ca_file", "\"c/ca.pem\"", "[]"}, KeyCase{"reminders.email", "false", "0"},
    KeyCase{"reminders.lapse_minutes", "5", "4"}};

std::string one_key(const std::string& dotted, const std::string& value) {
  const auto dot = dotted.find('.');
  return "[" + dotted.substr(0, dot) + "]\n" + dotted.substr(dot + 1) + " = " + value + "\n";
}

TEST(Config, EveryKeyIsReadAndSaysWhatItExpects) {
  for (const auto& item : kKeys) {
    const auto good = parse_config(one_key(item.key, item.good), "/x/c.toml");
    EXPECT_TRUE(good) << item.key << ": " << good.error().message;
    const auto bad = parse_config(one_key(item.key, item.other), "/x/c.toml");
    ASSERT_FALSE(bad) << item.key << " = " << item.other;
    EXPECT_EQ(bad.error().code, Errc::kConfig);
  }
}

TEST(Config, ACourierSpeaksTlsButToALoopbackAddress) {
  const auto with = [](const std::string& lines) {
    return parse_config("[courier]\nmail_from = \"c@example.com\"\n" + lines, "/x/c.toml");
  };
  EXPECT_FALSE(with("")->courier.any());
  const auto away = with("smtp_url = \"smtp://mail.example.com\"\n");
  ASSERT_TRUE(away) << away.error().message;
  EXPECT_EQ(away->courier.smtp->url(), "smtp://mail.example.com:587");
  EXPECT_TRUE(away->courier.smtp_starttls);
  EXPECT_FALSE(with("smtp_url = \"smtp://mail.example.com\"\nsmtp_starttls = false\n"));
  EXPECT_FALSE(with("smtp_url = \"smtp://localhost:25\"\n")->courier.smtp_starttls);
  EXPECT_TRUE(
      with("smtp_url = \"smtp://localhost:25\"\nsmtp_starttls = true\n")->courier.smtp_starttls);
  EXPECT_TRUE(with("sms_url = \"https://x.example\"\nsms_key_file = \"c/k\"\n")->courier.any());
  EXPECT_FALSE(with("sms_url = \"http://x.example\"\nsms_key_file = \"c/k\"\n"));
  EXPECT_FALSE(with("sms_url = \"https://x.example\"\n"));
  EXPECT_FALSE(with("smtp_url = \"https://x.example\"\n"));
}

// The courier's sandbox opens those folders: of keys, recordings or the server none may be among
// them, nor one that they lie in.
TEST(Config, TheCouriersFilesLieInAFolderOfTheirOwn) {
  for (const auto* good : {"courier/key", "/etc/callward/key", "run/key"})
    EXPECT_TRUE(
        parse_config("[courier]\nsms_key_file = \"" + std::string(good) + "\"\n", "/x/c.toml"))
        << good;
  for (const auto* bad : {"key", "/key", "keeper/key", "log/key", "server/key", "tls/key",
                          "keeper/mirror-1/key", "keeper/mirror-1/anchor/key", "objects/key"}) {
    const auto config =
        parse_config("[courier]\nsms_key_file = \"" + std::string(bad) + "\"\n", "/x/c.toml");
    EXPECT_FALSE(config) << bad;
  }
}

TEST(Config, AClassThatIsNotNamedIsKeptAsAllAre) {
  const auto none = parse_config("", "/x/c.toml");
  EXPECT_FALSE(none->retention.policy().any()) << "for ever, unless somebody says otherwise";
  const auto some = parse_config("[retention]\ndays = 90\nimport_days = 0\n", "/x/c.toml");
  using Days = decltype(erase::RetentionPolicy::days);
  EXPECT_EQ(some->retention.policy().days, (Days{90, 90, 90, 0}));
}

// The commented lines of the written file, made live, are all known keys; and none is left out.
TEST(Config, TheWrittenFileNamesEveryKey) {
  const auto text = default_config_text();
  for (const auto& item : kKeys) {
    const std::string dotted = item.key;
    const auto dot = dotted.find('.');
    const auto section = text.find("\n[" + dotted.substr(0, dot) + "]\n");
    ASSERT_NE(section, std::string::npos) << dotted;
    const auto next = text.find("\n[", section + 1);
    const auto line = text.find("\n# " + dotted.substr(dot + 1) + " = ", section);
    EXPECT_TRUE(line != std::string::npos && line < next) << dotted;
  }
  std::string live = text;
  for (auto at = live.find("\n# "); at != std::string::npos; at = live.find("\n# ", at + 1)) {
    const auto equals = live.find(" = ", at);
    const auto word = live.substr(at + 3, equals - at - 3);
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos &&
        word != "mirrors")
      live.erase(at + 1, 2);
  }
  const auto config = parse_config(live, "/x/c.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->recorder.rtp_port_last, 29'999);
}

TEST(Config, TheListenersKeysBecomeTheArgumentsOfTheWorkerThatShips) {
  const auto usual = parse_config("", "/x/c.toml");
  ASSERT_TRUE(usual);
  EXPECT_EQ(usual->listener.worker_argv.size(), 2u) << "nothing that is not said";
  const auto config = parse_config(
      "[listener]\nmodel = \"base\"\ndevice = \"cuda\"\ncompute = \"float16\"\nthreads = 2\n",
      "/x/c.toml");
  ASSERT_TRUE(config) << config.error().message;
  const auto& argv = config->listener.worker_argv;
  ASSERT_EQ(argv.size(), 10u);
  EXPECT_EQ((std::vector<std::string>(argv.begin() + 2, argv.end())),
            (std::vector<std::string>{"--model", "/x/base", "--device", "cuda", "--compute",
                                      "float16", "--threads", "2"}));
  const auto german = parse_config("[listener]\nlanguage = \"de\"\n", "/x/c.toml");
  ASSERT_TRUE(german);
  EXPECT_TRUE(german->listener.grammar_dir.ends_with("/data/listen/de"));
  EXPECT_TRUE(german->listener.check.ends_with("/data/check/de.wav"));
  EXPECT_EQ(german->listener.worker_argv.back(), "de");
  const auto own = parse_config("[listener]\nworker = [\"/w\"]\ndevice = \"cuda\"\n", "/x/c.toml");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->listener.worker_argv, std::vector<std::string>{"/w"});
  EXPECT_FALSE(parse_config("[listener]\nworker = [\"/w\"]\nmodel = \"m\"\n", "/x/c.toml"))
      << "another's worker has arguments of its own";
}

TEST(Config, PathsAreMadeAbsoluteBesideTheFile) {
  const auto config = parse_config(
      "[data]\ndir = \"d\"\nrun_dir = \"r\"\n[keys]\ncredential_file = \"c\"\n"
      "mirrors = [ { store = \"s\", anchor = \"/a\" } ]\n[server]\ndatabase = \"e/x.db\"\n"
      "leaked_passphrases = \"leaked\"\n",
      "/x/c.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->data_dir, "/x/d");
  EXPECT_EQ(config->run_dir, "/x/r");
  EXPECT_EQ(config->keys.credential_file, "/x/c");
  EXPECT_EQ(config->keys.mirrors[0].store_dir, "/x/s");
  EXPECT_EQ(config->keys.mirrors[0].anchor_dir, "/a");
  EXPECT_EQ(config->server.database, "/x/e/x.db");
  EXPECT_EQ(config->recorder.spool_dir, "/x/d/spool");
}

TEST(Config, NoListOfLeakedPassphrasesIsAskedUnlessOneIsNamed) {
  EXPECT_EQ(parse_config("", "/x/c.toml")->server.leaked_passphrases, "");
  const auto named = parse_config("[server]\nleaked_passphrases = \"l\"\n", "/x/c.toml");
  EXPECT_EQ(named->server.leaked_passphrases, "/x/l");
}

TEST(Config, ACallBackIsConfiguredWholeOrNotAtAll) {
  const std::string whole =
      "[callback]\nproxy = \"sip:10.0.0.1\"\nfrom = \"sip:+4420@b\"\n"
      "expert_uri = \"sip:{extension}@b\"\ncustomer_uri = \"sip:{number}@t\"\n";
  const auto good = parse_config(whole + "[recorder]\nmedia_address = \"10.0.0.7\"\n", "/x/c.toml");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_TRUE(good->callback.enabled());
  EXPECT_EQ(good->callback.media_address, "10.0.0.7");
  EXPECT_FALSE(parse_config("", "/x/c.toml")->callback.enabled());
  const auto asked =
      parse_config(whole + "user = \"u\"\nrealm = \"r\"\npassword_file = \"p\"\n", "/x/c.toml");
  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(asked->callback.password_file, "/x/p");
  for (const std::string wrong :
       {"user = \"u\"\n", "user = \"u\"\npassword_file = \"p\"\n", "realm = \"r\"\n",
        "codecs = [\"opus\"]\n", "codecs = []\n", "codecs = [\"pcma\", \"pcma\"]\n",
        "rtp_port_first = 4000\nrtp_port_last = 4002\n", "from_name = \"a\\\"b\"\n"})
    EXPECT_FALSE(parse_config(whole + wrong, "/x/c.toml")) << wrong;
  for (const std::string key : {"from", "expert_uri", "customer_uri", "proxy"}) {
    const auto& text = whole;
    const auto at = text.find("\n" + key + " = \"") + key.size() + 5;
    for (const std::string bad : {"", "tel:+44", "sip:a b@c", "sip:a@b>\\r\\nX: y", "sip:x"}) {
      if (bad == "sip:x" && (key == "proxy" || key == "from")) continue;
      if (bad.empty() && key == "proxy") continue;  // off
      auto broken = text;
      broken.replace(at, broken.find('"', at) - at, bad);
      EXPECT_FALSE(parse_config(broken, "/x/c.toml")) << broken;
    }
  }
}

TEST(Config, WhatIsWrongOnlyAsAWholeIsRefused) {
  const std::string mirror = "{ store = \"s\", anchor = \"a\" }";
  const std::string long_path = "/" + std::string(90, 'r');
  for (const auto& [text, word] : std::map<std::string, std::string>{
           {"[data]\nrun_dir = \"" + long_path + "\"", "run_dir"},
           {"[data]\ndir = \"" + long_path + "\"", "run_dir"},
           {"[keys]\nmirrors = [ " + mirror + ", " + mirror + " ]", "twice"},
           {"[keys]\nmirrors = [ { store = \"s\", anchor = \"s\" } ]", "twice"},
           {"[keys]\nmirrors = [ { store = \"\", anchor = \"a\" } ]", "store"},
           {"[server]\ndatabase = \"x.db\"", "database"},
           {"[log]\ndir = \"\"", "log.dir"},
           {"[data]\ndir = \"\"", "data.dir"},
           {"[data]\nrun_dir = \"\"", "data.run_dir"}}) {
    const auto config = parse_config(text, "/x/c.toml");
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Errc::kConfig);
    EXPECT_NE(config.error().message.find(word), std::string::npos) << config.error().message;
  }
}

// Each of these is an assertion of the parser's own.
TEST(Config, WhatTheParserDidNotExpectIsAnErrorNotAnAbort) {
  using namespace std::string_literals;
  for (const auto& text : {"["s, "[\n"s, "[\nsip]\n"s, "[ \0sip]"s, "[\x01]"s, "[[\n"s, "[=]"s})
    EXPECT_EQ(parse_config(text, "/x/c.toml").error().code, Errc::kConfig);
}

TEST(Config, LettersBeyondAsciiStandInCommentsAndQuotes) {
  const auto config = parse_config(
      "# \u00FC \"\n[log]\norigin = \"\u00FC#\\\"\" # '\u00FC\ndir = '\u00E4'\n", "/x/c.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->log.dir, "/x/\u00E4");
  for (const char* text : {"\u00FC = 1", "[log]\n\uFEFB", "[log]\ndir = \"a\"\u00FC",
                           "[sip]\nport = 0\"\uFEFB\"", "[\u0430]", "[log]\ndir = \"\n\u00FC"})
    EXPECT_EQ(parse_config(text, "/x/c.toml").error().code, Errc::kConfig) << text;
}

TEST(Config, WitnessesAreNamedWithTheirKeys) {
  const audit::WitnessKey key{"witness.example/1", {1, 2, 3}};
  const auto entry = [&](const std::string& url, const std::string& vkey) {
    return "{ url = \"" + url + "\", key = \"" + vkey + "\" }";
  };
  const auto vkey = audit::witness_verifier_key(key);
  const auto good = entry("https://w.example/x/", vkey);
  const auto config = parse_config("[log]\nwitnesses = [" + good + "]\n", "/x/c.toml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->log.witnesses.size(), 1u);
  EXPECT_EQ(config->log.witnesses[0].url, "https://w.example/x");
  EXPECT_EQ(config->log.witnesses[0].name, key.name);
  EXPECT_EQ(config->log.witness_policy().keys[0].key, key.key);
  const auto renamed = audit::witness_verifier_key({"witness.example/2", key.key});
  for (const auto& bad : {"witnesses = [" + good + ", " + good + "]",
                          // Its name is another, and it is the same witness.
                          "witnesses = [" + good + ", " + entry("https://x", renamed) + "]",
                          "witnesses = [" + good + "]\nwitness_quorum = 2",
                          "witnesses = [" + entry("ftp://w", vkey) + "]",
                          // A log's key is no witness's.
                          "witnesses = [" + entry("https://w", audit::verifier_key("a", {1})) + "]",
                          std::string("origin = \"two words\""), std::string("origin = \"a+b\""),
                          std::string("origin = \"\"")}) {
    const auto refused = parse_config("[log]\n" + bad + "\n", "/x/c.toml");
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, Errc::kConfig);
  }
}

TEST(Config, AnAbsentFileSaysHowToMakeOne) {
  const auto config = load_config("/nonexistent/callward.toml");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("callward init"), std::string::npos);
}

}  // namespace
}  // namespace callward::app
