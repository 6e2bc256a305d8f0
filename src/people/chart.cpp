#include "people/chart.hpp"

#include <algorithm>

#include "base/telephone.hpp"
#include "people/invitation.hpp"

namespace callward::people {
namespace {

bool same_key(const Passkey& key, const Bytes& id) { return key.id == id; }

bool good_key(const Passkey& key) {
  const auto bytes = key.algorithm == kEs256 ? 64u : key.algorithm == kEdDsa ? 32u : 0u;
  return bytes != 0 && key.key.size() == bytes && !key.id.empty() &&
         key.id.size() <= kPasskeyIdBytesMax;
}

const Passkey* key_of(const Member& member, const Bytes& id) {
  const auto at = std::ranges::find_if(member.keys, [&](const auto& k) { return same_key(k, id); });
  return at == member.keys.end() ? nullptr : &*at;
}

bool can_sign(const Member& member) { return !member.left && !member.keys.empty(); }

}  // namespace

const char* to_text(ChangeKind kind) {
  static constexpr std::array kWords = {"founded",     "person",       "left",
                                        "invited",     "first_key",    "key_added",
                                        "key_removed", "key_replaced", "custodians"};
  return kWords.at(static_cast<std::size_t>(kind));
}

const Member* Chart::find(const PersonId& person) const {
  const auto at = members_.find(person);
  return at == members_.end() ? nullptr : &at->second;
}

const Member* Chart::here(const PersonId& person) const {
  const auto* member = find(person);
  return member == nullptr || member->left ? nullptr : member;
}

bool Chart::gives(const PersonId& person, Role role) const {
  const auto* member = find(person);
  return member != nullptr && has(member->roles, role);
}

bool Chart::is(const PersonId& person, Role role) const {
  const auto* member = find(person);
  return member != nullptr && can_sign(*member) && has(member->roles, role);
}

bool Chart::may_second(const PersonId& person) const {
  const auto* member = find(person);
  return member != nullptr && can_sign(*member) && (member->roles & kMaySecond) != 0;
}

std::vector<PersonId> Chart::superiors_of(const PersonId& person) const {
  std::vector<PersonId> above;
  for (const auto* member = find(person); member != nullptr && !member->answers_to.is_zero();
       member = find(member->answers_to)) {
    if (above.size() == kLevelsMax) break;
    above.push_back(member->answers_to);
  }
  return above;
}

bool Chart::answers_to(const PersonId& person, const PersonId& superior) const {
  const auto above = superiors_of(person);
  return std::ranges::find(above, superior) != above.end();
}

bool Chart::is_custodian(const PersonId& person, const PersonId& of) const {
  const auto* member = find(of);
  return member != nullptr &&
         std::ranges::find(member->custodians, person) != member->custodians.end();
}

bool Chart::has_key(const Bytes& id) const {
  return std::ranges::any_of(members_, [&](const auto& m) { return key_of(m.second, id); });
}

std::size_t Chart::owners_without(const PersonId& person) const {
  return static_cast<std::size_t>(std::ranges::count_if(members_, [&](const auto& m) {
    return m.first != person && can_sign(m.second) && has(m.second.roles, Role::kOwner);
  }));
}

Status Chart::check(const PersonId& person, const Challenge& challenge,
                    const Assertion& said) const {
  const auto* member = here(person);
  if (member == nullptr) return fail(Errc::kDenied, "nobody who is here");
  const auto* key = key_of(*member, said.passkey);
  if (key == nullptr) return fail(Errc::kDenied, "no passkey of this person");
  // The order of what is signed is in what is signed: a key's own count is not looked at.
  TRY(check_assertion(party_, challenge, *key, said));
  return {};
}

std::vector<PersonId> Chart::all_with(Role role) const {
  std::vector<PersonId> found;
  for (const auto& [id, member] : members_)
    if (is(id, role)) found.push_back(id);
  return found;
}

bool Chart::has_people_for(std::ptrdiff_t releases) const {
  const auto experts = all_with(Role::kExpert), authorised = all_with(Role::kAuthorised);
  if (std::ssize(authorised) < releases) return false;
  return std::ranges::any_of(members_, [&](const auto& m) {
    return can_sign(m.second) && m.second.roles != 0 &&
           std::ranges::any_of(experts, [&](const auto& e) {
             return e != m.first && !answers_to(e, m.first) &&
                    std::ranges::count_if(authorised, [&](const auto& a) {
                      return a != m.first && a != e;
                    }) >= releases;
           });
  });
}

std::vector<std::string> Chart::lacks() const {
  std::vector<std::string> words;
  const auto experts = all_with(Role::kExpert), authorised = all_with(Role::kAuthorised);
  if (experts.empty()) words.emplace_back("an expert, who rings the customer back");
  if (authorised.empty()) words.emplace_back("an authorised person, who releases");
  if (experts.size() == 1 && authorised == experts)
    words.emplace_back("an authorised person who is not the expert");
  if (words.empty() && !has_people_for(1))
    words.emplace_back("a third person, who asks, and to whom an expert does not answer");
  return words;
}

std::vector<std::string> Chart::lacks_for_two() const {
  if (has_people_for(2)) return {};
  return {all_with(Role::kAuthorised).size() < 2
              ? "a second authorised person"
              : "a second authorised person who neither asks nor is the expert"};
}

const PersonId* Chart::by_extension(std::string_view extension) const {
  const auto at = telephones_.find(telephone_key(extension));
  return at == telephones_.end() ? nullptr : &at->second;
}

// ---- judging a change ---------------------------------------------------------------------------

Roles Chart::given_by(const Change& change) const {
  if (change.kind != ChangeKind::kPerson) return 0;
  const auto* member = here(change.person);
  return static_cast<Roles>(change.roles & ~(member == nullptr ? Roles{0} : member->roles));
}

bool Chart::always_takes_two(const Change& change) const {
  return change.kind == ChangeKind::kKeyReplaced || (given_by(change) & kTwoToGive) != 0;
}

bool Chart::makes_second(const Change& change) const {
  return (given_by(change) & kMaySecond) != 0;
}

// The last owner stays, so among those who count is one.
bool Chart::has_second(const PersonId& about) const {
  return std::ranges::count_if(members_, [&](const auto& m) {
           return may_second(m.first) && (m.first != about || is(about, Role::kOwner));
         }) >= 2;
}

bool Chart::takes_two(const Change& change) const {
  return always_takes_two(change) || (makes_second(change) && has_second(change.person));
}

Status Chart::key_first(const Change& change) const {
  const auto* member = here(change.person);
  const bool keyless = member == nullptr || member->keys.empty();
  if (change.kind == ChangeKind::kPerson)
    return keyless && (change.roles & kMaySecond) != 0
               ? fail(Errc::kState, "first this person's own passkey, then such a role")
               : Status{};
  const bool invites = change.kind == ChangeKind::kInvited || change.kind == ChangeKind::kFirstKey;
  if (!invites || member == nullptr) return {};
  const bool vouches =
      (member->roles & kMaySecond) != 0 || std::ranges::any_of(members_, [&](const auto& m) {
        return is_custodian(change.person, m.first);
      });
  return vouches ? fail(Errc::kState,
                        "has a role that comes after the passkey, or is somebody's custodian: an "
                        "owner and a second one give this person's passkey anew")
                 : Status{};
}

// Changes that a key signs for itself, or one for another of the same person.
Status Chart::check_key_kind(const SignedChange& next) const {
  const auto& change = next.change;
  const auto& first = next.signatures[0];
  if (first.person != change.person)
    return fail(Errc::kDenied, "a person's keys are that person's to add");
  const auto challenge = TRY(hash_of(change));
  if (change.kind == ChangeKind::kKeyAdded || change.kind == ChangeKind::kCustodians)
    return check(change.person, challenge, first.said);
  TRY(check_assertion(party_, challenge, change.key, first.said));
  return {};
}

Status Chart::check_who_seconds(const Change& change, const PersonId& first,
                                const PersonId& second) const {
  if (second == first || second == change.person)
    return fail(Errc::kDenied, "the second one must be somebody else");
  // Two custodians are two; one of them beside an owner is whoever else they are.
  const bool both = change.kind == ChangeKind::kKeyReplaced && is_custodian(first, change.person) &&
                    is_custodian(second, change.person);
  if (!both && !may_second(second)) return fail(Errc::kDenied, "no role to be the second one with");
  if (!both && !is(first, Role::kOwner))
    return fail(Errc::kDenied, "an owner signs this, or both custodians");
  return {};
}

Status Chart::check_second(const SignedChange& next) const {
  if (next.signatures.size() == 1)
    return always_takes_two(next.change) ? fail(Errc::kDenied, "this takes two people") : Status{};
  if (!takes_two(next.change)) return fail(Errc::kMalformed, "one person too many signed this");
  if (next.signatures.size() != 2) return fail(Errc::kDenied, "this takes two people, no more");
  const auto& second = next.signatures[1];
  TRY(check_who_seconds(next.change, next.signatures[0].person, second.person));
  return check(second.person, TRY(hash_of(next.change)), second.said);
}

// Changes that others make: an owner, or for a key that is gone a custodian.
Status Chart::check_first(const SignedChange& next) const {
  const auto& change = next.change;
  const auto& first = next.signatures[0];
  const bool own_removal = change.kind == ChangeKind::kKeyRemoved && first.person == change.person;
  if (own_removal && first.said.passkey == change.key.id)
    return fail(Errc::kDenied, "a key does not remove itself");
  const bool custodian = change.kind == ChangeKind::kKeyReplaced && first.person != change.person &&
                         is_custodian(first.person, change.person);
  if (!own_removal && !custodian && !is(first.person, Role::kOwner))
    return fail(Errc::kDenied, "an owner signs this");
  return check(first.person, TRY(hash_of(change)), first.said);
}

Status Chart::check_one(const Change& change, const PersonSignature& first) const {
  const SignedChange next{change, {first}};
  const bool of_a_key =
      change.kind == ChangeKind::kFounded || change.kind == ChangeKind::kFirstKey ||
      change.kind == ChangeKind::kKeyAdded || change.kind == ChangeKind::kCustodians;
  return of_a_key ? check_key_kind(next) : check_first(next);
}

bool Chart::may_be_second(const Change& change, const PersonId& first,
                          const PersonId& second) const {
  const auto* member = find(second);
  return member != nullptr && can_sign(*member) && takes_two(change) &&
         check_who_seconds(change, first, second).has_value();
}

Status Chart::check_extension(const Change& change) const {
  const auto& text = change.extension;
  if (text.empty()) return {};
  const auto good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '.' || c == '_' || c == '-';
  };
  if (text.size() > kExtensionBytesMax || !std::ranges::all_of(text, good) ||
      telephone_key(text).empty())
    return fail(Errc::kMalformed, "no extension");
  const auto* whose = by_extension(text);
  return whose == nullptr || *whose == change.person
             ? Status{}
             : fail(Errc::kMalformed, "somebody else's extension");
}

