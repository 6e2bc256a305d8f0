// The configuration: one TOML file, every key optional, an unknown key is an error that names the
// nearest known one. Paths are made absolute against the folder of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/witness.hpp"
#include "base/result.hpp"
#include "courier/target.hpp"
#include "erase/retention.hpp"

namespace callward::app {

// One life-line of the key store: pages and their own anchor, on a disk of their own.
struct MirrorConfig {
  std::string store_dir;
  std::string anchor_dir;
};

struct KeysConfig {
  std::vector<MirrorConfig>
      mirrors;  // default: keeper/mirror-1 and keeper/mirror-2 under the data folder
  std::string credential_file;          // 32 bytes that wrap the file anchors
  std::int64_t clear_deadline_s = 60;   // listener behind by more than this: ...
  std::string on_deadline = "persist";  // ... "persist" (logged, counted) or "hold"
  std::int64_t persist_every_s = 30;
  std::int64_t question_open_s_max = 90;
  std::int64_t listener_share_percent =
      60;  // of a call that listener orders may erase without a person
  std::int64_t person_share_percent = 50;   // ... that one person may, without a second
  std::int64_t private_s_max = 180;         // an agent may be private, at a time
  std::int64_t private_share_percent = 25;  // ... and of a call, beyond once at full length
};

struct LogConfig {
  std::string dir;
  std::string origin = "callward.example/log";
  // Who cosigns its checkpoints (C2SP tlog-witness). Only here: no API names a witness.
  std::vector<audit::WitnessConfig> witnesses;
  std::int64_t witness_quorum = 1;    // cosignatures that make a checkpoint a witnessed one
  std::int64_t witness_every_s = 30;  // how often they are asked while the log grows

  [[nodiscard]] audit::WitnessPolicy witness_policy() const {
    audit::WitnessPolicy policy{{}, static_cast<std::size_t>(witness_quorum)};
    for (const auto& witness : witnesses) policy.keys.push_back(witness.key);
    return policy;
  }
};

struct SipConfig {
  std::string listen = "127.0.0.1";  // loopback until its sources are configured
  std::uint16_t port = 5060;         // 0: any free one, named in the ready line
  bool udp = true;
  bool tcp = true;
  std::vector<std::string>
      own_numbers;  // who the agents are: extensions, trunk numbers; "7*" is a prefix
  std::vector<std::string> own_domains;
  std::int64_t session_expires_s = 1800;  // RFC 4028
};

// The call-back that the system dials itself. Off unless a proxy is named.
struct CallBackConfig {
  std::string proxy;          // "sip:10.0.0.1:5060;transport=udp": every request goes there
  std::string from;           // who calls, on both legs: "sip:+442079460000@pbx.example"
  std::string from_name;      // beside it; may be empty
  std::string expert_uri;     // "sip:{extension}@pbx.example"
  std::string customer_uri;   // "sip:{number}@trunk.example"
  std::string user, realm;    // for 401 and 407; the realm that may ask for them
  std::string password_file;  // its first line
  std::vector<std::string> codecs = {"pcmu", "pcma"};
  std::string media_address;  // where the legs send their media; default: the recorder's
  std::uint16_t rtp_port_first = 30'000;
  std::uint16_t rtp_port_last = 30'399;

