#include "app/config.hpp"

#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "base/vfs.hpp"

namespace callward::app {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Reads one table of the file into fields that are declared beforehand; what is left over is an
// error.
class Section {
 public:
  Section(const toml::table& root, std::string name) : name_(std::move(name)) {
    if (const auto* node = root.get(name_)) {
      table_ = node->as_table();
      if (table_ == nullptr) error_ = "[" + name_ + "] must be a table";
    }
  }
  void text(const char* key, std::string& out) {
    if (const auto* node = take(key)) {
      if (const auto value = node->value_exact<std::string>())
        out = *value;
      else
        wrong(key, "a text in quotes");
    }
  }
  // An empty path would be the file system's root once something is appended to it.
  void path(const char* key, std::string& out) {
    text(key, out);
    if (out.empty() && error_.empty()) wrong(key, "a path");
  }
  template <class Int>
  void number(const char* key, Int& out, std::int64_t least, std::int64_t most) {
    if (const auto* node = take(key)) {
      const auto value = node->value_exact<std::int64_t>();
      if (!value || *value < least || *value > most)
        return wrong(
            key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
      out = static_cast<Int>(*value);
    }
  }
  void flag(const char* key, bool& out) {
    if (const auto* node = take(key)) {
      if (const auto value = node->value_exact<bool>())
        out = *value;
      else
        wrong(key, "true or false");
    }
  }
  void texts(const char* key, std::vector<std::string>& out) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return wrong(key, "a list of texts");
    out.clear();
    for (const auto& item : *array) {
      const auto value = item.value_exact<std::string>();
      if (!value) return wrong(key, "a list of texts");
      out.push_back(*value);
    }
  }
  void mirrors(const char* key, std::vector<MirrorConfig>& out) {
    const auto* node = take(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr || array->empty()) return wrong(key, "a list of { store, anchor } tables");
    out.clear();
    for (const auto& item : *array) {
      const auto* mirror = item.as_table();
      if (mirror == nullptr) return wrong(key, "a list of { store, anchor } tables");
      const auto store = (*mirror)["store"].value<std::string>();
      const auto anchor = (*mirror)["anchor"].value<std::string>();
      if (!store || !anchor || store->empty() || anchor->empty() || mirror->size() != 2)
        return wrong(key, "a list of { store = \"...\", anchor = \"...\" }");
      out.push_back({*store, *anchor});
    }
  }
  Status finish() {
    if (error_.empty() && table_ != nullptr) {
      for (const auto& [key, node] : *table_) {
        if (std::find(known_.begin(), known_.end(), key.str()) == known_.end())
          return fail(Errc::kConfig, unknown(std::string(key.str()), node.source().begin.line));
      }
    }
    if (!error_.empty()) return fail(Errc::kConfig, error_);
    return {};
  }

