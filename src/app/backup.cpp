#include "app/backup.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "app/backup_seal.hpp"
#include "app/cli.hpp"
#include "app/keeper_state.hpp"
#include "audit/daily.hpp"
#include "audit/log.hpp"
#include "crypto/sha256.hpp"
#include "db/database.hpp"
#include "io/fd.hpp"
#include "store/object_store.hpp"

namespace callward::app {
namespace {

constexpr std::size_t kPieceBytes = 1u << 20;
constexpr std::size_t kJournalBytesLimit = 64u << 20;
constexpr int kLogTries = 20;  // of a log that grows under the reader
constexpr const char* kDatabaseName = "server/callward.db";
constexpr const char* kSnapshotSuffix = ".backup";  // of the database, beside it
constexpr std::chrono::milliseconds kSnapshotLookEvery{100};
constexpr int kSnapshotLooksMax = 600;  // 1 min for another backup's

std::string hash_hex(const crypto::Digest& digest) { return to_hex(digest); }

// Two backups at a time share the place of their snapshots: one after the other. Goes with the
// process, however that ends.
Result<io::Fd> lock_snapshot(const std::string& folder) {
  io::Fd held(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!held.valid()) return fail_errno(folder);
  for (int look = 0; ::flock(held.get(), LOCK_EX | LOCK_NB) != 0; ++look) {
    if (errno != EWOULDBLOCK) return fail_errno("flock " + folder);
    if (look >= kSnapshotLooksMax)
      return fail(Errc::kBusy, folder + ": another backup is copying the database");
    std::this_thread::sleep_for(kSnapshotLookEvery);
  }
  return held;
}

class Backup {
 public:
  Backup(Vfs& vfs, Clock& clock, const Config& config, std::string dir,
         const BackupProgress& progress)
      : vfs_(vfs), clock_(clock), config_(config), dir_(std::move(dir)), progress_(progress) {}

  Result<BackupReport> run() {
    TRY(look_at_last());
    TRY(vfs_.make_dirs(dir_));
    // What this one changes is no longer the last one's: until the manifest is back it is none.
    for (const auto* name : {kManifestName, kManifestReceiptName})
      if (vfs_.exists(dir_ + "/" + name)) TRY(vfs_.remove(dir_ + "/" + name));
    TRY(objects());
    TRY(database());
    TRY(text_file(config_.file, kBackedUpConfig));
    if (const auto& policy = config_.vault.policy_file; vfs_.exists(policy))
      TRY(text_file(policy, kBackedUpPolicy));
    TRY(log());
    report_.manifest.taken_at = clock_.utc_ms();
    std::sort(files().begin(), files().end(),
              [](const BackedUpFile& a, const BackedUpFile& b) { return a.path < b.path; });
    TRY(write_manifest());
    TRY(drop_deleted());
    return std::move(report_);
  }

 private:
  std::vector<BackedUpFile>& files() { return report_.manifest.files; }

  Status look_at_last() {
    if (!vfs_.exists(dir_ + "/" + kManifestName)) {
      const auto names = vfs_.list(dir_);
      static const std::vector<std::string> kOurs = {
          kBackedUpConfig, "log", kManifestReceiptName, "objects", kBackedUpPolicy, "server"};
      if (names && !std::includes(kOurs.begin(), kOurs.end(), names->begin(), names->end()))
        return fail(Errc::kState, dir_ + ": holds something that is no backup of Callward");
      return {};
    }
    const auto last = TRY(read_manifest(vfs_, dir_));
    for (const auto& file : last.files) last_[file.path] = file;
    is_ours_ = signed_by_our_log(last);
    return {};
  }

  // What an unsigned manifest says of a file we do not sign: then all is copied anew.
  bool signed_by_our_log(const BackupManifest& last) {
    const auto key = load_log_key(vfs_, config_);
    if (!key) return false;
    const auto seal = check_backup_seal(vfs_, dir_, last, *key);
    return seal && seal->is_signed;
  }
  // Copied the last time, and as it was then.
  const BackedUpFile* unchanged(const std::string& path) {
    const auto known = last_.find(path);
    return is_ours_ && known != last_.end() && vfs_.exists(dir_ + "/" + path) ? &known->second
                                                                              : nullptr;
  }

