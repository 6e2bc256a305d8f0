#include "keys/vault_protocol.hpp"

#include <algorithm>

#include "crypto/sha256.hpp"

namespace callward::keys {

std::string intake_aad(std::string_view purpose, std::initializer_list<std::string_view> about) {
  std::string text("callward intake ");
  text += purpose;
  for (const auto part : about) (text += '|') += part;
  return text;
}

std::array<std::uint8_t, 32> reader_challenge(const PersonId& person,
                                              const std::array<std::uint8_t, 32>& key,
                                              std::int64_t at, const ReaderScope& scope) {
  std::array<std::uint8_t, 8> time{};
  store_le(time.data(), at);
  if (!scope.is_some()) return crypto::sha256({as_bytes("CWS1 reader"), person.bytes, key, time});
  const std::array<std::uint8_t, 1> purpose = {static_cast<std::uint8_t>(scope.purpose)};
  return crypto::sha256(
      {as_bytes("CWS2 reader"), person.bytes, key, time, scope.call.bytes, purpose});
}

std::array<std::uint8_t, 8> reader_fingerprint(const std::array<std::uint8_t, 32>& key,
                                               const ReaderScope& scope) {
  const std::array<std::uint8_t, 1> purpose = {static_cast<std::uint8_t>(scope.purpose)};
  const auto digest =
      crypto::sha256({as_bytes("CWS2 fingerprint"), key, scope.call.bytes, purpose});
  std::array<std::uint8_t, 8> first{};
  std::copy_n(digest.begin(), first.size(), first.begin());
  return first;
}

const char* to_text(OpenPurpose purpose) {
  switch (purpose) {
    case OpenPurpose::kPlay:
      return "play";
    case OpenPurpose::kExport:
      return "export";
    case OpenPurpose::kTranscript:
      return "transcript";
    case OpenPurpose::kChallenge:
      return "challenge";
  }
  return "unknown";
}

std::optional<OpenPurpose> purpose_of_text(std::string_view text) {
  for (const auto purpose : {OpenPurpose::kPlay, OpenPurpose::kExport, OpenPurpose::kTranscript,
                             OpenPurpose::kChallenge})
    if (text == to_text(purpose)) return purpose;
  return std::nullopt;
}

}  // namespace callward::keys