Status Chart::check_person(const Change& change) const {
  const auto* member = find(change.person);
  if ((change.roles & ~kChartRoles) != 0)
    return fail(Errc::kMalformed, "a role that is not in a chart");
  if (member == nullptr && members_.size() >= kMembersMax)
    return fail(Errc::kFull, "too many people");
  TRY(check_extension(change));
  const Roles two = change.roles & kTwoToGive;
  if (two != 0 && (member == nullptr || !can_sign(*member)))
    return fail(Errc::kState, "first this person's own passkey, then such a role");
  const bool owner = has(change.roles, Role::kOwner);
  if (member != nullptr && has(member->roles, Role::kOwner) && !member->left && !owner &&
      owners_without(change.person) == 0)
    return fail(Errc::kState, "the last owner stays one");
  if (change.answers_to.is_zero())
    return owner ? Status{} : fail(Errc::kMalformed, "everybody but an owner answers to somebody");
  const auto* superior = find(change.answers_to);
  if (superior == nullptr || superior->left || change.answers_to == change.person ||
      answers_to(change.answers_to, change.person))
    return fail(Errc::kMalformed, "answers to nobody who is here, or to who answers to them");
  std::size_t level = 1;
  for (const auto* up = superior; up != nullptr && !up->answers_to.is_zero();
       up = find(up->answers_to))
    if (++level > kLevelsMax - 2) return fail(Errc::kMalformed, "too many levels");
  return {};
}

