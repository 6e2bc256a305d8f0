#include "app/config_parts.hpp"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/vfs.hpp"
#include "courier/letter.hpp"
#include "settings/section.hpp"

namespace callward::app {
namespace {

using settings::Section;

void read_mirrors(Section& section, const char* key, std::vector<MirrorConfig>& out) {
  const auto* node = section.node(key);
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr || array->empty())
    return section.wrong(key, "a list of { store, anchor } tables");
  out.clear();
  for (const auto& item : *array) {
    const auto* mirror = item.as_table();
    if (mirror == nullptr) return section.wrong(key, "a list of { store, anchor } tables");
    const auto store = (*mirror)["store"].value<std::string>();
    const auto anchor = (*mirror)["anchor"].value<std::string>();
    if (!store || !anchor || store->empty() || anchor->empty() || mirror->size() != 2)
      return section.wrong(key, "a list of { store = \"...\", anchor = \"...\" }");
    out.push_back({*store, *anchor});
  }
}
void read_witnesses(Section& section, const char* key, std::vector<audit::WitnessConfig>& out) {
  constexpr const char* kExpected = "a list of { url = \"https://...\", key = \"name+hash+key\" }";
  constexpr std::size_t kWitnessesMax = 16;
  const auto* node = section.node(key);
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr || array->size() > kWitnessesMax) return section.wrong(key, kExpected);
  for (const auto& item : *array) {
    const auto* table = item.as_table();
    const auto url = table == nullptr ? std::nullopt : (*table)["url"].value<std::string>();
    const auto vkey = table == nullptr ? std::nullopt : (*table)["key"].value<std::string>();
    if (!url || !vkey || table->size() != 2) return section.wrong(key, kExpected);
    const auto parsed = audit::parse_witness_key(*vkey);
    if (!parsed) return section.wrong(key, std::string(kExpected) + ": " + parsed.error().message);
    if (!url->starts_with("https://") && !url->starts_with("http://"))
      return section.wrong(key,
                           std::string(kExpected) + ": its url begins with https:// or http://");
    out.push_back({parsed->name, url->substr(0, url->find_last_not_of('/') + 1), *parsed});
  }
}

std::string absolute(const std::string& base, const std::string& path) {
  return path.empty() || path[0] == '/' ? path : base + "/" + path;
}

// Where the parts of the product that are not code lie: beside the binary in a build tree
// (SOURCE/build/release/callward), or under share/callward of an installation.
std::string share_dir() {
  std::array<char, PATH_MAX> path{};
  const auto n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string dir =
      n > 0 ? parent_of(std::string(path.data(), static_cast<std::size_t>(n))) : ".";
  auto source = parent_of(parent_of(dir));
  if (::access((source + "/data/listen").c_str(), F_OK) == 0) return source;
  return parent_of(dir) + "/share/callward";
}

void set_defaults(Config& config) {
  const auto& data = config.data_dir;
  const auto share = share_dir();
  config.run_dir = data + "/run";
  config.keys.mirrors = {{data + "/keeper/mirror-1/store", data + "/keeper/mirror-1/anchor"},
                         {data + "/keeper/mirror-2/store", data + "/keeper/mirror-2/anchor"}};
  config.keys.credential_file = data + "/keeper/credential";
  config.log.dir = data + "/log";
  config.recorder.spool_dir = data + "/spool";
  config.recorder.objects_dir = data + "/objects";
  config.listener.worker_argv = {share + "/build/venv/bin/python", share + "/worker/recogniser.py"};
  config.listener.grammar_dir = share + "/data/listen/en";
  config.listener.check = share + "/data/check/en.wav";
  config.server.tls_certificate = data + "/tls/certificate.pem";
  config.server.tls_key = data + "/tls/key.pem";
  config.server.database = data + "/server/callward.db";
  config.server.console_dir = share + "/web/dist";
  config.vault.policy_file = parent_of(config.file) + "/policy.toml";
}

void make_absolute(Config& config) {
  const auto base = parent_of(config.file);
  for (auto* path :
       {&config.run_dir, &config.keys.credential_file, &config.log.dir, &config.recorder.spool_dir,
        &config.recorder.objects_dir, &config.listener.grammar_dir, &config.listener.model,
        &config.listener.check, &config.server.tls_certificate, &config.server.tls_key,
        &config.server.database, &config.server.console_dir, &config.vault.policy_file,
        &config.courier.smtp_credential_file, &config.courier.smtp_ca_file,
        &config.courier.sms_key_file, &config.courier.sms_ca_file, &config.callback.password_file,
        &config.server.leaked_passphrases})
    *path = absolute(base, *path);
  for (auto& mirror : config.keys.mirrors) {
    mirror.store_dir = absolute(base, mirror.store_dir);
    mirror.anchor_dir = absolute(base, mirror.anchor_dir);
  }
}