  Status take(const std::string& from, const std::string& name) {
    auto copied = TRY(copy_file(vfs_, from, dir_ + "/" + name));
    copied.path = name;
    files().push_back(std::move(copied));
    ++report_.copied;
    return {};
  }

  // Recordings that retention has deleted since the last time go from the backup, too. After the
  // manifest, so that it never names what is not there.
  Status drop_deleted() {
    std::set<std::string> there;
    for (const auto& file : files()) there.insert(file.path);
    for (const auto& [path, file] : last_)
      if (path.starts_with("objects/") && !there.contains(path) && vfs_.exists(dir_ + "/" + path))
        TRY(vfs_.remove(dir_ + "/" + path));
    return {};
  }

  // Recordings never change; derived objects are replaced by longer or equal ones, and few.
  Status objects() {
    store::FileObjectStore store(vfs_, config_.recorder.objects_dir);
    std::vector<std::string> names;
    list_objects(store, "", 0, names);
    std::uint64_t done = 0;
    for (const auto& name : names) {
      if (progress_) progress_(done++, names.size());
      const auto path = "objects/" + name;
      if (const auto* known = name.ends_with(".cwo") ? unchanged(path) : nullptr) {
        files().push_back(*known);
        continue;
      }
      TRY(take(config_.recorder.objects_dir + "/" + name, path));
    }
    return {};
  }

  // SQLite writes its snapshot itself, so it is made beside the database, where nobody else writes,
  // and hashed on its way from there.
  Status database() {
    const auto lock = TRY(lock_snapshot(parent_of(config_.server.database)));
    TRY(drop_snapshot());  // of one that was cut off
    const auto snapshot = config_.server.database + kSnapshotSuffix;
    auto taken = db::copy_sqlite(config_.server.database, snapshot);
    if (taken) taken = take(snapshot, kDatabaseName);
    const auto dropped = drop_snapshot();
    return taken ? dropped : taken;
  }
  Status drop_snapshot() {
    for (const auto* suffix : {"", "-journal", "-wal", "-shm"})
      if (const auto file = config_.server.database + kSnapshotSuffix + suffix; vfs_.exists(file))
        TRY(vfs_.remove(file));
    return {};
  }

  Status write(const std::string& name, ByteView content) {
    TRY(vfs_.make_dirs(parent_of(dir_ + "/" + name)));
    TRY(vfs_.write_file_atomic(dir_ + "/" + name, content));
    files().push_back({name, content.size(), hash_hex(crypto::sha256(content))});
    ++report_.copied;
    return {};
  }
  Status text_file(const std::string& from, const std::string& name) {
    return write(name, TRY(vfs_.read_file(from, 1u << 20)));
  }

  // The log under one checkpoint, made whole by itself: a log that goes on from here, or is
  // verified.
  Status log() {
    for (int attempt = 0;; ++attempt) {
      const auto before = files().size();
      auto done = log_once();
      if (done || attempt >= kLogTries) return done;
      files().resize(before);  // a partial tile went, a journal was begun: read it anew
    }
  }

  Status log_once() {
    const auto raw = TRY(vfs_.read_file(config_.log.dir + "/checkpoint", audit::kNoteBytesMax));
    const auto key_text =
        TRY(vfs_.read_file(config_.log.dir + "/public.key", audit::kNoteBytesMax));
    const auto key = TRY(audit::parse_verifier_key(std::string(as_text(key_text))));
    const auto note_text = std::string(as_text(raw));
    const auto size = TRY(audit::open_checkpoint(note_text, key)).size;
    const auto journal = TRY(beyond(size));
    for (std::uint32_t level = 0; level < audit::kTileLevelsMax && size >> (8 * level) > 0; ++level)
      TRY(tiles(level, size >> (8 * level), false));
    TRY(tiles(0, size, true));
    TRY(drop_old_journals());
    TRY(write("log/" + audit::journal_name(size),
              journal.empty() ? Bytes() : audit::journal_batch(size, journal)));
    TRY(write("log/public.key", key_text));
    const auto daily = "/" + std::string(audit::kDailyFolder) + "/";
    const auto days = TRY(audit::list_days(vfs_, config_.log.dir));
    for (const auto& day : days) {
      const auto names = TRY(vfs_.list(config_.log.dir + daily));
      for (const auto& name : names)
        if (name.starts_with(day))
          TRY(text_file(config_.log.dir + daily + name, "log" + daily + name));
    }
    if (const auto witnessed = config_.log.dir + "/" + audit::kWitnessedFile;
        vfs_.exists(witnessed))
      TRY(text_file(witnessed, "log/" + std::string(audit::kWitnessedFile)));
    TRY(write("log/checkpoint", raw));
    report_.manifest.log_size = size + journal.size();
    report_.manifest.checkpoint = note_text;
    return {};
  }

