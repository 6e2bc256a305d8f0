// Changes and signatures as JSON: what the log keeps, and what is hashed and signed.
#include <algorithm>
#include <boost/json/parse.hpp>

#include "audit/entry.hpp"
#include "audit/fields.hpp"
#include "people/chart.hpp"
#include "people/invitation.hpp"

namespace callward::people {
namespace {

using audit::Fields;
using audit::hex_or_nothing;
using boost::json::object;

constexpr std::string_view kSignedAs = "CWS1 chart";

std::string id_or_nothing(const PersonId& id) { return id.is_zero() ? std::string() : id.hex(); }

std::string words_of(Roles roles) {
  std::string text;
  for (const auto& word : role_words(roles)) text += (text.empty() ? "" : " ") + word;
  return text;
}
Result<Roles> roles_of(std::string_view text) {
  Roles roles = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(' ', at), text.size());
    const auto role = parse_role(text.substr(at, end - at));
    if (!role) return fail(Errc::kMalformed, "no such role");
    roles = static_cast<Roles>(roles | bit(*role));
    at = end + 1;
  }
  if (words_of(roles) != text) return fail(Errc::kMalformed, "roles in another form");
  return roles;
}

std::string ids_of(const std::vector<PersonId>& ids) {
  std::string text;
  for (const auto& id : ids) text += (text.empty() ? "" : " ") + id.hex();
  return text;
}
Result<std::vector<PersonId>> two_of(std::string_view text) {
  std::vector<PersonId> ids;
  if (text.empty()) return ids;
  if (text.size() != 65) return fail(Errc::kMalformed, "custodians are two, or none");
  for (const auto at : {0u, 33u}) ids.push_back(TRY(PersonId::parse(text.substr(at, 32))));
  if (ids_of(ids) != text) return fail(Errc::kMalformed, "custodians in another form");
  return ids;
}

Result<ChangeKind> kind_of(std::string_view word) {
  for (auto kind = ChangeKind::kFounded;; kind = static_cast<ChangeKind>(int(kind) + 1)) {
    if (word == to_text(kind)) return kind;
    if (kind == ChangeKind::kCustodians) return fail(Errc::kMalformed, "no such change");
  }
}

}  // namespace

object to_json(const Change& change) {
  return {{"number", static_cast<std::int64_t>(change.number)},
          {"before", hex_or_nothing(change.before)},
          {"at", change.at},
          {"kind", to_text(change.kind)},
          {"person", change.person.hex()},
          {"roles", words_of(change.roles)},
          {"answers_to", id_or_nothing(change.answers_to)},
          {"extension", change.extension},
          {"invite", hex_or_nothing(change.invite)},
          {"token", to_hex(change.token)},
          {"custodians", ids_of(change.custodians)},
          {"key_id", to_hex(change.key.id)},
          {"key_algorithm", change.key.algorithm},
          {"key", to_hex(change.key.key)}};
}

Result<Change> change_from_json(const object& json) {
  Fields fields(json);
  Change change;
  const auto number = TRY(fields.number("number"));
  if (number < 1) return fail(Errc::kMalformed, "changes are numbered from 1");
  change.number = static_cast<std::uint64_t>(number);
  change.before = TRY(fields.digest("before"));
  change.at = TRY(fields.number("at"));
  change.kind = TRY(kind_of(TRY(fields.text("kind"))));
  change.person = TRY(fields.id<PersonId>("person"));
  change.roles = TRY(roles_of(TRY(fields.text("roles"))));
  change.answers_to = TRY(fields.id<PersonId>("answers_to"));
  change.extension = TRY(fields.text("extension"));
  change.invite = TRY(fields.digest("invite"));
  change.token = TRY(fields.bytes("token", kInvitationTokenBytes));
  change.custodians = TRY(two_of(TRY(fields.text("custodians"))));
  change.key.id = TRY(fields.bytes("key_id", kPasskeyIdBytesMax));
  const auto algorithm = TRY(fields.number("key_algorithm"));
  if (algorithm != 0 && algorithm != kEs256 && algorithm != kEdDsa)
    return fail(Errc::kMalformed, "a key's algorithm is not known");
  change.key.algorithm = static_cast<std::int32_t>(algorithm);
  change.key.key = TRY(fields.bytes("key", 64));
  TRY(fields.finish());
  return change;
}

object to_json(const PersonSignature& signature) {
  return {{"person", signature.person.hex()},
          {"passkey", to_hex(signature.said.passkey)},
          {"client_data", signature.said.client_data},
          {"authenticator_data", to_hex(signature.said.authenticator_data)},
          {"signature", to_hex(signature.said.signature)}};
}

Result<PersonSignature> signature_from_json(const object& json) {
  Fields fields(json);
  PersonSignature read;
  read.person = TRY(fields.id<PersonId>("person"));
  read.said.passkey = TRY(fields.bytes("passkey", kPasskeyIdBytesMax));
  read.said.client_data = TRY(fields.text("client_data"));
  if (read.said.client_data.size() > kClientDataBytesMax)
    return fail(Errc::kTooLarge, "client_data is too long");
  read.said.authenticator_data =
      TRY(fields.bytes("authenticator_data", kAuthenticatorDataBytesMax));
  read.said.signature = TRY(fields.bytes("signature", kSignatureBytesMax));
  TRY(fields.finish());
  return read;
}

object signatures_to_json(const std::vector<PersonSignature>& signatures) {
  boost::json::array by;
  for (const auto& one : signatures) by.emplace_back(to_json(one));
  object whole;
  whole["by"] = std::move(by);
  return whole;
}

Result<std::vector<PersonSignature>> signatures_from_json(const std::optional<object>& json) {
  std::vector<PersonSignature> signatures;
  if (!json) return signatures;
  const auto* by = json->if_contains("by");
  if (by == nullptr || !by->is_array() || json->size() != 1 || by->get_array().empty() ||
      by->get_array().size() > 2)
    return fail(Errc::kMalformed, "signed by one or two");
  for (const auto& item : by->get_array()) {
    if (!item.is_object()) return fail(Errc::kMalformed, "a signature that is none");
    signatures.push_back(TRY(signature_from_json(item.get_object())));
  }
  return signatures;
}

Result<PersonSignature> parse_signature(std::string_view text) {
  boost::system::error_code error;
  const auto json = boost::json::parse(text, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "a signature that is none");
  return signature_from_json(json.get_object());
}

Result<crypto::Digest> hash_of(const Change& change) {
  const auto text = TRY(audit::canonical_json(to_json(change)));
  return crypto::sha256({as_bytes(kSignedAs), as_bytes(text)});
}

}  // namespace callward::people
