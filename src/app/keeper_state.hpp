// What the keeper keeps on disk besides pages and log: the credential, and the log's signing key
// under it.
#pragma once

#include "app/config.hpp"
#include "app/writer_lock.hpp"
#include "audit/note.hpp"
#include "base/entropy.hpp"
#include "base/vfs.hpp"
#include "keys/key_store.hpp"

namespace callward::app {

// For `init`: credential, key store with its mirrors, log key, log folder. kExists if any is there.
Status create_keeper_state(Vfs& vfs, Entropy& entropy, const Config& config);

std::vector<keys::MirrorPaths> mirror_paths(const Config& config);

struct KeeperSecrets {
  Key32 anchor_wrap;  // wraps epoch keys in file anchors
  Key32 log_seed;     // Ed25519
};
// kCorrupt: the credential does not fit the log key.
Result<KeeperSecrets> load_keeper_secrets(Vfs& vfs, const Config& config);
// The key store for a command that reads or mends it itself. kBusy: a keeper has it open.
struct OpenKeys {
  WriterLock lock;
  std::unique_ptr<keys::KeyStore> store;
};
Result<OpenKeys> open_keys(Vfs& vfs, Entropy& entropy, const Config& config);
// What retention knows of earlier runs, as text (docs/formats/retention.md). kNotFound: nothing.
Result<std::string> load_retention_state(Vfs& vfs, const Config& config);
Result<audit::NamedKey> load_log_key(Vfs& vfs, const Config& config);

}  // namespace callward::app
