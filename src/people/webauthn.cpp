#include "people/webauthn.hpp"

#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <memory>
#include <mutex>

#include "crypto/curve25519.hpp"
#include "crypto/sha256.hpp"

namespace callward::people {
namespace {

constexpr std::uint8_t kPresent = 0x01, kVerified = 0x04, kBackupMay = 0x08, kBackedUp = 0x10,
                       kHasKey = 0x40, kHasMore = 0x80;  // flags of 6.1; backups: Level 3
constexpr std::size_t kFlagsAt = 32;
constexpr std::size_t kFixedBytes = 37;  // hash of the party's id, flags, count

template <class T, void (*Free)(T**)>
struct Freed {
  void operator()(T* it) const { Free(&it); }
};
using Statement = std::unique_ptr<fido_assert_t, Freed<fido_assert_t, fido_assert_free>>;
using Es256Key = std::unique_ptr<es256_pk_t, Freed<es256_pk_t, es256_pk_free>>;
using EdDsaKey = std::unique_ptr<eddsa_pk_t, Freed<eddsa_pk_t, eddsa_pk_free>>;

void begin_library() {
  static std::once_flag once;
  std::call_once(once, [] { fido_init(0); });
}

Status check_client_data(const RelyingParty& party, const Challenge& challenge,
                         std::string_view text, std::string_view type) {
  if (text.size() > kClientDataBytesMax) return fail(Errc::kTooLarge, "client data over its limit");
  boost::system::error_code error;
  const auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return fail(Errc::kMalformed, "client data is no JSON object");
  const auto& said = value.get_object();
  const auto is = [&said](const char* name, std::string_view wanted) {
    const auto* field = said.if_contains(name);
    return field != nullptr && field->is_string() && field->get_string() == wanted;
  };
  if (!is("type", type)) return fail(Errc::kDenied, "client data of another ceremony");
  if (!is("challenge", to_base64url(challenge)))
    return fail(Errc::kDenied, "the answer to another challenge");
  if (!is("origin", party.origin)) return fail(Errc::kDenied, "from another origin");
  const auto* crossed = said.if_contains("crossOrigin");
  if ((crossed != nullptr && (!crossed->is_bool() || crossed->get_bool())) ||
      said.contains("topOrigin"))
    return fail(Errc::kDenied, "from within another site's page");
  return {};
}

Status check_authenticator_data(const RelyingParty& party, ByteView data) {
  if (data.size() < kFixedBytes || data.size() > kAuthenticatorDataBytesMax)
    return fail(Errc::kMalformed, "authenticator data of an impossible length");
  if (!equal(data.first(32), crypto::sha256(as_bytes(party.id))))
    return fail(Errc::kDenied, "a passkey of another site");
  if ((data[kFlagsAt] & kPresent) == 0 || (data[kFlagsAt] & kVerified) == 0)
    return fail(Errc::kDenied, "nobody was verified by PIN or finger");
  if ((data[kFlagsAt] & kBackedUp) != 0 && (data[kFlagsAt] & kBackupMay) == 0)
    return fail(Errc::kMalformed, "backed up, though it cannot be");
  if ((data[kFlagsAt] & kHasMore) != 0)
    return fail(Errc::kMalformed, "extensions, which nobody asked for");
  return {};
}

// The key as CTAP2 writes it, byte for byte: a general reader of CBOR, as libfido2 has it, can be
// told to make room for gigabytes by five bytes.
Result<Passkey> read_key(ByteView data) {
  constexpr std::size_t kIdAt = kFixedBytes + 16 + 2;  // behind the model's id and a length
  constexpr std::array<std::uint8_t, 10> kEs256Head = {0xA5, 0x01, 0x02, 0x03, 0x26,
                                                       0x20, 0x01, 0x21, 0x58, 0x20};
  constexpr std::array<std::uint8_t, 3> kEs256Middle = {0x22, 0x58, 0x20};
  constexpr std::array<std::uint8_t, 10> kEdDsaHead = {0xA4, 0x01, 0x01, 0x03, 0x27,
                                                       0x20, 0x06, 0x21, 0x58, 0x20};
  constexpr std::size_t kHalf = 32;
  if (data.size() < kIdAt) return fail(Errc::kMalformed, "no key in it");
  const auto id_bytes = static_cast<std::size_t>(data[kIdAt - 2] << 8 | data[kIdAt - 1]);
  if (id_bytes == 0 || id_bytes > kPasskeyIdBytesMax || data.size() < kIdAt + id_bytes)
    return fail(Errc::kMalformed, "a passkey's id of an impossible length");
  Passkey passkey;
  passkey.id = to_bytes(data.subspan(kIdAt, id_bytes));
  passkey.count = load_be<std::uint32_t>(data.data() + kFlagsAt + 1);
  const auto cose = data.subspan(kIdAt + id_bytes);
  const auto half = [&](std::size_t at) { return cose.subspan(at, kHalf); };
  if (cose.size() == kEdDsaHead.size() + kHalf &&
      equal(cose.first(kEdDsaHead.size()), kEdDsaHead)) {
    passkey.algorithm = kEdDsa;
    passkey.key = to_bytes(half(kEdDsaHead.size()));
    return passkey;
  }
  constexpr auto kMiddleAt = kEs256Head.size() + kHalf;
  if (cose.size() != kMiddleAt + kEs256Middle.size() + kHalf ||
      !equal(cose.first(kEs256Head.size()), kEs256Head) ||
      !equal(cose.subspan(kMiddleAt, kEs256Middle.size()), kEs256Middle))
    return fail(Errc::kMalformed, "neither an ES256 nor an EdDSA key alone");
  passkey.algorithm = kEs256;
  passkey.key = to_bytes(half(kEs256Head.size()));
  const auto y = half(kMiddleAt + kEs256Middle.size());
  passkey.key.insert(passkey.key.end(), y.begin(), y.end());
  return passkey;
}

bool holds(const fido_assert_t* statement, const Passkey& passkey) {
  const auto& key = passkey.key;
  if (!is_key(passkey.algorithm, key)) return false;
  if (passkey.algorithm == kEs256) {
    const Es256Key read(es256_pk_new());
    return read && es256_pk_from_ptr(read.get(), key.data(), key.size()) == FIDO_OK &&
           fido_assert_verify(statement, 0, COSE_ES256, read.get()) == FIDO_OK;
  }
  const EdDsaKey read(eddsa_pk_new());
  return read && eddsa_pk_from_ptr(read.get(), key.data(), key.size()) == FIDO_OK &&
         fido_assert_verify(statement, 0, COSE_EDDSA, read.get()) == FIDO_OK;
}

}  // namespace

bool is_key(std::int32_t algorithm, ByteView key) {
  if (algorithm == kEs256) {
    const Es256Key read(es256_pk_new());
    return read && es256_pk_from_ptr(read.get(), key.data(), key.size()) == FIDO_OK;
  }
  crypto::PublicKey point{};
  if (algorithm != kEdDsa || key.size() != point.size()) return false;
  std::copy(key.begin(), key.end(), point.begin());
  return crypto::ed25519_is_key(point);
}

std::string to_base64url(ByteView bytes) {
  auto text = to_base64(bytes);
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

Result<Passkey> check_registration(const RelyingParty& party, const Challenge& challenge,
                                   const Registration& given) {
  begin_library();
  TRY(check_client_data(party, challenge, given.client_data, "webauthn.create"));
  const ByteView data(given.authenticator_data);
  TRY(check_authenticator_data(party, data));
  if ((data[kFlagsAt] & kHasKey) == 0) return fail(Errc::kMalformed, "no key in it");
  auto passkey = TRY(read_key(data));
  if (!is_key(passkey.algorithm, passkey.key)) return fail(Errc::kMalformed, "no key of its kind");
  return passkey;
}

Result<std::uint32_t> check_assertion(const RelyingParty& party, const Challenge& challenge,
                                      const Passkey& passkey, const Assertion& given) {
  begin_library();
  TRY(check_client_data(party, challenge, given.client_data, "webauthn.get"));
  TRY(check_authenticator_data(party, given.authenticator_data));
  // No key and no extensions: nothing but the fixed part, and nothing for libfido2 to decode.
  if (given.authenticator_data.size() != kFixedBytes ||
      (given.authenticator_data[kFlagsAt] & kHasKey) != 0)
    return fail(Errc::kMalformed, "more in the answer than an answer has");
  if (given.passkey != passkey.id) return fail(Errc::kDenied, "another passkey");
  if (given.signature.empty() || given.signature.size() > kSignatureBytesMax)
    return fail(Errc::kMalformed, "no signature");
  const auto& data = given.authenticator_data;
  const auto& signature = given.signature;
  const Statement statement(fido_assert_new());
  const auto hash = crypto::sha256(as_bytes(given.client_data));
  if (!statement || fido_assert_set_count(statement.get(), 1) != FIDO_OK ||
      fido_assert_set_clientdata_hash(statement.get(), hash.data(), hash.size()) != FIDO_OK ||
      fido_assert_set_rp(statement.get(), party.id.c_str()) != FIDO_OK ||
      fido_assert_set_up(statement.get(), FIDO_OPT_TRUE) != FIDO_OK ||
      fido_assert_set_uv(statement.get(), FIDO_OPT_TRUE) != FIDO_OK ||
      fido_assert_set_authdata_raw(statement.get(), 0, data.data(), data.size()) != FIDO_OK ||
      fido_assert_set_sig(statement.get(), 0, signature.data(), signature.size()) != FIDO_OK)
    return fail(Errc::kMalformed, "an answer that cannot be read");
  if (!holds(statement.get(), passkey)) return fail(Errc::kDenied, "the signature does not hold");
  const auto count = fido_assert_sigcount(statement.get(), 0);
  if ((count != 0 || passkey.count != 0) && count <= passkey.count)
    return fail(Errc::kDenied, "the passkey's count did not grow: there may be a copy of it");
  return count;
}

}  // namespace callward::people
