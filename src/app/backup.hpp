// A backup: recordings, metadata, the audit log, the configuration. Never a key: what may be copied
// is listed here, everything else stays where it is (docs/operators.md, "Backups").
//
//   DIR/objects/…            ciphertext, as in the object store; immutable, so copied once
//   DIR/log/…                the log under one checkpoint, and a journal of what was durable beyond
//   DIR/server/callward.db   a snapshot of the database
//   DIR/callward.toml        the configuration
//   DIR/manifest.json        every file's size and SHA-256, the log's checkpoint
//   DIR/manifest.receipt     that the log names this manifest (backup_seal.hpp); written last
//
// Taken while the service runs: objects first, the log last, so that the log is the newest part.
//
// Others may be able to write to DIR. So what is hashed is what is written, never what is read
// back; and who reads a backup uses the bytes that were held to their hash, no others.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "base/clock.hpp"
#include "base/vfs.hpp"

namespace callward::app {

inline constexpr const char* kManifestName = "manifest.json";
inline constexpr std::uint32_t kManifestVersion = 2;
inline constexpr std::uint32_t kManifestVersionSigned = 2;  // before, nobody signed it
inline constexpr std::size_t kManifestBytesMax = 1u << 30;

struct BackedUpFile {
  std::string path;  // below the backup's folder
  std::uint64_t bytes = 0;
  std::string sha256;  // hex
};
struct BackupManifest {
  std::uint32_t version = kManifestVersion;
  std::int64_t taken_at = 0;        // UTC ms
  std::uint64_t log_size = 0;       // durable entries in it
  std::string checkpoint;           // the signed note
  std::vector<BackedUpFile> files;  // sorted by path
  std::string sha256;               // hex, of its own bytes as they were read or written
};
struct BackupReport {
  BackupManifest manifest;
  std::uint64_t copied = 0;  // files; the others were there from the last time
};
using BackupProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;

// kState: another backup's or somebody else's files are in `dir`.
Result<BackupReport> take_backup(Vfs& vfs, Clock& clock, const Config& config,
                                 const std::string& dir, const BackupProgress& progress = {});
Result<BackupManifest> read_manifest(Vfs& vfs, const std::string& dir);
// One line a finding; empty: every file is there and is what the manifest says.
std::vector<std::string> verify_backup(Vfs& vfs, const std::string& dir,
                                       const BackupManifest& manifest,
                                       const BackupProgress& progress = {});
inline constexpr const char* kBackedUpConfig = "callward.toml";
inline constexpr const char* kBackedUpPolicy = "policy.toml";  // wherever it lay
inline constexpr std::size_t kConfigBytesMax = 1u << 20;
// The configuration as the manifest names it. kCorrupt: it names none, or another one lies there.
Result<Bytes> read_backed_up_config(Vfs& vfs, const std::string& dir,
                                    const BackupManifest& manifest);
// `from` into `to`, in pieces, durable; the SHA-256 of what was read.
Result<BackedUpFile> copy_file(Vfs& vfs, const std::string& from, const std::string& to);

}  // namespace callward::app