  [[nodiscard]] bool enabled() const { return !proxy.empty(); }
};

struct RecorderConfig {
  std::string media_address = "127.0.0.1";
  std::uint16_t rtp_port_first = 20'000;
  std::uint16_t rtp_port_last = 29'999;
  std::uint32_t calls_max = 2'000;
  std::string spool_dir;
  std::uint64_t spool_file_bytes = 256ull << 20;
  std::uint32_t spool_files_max = 64;
  std::string objects_dir;
  std::int64_t rtp_timeout_s = 60;
  std::int64_t jitter_ms = 200;                     // how long a segment waits for late packets
  std::uint64_t disk_reserve_bytes = 512ull << 20;  // below this no new call is taken
  std::string rtp_source = "latch";                 // "announced", "latch", "any"
};

struct ListenerConfig {
  std::uint32_t workers = 1;
  std::vector<std::string>
      worker_argv;            // the recogniser; default: the Python worker that ships with us
  bool other_worker = false;  // than the one that ships
  // Of the worker that ships; whoever names another one in `worker` gives it its own arguments.
  std::string model;             // folder of a Whisper model in CTranslate2's form; empty: ours
  std::string device = "cpu";    // or "cuda"
  std::string compute = "int8";  // in what numbers
  std::uint32_t threads = 1;     // of one worker
  std::string language = "en";
  std::string grammar_dir;  // cues and numbers of a language
  std::string check;        // the sentence that a worker must understand (app/worker_check.hpp)
  std::int64_t behind_ms_max = 60'000;
};

struct ServerConfig {
  std::string listen = "127.0.0.1";
  std::uint16_t port = 8443;  // 0: any free one
  std::string tls_certificate;
  std::string tls_key;
  std::string database;
  std::string console_dir;        // the built console
  std::uint32_t threads = 16;     // most of them wait for the keeper or a disk
  std::string time_zone = "UTC";  // of the site, shown with its label
  // As browsers see it, "https://calls.example:8443"; passkeys are bound to its host. Default:
  // https://localhost and the port.
  std::string origin;
  // A list of leaked passphrases (people/leaked.hpp); nothing: none is asked.
  std::string leaked_passphrases;
};

struct VaultConfig {
  std::string policy_file;  // docs/policy.md
};

// How long calls are kept, in days; 0: for ever. A class that is not named is kept as `days` says.
struct RetentionConfig {
  std::int64_t days = 0;
  std::int64_t incoming_days = kAsAll, outgoing_days = kAsAll, unknown_days = kAsAll,
               import_days = kAsAll;
  static constexpr std::int64_t kAsAll = -1;

  [[nodiscard]] erase::RetentionPolicy policy() const {
    const auto of = [this](std::int64_t own) { return own == kAsAll ? days : own; };
    return {{of(incoming_days), of(outgoing_days), of(unknown_days), of(import_days)}};
  }
};

// Messages to people outside. A channel without its URL is not configured, and says so to who asks.
// Its files lie in folders that hold nothing else of ours.
struct CourierConfig {
  std::optional<courier::Target> smtp;
  bool smtp_starttls = true;         // of smtp://; false for a loopback address alone
  std::string smtp_credential_file;  // two lines, user and password; "": no login
  std::string smtp_ca_file;          // PEM; "": the system's
  std::string mail_from, mail_from_name;
  std::optional<courier::Target> sms;
  std::string sms_key_file;  // 32 to 256 bytes, shared with the gateway
  std::string sms_ca_file;

  [[nodiscard]] bool any() const { return smtp || sms; }
};

// Whom a request waits for is reminded by e-mail, where a mail server is configured.
struct RemindersConfig {
  bool email = true;
  std::int64_t lapse_minutes = 60;  // told so long before a request lapses
};

struct Config {
  std::string file;  // where it was read
  std::string data_dir;
  std::string run_dir;  // sockets; short: Unix socket paths are limited
  KeysConfig keys;
  LogConfig log;
  SipConfig sip;
  CallBackConfig callback;
  RecorderConfig recorder;
  ListenerConfig listener;
  ServerConfig server;
  RetentionConfig retention;
  VaultConfig vault;
  CourierConfig courier;
  RemindersConfig reminders;

  [[nodiscard]] std::string socket(const std::string& process) const {
    return run_dir + "/" + process + ".sock";
  }
  // The command line's, made by the server at each start: beside its database, where no other
  // process of ours may look.
  [[nodiscard]] std::string token_file() const {
    return server.database.substr(0, server.database.find_last_of('/') + 1) + "cli.token";
  }
  [[nodiscard]] std::string log_key_file() const {
    return data_dir + "/keeper/log.key";
  }  // wrapped by the credential
  [[nodiscard]] std::string retention_file() const { return data_dir + "/keeper/retention"; }
  // SHA-256 of the token with which the owner founds the role chart; gone once that is done.
  [[nodiscard]] std::string founding_file() const { return data_dir + "/keeper/founding"; }
  [[nodiscard]] std::string log_public_key_file() const {
    return log.dir + "/public.key";
  }  // signed-note verifier key
};

// kConfig with the line and the nearest known key for anything that does not fit.
Result<Config> load_config(const std::string& file);
Result<Config> parse_config(const std::string& toml, const std::string& file);

// The same configuration with other mirrors; comments are lost. For a restore onto a new machine.
Result<std::string> config_with_mirrors(const std::string& toml,
                                        const std::vector<MirrorConfig>& mirrors);

// What `init` writes: every key with its default, commented.
std::string default_config_text();

}  // namespace callward::app