Status read_keys(const toml::table& root, KeysConfig& keys) {
  Section section(root, "keys");
  read_mirrors(section, "mirrors", keys.mirrors);
  section.path("credential_file", keys.credential_file);
  section.number("clear_deadline_s", keys.clear_deadline_s, 5, 3'600);
  section.text("on_deadline", keys.on_deadline);
  section.number("persist_every_s", keys.persist_every_s, 1, 300);
  section.number("question_open_s_max", keys.question_open_s_max, 5, 600);
  section.number("listener_share_percent", keys.listener_share_percent, 1, 100);
  section.number("person_share_percent", keys.person_share_percent, 1, 100);
  section.number("private_s_max", keys.private_s_max, 10, 180);
  section.number("private_share_percent", keys.private_share_percent, 1, 50);
  TRY(section.finish());
  if (keys.on_deadline != "persist" && keys.on_deadline != "hold")
    return fail(Errc::kConfig, "keys.on_deadline must be \"persist\" or \"hold\"");
  return {};
}

Status read_log(const toml::table& root, LogConfig& log) {
  Section section(root, "log");
  section.path("dir", log.dir);
  section.text("origin", log.origin);
  read_witnesses(section, "witnesses", log.witnesses);
  section.number("witness_quorum", log.witness_quorum, 1, 16);
  section.number("witness_every_s", log.witness_every_s, 1, 3'600);
  TRY(section.finish());
  // It is the key's name in every signature, which ends at a space, and in the key, at a plus.
  if (log.origin.empty() || std::any_of(log.origin.begin(), log.origin.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '+' || c == 0x7F;
      }))
    return fail(Errc::kConfig, "log.origin must be one word without a plus");
  std::set<std::string> names;
  std::set<crypto::PublicKey> keys;
  for (const auto& witness : log.witnesses)
    if (!names.insert(witness.name).second || !keys.insert(witness.key.key).second)
      return fail(Errc::kConfig, "log.witnesses must not name one witness twice");
  if (!log.witnesses.empty() &&
      log.witness_quorum > static_cast<std::int64_t>(log.witnesses.size()))
    return fail(Errc::kConfig, "log.witness_quorum must be at most the number of log.witnesses");
  return {};
}

Status read_sip(const toml::table& root, SipConfig& sip) {
  Section section(root, "sip");
  section.text("listen", sip.listen);
  section.number("port", sip.port, 0, 65'535);
  section.flag("udp", sip.udp);
  section.flag("tcp", sip.tcp);
  section.texts("own_numbers", sip.own_numbers);
  section.texts("own_domains", sip.own_domains);
  section.number("session_expires_s", sip.session_expires_s, 90, 86'400);
  return section.finish();
}

// A URI as it may stand in a header: no space, quote, bracket or control, and nothing is added.
bool is_sip_uri(const std::string& text) {
  return text.starts_with("sip:") && text.size() > 4 &&
         std::none_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) <= ' ' || c == 0x7F || c == '<' || c == '>' ||
                  c == '"' || c == ',' || c == '\\';
         });
}

// Once, and before the domain.
bool names_once(const std::string& uri, const std::string& word) {
  const auto at = uri.find(word);
  return at != std::string::npos && uri.find('@', at) != std::string::npos &&
         uri.find(word, at + 1) == std::string::npos;
}

