#include "app/backup_seal.hpp"

#include <boost/json.hpp>
#include <chrono>
#include <thread>

#include "app/cli.hpp"
#include "app/http_client.hpp"
#include "app/keeper_state.hpp"
#include "audit/entry.hpp"
#include "audit/log.hpp"
#include "audit/receipt.hpp"

namespace callward::app {
namespace {

constexpr std::chrono::milliseconds kPublishedLookEvery{200};
constexpr int kPublishedLooksMax = 75;  // 15 s: a checkpoint comes every second

std::string in_dir(const std::string& dir, const char* name) { return dir + "/" + name; }

Result<audit::NamedKey> key_in(Vfs& vfs, const std::string& log_dir) {
  const auto text = TRY(vfs.read_file(log_dir + "/public.key", audit::kNoteBytesMax));
  return audit::parse_verifier_key(std::string(as_text(text)));
}

// Stopped: nobody else has the log, so this process is its writer for a moment. Never of one that
// the key store is ahead of: it would grow until it looks like the newer one.
Result<std::uint64_t> log_alone(Vfs& vfs, Clock& clock, const Config& config,
                                const boost::json::object& data) {
  SystemEntropy entropy;
  const auto keys = TRY(open_keys(vfs, entropy, config));
  const auto secrets = TRY(load_keeper_secrets(vfs, config));
  const auto log = TRY(audit::Log::open(vfs, config.log.dir, config.log.origin, secrets.log_seed));
  if (log->size() < keys.store->log_size())
    return fail(Errc::kCorrupt, "the audit log (" + std::to_string(log->size()) +
                                    " entries) is older than the key store (" +
                                    std::to_string(keys.store->log_size()) + ")");
  const auto index = TRY(log->stage({kBackupEntryType, "operator", "-", clock.utc_ms(), data}));
  TRY(log->commit());
  TRY(log->publish());
  return index;
}

Result<std::uint64_t> log_by_service(const Config& config, const boost::json::object& data) {
  const auto http = TRY(HttpClient::create(config));
  const auto logged = TRY(http->post("/v1/backups", data));
  const auto* index = logged.is_object() ? logged.get_object().if_contains("index") : nullptr;
  if (index == nullptr || !index->is_int64() || index->get_int64() < 0)
    return fail(Errc::kMalformed, "the server's answer names no entry");
  return static_cast<std::uint64_t>(index->get_int64());
}

}  // namespace

Status write_backup_receipt(Vfs& vfs, const Config& config, const std::string& dir,
                            std::uint64_t index) {
  const auto key = TRY(load_log_key(vfs, config));
  for (int look = 0;; ++look) {
    const auto receipt = audit::make_receipt(vfs, config.log.dir, key, index);
    if (receipt)
      return vfs.write_file_atomic(in_dir(dir, kManifestReceiptName),
                                   as_bytes(audit::encode_receipt(*receipt)));
    if (receipt.error().code != Errc::kNotFound || look >= kPublishedLooksMax)
      return tl::unexpected<Error>(receipt.error());
    std::this_thread::sleep_for(kPublishedLookEvery);
  }
}

Status seal_backup(Vfs& vfs, Clock& clock, const Config& config, const std::string& dir,
                   const BackupManifest& manifest) {
  const boost::json::object data{{"manifest", manifest.sha256},
                                 {"files", manifest.files.size()},
                                 {"log_size", manifest.log_size}};
  const auto index =
      TRY(is_running(config) ? log_by_service(config, data) : log_alone(vfs, clock, config, data));
  return write_backup_receipt(vfs, config, dir, index);
}

Result<BackupSeal> check_backup_seal(Vfs& vfs, const std::string& dir,
                                     const std::optional<audit::NamedKey>& key) {
  return check_backup_seal(vfs, dir, TRY(read_manifest(vfs, dir)), key);
}

Result<BackupSeal> check_backup_seal(Vfs& vfs, const std::string& dir,
                                     const BackupManifest& manifest,
                                     const std::optional<audit::NamedKey>& key) {
  const auto file = in_dir(dir, kManifestReceiptName);
  if (manifest.version < kManifestVersionSigned) {
    if (vfs.exists(file))
      return fail(Errc::kCorrupt,
                  "the manifest is of a version without signatures, and there is "
                  "one: somebody wrote it anew");
    return BackupSeal{};
  }
  if (!vfs.exists(file))
    return fail(Errc::kCorrupt,
                "not signed: it was cut off at its end, or somebody took the signature away");
  BackupSeal seal{.is_signed = true, .own_key = !key};
  seal.key = key ? *key : TRY(key_in(vfs, dir + "/log"));
  const auto raw = TRY(vfs.read_file(file, audit::kReceiptBytesMax));
  const auto bad = [](const std::string& why) {
    return fail(Errc::kCorrupt, std::string(kManifestReceiptName) + ": " + why);
  };
  const auto receipt = audit::parse_receipt(as_text(raw));
  if (!receipt) return bad(receipt.error().message);
  const auto checked = audit::check_receipt(*receipt, std::nullopt, seal.key, {});
  if (!checked) return bad("not signed by " + seal.key.name + ": " + checked.error().message);
  const auto entry = audit::decode_entry(checked->entry);
  if (!entry || entry->type != kBackupEntryType) return bad("of an entry about something else");
  if (entry->data.at("manifest").as_string() != manifest.sha256)
    return fail(Errc::kCorrupt, std::string(kManifestName) +
                                    ": not the one that the log names: somebody wrote it anew");
  seal.index = receipt->index;
  seal.at = entry->at;
  return seal;
}

}  // namespace callward::app
