// `callward backup`, `backup verify`, `restore`.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "app/backup_seal.hpp"
#include "app/cli.hpp"
#include "app/cli_log.hpp"
#include "app/keeper_state.hpp"
#include "app/self_signed.hpp"
#include "app/writer_lock.hpp"
#include "erase/call_keys.hpp"
#include "keys/key_store.hpp"

namespace callward::app {
namespace {

// What the keys that survived open of what is in the backup.
struct KeyFindings {
  std::string why;             // none opens: nothing of the audio is left
  bool secrets_fit = false;    // credential and log key were read: it is the mirrors
  std::uint64_t log_size = 0;  // entries that the key store has seen
  std::size_t recordings = 0, without_keys = 0;
  std::vector<std::string> mirrors_not_good;
};

std::set<std::string> recordings_in(const BackupManifest& manifest) {
  std::set<std::string> calls;
  for (const auto& file : manifest.files) {
    const auto slash = file.path.rfind('/');
    if (file.path.starts_with("objects/") && file.path.ends_with(".cwo"))
      calls.insert(file.path.substr(slash + 1, file.path.size() - slash - 5));
  }
  return calls;
}

KeyFindings look_at_keys(Vfs& vfs, Entropy& entropy, const Config& config,
                         const BackupManifest& manifest) {
  KeyFindings found;
  const auto calls = recordings_in(manifest);
  found.recordings = found.without_keys = calls.size();
  const auto secrets = load_keeper_secrets(vfs, config);
  if (!secrets) {
    found.why = secrets.error().message;
    return found;
  }
  found.secrets_fit = true;
  const auto store = keys::KeyStore::open(vfs, entropy, mirror_paths(config), secrets->anchor_wrap);
  if (!store) {
    found.why = store.error().message;
    return found;
  }
  found.log_size = (*store)->log_size();
  for (const auto& mirror : (*store)->mirrors())
    if (!mirror.good) found.mirrors_not_good.push_back(mirror.store_dir + ": " + mirror.why);
  const auto read = (*store)->for_each(
      [&](std::uint64_t row, ByteView content) -> Status {
        const auto call = TRY(erase::CallKeys::decode_row(row, content));
        found.without_keys -= calls.count(call.id.hex());
        return {};
      },
      0, keys::kCallRowsEnd);
  if (!read) found.why = read.error().message;
  return found;
}

Result<std::vector<MirrorConfig>> mirrors_of(const RestoreOptions& options) {
  if (options.mirrors.empty())
    return fail(Errc::kConfig,
                "name the mirror that survived: --mirror DIR (with store/, anchor/)");
  std::vector<MirrorConfig> mirrors;
  for (const auto& dir : options.mirrors) mirrors.push_back({dir + "/store", dir + "/anchor"});
  return mirrors;
}

// Folders that are filled: each must be new, so that nothing that lives is written over. Empty
// folders in it are what a restore that failed left.
Status must_be_new(const std::string& dir) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::recursive_directory_iterator at(dir, error); !error && at != fs::end(at);
       at.increment(error))
    if (at->is_symlink(error) || !at->is_directory(error))
      return fail(Errc::kExists,
                  dir +
                      " holds something already, and a restore never overwrites (if it is of a "
                      "restore that was cut off: remove it)");
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Errc::kIo, dir + " cannot be looked through: " + error.message());
  return {};
}

std::string place_of(const Config& config, const std::string& path) {
  if (path.starts_with("objects/")) return config.recorder.objects_dir + path.substr(7);
  if (path.starts_with("log/")) return config.log.dir + path.substr(3);
  if (path == kBackedUpPolicy) return config.vault.policy_file;
  return path == "server/callward.db" ? config.server.database : std::string();
}

// What a restore wrote, and takes away again when it comes to no end: the next try finds the place
// as this one did.
class Written {
 public:
  explicit Written(Vfs& vfs) : vfs_(vfs) {}
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;
  ~Written() {
    for (const auto& path : paths_) (void)vfs_.remove(path);
  }
  void add(const std::string& path) {
    paths_.push_back(path);
    paths_.push_back(path + ".new");  // what a write that failed leaves
  }
  void keep() { paths_.clear(); }