Status check_callback(const CallBackConfig& callback) {
  if (!callback.enabled()) return {};
  if (!is_sip_uri(callback.proxy) || !is_sip_uri(callback.from))
    return fail(Errc::kConfig, "callback.proxy and callback.from must be SIP URIs: sip:...");
  if (!is_sip_uri(callback.expert_uri) || !names_once(callback.expert_uri, "{extension}"))
    return fail(Errc::kConfig, "callback.expert_uri must be like sip:{extension}@pbx.example");
  if (!is_sip_uri(callback.customer_uri) || !names_once(callback.customer_uri, "{number}"))
    return fail(Errc::kConfig, "callback.customer_uri must be like sip:{number}@trunk.example");
  if (std::any_of(callback.from_name.begin(), callback.from_name.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == 0x7F || c == '"' || c == '\\';
      }))
    return fail(Errc::kConfig, "callback.from_name must be plain text without quotes");
  const bool user = !callback.user.empty();
  if (user == callback.password_file.empty() || user == callback.realm.empty())
    return fail(Errc::kConfig,
                "callback.user, callback.realm and callback.password_file go together");
  std::set<std::string> seen;
  for (const auto& codec : callback.codecs)
    if ((codec != "pcmu" && codec != "pcma") || !seen.insert(codec).second)
      return fail(Errc::kConfig, "callback.codecs are \"pcmu\" and \"pcma\"");
  if (callback.codecs.empty()) return fail(Errc::kConfig, "callback.codecs must not be empty");
  if (callback.rtp_port_last < callback.rtp_port_first + 3)
    return fail(Errc::kConfig, "callback.rtp_port_last must be above callback.rtp_port_first");
  return {};
}

Status read_callback(const toml::table& root, CallBackConfig& callback) {
  Section section(root, "callback");
  section.text("proxy", callback.proxy);
  section.text("from", callback.from);
  section.text("from_name", callback.from_name);
  section.text("expert_uri", callback.expert_uri);
  section.text("customer_uri", callback.customer_uri);
  section.text("user", callback.user);
  section.text("realm", callback.realm);
  section.text("password_file", callback.password_file);
  section.texts("codecs", callback.codecs);
  section.text("media_address", callback.media_address);
  section.number("rtp_port_first", callback.rtp_port_first, 1'024, 65'535);
  section.number("rtp_port_last", callback.rtp_port_last, 1'024, 65'535);
  TRY(section.finish());
  return check_callback(callback);
}

