// The policy file and what else the keeper has to know of the company, from the disk.
#pragma once

#include <optional>

#include "app/config.hpp"
#include "base/vfs.hpp"
#include "disclose/office.hpp"

namespace callward::app {

inline constexpr std::size_t kPolicyBytesMax = 256u << 10;

// Without a file the policy that `init` writes holds. kConfig: what is wrong with it.
Result<vault::Policy> load_policy(Vfs& vfs, const Config& config);
inline constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";
Result<disclose::OfficePolicy> load_office_policy(Vfs& vfs, const Config& config);
// Passkeys are of the origin's host.
people::RelyingParty relying_party(const Config& config);

// The token (hex, 32 bytes) with which the owner founds the role chart is that of the owner's
// one-time link; its hash stays in keeper/founding. A new one makes the old one worthless.
Status keep_founding(Vfs& vfs, const Config& config, const std::string& token);
std::optional<crypto::Digest> load_founding(Vfs& vfs, const Config& config);

}  // namespace callward::app
