// Persons, their passphrases, their sessions. A person has a random id; the name is what they sign
// in with. What they are here for says the role chart, once there is one (chart.hpp); before that
// the roles that stand here.
//
// A sign-in begins with the passphrase: check(). begin() makes the session, once the caller is
// content with what else was shown. Failures are throttled by account and by address
// (throttle.hpp).
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/entropy.hpp"
#include "base/id.hpp"
#include "crypto/argon2id.hpp"
#include "crypto/sha256.hpp"
#include "db/database.hpp"
#include "people/roles.hpp"
#include "people/throttle.hpp"
#include "people/totp.hpp"
#include "people/webauthn.hpp"

namespace callward::people {

struct Person {
  PersonId id;
  std::string name;
  Roles roles = 0;
};
// With what, besides the passphrase. The number is what the database keeps.
enum class CameBy : std::uint8_t {
  kPassphrase = 0,  // with it alone: only while there is no role chart
  kPasskey = 1,
  kCode = 2,  // a one-time code: lower assurance, good for looking
};
const char* to_text(CameBy by);

struct Session {
  std::string id;  // public: names it in lists and in the log
  Person person;
  std::int64_t started_at = 0, seen_at = 0;  // UTC ms
  CameBy by{};
};
// The key of a browser, signed by the passkey with which its session began. It outlives the
// session here until the keeper was told to forget it.
struct Reader {
  PersonId person;
  std::array<std::uint8_t, 32> key{};  // X25519
  std::int64_t at = 0;                 // UTC ms, as signed
  Bytes passkey;                       // its id
  std::string signature;               // JSON (docs/formats/chart.md)
  std::string session;                 // its public id
  CallId call;                         // for it alone; zero: for all that may be seen
  std::uint8_t purpose = 0;            // ... and what for
};
// A one-time link. One that recovers lets its bearer offer a new passkey, and changes nothing.
struct Link {
  Person person;
  bool recovers = false;
};
// What somebody whose keys are gone wants instead, until those who may have signed it.
struct Offer {
  Passkey key;
  std::string passphrase;  // its hash
};
struct NewSession {
  Session session;
  std::string token;  // for the cookie; only its SHA-256 is kept
};

// The tables, for db::open_sqlite; the later ones come after the catalog's of src/api.
std::vector<std::string> migrations();
std::vector<std::string> later_migrations();
std::vector<std::string> latest_migrations();
std::vector<std::string> enrolling_migrations();

class People {
 public:
  // True when the passphrase is the hash's.
  using Verify = std::function<bool(const std::string& hash, const SecretBytes& passphrase)>;
  People(db::Database& database, Clock& clock, Entropy& entropy, crypto::Argon2Cost cost = {},
         Verify verify = crypto::verify_passphrase)
      : db_(database),
        clock_(clock),
        entropy_(entropy),
        cost_(cost),
        verify_(std::move(verify)),
        throttle_(clock) {}

  // kMalformed: name or passphrase break the rules; kExists. Without roles: the chart gives them.
  Result<Person> add(const std::string& name, Roles roles,
                     const std::optional<SecretBytes>& passphrase);
  Result<std::optional<Person>> find(const std::string& name);
  Result<std::optional<Person>> find(const PersonId& person);
  Result<std::vector<Person>> all();  // by name; at most kListedMax
  // Who left: no passphrase, no codes, no links, no sessions; the name stays.
  Status forget(const PersonId& person);

  // A one-time token (hex) by which a person sets the first passphrase; 72 hours.
  Result<std::string> make_enrolment(const PersonId& person, bool recovers = false);
  // A link that somebody else made: SHA-256 of its token.
  Status keep_link(const PersonId& person, const crypto::Digest& token, bool recovers = false);
  Result<Person> enrolling(const std::string& token);  // whose link it is; it stays unused
  Result<Link> link(const std::string& token);         // the same, recoveries too
  Result<Person> enrol(const std::string& token, const SecretBytes& passphrase);
  // The same in two halves: the hash is made before anything is done.
  Result<std::string> hash(const SecretBytes& passphrase);
  Result<Person> enrol_hashed(const std::string& token, const std::string& hash);
  // ... and kept beside the link, with the passkey, before the chart takes that one: whoever dies
  // in between has lost nothing. The last one counts. kDenied: as enrolling().
  Status keep_enrolling(const std::string& token, const Offer& offer);
  Result<Offer> kept_enrolling(const std::string& token);  // kNotFound
  // Of somebody who has shown who they are: from now on this one.
  Status set_passphrase(const PersonId& person, const std::string& hash);
  // kDenied: no such link that recovers. The link is used then.
  Status offer(const std::string& token, const Offer& offer);
  Result<Offer> offered(const PersonId& person);  // kNotFound
  Status take_offer(const PersonId& person);      // its passphrase holds; other sessions end