 private:
  Vfs& vfs_;
  std::vector<std::string> paths_;
};

Status fill(Vfs& vfs, const RestoreOptions& options, const Config& config,
            const BackupManifest& manifest, Written& written) {
  Progress shown(progress_wanted(options.json), "files");
  std::uint64_t done = 0;
  for (const auto& file : manifest.files) {
    shown.show(done++, manifest.files.size());
    const auto to = place_of(config, file.path);
    if (to.empty()) continue;  // the configuration: looked at before, written last
    if (vfs.exists(to)) return fail(Errc::kExists, to + " is there: a restore never overwrites");
    written.add(to);
    const auto copied = TRY(copy_file(vfs, options.backup + "/" + file.path, to));
    if (copied.bytes != file.bytes || copied.sha256 != file.sha256)
      return fail(Errc::kCorrupt, file.path + ": not what was backed up");
    if (file.path.ends_with(".cwo") || file.path.ends_with(".cwd")) TRY(vfs.set_read_only(to));
  }
  return {};
}

Status put_secret(Vfs& vfs, const std::string& from, const std::string& to, Written& written) {
  if (from.empty() || vfs.exists(to)) return {};
  constexpr std::size_t kSecretBytesMax = 1'024;
  auto raw = TRY(vfs.read_file(from, kSecretBytesMax));
  TRY(vfs.make_dirs(parent_of(to)));
  written.add(to);
  const auto put = vfs.write_file_atomic(to, raw);
  wipe(raw);
  return put;
}

std::vector<std::string> losses(const KeyFindings& keys, const BackupManifest& manifest) {
  std::vector<std::string> lines;
  if (!keys.why.empty() && !keys.secrets_fit) {
    lines.push_back("the keys cannot be looked at: " + keys.why +
                    ". Bring --credential and --log-key as they were kept; until then nothing of " +
                    std::to_string(keys.recordings) + " recordings opens");
    return lines;
  }
  if (!keys.why.empty()) {
    lines.push_back("no living anchor of the key store: " + keys.why);
    lines.push_back(
        "lost for ever, unless a mirror is found that opens: sound, transcript, numbers, names and "
        "notes of " +
        std::to_string(keys.recordings) + " recordings");
    lines.emplace_back(
        "left: the audit log (verifiable), the list of calls and their times, the ciphertext");
    return lines;
  }
  if (manifest.log_size < keys.log_size)
    lines.push_back("the log in the backup ends at entry " + std::to_string(manifest.log_size) +
                    ", the keys have seen " + std::to_string(keys.log_size) +
                    ": opening will be refused, recording goes on. Put the newer log (from the old "
                    "machine's disk) in place of the restored one, then start");
  for (const auto& mirror : keys.mirrors_not_good) lines.push_back("mirror " + mirror);
  return lines;
}

constexpr const char* kUnsigned =
    "unsigned: made by an older version. Whoever can write to it can have made it; to take it as "
    "it "
    "is: --allow-unsigned";

// Kept apart from the backup: who wrote that anew can have put a key into it.
Result<std::optional<audit::NamedKey>> trusted_key(Vfs& vfs, const BackupVerifyOptions& options) {
  if (!options.key.empty()) {
    auto key = audit::parse_verifier_key(TRY(key_text(options.key)));
    if (!key) return fail(Errc::kConfig, "--key: " + key.error().message);
    return std::optional(std::move(*key));
  }
  if (options.config.empty()) return std::optional<audit::NamedKey>();
  return std::optional(TRY(load_log_key(vfs, TRY(load_config(options.config)))));
}

void say_seal(const Result<BackupSeal>& seal, bool taken_unsigned) {
  if (taken_unsigned) std::printf("unsigned: made by an older version\n");
  if (!seal || !seal->is_signed) return;
  std::printf("signed: entry %llu of the log of %s\n", static_cast<unsigned long long>(seal->index),
              seal->key.name.c_str());
  if (seal->own_key)
    std::printf("the key is the one in the backup; is it yours? (else name yours: --key)\n  %s\n",
                audit::verifier_key(seal->key.name, seal->key.key).c_str());
}

