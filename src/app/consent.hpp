// Reading on the command line once there is a role chart: a person opens recordings, not the
// machine's operator. A key is made here, a person signs it with a passkey in a browser where they
// are signed in, and the keeper seals to it in their name until the command is done.
#pragma once

#include <optional>
#include <string>

#include "app/http_client.hpp"
#include "base/secret.hpp"
#include "keys/vault_protocol.hpp"

namespace callward::app {

class Consent {
 public:
  // For this call and this purpose; `what`: more words for the person's screen. Says on standard
  // error where to sign, and what must stand there. Without a role chart there is nothing to ask:
  // no consent. kDenied: nobody signed in time.
  static Result<std::optional<Consent>> ask(HttpClient& http, const keys::ReaderScope& scope,
                                            const std::string& what);
  ~Consent();  // the keeper forgets the key
  Consent(Consent&& other) noexcept;
  Consent& operator=(Consent&&) = delete;
  Consent(const Consent&) = delete;
  Consent& operator=(const Consent&) = delete;

  [[nodiscard]] const Key32& key() const { return key_; }
  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  Consent(HttpClient& http, Key32 key, std::string id);
  HttpClient* http_;
  Key32 key_;
  std::string id_;
};

}  // namespace callward::app
