// The role chart: who is here, what for, who answers to whom, and with which passkeys they sign. It
// is what its signed changes make of it, from the founding of the owner on; nothing else makes
// anybody anything. docs/formats/chart.md
//
// The same code judges a change where it is made and wherever the chart is read again, so that
// nobody has to believe who keeps it.
//
//   change         signed by                                    a second one
//   founded        the first owner's new key; the chart is empty
//   person         an owner; no role at all is one, too         if it gives a role that takes two;
//                                                               since audit::kRulesStated 2 one of
//                                                               kMaySecond, once two have such
//   left           an owner; one owner with a key must stay
//   invited        an owner; for who has no key and no role that takes two, since
//                  audit::kRulesStated 4 none of kMaySecond, and is nobody's custodian
//   first_key      that key, and the invitation's (invitation.hpp)
//   key_added      another key of the same person
//   key_removed    a key of the same person that stays, or an owner
//   key_replaced   an owner, or a custodian of that person      always; then all other keys go
//   custodians     a key of the person whose keys they may give anew
//
// The second one is somebody else than the first one and than whom the change is about, with a key
// and a role of kMaySecond; with a custodian it is the other custodian. Every change names the hash
// of the one before it: none can be left out, turned round or signed twice.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/json/object.hpp>

#include "base/id.hpp"
#include "crypto/sha256.hpp"
#include "people/roles.hpp"
#include "people/webauthn.hpp"

namespace callward::people {

enum class ChangeKind : std::uint8_t {
  kFounded,
  kPerson,
  kLeft,
  kInvited,
  kFirstKey,
  kKeyAdded,
  kKeyRemoved,
  kKeyReplaced,
  kCustodians,
};
const char* to_text(ChangeKind kind);

struct Change {
  std::uint64_t number = 0;  // from 1
  crypto::Digest before{};   // hash of the change before; zeros for the first
  std::int64_t at = 0;       // UTC ms
  ChangeKind kind{};
  PersonId person;                   // whom it is about
  Roles roles = 0;                   // founded, person: all of them, not what is added
  PersonId answers_to;               // person: zero for an owner who answers to nobody
  std::string extension;             // person: the telephone; nothing: none
  crypto::Digest invite{};           // invited: of the invitation's key (invitation.hpp)
  Bytes token;                       // first_key: kInvitationTokenBytes; founded: 32
  std::vector<PersonId> custodians;  // custodians: two, or none any more
  Passkey key;  // founded, first_key, key_added, key_replaced; key_removed: its id
};

struct PersonSignature {
  PersonId person;
  Assertion said;
};
struct SignedChange {
  Change change;
  std::vector<PersonSignature> signatures;  // one or two
};

struct Member {
  Roles roles = 0;
  PersonId answers_to;
  std::string extension;
  std::vector<Passkey> keys;
  std::vector<PersonId> custodians;  // two, or none
  crypto::Digest invite{};
  std::int64_t invited_at = 0;
  bool left = false;
};

class Chart {
 public:
  static constexpr std::size_t kMembersMax = 10'000;
  static constexpr std::size_t kKeysMax = 8;  // of one person
  static constexpr std::size_t kLevelsMax = 12;
  static constexpr std::size_t kExtensionBytesMax = 32;  // letters, digits, + . _ -
  static constexpr std::int64_t kInvitationMsMax = 72 * 3'600'000;

  explicit Chart(RelyingParty party) : party_(std::move(party)) {}

  // Takes the change, or says why not, and stays as it was. kState: not the next one. kDenied: not
  // signed by those who may. kMalformed: it makes no sense (no such person, a circle of superiors).
  // Of a role of kMaySecond one signature is enough here, and it may come before the passkey, as it
  // was once: whoever takes a change that is new asks takes_two() and key_first(), and the log's
  // rules hold the log to both.
  Status apply(const SignedChange& next);

