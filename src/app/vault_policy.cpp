#include "app/vault_policy.hpp"

#include <algorithm>
#include <array>
#include <fstream>

#include "base/event_log.hpp"

namespace callward::app {
namespace {

// Which boot of the machine this is, for the keeper's time; zero where the kernel does not say.
std::array<std::uint8_t, 16> boot_of_machine() {
  std::array<std::uint8_t, 16> boot{};
  std::ifstream file(kBootIdFile);
  std::string id;
  if (std::getline(file, id) && !id.empty())
    std::copy_n(crypto::sha256(as_bytes(id)).begin(), boot.size(), boot.begin());
  return boot;
}

Result<std::string> policy_text(Vfs& vfs, const Config& config) {
  const auto& file = config.vault.policy_file;
  if (!vfs.exists(file)) return vault::default_policy_text();
  return std::string(as_text(TRY(vfs.read_file(file, kPolicyBytesMax))));
}

}  // namespace

Result<vault::Policy> load_policy(Vfs& vfs, const Config& config) {
  return vault::parse_policy(TRY(policy_text(vfs, config)), config.vault.policy_file);
}

people::RelyingParty relying_party(const Config& config) {
  const auto& origin = config.server.origin;
  const auto scheme = origin.find("://");
  const auto host = scheme == std::string::npos ? origin : origin.substr(scheme + 3);
  return {host.substr(0, host.find(':')), origin};
}

Result<disclose::OfficePolicy> load_office_policy(Vfs& vfs, const Config& config) {
  if (const auto& file = config.vault.policy_file; !vfs.exists(file))
    log_event("keeper.policy_missing", {{"file", file}});
  const auto text = TRY(policy_text(vfs, config));
  return disclose::OfficePolicy{TRY(vault::parse_policy(text, config.vault.policy_file)),
                                crypto::sha256(as_bytes(text)), relying_party(config),
                                boot_of_machine()};
}

Status keep_founding(Vfs& vfs, const Config& config, const std::string& token) {
  const auto raw = TRY(from_hex(token));
  if (raw.size() != 32) return fail(Errc::kMalformed, "a founding token has 32 bytes");
  const auto hash = to_hex(crypto::sha256(raw));
  return vfs.write_file_atomic(config.founding_file(), as_bytes(hash));
}

std::optional<crypto::Digest> load_founding(Vfs& vfs, const Config& config) {
  const auto text = vfs.read_file(config.founding_file(), 64);
  const auto raw = text ? from_hex(as_text(*text)) : Result<Bytes>(Bytes{});
  crypto::Digest digest{};
  if (!raw || raw->size() != digest.size()) return std::nullopt;
  std::ranges::copy(*raw, digest.begin());
  return digest;
}

}  // namespace callward::app
