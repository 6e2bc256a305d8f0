// What of people's affairs lies on the server's desk: sign-ins, enrolments and changes of the role
// chart that are half done; and what several handlers do with them.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/http.hpp"
#include "api/shelf.hpp"
#include "keys/vault_protocol.hpp"
#include "people/chart.hpp"

namespace callward::api {

struct Service;

// The passphrase was right; the second factor is to come.
struct HalfSignedIn {
  people::Person person;
};
// A passkey that is being made: by a link, or by who is signed in.
struct Enrolling {
  people::Challenge challenge{};
  std::optional<people::Change> change;  // once the passkey is there: what it shall sign
  std::string passphrase;                // its hash
};
// What somebody who is signed in does to how they come in: it takes their passkey anew.
enum class OwnAct : std::uint8_t { kPassphrase, kCodes, kNoCodes, kEndSessions, kMail };
const char* to_text(OwnAct act);
struct Confirming {
  OwnAct act{};
  std::array<std::uint8_t, 32> nonce{};
};
// A change of the role chart that is not in it yet.
struct Draft {
  people::Change change;
  PersonId by;                                   // signs first
  std::optional<people::PersonSignature> first;  // then it waits for the second
  crypto::Digest link{};                         // of an invitation: what opens it, hashed
  std::int64_t until = 0;                        // UTC ms
};

// A command line that wants to read in somebody's name.
struct ReaderRequest {
  std::array<std::uint8_t, 32> key{};
  keys::ReaderScope scope;
  std::string what;                // in its own words
  std::optional<PersonId> person;  // who signed the key
};

struct Desk {
  static constexpr std::int64_t kSignInMs = 5 * 60'000;
  static constexpr std::int64_t kConfirmMs = 5 * 60'000;
  Shelf<Confirming> confirmations{{.all = 10'000, .of_owner = 4, .keep_ms = kConfirmMs}};
  static constexpr std::int64_t kEnrolmentMs = 15 * 60'000;
  // So long the keeper takes a change after the time that stands in it.
  static constexpr std::int64_t kDraftMs = 14 * 60'000;
  Shelf<HalfSignedIn> sign_ins{{.all = 10'000, .of_owner = 8, .keep_ms = kSignInMs}};
  Shelf<Enrolling> enrolments{{.all = 1'000, .of_owner = 1, .keep_ms = kEnrolmentMs}};
  static constexpr std::int64_t kReaderRequestMs = 10 * 60'000;
  Shelf<ReaderRequest> reader_requests{{.all = 100, .of_owner = 100, .keep_ms = kReaderRequestMs}};
  Shelf<Draft> drafts{{.all = 1'000, .of_owner = 8, .keep_ms = kDraftMs}};
};

std::string set_cookie(const std::string& token, std::int64_t seconds);
// Cookie and body of a session that has begun.
Response session_answer(Service& service, const people::NewSession& fresh);
// With the site's time zone, and the server's time: what is signed in a browser says when.
boost::json::object session_json(Service& service, const people::Session& session);
// Ends it, with its entry in the log, and tells the keeper.
Status end_one_session(Service& service, const people::Session& session, const std::string& actor,
                       const char* cause);
// A place for one more session of this person: the ones that were used longest ago end.
Status make_room(Service& service, const people::Person& person);
// Whoever signs in leaves the session behind whose cookie came along, whosever it was.
Status end_session_before(Service& service, const Request& request, const people::Person& person);
// What the passkey signs of an act, of this person and this session alone; `about`: 32 bytes of
// what it is of, where that is not the person alone.
people::Challenge own_act_challenge(OwnAct act, const PersonId& person,
                                    const std::array<std::uint8_t, 32>& nonce, ByteView about);
// ... of kMail: whose address, and which.
crypto::Digest about_mail(const PersonId& whose, std::string_view address);
// kDenied: the assertion is not this person's, of this act, asked for in this session; kState:
// nothing was asked for, or too long ago; kBusy. What is refused stands in the log.
Status confirm(Service& service, const Request& request, OwnAct act,
               const people::PersonSignature& signature, ByteView about = {});
// The passphrase once more, of who is signed in: kDenied, kBusy. It is as slow as at signing in,
// and what is refused stands in the log.
Status show_passphrase(Service& service, const Request& request, const SecretBytes& passphrase);
// Tells the keeper of browsers' keys whose sessions have ended; what it did not hear is told again.
void drop_ended_readers(Service& service);
// Judged here as the keeper will judge it, taken by it, and then so here, too.
Result<keys::ChartTaken> put_change(Service& service, const people::SignedChange& change);
// The next change of this kind, about this person.
people::Change next_change(Service& service, const people::Chart& chart, people::ChangeKind kind,
                           const PersonId& about);
// A change, and what is to be signed of it, for a browser.
Result<boost::json::object> change_json(const people::Change& change);
// To be compared by two people over the telephone: of a passkey's id and key.
std::string fingerprint(const people::Passkey& key);
// "registration" in the body: client_data, authenticator_data.
Result<people::Registration> registration_of(BodyReader& body);
Result<people::PersonSignature> signature_of(BodyReader& body);
// "reader_key", "at", "signature" in the body: the key of a browser, signed by this person.
struct SignedReader {
  people::Reader reader;
  people::PersonSignature signature;
};
Result<SignedReader> signed_reader_of(BodyReader& body, const PersonId& person);
// "purpose" in the body, of an opening or of a key that is to open something.
Result<keys::OpenPurpose> purpose_of(BodyReader& body);
// As the keeper is told of it.
keys::ReaderPut reader_put(const people::Reader& reader);
// kDenied: not signed by the person's passkey, not now, or used before.
Status check_reader(Service& service, const SignedReader& given);
// The passphrase in the body, its text wiped.
Result<SecretBytes> passphrase_of(BodyReader& body, const char* name = "passphrase");
// kMalformed, with what would help: guessed too easily by whoever knows this person and this
// installation, or in the list of leaked ones.
Status check_passphrase(const Service& service, const people::Person& person,
                        const SecretBytes& passphrase);
std::string link_of(Service& service, const std::string& token);
// kNotFound: no such person.
Result<people::Person> person_named(Service& service, const std::string& id);
// kState: there is none yet.
Result<std::shared_ptr<const people::Chart>> founded_chart(Service& service);

inline constexpr std::int64_t kSignedAgoMsMax = 5 * 60'000;  // of a browser's key at sign-in
inline constexpr std::int64_t kSignedAheadMsMax = 60'000;

}  // namespace callward::api