  // Durable entries from `size` on, out of the journals.
  Result<std::vector<std::string>> beyond(std::uint64_t size) {
    std::vector<std::string> entries;
    const auto names = TRY(vfs_.list(config_.log.dir));
    for (const auto& name : names) {
      if (!name.starts_with(audit::kJournalPrefix)) continue;
      const auto first = TRY(audit::parse_journal_name(name));
      const auto raw = TRY(vfs_.read_file(config_.log.dir + "/" + name, kJournalBytesLimit));
      auto scan = audit::scan_journal(raw, first);
      for (std::size_t i = 0; i < scan.entries.size(); ++i)
        if (first + i == size + entries.size()) entries.push_back(std::move(scan.entries[i]));
    }
    std::size_t bytes = 0;
    for (const auto& entry : entries) bytes += entry.size() + 2;
    if (bytes > audit::kBatchBytesMax)
      return fail(Errc::kTooLarge, "too much of the log is not published yet");
    return entries;
  }

  Status tiles(std::uint32_t level, std::uint64_t count, bool bundles) {
    for (std::uint64_t index = 0; index * audit::kTileWidth < count; ++index) {
      const auto width = std::min(audit::kTileWidth, count - index * audit::kTileWidth);
      const auto path =
          bundles ? audit::bundle_path(index, width) : audit::tile_path(level, index, width);
      const auto name = "log/" + path;
      if (const auto* known = width == audit::kTileWidth ? unchanged(name) : nullptr) {
        files().push_back(*known);
        continue;
      }
      // The growing one is cut to the checkpoint's width, whatever it has become since.
      if (bundles) {
        Bytes content;
        const auto entries = TRY(audit::read_bundle(vfs_, config_.log.dir, index, width));
        for (const auto& entry : entries) audit::append_bundle_entry(content, entry);
        TRY(write(name, content));
      } else {
        TRY(write(name, audit::tile_bytes(
                            TRY(audit::read_tile(vfs_, config_.log.dir, level, index, width)))));
      }
    }
    return {};
  }

  Status drop_old_journals() {
    const auto names = vfs_.list(dir_ + "/log");
    if (!names) return {};
    for (const auto& name : *names)
      if (name.starts_with(audit::kJournalPrefix)) TRY(vfs_.remove(dir_ + "/log/" + name));
    return {};
  }

  Status write_manifest() {
    boost::json::array list;
    for (const auto& file : files())
      list.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    const auto text =
        boost::json::serialize(boost::json::object{{"callward_backup", kManifestVersion},
                                                   {"taken_at", report_.manifest.taken_at},
                                                   {"log_size", report_.manifest.log_size},
                                                   {"checkpoint", report_.manifest.checkpoint},
                                                   {"files", std::move(list)}});
    report_.manifest.sha256 = hash_hex(crypto::sha256(as_bytes(text)));
    return vfs_.write_file_atomic(dir_ + "/" + kManifestName, as_bytes(text));
  }

