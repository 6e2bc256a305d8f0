// Digest authentication (RFC 7616, RFC 8760) as a SIP client: MD5 and SHA-256, qop "auth" or none.
// Pure: a challenge's text in, the header's value out.
//
// The password itself is not kept, only what it makes with our name and our proxy's realm. A
// challenge of another realm is not answered: whoever is behind the proxy could try passwords on
// the answer at leisure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace callward::app {

inline constexpr std::size_t kChallengeBytesMax = 4'096;

enum class DigestAlgorithm : std::uint8_t { kMd5, kSha256 };

struct DigestChallenge {
  std::string realm, nonce, opaque;
  DigestAlgorithm algorithm = DigestAlgorithm::kMd5;
  bool qop_auth = false;
  bool stale = false;
};
// The value of a WWW- or Proxy-Authenticate header. kMalformed; kUnsupported: not Digest, another
// algorithm, or a qop without "auth".
Result<DigestChallenge> parse_challenge(std::string_view value);

class DigestCredential {
 public:
  // kConfig: no user or no realm. The password is wiped.
  static Result<DigestCredential> create(std::string user, std::string realm, SecretBytes password);

  // The value of the Authorization header that answers the best of these challenges (SHA-256 before
  // MD5). kDenied: none is of our realm and of a kind that we know. `count` is the nonce's use.
  [[nodiscard]] Result<std::string> answer(const std::vector<std::string>& challenges,
                                           std::string_view method, std::string_view uri,
                                           std::string_view cnonce, std::uint32_t count) const;

 private:
  std::string user_, realm_;
  SecretArray<32> md5_, sha256_;  // hex of MD5 is 32 letters; of SHA-256 its 32 bytes
};

}  // namespace callward::app
