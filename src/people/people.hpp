// Persons, their passphrases, their sessions. A person has a random id; the name is what they sign
// in with.
//
// Throttling: after each failure of an account, and of a source address, the next try must wait 2^n
// seconds (at most 5 minutes); a right passphrase too soon is refused like a wrong one. Half an
// hour without a failure forgets them.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "base/id.hpp"
#include "crypto/argon2id.hpp"
#include "db/database.hpp"
#include "people/roles.hpp"

namespace callward::people {

struct Person {
  PersonId id;
  std::string name;
  Roles roles = 0;
};
struct Session {
  std::string id;  // public: names it in lists and in the log
  Person person;
  std::int64_t started_at = 0, seen_at = 0;  // UTC ms
};
struct NewSession {
  Session session;
  std::string token;  // for the cookie; only its SHA-256 is kept
};

// The tables, for db::open_sqlite.
std::vector<std::string> migrations();

class People {
 public:
  // True when the passphrase is the hash's.
  using Verify = std::function<bool(const std::string& hash, const SecretBytes& passphrase)>;
  People(db::Database& database, Clock& clock, Entropy& entropy, crypto::Argon2Cost cost = {},
         Verify verify = crypto::verify_passphrase)
      : db_(database), clock_(clock), entropy_(entropy), cost_(cost), verify_(std::move(verify)) {}

  // kMalformed: name or passphrase break the rules; kExists.
  Result<Person> add(const std::string& name, Roles roles,
                     const std::optional<SecretBytes>& passphrase);
  // A one-time token (hex) by which a person sets the first passphrase; 72 hours.
  Result<std::string> make_enrolment(const PersonId& person);
  Result<Person> enrolling(const std::string& token);  // whose link it is; it stays unused
  Result<Person> enrol(const std::string& token, const SecretBytes& passphrase);

  // kDenied for every failure alike; kBusy with the seconds to wait in the message when throttled.
  Result<NewSession> sign_in(const std::string& name, const SecretBytes& passphrase,
                             const std::string& address);
  Result<Session> session(const std::string& token);  // kDenied; moves the idle limit
  bool session_lives(const std::string& token);       // the same, without moving it
  Result<std::vector<Session>> sessions(const PersonId& person);
  Status end_session(const std::string& session_id,
                     const PersonId& owner);  // kNotFound for another's
  Result<std::optional<Person>> find(const std::string& name);

  static Status check_passphrase(const SecretBytes& passphrase);

  static constexpr std::int64_t kIdleMsMax = 30 * 60'000;
  static constexpr std::int64_t kAbsoluteMsMax = 12 * 3'600'000;
  static constexpr std::int64_t kEnrolmentMsMax = 72 * 3'600'000;
  static constexpr std::size_t kPassphraseBytesMin = 12, kPassphraseBytesMax = 1'024;
  static constexpr std::size_t kThrottledMax = 100'000;
  static constexpr std::int64_t kFailuresForgottenMs = 30 * 60'000;  // after the last wait

 private:
  struct Throttle {
    std::uint32_t failures = 0;
    std::int64_t not_before_ms = 0;  // monotonic
  };
  std::int64_t wait_ms(const std::string& key);
  void failed(const std::string& key);
  Result<NewSession> begin_session(const Person& person);

  db::Database& db_;
  Clock& clock_;
  Entropy& entropy_;
  crypto::Argon2Cost cost_;
  Verify verify_;
  std::once_flag nobody_made_;
  Result<std::string> nobody_;  // the hash of nobody's passphrase, for names that are not known
  std::mutex mutex_;
  std::unordered_map<std::string, Throttle> throttles_;
};

}  // namespace callward::people