// The log's key that the operator brings is who must have signed it.
Status signed_for(Vfs& vfs, const RestoreOptions& options, const Config& config,
                  const BackupManifest& manifest) {
  const auto secrets = TRY(load_keeper_secrets(vfs, config));
  const audit::NamedKey key{config.log.origin, TRY(crypto::ed25519_public(secrets.log_seed))};
  const auto seal = check_backup_seal(vfs, options.backup, manifest, key);
  if (!seal)
    return fail(seal.error().code,
                "nothing is written: " + seal.error().message + " (`backup verify`)");
  if (seal->is_signed || options.allow_unsigned) return {};
  return fail(Errc::kState, std::string("nothing is written: ") + kUnsigned);
}

ExitCode say(const RestoreOptions& options, const KeyFindings& keys,
             const std::vector<std::string>& lines, bool written) {
  if (options.json) {
    boost::json::array list;
    for (const auto& line : lines) list.emplace_back(line);
    print_json({{"restored", written},
                {"recordings", keys.recordings},
                {"without_keys", keys.without_keys},
                {"lost", std::move(list)}});
  } else {
    for (const auto& line : lines) std::printf("lost: %s\n", line.c_str());
    std::printf("%s: %zu recordings, %zu of them without any key (erased whole, or never kept)\n",
                written ? "restored" : "nothing written", keys.recordings, keys.without_keys);
  }
  return lines.empty() ? ExitCode::kDone : ExitCode::kFoundBad;
}

}  // namespace

Result<ExitCode> command_backup(const CliContext& context, const std::string& dir) {
  RealVfs vfs;
  SystemClock clock;
  Progress shown(progress_wanted(context.json), "objects");
  const auto report =
      TRY(take_backup(vfs, clock, context.config, dir,
                      [&](std::uint64_t done, std::uint64_t all) { shown.show(done, all); }));
  const auto& manifest = report.manifest;
  if (const auto sealed = seal_backup(vfs, clock, context.config, dir, manifest); !sealed)
    return fail(sealed.error().code,
                "the backup is whole, and not signed; run it again: " + sealed.error().message);
  if (context.json)
    print_json({{"files", manifest.files.size()},
                {"copied", report.copied},
                {"log_size", manifest.log_size},
                {"taken_at", manifest.taken_at}});
  else
    std::printf(
        "%zu files, %llu of them copied now; the log up to entry %llu.\nKeys, anchors and the "
        "credential are not in it: mirrors are their redundancy (docs/operators.md)\n",
        manifest.files.size(), static_cast<unsigned long long>(report.copied),
        static_cast<unsigned long long>(manifest.log_size));
  return ExitCode::kDone;
}

Result<ExitCode> command_backup_verify(const BackupVerifyOptions& options) {
  RealVfs vfs;
  Progress shown(progress_wanted(options.json), "files");
  const auto key = TRY(trusted_key(vfs, options));
  const auto manifest = TRY(read_manifest(vfs, options.dir));
  auto findings =
      verify_backup(vfs, options.dir, manifest,
                    [&](std::uint64_t done, std::uint64_t all) { shown.show(done, all); });
  const auto seal = check_backup_seal(vfs, options.dir, manifest, key);
  if (!seal) findings.push_back(seal.error().message);
  const bool older = seal && !seal->is_signed;
  if (older && !options.allow_unsigned) findings.emplace_back(kUnsigned);
  if (options.json) {
    boost::json::array list;
    for (const auto& line : findings) list.emplace_back(line);
    boost::json::object said{{"good", findings.empty()},
                             {"signed", seal && seal->is_signed},
                             {"findings", std::move(list)}};
    if (seal && seal->is_signed) {
      said["key"] = audit::verifier_key(seal->key.name, seal->key.key);
      said["key_is_its_own"] = seal->own_key;
      said["entry"] = seal->index;
    }
    print_json(said);
  } else {
    for (const auto& line : findings) std::printf("bad: %s\n", line.c_str());
    say_seal(seal, older && options.allow_unsigned);
    std::printf("%s\n", findings.empty() ? "good" : seal && !older ? "DAMAGED" : "NOT GOOD");
  }
  return findings.empty() ? ExitCode::kDone : ExitCode::kFoundBad;
}