 private:
  const toml::node* take(const char* key) {
    known_.emplace_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  void wrong(const char* key, const std::string& expected) {
    if (!error_.empty()) return;
    error_ = "line " + std::to_string(table_->get(key)->source().begin.line) + ": " + name_ + "." +
             key + " must be " + expected;
  }
  std::string unknown(const std::string& key, std::uint32_t line) {
    const auto nearest =
        std::min_element(known_.begin(), known_.end(), [&](const auto& a, const auto& b) {
          return edit_distance(key, a) < edit_distance(key, b);
        });
    return "line " + std::to_string(line) + ": " + name_ + "." + key +
           " is unknown; did you mean " + name_ + "." + *nearest + "?";
  }
  std::string name_;
  const toml::table* table_ = nullptr;
  std::vector<std::string> known_;
  std::string error_;
};

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
  const auto source = parent_of(parent_of(dir));
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
  config.server.tls_certificate = data + "/tls/certificate.pem";
  config.server.tls_key = data + "/tls/key.pem";
  config.server.database = data + "/server/callward.db";
  config.server.console_dir = share + "/web/dist";
}

void make_absolute(Config& config) {
  const auto base = parent_of(config.file);
  for (auto* path :
       {&config.run_dir, &config.keys.credential_file, &config.log.dir, &config.recorder.spool_dir,
        &config.recorder.objects_dir, &config.listener.grammar_dir, &config.server.tls_certificate,
        &config.server.tls_key, &config.server.database, &config.server.console_dir})
    *path = absolute(base, *path);
  for (auto& mirror : config.keys.mirrors) {
    mirror.store_dir = absolute(base, mirror.store_dir);
    mirror.anchor_dir = absolute(base, mirror.anchor_dir);
  }
}

Status read_keys(const toml::table& root, KeysConfig& keys) {
  Section section(root, "keys");
  section.mirrors("mirrors", keys.mirrors);
  section.path("credential_file", keys.credential_file);
  section.number("clear_deadline_s", keys.clear_deadline_s, 5, 3'600);
  section.text("on_deadline", keys.on_deadline);
  section.number("persist_every_s", keys.persist_every_s, 1, 300);
  section.number("question_open_s_max", keys.question_open_s_max, 5, 600);
  section.number("listener_share_percent", keys.listener_share_percent, 1, 100);
  TRY(section.finish());
  if (keys.on_deadline != "persist" && keys.on_deadline != "hold")
    return fail(Errc::kConfig, "keys.on_deadline must be \"persist\" or \"hold\"");
  return {};
}

Status read_log(const toml::table& root, LogConfig& log) {
  Section section(root, "log");
  section.path("dir", log.dir);
  section.text("origin", log.origin);
  return section.finish();
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
  section.number("disk_reserve_bytes", recorder.disk_reserve_bytes, 0, 1ll << 50);
  TRY(section.finish());
  if (recorder.rtp_port_last <= recorder.rtp_port_first)
    return fail(Errc::kConfig, "recorder.rtp_port_last must be above recorder.rtp_port_first");
  return {};
}

Status read_listener(const toml::table& root, ListenerConfig& listener) {
  Section section(root, "listener");
  section.number("workers", listener.workers, 1, 256);
  section.texts("worker", listener.worker_argv);
  section.path("grammar_dir", listener.grammar_dir);
  section.number("behind_ms_max", listener.behind_ms_max, 1'000, 3'600'000);
  return section.finish();
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
  return section.finish();
}

Status check_sections(const toml::table& root) {
  static const std::vector<std::string> known = {"data",     "keys",     "log",   "sip",
                                                 "recorder", "listener", "server"};
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto nearest =
        std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
          return edit_distance(name, a) < edit_distance(name, b);
        });
    return fail(Errc::kConfig, "line " + std::to_string(node.source().begin.line) + ": [" + name +
                                   "] is unknown; did you mean [" + *nearest + "]?");
  }
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
  if (config.listener.worker_argv.empty() || config.listener.worker_argv[0].empty())
    return fail(Errc::kConfig, "listener.worker must name a program");
  // The server may write where its database lies, and must not where keys and recordings do.
  if (parent_of(config.server.database) == config.data_dir)
    return fail(Errc::kConfig, "server.database must lie in a folder of its own");
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
  toml::table root;
  try {
    root = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    return fail(Errc::kConfig, "line " + std::to_string(error.source().begin.line) + ": " +
                                   std::string(error.description()));
  }
  TRY(check_sections(root));
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
  TRY(read_recorder(root, config.recorder));
  TRY(read_listener(root, config.listener));
  TRY(read_server(root, config.server));
  make_absolute(config);
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

[log]
# dir = "log"
# origin = "callward.example/log"

[sip]
# listen = "127.0.0.1"       # loopback until your telephone system is named
# port = 5060
# udp = true
# tcp = true
# own_numbers = ["7*", "+4420794600*"]   # your agents: what is not own is the customer
# own_domains = ["pbx.example"]
# session_expires_s = 1800

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
# disk_reserve_bytes = 536870912

[listener]
# workers = 1                # one a core that listening may have
# worker = ["python", "recogniser.py"]
# grammar_dir = "…/data/listen/en"
# behind_ms_max = 60000

[server]
# listen = "127.0.0.1"
# port = 8443
# tls_certificate = "tls/certificate.pem"
# tls_key = "tls/key.pem"
# database = "server/callward.db"
# console_dir = "…/web/dist"
# threads = 4
# time_zone = "UTC"
)";
}

}  // namespace callward::app