  // The passphrase. kDenied for every failure alike; kBusy with the seconds to wait in the message
  // when throttled.
  Result<Person> check(const std::string& name, const SecretBytes& passphrase,
                       const std::string& address);
  // kDenied: another session has this reader's key, or had it. kBusy: kSessionsMax live already;
  // which of them ends is for the caller to say, in the log first.
  Result<NewSession> begin(const Person& person, CameBy by, const Reader* reader = nullptr);
  // Both, with the passphrase alone.
  Result<NewSession> sign_in(const std::string& name, const SecretBytes& passphrase,
                             const std::string& address);
  Result<Session> session(const std::string& token);  // kDenied; moves the idle limit
  Result<Session> look(const std::string& token);     // the same, without moving it
  Result<std::vector<Session>> sessions(const PersonId& person);
  Status end_session(const std::string& session_id,
                     const PersonId& owner);  // kNotFound for another's
  Status end_sessions(const PersonId& person, const std::string& but = {});
  Status end_sessions_by(const PersonId& person, CameBy by);
  Status drop_over();  // sessions, links and what else has had its time

  // Keys of browsers (people_second.cpp).
  static constexpr std::size_t kReadersOfSessionMax = 4;
  Result<std::vector<Reader>> readers(bool of_living_sessions);
  // A further key of the same session: the page was loaded anew, or a command line reads for this
  // person. kDenied: as begin(). Beyond kReadersOfSessionMax the session's oldest ones go: they are
  // given back, for the keeper to forget.
  Result<std::vector<Reader>> add_reader(const Reader& reader);
  Status forget_reader(const std::array<std::uint8_t, 32>& key);
  // True the first time, for kOnceMs: of an assertion each is good for one sign-in.
  Result<bool> first_use(ByteView what);

  // One-time codes (people_second.cpp). The secret is kept sealed under `key`, which lies elsewhere
  // than the database.
  Result<CodeSecret> new_code_secret(const PersonId& person, const Key32& key);
  // kNotFound: none was made, or it is confirmed. kDenied: another code.
  Status confirm_code(const PersonId& person, const std::string& code, const Key32& key);
  // kNotFound: this person has none. kDenied: wrong, or used already. Throttled (kBusy).
  Status check_code(const PersonId& person, const std::string& code, const Key32& key);
  Result<bool> has_code(const PersonId& person);
  Status drop_code(const PersonId& person);  // kNotFound; sessions that came by one end

  // Experts who take requests, as they said last.
  Status set_duty(const PersonId& person, bool on);
  Result<std::vector<PersonId>> on_duty();

  Throttle& throttle() { return throttle_; }

  // kMalformed, with what would help. `words`: what is easily guessed of this person and this
  // installation; the product's name and words of the trade are known here.
  static Status check_passphrase(const SecretBytes& passphrase,
                                 const std::vector<std::string>& words = {});

  static constexpr std::int64_t kIdleMsMax = 30 * 60'000;
  static constexpr std::int64_t kAbsoluteMsMax = 12 * 3'600'000;
  static constexpr std::int64_t kEnrolmentMsMax = 72 * 3'600'000;
  static constexpr std::size_t kSessionsMax = 8;  // of one person
  static constexpr std::size_t kPassphraseCharactersMin = 12, kPassphraseBytesMax = 1'024;
  static constexpr std::int64_t kFailuresForgottenMs = Throttle::kForgottenMs;
  static constexpr std::int64_t kOnceMs = 15 * 60'000;
  static constexpr std::size_t kListedMax = 20'000;

 private:
  Status keep_reader(const Reader& reader);
  Result<std::vector<Reader>> readers_where(const std::string& what,
                                            const std::vector<db::Value>& values);
  static Offer offer_of(const db::Row& row);  // key_id, key_algorithm, key, passphrase
  Result<std::optional<Person>> find_where(const char* condition, const std::string& value);
  Status try_code(const PersonId& person, const std::string& code, const Key32& key,
                  bool confirmed);

  db::Database& db_;
  Clock& clock_;
  Entropy& entropy_;
  crypto::Argon2Cost cost_;
  Verify verify_;
  std::once_flag nobody_made_;
  Result<std::string> nobody_;  // the hash of nobody's passphrase, for names that are not known
  Throttle throttle_;
};

}  // namespace callward::people