namespace {

// From here on nothing depends on the folder that the command was given in.
RestoreOptions with_whole_paths(RestoreOptions options) {
  const auto whole = [](std::string& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).string();  // links as the kernel's
  };
  for (auto* path : {&options.backup, &options.data, &options.credential, &options.log_key})
    whole(*path);
  for (auto& dir : options.mirrors) whole(dir);
  return options;
}

// The configuration of the backup, with the mirrors that survived.
Result<std::string> restored_config(Vfs& vfs, const RestoreOptions& options,
                                    const BackupManifest& manifest) {
  const auto raw = read_backed_up_config(vfs, options.backup, manifest);
  if (!raw)
    return fail(raw.error().code,
                "nothing is written: " + raw.error().message + " (`backup verify`)");
  return config_with_mirrors(std::string(as_text(*raw)), TRY(mirrors_of(options)));
}

// Nothing living stands in its way.
Status must_be_free(Vfs& vfs, const Config& config, const std::string& file) {
  if (vfs.exists(file)) return fail(Errc::kExists, file + " is there: a restore never overwrites");
  for (const auto& dir : {config.recorder.objects_dir, config.log.dir}) TRY(must_be_new(dir));
  if (vfs.exists(config.server.database))
    return fail(Errc::kExists,
                config.server.database + " is there already: a restore never overwrites");
  if (vfs.exists(config.server.tls_certificate) != vfs.exists(config.server.tls_key))
    return fail(Errc::kExists, "of " + config.server.tls_certificate + " and " +
                                   config.server.tls_key + " there is one: bring both, or none");
  return {};
}

Status make_certificate(Vfs& vfs, Clock& clock, const Config& config, Written& written) {
  if (vfs.exists(config.server.tls_certificate)) return {};
  written.add(config.server.tls_certificate);
  written.add(config.server.tls_key);
  return write_self_signed(vfs, clock, config.server.tls_certificate, config.server.tls_key,
                           {"localhost", "127.0.0.1", "::1"});
}

}  // namespace

Result<ExitCode> command_restore(const RestoreOptions& given) {
  RealVfs vfs;
  SystemClock clock;
  SystemEntropy entropy;
  const auto options = with_whole_paths(given);
  const auto manifest = TRY(read_manifest(vfs, options.backup));
  const auto file = options.data + "/callward.toml";
  const auto text = TRY(restored_config(vfs, options, manifest));
  const auto config = TRY(parse_config(text, file));
  // Two at once would each take away what the other wrote.
  TRY(vfs.make_dirs(options.data));
  const auto alone = TRY(WriterLock::take(options.data));
  TRY(must_be_free(vfs, config, file));
  // The keys are looked at first, where the operator's copies lie.
  auto look = config;
  if (!options.credential.empty()) look.keys.credential_file = options.credential;
  Written written(vfs);
  TRY(put_secret(vfs, options.log_key, config.log_key_file(), written));
  const auto keys = look_at_keys(vfs, entropy, look, manifest);
  const auto lines = losses(keys, manifest);
  if (!keys.why.empty()) return say(options, keys, lines, false);
  TRY(signed_for(vfs, options, look, manifest));
  TRY(vfs.make_dirs(config.run_dir));
  TRY(put_secret(vfs, options.credential, config.keys.credential_file, written));
  TRY(fill(vfs, options, config, manifest, written));
  TRY(make_certificate(vfs, clock, config, written));
  written.add(file);
  TRY(vfs.write_file_atomic(file, as_bytes(text)));  // last: from here on it is an installation
  written.keep();
  return say(options, keys, lines, true);
}

}  // namespace callward::app
