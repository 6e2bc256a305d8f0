#include "app/sip_digest.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/bytes.hpp"
#include "base/check.hpp"

namespace callward::app {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void skip_spaces(std::string_view& in) {
  while (!in.empty() && is_space(in.front())) in.remove_prefix(1);
}

// A token, or a quoted text without its quotes and backslashes (RFC 9110, 5.6).
Result<std::string> take_value(std::string_view& in) {
  std::string out;
  if (in.empty() || in.front() != '"') {
    while (!in.empty() && in.front() != ',' && !is_space(in.front())) {
      out += in.front();
      in.remove_prefix(1);
    }
    return out;
  }
  in.remove_prefix(1);
  while (!in.empty() && in.front() != '"') {
    if (in.front() == '\\' && in.size() > 1) in.remove_prefix(1);
    out += in.front();
    in.remove_prefix(1);
  }
  if (in.empty()) return fail(Errc::kMalformed, "challenge: a quoted text without its end");
  in.remove_prefix(1);
  return out;
}

// "auth,auth-int" has it, "auth-int" has not.
bool names_auth(std::string_view list) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    auto word = list.substr(0, end);
    while (!word.empty() && is_space(word.front())) word.remove_prefix(1);
    while (!word.empty() && is_space(word.back())) word.remove_suffix(1);
    if (lower(word) == "auth") return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// Hex of the hash of all parts. What it makes of a password is wiped by the caller.
std::string hash_hex(DigestAlgorithm algorithm, std::initializer_list<std::string_view> parts) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  auto* context = ::EVP_MD_CTX_new();
  CHECK(context != nullptr);
  const auto* kind = algorithm == DigestAlgorithm::kMd5 ? ::EVP_md5() : ::EVP_sha256();
  bool good = ::EVP_DigestInit_ex(context, kind, nullptr) == 1;
  for (const auto part : parts)
    good = good && ::EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  good = good && ::EVP_DigestFinal_ex(context, out.data(), &size) == 1;
  ::EVP_MD_CTX_free(context);
  CHECK(good);
  return to_hex(ByteView(out).first(size));
}

SecretArray<32> first_half(DigestAlgorithm algorithm, const std::string& user,
                           const std::string& realm, const SecretBytes& password) {
  SecretArray<32> out;
  auto hex = hash_hex(algorithm, {user, ":", realm, ":", as_text(password.expose())});
  if (algorithm == DigestAlgorithm::kMd5) {
    std::memcpy(out.expose_mut().data(), hex.data(), 32);
  } else {
    auto raw = from_hex(hex);
    CHECK(raw && raw->size() == 32);
    std::memcpy(out.expose_mut().data(), raw->data(), 32);
    wipe(*raw);
  }
  wipe(hex.data(), hex.size());
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

Status set_parameter(DigestChallenge& out, const std::string& name, const std::string& value) {
  if (std::any_of(value.begin(), value.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return fail(Errc::kMalformed, "challenge: a control character");
  if (name == "realm") out.realm = value;
  if (name == "nonce") out.nonce = value;
  if (name == "opaque") out.opaque = value;
  if (name == "stale") out.stale = lower(value) == "true";
  if (name == "algorithm") {
    const auto algorithm = lower(value);
    if (algorithm != "md5" && algorithm != "sha-256")
      return fail(Errc::kUnsupported, "challenge: another algorithm than MD5 and SHA-256");
    out.algorithm = algorithm == "md5" ? DigestAlgorithm::kMd5 : DigestAlgorithm::kSha256;
  }
  if (name == "qop") {
    if (!names_auth(value)) return fail(Errc::kUnsupported, "challenge: qop without auth");
    out.qop_auth = true;
  }
  return {};
}

}  // namespace

Result<DigestChallenge> parse_challenge(std::string_view in) {
  if (in.size() > kChallengeBytesMax) return fail(Errc::kMalformed, "challenge: too long");
  skip_spaces(in);
  if (in.size() < 7 || lower(in.substr(0, 6)) != "digest" || !is_space(in[6]))
    return fail(Errc::kUnsupported, "challenge: not Digest");
  in.remove_prefix(7);
  DigestChallenge out;
  for (;;) {
    while (!in.empty() && (is_space(in.front()) || in.front() == ',')) in.remove_prefix(1);
    if (in.empty()) break;
    const auto sign = in.find('=');
    if (sign == std::string_view::npos) return fail(Errc::kMalformed, "challenge: no value");
    auto name = in.substr(0, sign);
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    in.remove_prefix(sign + 1);
    skip_spaces(in);
    TRY(set_parameter(out, lower(name), TRY(take_value(in))));
  }
  if (out.nonce.empty()) return fail(Errc::kMalformed, "challenge: no nonce");
  return out;
}

Result<DigestCredential> DigestCredential::create(std::string user, std::string realm,
                                                  SecretBytes password) {
  if (user.empty() || realm.empty())
    return fail(Errc::kConfig, "a password needs a user and a realm");
  DigestCredential out;
  out.md5_ = first_half(DigestAlgorithm::kMd5, user, realm, password);
  out.sha256_ = first_half(DigestAlgorithm::kSha256, user, realm, password);
  out.user_ = std::move(user);
  out.realm_ = std::move(realm);
  return out;
}

Result<std::string> DigestCredential::answer(const std::vector<std::string>& challenges,
                                             std::string_view method, std::string_view uri,
                                             std::string_view cnonce, std::uint32_t count) const {
  std::optional<DigestChallenge> best;
  for (const auto& text : challenges) {
    auto challenge = parse_challenge(text);
    if (!challenge || challenge->realm != realm_) continue;
    if (!best || challenge->algorithm > best->algorithm) best = std::move(*challenge);
  }
  if (!best) return fail(Errc::kDenied, "no challenge of our realm that we know to answer");
  const bool md5 = best->algorithm == DigestAlgorithm::kMd5;
  auto ha1 = md5 ? std::string(as_text(md5_.expose())) : to_hex(sha256_.expose());
  const auto ha2 = hash_hex(best->algorithm, {method, ":", uri});
  std::array<char, 9> nc{};
  std::snprintf(nc.data(), nc.size(), "%08x", count);
  const auto response =
      best->qop_auth ? hash_hex(best->algorithm,
                                {ha1, ":", best->nonce, ":", nc.data(), ":", cnonce, ":auth:", ha2})
                     : hash_hex(best->algorithm, {ha1, ":", best->nonce, ":", ha2});
  wipe(ha1.data(), ha1.size());
  std::string out = "Digest username=" + quoted(user_) + ", realm=" + quoted(realm_) +
                    ", nonce=" + quoted(best->nonce) + ", uri=" + quoted(uri) + ", response=\"" +
                    response + "\", algorithm=" + (md5 ? "MD5" : "SHA-256");
  if (best->qop_auth)
    out += ", qop=auth, nc=" + std::string(nc.data()) + ", cnonce=" + quoted(cnonce);
  if (!best->opaque.empty()) out += ", opaque=" + quoted(best->opaque);
  return out;
}

}  // namespace callward::app
