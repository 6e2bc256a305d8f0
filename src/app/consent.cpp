#include "app/consent.hpp"

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "app/json_fields.hpp"
#include "base/entropy.hpp"
#include "crypto/hpke.hpp"

namespace callward::app {

using namespace json_fields;

Consent::Consent(HttpClient& http, Key32 key, std::string id)
    : http_(&http), key_(std::move(key)), id_(std::move(id)) {}

Consent::Consent(Consent&& other) noexcept
    : http_(std::exchange(other.http_, nullptr)),
      key_(std::move(other.key_)),
      id_(std::move(other.id_)) {}

Consent::~Consent() {
  if (http_ != nullptr) (void)http_->remove("/v1/reader-requests/" + id_);
}

// To be compared on two screens: made here of the key that was made here, never the server's word.
static std::string fingerprint(const crypto::PublicKey& key, const keys::ReaderScope& scope) {
  return in_fours(keys::reader_fingerprint(key, scope), "-");
}

Result<std::optional<Consent>> Consent::ask(HttpClient& http, const keys::ReaderScope& scope,
                                            const std::string& what) {
  const auto people = TRY(http.get("/v1/people"));
  if (!flag(people, "founded")) return std::optional<Consent>();
  SystemEntropy entropy;
  auto key = entropy.key();
  const auto reader_key = TRY(crypto::x25519_public(key));
  const auto asked = TRY(http.post("/v1/reader-requests",
                                   boost::json::object{{"reader_key", to_hex(reader_key)},
                                                       {"call", scope.call.hex()},
                                                       {"purpose", keys::to_text(scope.purpose)},
                                                       {"what", what}}));
  Consent consent(http, std::move(key), text(asked, "reader_request"));
  std::fprintf(stderr,
               "A person opens it, with a passkey. Where you are signed in, open\n  %s\n"
               "compare %s, and sign. Waiting %lld minutes.\n",
               text(asked, "address").c_str(), fingerprint(reader_key, scope).c_str(),
               static_cast<long long>(number(asked, "seconds") / 60));
  for (auto left = number(asked, "seconds"); left > 0; --left) {
    const auto now = TRY(http.get("/v1/reader-requests/" + consent.id_));
    if (!text(now, "person").empty()) return std::optional<Consent>(std::move(consent));
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  return fail(Errc::kDenied, "nobody signed in time");
}

}  // namespace callward::app