Status Chart::check_custodians(const Change& change) const {
  const auto& two = change.custodians;
  if (two.empty()) return {};
  const auto is_fit = [&](const PersonId& person) {
    const auto* member = find(person);
    return person != change.person && member != nullptr && can_sign(*member);
  };
  return two.size() == 2 && two[0] != two[1] && is_fit(two[0]) && is_fit(two[1])
             ? Status{}
             : fail(Errc::kMalformed, "custodians are two others who are here, each with a key");
}

Status Chart::check_sense(const Change& change) const {
  using enum ChangeKind;
  const auto* member = find(change.person);
  const bool brings_key = change.kind == kFounded || change.kind == kFirstKey ||
                          change.kind == kKeyAdded || change.kind == kKeyReplaced;
  if (brings_key && (!good_key(change.key) || has_key(change.key.id)))
    return fail(Errc::kMalformed, "no good passkey, or one that is somebody's already");
  if (change.person.is_zero()) return fail(Errc::kMalformed, "about nobody");
  if (change.kind == kFounded)
    return has(change.roles, Role::kOwner) && (change.roles & ~kChartRoles) == 0 &&
                   (change.roles & kTwoToGive) == bit(Role::kOwner) && members_.empty()
               ? Status{}
               : fail(Errc::kState, "a chart is founded once, by its owner");
  if (change.kind == kPerson) return check_person(change);
  if (!change.extension.empty()) return fail(Errc::kMalformed, "an extension comes with roles");
  if (member == nullptr || member->left) return fail(Errc::kMalformed, "about nobody who is here");
  switch (change.kind) {
    case kLeft:
      if (has(member->roles, Role::kOwner) && owners_without(change.person) == 0)
        return fail(Errc::kState, "the last owner stays");
      return std::ranges::any_of(members_,
                                 [&](const auto& m) {
                                   return !m.second.left && m.second.answers_to == change.person;
                                 })
                 ? fail(Errc::kState, "somebody answers to this person: first to whom instead")
                 : Status{};
    case kInvited:
      if (!member->keys.empty() || (member->roles & kTwoToGive) != 0)
        return fail(Errc::kState, "has a passkey, or had one and a role that takes two");
      return {};
    case kFirstKey:
      if (!member->keys.empty() || member->invite == crypto::Digest{} ||
          !fits_invitation(member->invite, change))
        return fail(Errc::kDenied, "no invitation that fits");
      if (change.at < member->invited_at || change.at - member->invited_at > kInvitationMsMax)
        return fail(Errc::kDenied, "the invitation is over");
      return {};
    case kKeyAdded:
      return member->keys.size() < kKeysMax ? Status{} : fail(Errc::kFull, "too many passkeys");
    case kKeyRemoved:
      if (key_of(*member, change.key.id) == nullptr)
        return fail(Errc::kMalformed, "no such passkey");
      if (has(member->roles, Role::kOwner) && member->keys.size() == 1 &&
          owners_without(change.person) == 0)
        return fail(Errc::kState, "the last owner's last passkey stays");
      return {};
    case kCustodians:
      return check_custodians(change);
    default:
      return {};
  }
}