Status read_recorder(const toml::table& root, RecorderConfig& recorder) {
  Section section(root, "recorder");
  section.text("media_address", recorder.media_address);
  section.number("rtp_port_first", recorder.rtp_port_first, 1'024, 65'535);
  section.number("rtp_port_last", recorder.rtp_port_last, 1'024, 65'535);
  section.number("calls_max", recorder.calls_max, 1, 100'000);
  section.path("spool_dir", recorder.spool_dir);
  section.number("spool_file_bytes", recorder.spool_file_bytes, 1 << 20, 4ll << 30);
  section.number("spool_files_max", recorder.spool_files_max, 2, 4'096);
  section.path("objects_dir", recorder.objects_dir);
  section.number("rtp_timeout_s", recorder.rtp_timeout_s, 1, 86'400);
  section.number("jitter_ms", recorder.jitter_ms, 20, 2'000);
  section.text("rtp_source", recorder.rtp_source);
  section.number("disk_reserve_bytes", recorder.disk_reserve_bytes, 0, 1ll << 50);
  TRY(section.finish());
  if (recorder.rtp_port_last <= recorder.rtp_port_first)
    return fail(Errc::kConfig, "recorder.rtp_port_last must be above recorder.rtp_port_first");
  if (recorder.rtp_source != "announced" && recorder.rtp_source != "latch" &&
      recorder.rtp_source != "any")
    return fail(Errc::kConfig, "recorder.rtp_source is \"announced\", \"latch\" or \"any\"");
  return {};
}

Status read_server(const toml::table& root, ServerConfig& server) {
  Section section(root, "server");
  section.text("listen", server.listen);
  section.number("port", server.port, 0, 65'535);
  section.path("tls_certificate", server.tls_certificate);
  section.path("tls_key", server.tls_key);
  section.path("database", server.database);
  section.path("console_dir", server.console_dir);
  section.number("threads", server.threads, 1, 256);
  section.text("time_zone", server.time_zone);
  section.text("origin", server.origin);
  section.text("leaked_passphrases", server.leaked_passphrases);
  TRY(section.finish());
  if (server.origin.empty()) server.origin = "https://localhost:" + std::to_string(server.port);
  // As browsers write it: no path, no port where it is the usual one.
  const auto host = server.origin.starts_with("https://") ? server.origin.substr(8) : "";
  if (host.empty() || host.find('/') != std::string::npos)
    return fail(Errc::kConfig, "server.origin is https:// and a host, as browsers see it");
  return {};
}

Status read_vault(const toml::table& root, VaultConfig& vault) {
  Section section(root, "vault");
  section.path("policy_file", vault.policy_file);
  return section.finish();
}

// Days are counted from a call's start, of an import from when it was imported.
Status read_retention(const toml::table& root, RetentionConfig& retention) {
  constexpr std::int64_t kDaysMax = 36'500;
  Section section(root, "retention");
  section.number("days", retention.days, 0, kDaysMax);
  section.number("incoming_days", retention.incoming_days, 0, kDaysMax);
  section.number("outgoing_days", retention.outgoing_days, 0, kDaysMax);
  section.number("unknown_days", retention.unknown_days, 0, kDaysMax);
  section.number("import_days", retention.import_days, 0, kDaysMax);
  return section.finish();
}

Result<std::optional<courier::Target>> read_target(
    const std::string& key, const std::string& url,
    Result<courier::Target> (*parse)(std::string_view)) {
  if (url.empty()) return std::optional<courier::Target>();
  auto target = parse(url);
  if (!target) return fail(Errc::kConfig, key + " " + target.error().message);
  return std::optional(std::move(*target));
}

Status read_courier(const toml::table& root, CourierConfig& courier) {
  constexpr std::size_t kNameMax = 60;
  Section section(root, "courier");
  std::string smtp, sms;
  std::optional<bool> starttls;
  section.text("smtp_url", smtp);
  if (bool wanted = false; section.node("smtp_starttls") != nullptr) {
    section.flag("smtp_starttls", wanted);
    starttls = wanted;
  }
  for (auto [key, path] : {std::pair("smtp_credential_file", &courier.smtp_credential_file),
                           std::pair("smtp_ca_file", &courier.smtp_ca_file),
                           std::pair("sms_key_file", &courier.sms_key_file),
                           std::pair("sms_ca_file", &courier.sms_ca_file)})
    section.text(key, *path);
  section.text("mail_from", courier.mail_from);
  section.text("mail_from_name", courier.mail_from_name);
  section.text("sms_url", sms);
  TRY(section.finish());
  courier.smtp = TRY(read_target("courier.smtp_url", smtp, courier::parse_smtp_url));
  courier.sms = TRY(read_target("courier.sms_url", sms, courier::parse_gateway_url));
  courier.smtp_starttls = starttls.value_or(!courier.smtp || !courier.smtp->loopback);
  if (courier.smtp && courier.smtp->scheme == "smtp" && !courier.smtp_starttls &&
      !courier.smtp->loopback)
    return fail(Errc::kConfig, "courier.smtp_starttls may be false for a loopback address alone");
  if (courier.smtp && !courier::is_mail_address(courier.mail_from))
    return fail(Errc::kConfig,
                "courier.mail_from must be the sender's address, like "
                "callward@example.com, when courier.smtp_url is set");
  if (courier.mail_from_name.size() > kNameMax ||
      !courier::is_clean_text(courier.mail_from_name, false))
    return fail(Errc::kConfig, "courier.mail_from_name must be at most 60 bytes on one line");
  if (courier.sms && courier.sms_key_file.empty())
    return fail(Errc::kConfig, "courier.sms_key_file must be set when courier.sms_url is");
  return {};
}

bool lies_in(const std::string& path, const std::string& folder) {
  return folder == "/" || path == folder || path.starts_with(folder + "/");
}

Status read_reminders(const toml::table& root, RemindersConfig& reminders) {
  constexpr std::int64_t kMinutesMax = 24 * 60;
  Section section(root, "reminders");
  section.flag("email", reminders.email);
  section.number("lapse_minutes", reminders.lapse_minutes, 5, kMinutesMax);
  return section.finish();
}

// A sandboxed courier reads the folders of its own files, so that one that is exchanged is read
// again: nothing else may lie there.
Status check_courier_files(const Config& config) {
  std::vector<std::string> others = {config.data_dir,
                                     parent_of(config.keys.credential_file),
                                     config.log.dir,
                                     config.recorder.spool_dir,
                                     config.recorder.objects_dir,
                                     parent_of(config.server.database),
                                     parent_of(config.server.tls_key)};
  for (const auto& mirror : config.keys.mirrors) {
    others.push_back(mirror.store_dir);
    others.push_back(mirror.anchor_dir);
  }
  const auto& courier = config.courier;
  for (const auto* file : {&courier.smtp_credential_file, &courier.smtp_ca_file,
                           &courier.sms_key_file, &courier.sms_ca_file})
    for (const auto& other : others)
      if (!file->empty() && lies_in(other, parent_of(*file)))
        return fail(Errc::kConfig, "the files of [courier] must lie in a folder of their own");
  return {};
}

// What no single key can say.
Status check_whole(const Config& config) {
  // sockaddr_un has 108 bytes; the longest name is supervisor.sock.
  constexpr std::size_t kRunDirBytesMax = 90;
  if (config.run_dir.size() > kRunDirBytesMax)
    return fail(Errc::kConfig,
                "data.run_dir must be at most 90 characters long as an absolute "
                "path; set it to a shorter one");
  // The server may write where its database lies, and must not where keys and recordings do.
  if (parent_of(config.server.database) == config.data_dir)
    return fail(Errc::kConfig, "server.database must lie in a folder of its own");
  TRY(check_courier_files(config));
  std::set<std::string> folders;
  for (const auto& mirror : config.keys.mirrors)
    for (const auto* dir : {&mirror.store_dir, &mirror.anchor_dir})
      if (!folders.insert(*dir).second)
        return fail(Errc::kConfig, "keys.mirrors must not name one folder twice");
  if (config.sip.listen.empty() || config.server.listen.empty() ||
      config.recorder.media_address.empty())
    return fail(Errc::kConfig, "an address to listen at must not be empty");
  return {};
}

}  // namespace

Result<Config> parse_config(const std::string& text, const std::string& file) {
  Config config;
  config.file = file;
  const auto root = TRY(settings::parse(text, file));
  TRY(settings::check_sections(
      root, {"data", "keys", "log", "sip", "callback", "recorder", "listener", "server",
             "retention", "vault", "courier", "reminders"}));
  config.data_dir = parent_of(file);
  constexpr const char* kDefault = "?";
  std::string run_dir;
  {
    Section data(root, "data");
    data.path("dir", config.data_dir);
    run_dir = kDefault;
    data.path("run_dir", run_dir);
    TRY(data.finish());
  }
  config.data_dir = absolute(parent_of(file), config.data_dir);
  set_defaults(config);
  if (run_dir != kDefault) config.run_dir = run_dir;
  TRY(read_keys(root, config.keys));
  TRY(read_log(root, config.log));
  TRY(read_sip(root, config.sip));
  TRY(read_callback(root, config.callback));
  TRY(read_recorder(root, config.recorder));
  if (config.callback.media_address.empty())
    config.callback.media_address = config.recorder.media_address;
  TRY(read_listener(root, config.listener));
  TRY(read_server(root, config.server));
  TRY(read_retention(root, config.retention));
  TRY(read_vault(root, config.vault));
  TRY(read_courier(root, config.courier));
  TRY(read_reminders(root, config.reminders));
  make_absolute(config);
  finish_listener(config.listener);
  TRY(check_whole(config));
  return config;
}

Result<Config> load_config(const std::string& file) {
  std::array<char, PATH_MAX> real{};
  if (::realpath(file.c_str(), real.data()) == nullptr)
    return fail(Errc::kConfig, file + ": no such file; `callward init --data DIR` makes one");
  RealVfs vfs;
  const auto content = TRY(vfs.read_file(real.data(), 1u << 20));
  auto config = parse_config(std::string(as_text(content)), real.data());
  if (!config) return fail(config.error().code, file + ": " + config.error().message);
  return config;
}

Result<std::string> config_with_mirrors(const std::string& toml,
                                        const std::vector<MirrorConfig>& mirrors) {
  try {
    auto root = toml::parse(toml);
    toml::array list;
    for (const auto& mirror : mirrors)
      list.push_back(toml::table{{"store", mirror.store_dir}, {"anchor", mirror.anchor_dir}});
    if (!root.contains("keys")) root.insert("keys", toml::table{});
    auto* keys = root["keys"].as_table();
    if (keys == nullptr) return fail(Errc::kConfig, "[keys] must be a table");
    keys->insert_or_assign("mirrors", std::move(list));
    std::ostringstream out;
    out << "# Restored from a backup; see `callward config show`.\n" << root << "\n";
    return out.str();
  } catch (const std::exception& error) {
    return fail(Errc::kConfig, std::string("the backup's configuration: ") + error.what());
  }
}

std::string default_config_text() {
  return R"(# Callward's configuration. Every key is optional; commented ones are the defaults.
# Paths are relative to this file. `callward config show` prints what is in force.

[data]
# dir = "."                  # everything below lies here unless said otherwise
# run_dir = "run"            # sockets: the path must stay under 90 characters

[keys]
# Two mirrors on different disks: an erasure counts once all of them forgot.
# mirrors = [ { store = "keeper/mirror-1/store", anchor = "keeper/mirror-1/anchor" },
#             { store = "keeper/mirror-2/store", anchor = "keeper/mirror-2/anchor" } ]
# credential_file = "keeper/credential"
# clear_deadline_s = 60      # listener behind by more: ...
# on_deadline = "persist"    # ... keys of unheard audio are kept ("persist"), or not
#                            # ("hold": for lines that take cards)
# persist_every_s = 30
# question_open_s_max = 90
# listener_share_percent = 60
# person_share_percent = 50  # of a call one person may erase; beyond, a second one confirms
# private_s_max = 180        # seconds that an agent may be private at a time
# private_share_percent = 25 # ... and of a call, beyond once at full length

[log]
# dir = "log"
# origin = "callward.example/log"
# witnesses = []             # who cosigns it: [ { url = "https://…", key = "name+hash+key" } ]
# witness_quorum = 1
# witness_every_s = 30

[sip]
# listen = "127.0.0.1"       # loopback until your telephone system is named
# port = 5060
# udp = true
# tcp = true
# own_numbers = ["7*", "+4420794600*"]   # your agents: what is not own is the customer
# own_domains = ["pbx.example"]
# session_expires_s = 1800

[callback]
# The call-back that the system dials itself: expert first, then customer. Off without a proxy.
# proxy = "sip:10.0.0.1:5060"                  # every request goes there
# from = "sip:+442079460000@pbx.example"       # who calls, on both legs
# from_name = ""
# expert_uri = "sip:{extension}@pbx.example"
# customer_uri = "sip:{number}@trunk.example"
# user = ""                  # for 401 and 407, asked by this realm alone
# realm = ""
# password_file = ""
# codecs = ["pcmu", "pcma"]
# media_address = "127.0.0.1"  # where the phones send their sound; default: the recorder's
# rtp_port_first = 30000
# rtp_port_last = 30399

[recorder]
# media_address = "127.0.0.1"
# rtp_port_first = 20000
# rtp_port_last = 29999
# calls_max = 2000
# spool_dir = "spool"
# spool_file_bytes = 268435456
# spool_files_max = 64
# objects_dir = "objects"
# rtp_timeout_s = 60
# jitter_ms = 200
# rtp_source = "latch"       # whose RTP is taken: "announced" is strict, "any" is everybody's
# disk_reserve_bytes = 536870912

[listener]
# workers = 1                # one a core that listening may have
# worker = ["python", "recogniser.py"]
# model = ""                 # folder of a Whisper model in CTranslate2's form; "": the shipped one
# device = "cpu"             # or "cuda"
# compute = "int8"           # or "int8_float16", "float16", "float32"
# threads = 1                # of one worker
# language = "en"
# grammar_dir = "…/data/listen/en"  # of the language
# check = "…/data/check/en.wav"     # a sentence that a worker must understand
# behind_ms_max = 60000

[server]
# listen = "127.0.0.1"
# port = 8443
# tls_certificate = "tls/certificate.pem"
# tls_key = "tls/key.pem"
# database = "server/callward.db"
# console_dir = "…/web/dist"
# threads = 16
# time_zone = "UTC"
# origin = "https://localhost:8443"   # as browsers see it; passkeys are bound to its host
# leaked_passphrases = "…"   # a list of SHA-1 hashes in their order; none: not asked

[vault]
# policy_file = "policy.toml" # what is asked of customers, how long it is kept

[retention]
# How long calls are kept, counted from their start; 0: for ever. What is older loses its keys and
# its ciphertext, once a day. A class that is not named is kept as `days` says.
# days = 0
# incoming_days = 365
# outgoing_days = 365
# unknown_days = 365
# import_days = 365

[courier]
# Messages to people outside. Without a URL a channel is off.
# smtp_url = "smtp://mail.example.com:587"   # with STARTTLS; or smtps://
# smtp_starttls = true       # false, the default there, for a loopback address alone
# smtp_credential_file = "courier/smtp"      # two lines: user, password
# smtp_ca_file = "courier/ca.pem"            # default: the system's authorities
# mail_from = "callward@example.com"
# mail_from_name = ""
# sms_url = "https://sms.example/v1/messages" # docs/sms-gateway.md
# sms_key_file = "courier/sms.key"
# sms_ca_file = "courier/ca.pem"

[reminders]
# Whom a request waits for gets an e-mail, where [courier] has smtp_url and the person an address.
# email = true
# lapse_minutes = 60         # so long before a request lapses, whoever could go on is told again
)";
}

}  // namespace callward::app