  [[nodiscard]] const Member* find(const PersonId& person) const;  // who left, too
  // Who has not left, with a key or without one yet; nullptr: nobody.
  [[nodiscard]] const Member* here(const PersonId& person) const;
  // The role is theirs, whether they are here with a key or not.
  [[nodiscard]] bool gives(const PersonId& person, Role role) const;
  // Here, with this role and a key to sign with.
  [[nodiscard]] bool is(const PersonId& person, Role role) const;
  // Whom they answer to, and whom that one does: the nearest first, at most kLevelsMax.
  [[nodiscard]] std::vector<PersonId> superiors_of(const PersonId& person) const;
  [[nodiscard]] bool answers_to(const PersonId& person, const PersonId& superior) const;
  // Whose telephone it is, in whatever spelling; nullptr: nobody's who is here.
  [[nodiscard]] const PersonId* by_extension(std::string_view extension) const;
  // That this person, by one of the keys in the chart, said this.
  Status check(const PersonId& person, const Challenge& challenge, const Assertion& said) const;
  // Before everybody has signed: whether it makes sense as the next one, whether it takes two,
  // whether the first one's signature holds, and who may be the second (check() says whether that
  // one's holds). apply() asks all of it again.
  Status drafted(const Change& change) const;
  [[nodiscard]] bool takes_two(const Change& change) const;
  // It gives a role of kMaySecond to who had it not.
  [[nodiscard]] bool makes_second(const Change& change) const;
  // kState: it gives a role of kMaySecond to who has no passkey, or a first passkey to who has such
  // a role, or is somebody's custodian. One owner has every invitation in hand: with one, such a
  // person's word would be that owner's, for whom it shall be another's. By two, key_replaced.
  [[nodiscard]] Status key_first(const Change& change) const;
  // An owner and somebody else who may be the second one are here, each with a key, neither of whom
  // it is `about`; but an owner may be the first one about themselves.
  [[nodiscard]] bool has_second(const PersonId& about) const;
  Status check_one(const Change& change, const PersonSignature& first) const;
  [[nodiscard]] bool may_be_second(const Change& change, const PersonId& first,
                                   const PersonId& second) const;
  // What the rules need and the chart lacks, in words; empty: a release is possible.
  [[nodiscard]] std::vector<std::string> lacks() const;
  // What two authorised persons do (break-glass, the release after a number that was changed
  // lately) needs and the chart lacks, in words; empty: both are possible. Any other release does
  // without.
  [[nodiscard]] std::vector<std::string> lacks_for_two() const;

  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const crypto::Digest& head() const { return head_; }
  [[nodiscard]] const std::map<PersonId, Member>& members() const { return members_; }

 private:
  [[nodiscard]] Roles given_by(const Change& change) const;
  [[nodiscard]] bool always_takes_two(const Change& change) const;
  Status check_key_kind(const SignedChange& next) const;
  Status check_second(const SignedChange& next) const;
  Status check_who_seconds(const Change& change, const PersonId& first,
                           const PersonId& second) const;
  Status check_first(const SignedChange& next) const;
  [[nodiscard]] bool is_custodian(const PersonId& person, const PersonId& of) const;
  Status check_sense(const Change& change) const;
  Status check_extension(const Change& change) const;
  Status check_person(const Change& change) const;
  Status check_custodians(const Change& change) const;
  [[nodiscard]] bool may_second(const PersonId& person) const;
  [[nodiscard]] std::vector<PersonId> all_with(Role role) const;
  // Somebody asks, an expert who does not answer to them verifies, so many others release.
  [[nodiscard]] bool has_people_for(std::ptrdiff_t releases) const;
  [[nodiscard]] bool has_key(const Bytes& id) const;
  [[nodiscard]] std::size_t owners_without(const PersonId& person) const;
  void carry_out(const Change& change);
  void carry_out_on(Member& member, const Change& change);

  RelyingParty party_;
  std::uint64_t number_ = 0;
  crypto::Digest head_{};
  std::map<PersonId, Member> members_;
  std::unordered_map<std::string, PersonId> telephones_;  // of who is here, by telephone_key
};

// What is signed: SHA-256("CWS1 chart" ‖ the change as canonical JSON); the next one names the same
// hash.
Result<crypto::Digest> hash_of(const Change& change);
// The `data` of its entry in the log, and back: strict, every field there, none besides.
boost::json::object to_json(const Change& change);
Result<Change> change_from_json(const boost::json::object& json);
boost::json::object to_json(const PersonSignature& signature);
Result<PersonSignature> signature_from_json(const boost::json::object& json);
// An entry's `signature`: {"by": [one or two]}. None: nobody signed.
boost::json::object signatures_to_json(const std::vector<PersonSignature>& signatures);
Result<std::vector<PersonSignature>> signatures_from_json(
    const std::optional<boost::json::object>& json);
// The same, from text as it comes over a socket. kMalformed.
Result<PersonSignature> parse_signature(std::string_view text);

}  // namespace callward::people