void Chart::carry_out(const Change& change) {
  auto& member = members_[change.person];
  telephones_.erase(telephone_key(member.extension));
  carry_out_on(member, change);
  if (auto key = telephone_key(member.extension); !key.empty())
    telephones_.emplace(std::move(key), change.person);
}

void Chart::carry_out_on(Member& member, const Change& change) {
  using enum ChangeKind;
  switch (change.kind) {
    case kFounded:
      member.roles = change.roles;
      member.keys = {change.key};
      break;
    case kPerson:
      // Who comes back comes as somebody new: without keys.
      member.left = false;
      member.roles = change.roles;
      member.answers_to = change.answers_to;
      member.extension = change.extension;
      break;
    case kLeft:
      member = Member{.left = true};
      break;
    case kInvited:
      member.invite = change.invite;
      member.invited_at = change.at;
      break;
    case kFirstKey:
      member.invite = {};
      member.keys = {change.key};
      break;
    case kKeyAdded:
      member.keys.push_back(change.key);
      break;
    case kKeyRemoved:
      std::erase_if(member.keys, [&](const auto& k) { return same_key(k, change.key.id); });
      break;
    case kKeyReplaced:
      member.invite = {};
      member.keys = {change.key};
      break;
    case kCustodians:
      member.custodians = change.custodians;
      break;
  }
  for (auto& key : member.keys) key.count = 0;
}

Status Chart::drafted(const Change& change) const {
  if (change.number != number_ + 1 || change.before != head_)
    return fail(Errc::kState, "not the change that comes next");
  return check_sense(change);
}

Status Chart::apply(const SignedChange& next) {
  const auto& change = next.change;
  TRY(drafted(change));
  if (next.signatures.empty()) return fail(Errc::kDenied, "nobody signed this");
  TRY(check_one(change, next.signatures[0]));
  TRY(check_second(next));
  carry_out(change);
  number_ = change.number;
  head_ = TRY(hash_of(change));
  return {};
}

}  // namespace callward::people
