#include "app/keeper_state.hpp"

#include "crypto/aead.hpp"
#include "crypto/sha256.hpp"
#include "keys/key_store.hpp"

namespace callward::app {
namespace {

constexpr std::size_t kCredentialBytes = 32;

Key32 derive(const SecretBytes& credential, std::string_view purpose) {
  const auto root = crypto::hkdf_extract(as_bytes("callward credential v1"), credential.expose());
  Key32 key;
  crypto::hkdf_expand(key.expose_mut(), root, as_bytes(purpose));
  return key;
}

Result<SecretBytes> load_credential(Vfs& vfs, const Config& config) {
  auto raw = vfs.read_file(config.keys.credential_file, kCredentialBytes);
  if (!raw) return fail(raw.error().code, "credential: " + raw.error().message);
  SecretBytes credential{ByteView(*raw)};
  wipe(*raw);
  if (credential.size() != kCredentialBytes)
    return fail(Errc::kCorrupt, "credential file must hold 32 bytes");
  return credential;
}

}  // namespace

std::vector<keys::MirrorPaths> mirror_paths(const Config& config) {
  std::vector<keys::MirrorPaths> paths;
  for (const auto& mirror : config.keys.mirrors)
    paths.push_back({mirror.store_dir, mirror.anchor_dir});
  return paths;
}

Status create_keeper_state(Vfs& vfs, Entropy& entropy, const Config& config) {
  if (vfs.exists(config.keys.credential_file))
    return fail(Errc::kExists, config.keys.credential_file + " is there already");
  for (const auto& dir :
       {parent_of(config.keys.credential_file), parent_of(config.log_key_file()), config.log.dir})
    TRY(vfs.make_dirs(dir));
  SecretBytes credential(kCredentialBytes);
  entropy.fill(credential.expose_mut());
  TRY(vfs.write_file_atomic(config.keys.credential_file, credential.expose()));
  TRY(keys::KeyStore::create(vfs, entropy, mirror_paths(config), derive(credential, "anchor")));
  const auto seed = entropy.key();
  const auto nonce = entropy.array<crypto::kAeadNonceBytes>();
  Bytes wrapped(nonce.begin(), nonce.end());
  const auto sealed = crypto::aead_seal(derive(credential, "log key"), nonce,
                                        as_bytes(config.log.origin), seed.expose());
  wrapped.insert(wrapped.end(), sealed.begin(), sealed.end());
  TRY(vfs.write_file_atomic(config.log_key_file(), wrapped));
  const auto key = audit::verifier_key(config.log.origin, TRY(crypto::ed25519_public(seed))) + "\n";
  return vfs.write_file_atomic(config.log_public_key_file(), as_bytes(key));
}

Result<KeeperSecrets> load_keeper_secrets(Vfs& vfs, const Config& config) {
  const auto credential = TRY(load_credential(vfs, config));
  const auto wrapped = TRY(vfs.read_file(config.log_key_file(), 1'024));
  if (wrapped.size() < crypto::kAeadNonceBytes)
    return fail(Errc::kCorrupt, "log key file is cut off");
  crypto::AeadNonce nonce{};
  std::copy_n(wrapped.begin(), nonce.size(), nonce.begin());
  const auto seed =
      crypto::aead_open(derive(credential, "log key"), nonce, as_bytes(config.log.origin),
                        ByteView(wrapped).subspan(nonce.size()));
  if (!seed || seed->size() != 32)
    return fail(Errc::kCorrupt,
                "the log key does not open: another credential, another log.origin, or damage");
  return KeeperSecrets{derive(credential, "anchor"),
                       Key32(std::span<const std::uint8_t, 32>(seed->expose().data(), 32))};
}

Result<OpenKeys> open_keys(Vfs& vfs, Entropy& entropy, const Config& config) {
  auto lock = TRY(WriterLock::take(config.log.dir, WriterLock::kDyingMs));
  const auto secrets = TRY(load_keeper_secrets(vfs, config));
  auto store = TRY(keys::KeyStore::open(vfs, entropy, mirror_paths(config), secrets.anchor_wrap));
  return OpenKeys{std::move(lock), std::move(store)};
}

Result<std::string> load_retention_state(Vfs& vfs, const Config& config) {
  constexpr std::size_t kStateBytesMax = 1u << 16;
  if (!vfs.exists(config.retention_file())) return fail(Errc::kNotFound, "no run has been yet");
  const auto raw = TRY(vfs.read_file(config.retention_file(), kStateBytesMax));
  return std::string(as_text(raw));
}

Result<audit::NamedKey> load_log_key(Vfs& vfs, const Config& config) {
  const auto raw = TRY(vfs.read_file(config.log_public_key_file(), 1'024));
  return audit::parse_verifier_key(std::string(as_text(raw)));
}

}  // namespace callward::app
