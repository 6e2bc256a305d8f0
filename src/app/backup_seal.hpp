// Who took a backup: the log says it (entry backup_made, with the hash of the manifest), and the
// receipt of that entry lies beside the manifest. So the log's key stands for every file that the
// manifest names, and leaves the keeper no more than it does for an entry.
//
//   DIR/manifest.receipt     C2SP tlog-proof of the entry; written last
//
// A backup of an older version has none (manifest of version 1).
#pragma once

#include <optional>

#include "app/backup.hpp"
#include "audit/note.hpp"

namespace callward::app {

inline constexpr const char* kManifestReceiptName = "manifest.receipt";
inline constexpr const char* kBackupEntryType = "backup_made";

// Has the manifest logged as it was written, never as it lies in `dir` by now: by the running
// service or, stopped, by this process. Puts the receipt beside it. The backup is whole without,
// and not signed.
Status seal_backup(Vfs& vfs, Clock& clock, const Config& config, const std::string& dir,
                   const BackupManifest& manifest);
// The receipt of an entry that is durable and may not be published yet, written to `dir`.
Status write_backup_receipt(Vfs& vfs, const Config& config, const std::string& dir,
                            std::uint64_t index);

struct BackupSeal {
  bool is_signed = false;   // false: of an older version
  std::uint64_t index = 0;  // of the entry
  std::int64_t at = 0;      // its time, UTC ms
  audit::NamedKey key;
  bool own_key = false;  // the one in the backup: it does not say whose backup this is
};
// Of `manifest`, which was read from `dir`: what holds, holds for what the caller has in his hands.
// Without `key` the one in the backup is taken. kCorrupt: somebody else wrote it, or wrote it anew.
Result<BackupSeal> check_backup_seal(Vfs& vfs, const std::string& dir,
                                     const BackupManifest& manifest,
                                     const std::optional<audit::NamedKey>& key);
// For who needs nothing else of the manifest.
Result<BackupSeal> check_backup_seal(Vfs& vfs, const std::string& dir,
                                     const std::optional<audit::NamedKey>& key);

}  // namespace callward::app