  Vfs& vfs_;
  Clock& clock_;
  const Config& config_;
  std::string dir_;
  const BackupProgress& progress_;
  std::map<std::string, BackedUpFile> last_;
  bool is_ours_ = false;  // the last one: our log stands for what its manifest says
  BackupReport report_;
};

// Below the backup's folder, and nowhere else.
bool is_inside(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.find("..") == std::string_view::npos &&
         path.find('\0') == std::string_view::npos;
}

Result<BackupManifest> parse_manifest(const boost::json::object& json) {
  BackupManifest manifest;
  manifest.version = json.at("callward_backup").to_number<std::uint32_t>();
  if (manifest.version < 1 || manifest.version > kManifestVersion)
    return fail(Errc::kUnsupported, "a backup of version " + std::to_string(manifest.version) +
                                        "; this program knows 1 to " +
                                        std::to_string(kManifestVersion));
  manifest.taken_at = json.at("taken_at").to_number<std::int64_t>();
  manifest.log_size = json.at("log_size").to_number<std::uint64_t>();
  manifest.checkpoint = std::string(json.at("checkpoint").as_string());
  for (const auto& item : json.at("files").as_array()) {
    manifest.files.push_back({std::string(item.at("path").as_string()),
                              item.at("bytes").to_number<std::uint64_t>(),
                              std::string(item.at("sha256").as_string())});
    if (!is_inside(manifest.files.back().path))
      return fail(Errc::kMalformed, "the manifest names a file outside of the backup");
  }
  return manifest;
}

}  // namespace

Result<BackedUpFile> copy_file(Vfs& vfs, const std::string& from, const std::string& to) {
  auto source = TRY(vfs.open(from, OpenMode::kRead));
  TRY(vfs.make_dirs(parent_of(to)));
  const auto fresh = to + ".new";
  if (vfs.exists(fresh)) TRY(vfs.remove(fresh));  // of one that was cut off
  auto target = TRY(vfs.open(fresh, OpenMode::kCreateNew));
  crypto::Sha256 hash;
  Bytes piece(kPieceBytes);
  std::uint64_t at = 0;
  while (const auto read = TRY(source->read_at(at, piece))) {
    const auto part = ByteView(piece).first(read);
    hash.update(part);
    TRY(target->write_at(at, part));
    at += read;
  }
  TRY(target->sync_data());
  target.reset();
  TRY(vfs.rename(fresh, to));
  TRY(vfs.sync_dir(parent_of(to)));
  return BackedUpFile{to, at, hash_hex(hash.finish())};
}

Result<BackupReport> take_backup(Vfs& vfs, Clock& clock, const Config& config,
                                 const std::string& dir, const BackupProgress& progress) {
  return Backup(vfs, clock, config, dir, progress).run();
}

Result<BackupManifest> read_manifest(Vfs& vfs, const std::string& dir) {
  const auto raw = vfs.read_file(dir + "/" + kManifestName, kManifestBytesMax);
  if (!raw) return fail(raw.error().code, "no whole backup: " + raw.error().message);
  boost::system::error_code error;
  const auto json = boost::json::parse(as_text(*raw), error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "the manifest is no JSON");
  try {
    auto manifest = TRY(parse_manifest(json.get_object()));
    manifest.sha256 = hash_hex(crypto::sha256(*raw));
    return manifest;
  } catch (const std::exception&) {
    return fail(Errc::kMalformed, "the manifest lacks something");
  }
}

Result<Bytes> read_backed_up_config(Vfs& vfs, const std::string& dir,
                                    const BackupManifest& manifest) {
  const auto named =
      std::find_if(manifest.files.begin(), manifest.files.end(),
                   [](const BackedUpFile& file) { return file.path == kBackedUpConfig; });
  if (named == manifest.files.end())
    return fail(Errc::kCorrupt, std::string(kBackedUpConfig) +
                                    ": the manifest names none, so nobody stands for it");
  auto raw = TRY(vfs.read_file(dir + "/" + kBackedUpConfig, kConfigBytesMax));
  if (raw.size() != named->bytes || hash_hex(crypto::sha256(raw)) != named->sha256)
    return fail(Errc::kCorrupt, std::string(kBackedUpConfig) + ": not what was backed up");
  return raw;
}

std::vector<std::string> verify_backup(Vfs& vfs, const std::string& dir,
                                       const BackupManifest& manifest,
                                       const BackupProgress& progress) {
  std::vector<std::string> findings;
  std::uint64_t done = 0;
  for (const auto& wanted : manifest.files) {
    if (progress) progress(done++, manifest.files.size());
    auto file = vfs.open(dir + "/" + wanted.path, OpenMode::kRead);
    if (!file) {
      findings.push_back(wanted.path + ": " + file.error().message);
      continue;
    }
    crypto::Sha256 hash;
    Bytes piece(kPieceBytes);
    std::uint64_t at = 0;
    auto read = (*file)->read_at(at, piece);
    while (read && *read > 0) {
      hash.update(ByteView(piece).first(*read));
      at += *read;
      read = (*file)->read_at(at, piece);
    }
    if (!read)
      findings.push_back(wanted.path + ": " + read.error().message);
    else if (at != wanted.bytes || hash_hex(hash.finish()) != wanted.sha256)
      findings.push_back(wanted.path + ": not what was backed up");
  }
  return findings;
}

}  // namespace callward::app
