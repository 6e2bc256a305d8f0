// tests/vectors/disclosure.json: changes of the role chart, steps, who signed them, what a
// browser's key and a typed value look like.
#include "base/vectors_test.hpp"
#include "crypto/hpke.hpp"
#include "disclose/chain.hpp"
#include "keys/vault_protocol.hpp"
#include "people/chart_rig_test.hpp"
#include "people/invitation.hpp"
#include "vault/field_record.hpp"

namespace callward::disclose {
namespace {

using namespace vectors;
using people::test::Authenticator;
using people::test::kParty;

constexpr const char* kFile = "disclosure.json";

Key32 key_of(std::uint8_t first) {
  Key32 key;
  for (std::size_t i = 0; i < 32; ++i) key.expose_mut()[i] = static_cast<std::uint8_t>(first + i);
  return key;
}
PersonId person(std::uint8_t n) { return people::test::id_of(n); }

json::object named(std::string_view name, std::string_view kind, std::string outcome) {
  return {{"name", name}, {"kind", kind}, {"outcome", std::move(outcome)}};
}
template <class T>
Result<T> parsed(const json::object& written) {
  if constexpr (std::is_same_v<T, people::Change>)
    return people::change_from_json(written);
  else
    return step_from_json(written);
}
template <class T>
json::object written_case(std::string_view name, std::string_view kind, json::object written) {
  const auto read = parsed<T>(written);
  auto out = named(name, kind, outcome_of(read));
  if (read) out["hash"] = to_hex(*hash_of(*read));
  out["json"] = std::move(written);
  return out;
}

people::Change a_change(Authenticator& device) {
  people::Change change;
  change.number = 3;
  change.before = crypto::sha256(as_bytes("before"));
  change.at = 1'700'000'000'000;
  change.kind = people::ChangeKind::kFirstKey;
  change.person = person(2);
  change.token = Bytes(32, 9);
  change.key = *people::check_registration(kParty, {}, device.enrol(kParty, {}));
  return change;
}
ChainStep a_step() {
  ChainStep step;
  step.request.bytes[0] = 7;
  step.number = 6;
  step.before = crypto::sha256(as_bytes("before"));
  step.at = 1'700'000'000'000;
  step.event = {.kind = EventKind::kPass, .by = person(4)};
  step.event.call_back = {.answered = true,
                          .recorded = true,
                          .number_on_file = true,
                          .seconds = 61,
                          .number_age_days = 400};
  step.event.call_back.call.bytes[3] = 5;
  step.event.checks = 2;
  step.words = crypto::sha256(as_bytes("words"));
  return step;
}

void add_written(std::vector<json::object>& out, Authenticator& device) {
  const auto change = people::to_json(a_change(device));
  const auto step = to_json(a_step());
  const auto with = [](json::object object, const char* field, json::value value) {
    object[field] = std::move(value);
    return object;
  };
  using people::Change;
  out.push_back(written_case<Change>("a passkey joins the chart", "change", change));
  out.push_back(written_case<Change>("a field too many", "change", with(change, "more", 1)));
  out.push_back(written_case<Change>("upper-case digits", "change", with(change, "token", "AB")));
  out.push_back(written_case<Change>("no such change", "change", with(change, "kind", "made")));
  out.push_back(written_case<Change>("roles in another order", "change",
                                     with(change, "roles", "owner reviewer")));
  out.push_back(written_case<ChainStep>("a verdict", "step", step));
  auto asks = step;
  asks["number"] = 1;
  asks["kind"] = "ask";
  out.push_back(
      written_case<ChainStep>("what was asked before there were categories", "step", asks));
  out.push_back(
      written_case<ChainStep>("with a category", "step", with(asks, "category", "billing")));
  out.push_back(
      written_case<ChainStep>("of no category that there is", "step", with(asks, "category", "x")));
  out.push_back(
      written_case<ChainStep>("a category of nothing", "step", with(asks, "category", "")));
  out.push_back(written_case<ChainStep>("a verdict with a category", "step",
                                        with(step, "category", "billing")));
  out.push_back(written_case<ChainStep>("no such step", "step", with(step, "kind", "open")));
  out.push_back(written_case<ChainStep>("a fraction", "step", with(step, "checks", 2.5)));
  out.push_back(written_case<ChainStep>("zeros for nothing", "step",
                                        with(step, "reader_key", json::string(64, '0'))));
}

void add_signatures(std::vector<json::object>& out, Authenticator& device) {
  const auto key = a_change(device).key;
  const auto challenge = *hash_of(a_step());
  const auto add = [&](std::string_view name, const people::Assertion& said) {
    const auto checked = people::check_assertion(kParty, challenge, key, said);
    auto one = named(name, "signature", outcome_of(checked));
    one["party"] = kParty.id;
    one["origin"] = kParty.origin;
    one["challenge"] = to_hex(challenge);
    one["key"] = to_hex(key.key);
    one["json"] = people::to_json(people::PersonSignature{person(4), said});
    out.push_back(std::move(one));
  };
  const auto good = device.sign(kParty, challenge);
  add("of the step above", good);
  add("of another step", device.sign(kParty, crypto::sha256(as_bytes("another"))));
  add("at another host", device.sign({"other.example", kParty.origin}, challenge));
  add("from another origin", device.sign({kParty.id, "https://other.example"}, challenge));
  auto changed = good;
  changed.signature[5] ^= 1;
  add("a bit of it", changed);
  device.verifies = false;
  add("nobody was verified", device.sign(kParty, challenge));
  device.verifies = true;
}

void add_intakes(std::vector<json::object>& out) {
  SeededEntropy entropy{3};
  const auto secret = key_of(40);
  const auto receiver = *crypto::x25519_public(secret);
  const auto aad = keys::intake_aad("field", {"00112233445566778899aabbccddeeff", "name"});
  const auto info = std::string("callward intake v1");
  auto sealed = *crypto::hpke_seal(entropy, receiver, as_bytes(info), as_bytes(aad),
                                   as_bytes("Carla Muster"));
  const auto add = [&](std::string_view name, const std::string& said) {
    const auto opened =
        crypto::hpke_open(secret, sealed.enc, as_bytes(info), as_bytes(said), sealed.ciphertext);
    auto one = named(name, "intake", outcome_of(opened));
    one["purpose"] = "field";
    one["aad"] = said;
    one["info"] = info;
    one["secret"] = to_hex(secret.expose());
    one["enc"] = to_hex(sealed.enc);
    one["ciphertext"] = to_hex(sealed.ciphertext);
    if (opened) one["plain"] = as_text(opened->expose());
    out.push_back(std::move(one));
  };
  add("a name", aad);
  add("as something else", keys::intake_aad("check", {"00112233445566778899aabbccddeeff", "name"}));
}

void add_readers(std::vector<json::object>& out) {
  constexpr std::int64_t kAt = 1'700'000'000'000;
  const auto key = *crypto::x25519_public(key_of(80));
  const auto add = [&](std::string_view name, const char* kind, const keys::ReaderScope& scope) {
    auto reader = named(name, kind, "ok");
    reader["person"] = person(4).hex();
    reader["key"] = to_hex(key);
    reader["at"] = kAt;
    if (scope.is_some()) {
      reader["call"] = scope.call.hex();
      reader["purpose"] = keys::to_text(scope.purpose);
      reader["fingerprint"] = to_hex(keys::reader_fingerprint(key, scope));
    }
    reader["challenge"] = to_hex(keys::reader_challenge(person(4), key, kAt, scope));
    out.push_back(std::move(reader));
  };
  add("a browser's key", "reader", {});
  keys::ReaderScope scope{.call = {}, .purpose = keys::OpenPurpose::kTranscript};
  scope.call.bytes[2] = 0x34;
  add("a command line's key", "consent", scope);
}

void add_invitations(std::vector<json::object>& out) {
  Authenticator of_person(7, people::kEdDsa), of_another(8, people::kEdDsa);
  const auto secret = key_of(120);
  const auto key = *crypto::ed25519_public(people::invitation_seed(secret));
  const auto passkey = *people::check_registration(kParty, {}, of_person.enrol(kParty, {}));
  const auto token = *people::answer_invitation(secret, person(2), passkey);
  const auto add = [&](std::string_view name, const people::Change& change, Bytes said) {
    auto first = change;
    first.token = std::move(said);
    const bool fits = people::fits_invitation(people::invite_of(key), first);
    auto one = named(name, "invitation", fits ? "ok" : "denied");
    one["secret"] = to_hex(secret.expose());
    one["link"] = to_hex(people::invitation_link(secret));
    one["invite"] = to_hex(people::invite_of(key));
    one["person"] = first.person.hex();
    one["key_id"] = to_hex(first.key.id);
    one["key_algorithm"] = first.key.algorithm;
    one["key"] = to_hex(first.key.key);
    one["token"] = to_hex(first.token);
    out.push_back(std::move(one));
  };
  people::Change change{.kind = people::ChangeKind::kFirstKey, .person = person(2)};
  change.key = passkey;
  add("whose first passkey it is", change, token);
  auto another = change;
  another.key = *people::check_registration(kParty, {}, of_another.enrol(kParty, {}));
  add("another passkey", another, token);
  another = change;
  another.person = person(3);
  add("another person", another, token);
  add("the key alone", change, Bytes(token.begin(), token.begin() + 32));
  auto changed = token;
  changed.back() ^= 1;
  add("a bit of it", change, changed);
}

std::vector<json::object> all_cases() {
  std::vector<json::object> out;
  Authenticator device(1, people::kEdDsa);
  add_written(out, device);
  add_signatures(out, device);
  add_intakes(out);
  add_readers(out);
  add_invitations(out);
  CustomerId customer;
  customer.bytes[5] = 0x12;
  auto owner = named("whose a value is", "owner", "ok");
  owner["customer"] = customer.hex();
  owner["case"] = 2;
  owner["leaf"] = 11;
  owner["field"] = "email";
  owner["owner"] = to_hex(vault::owner_of(customer, 2, 11, "email").bytes);
  out.push_back(std::move(owner));
  return out;
}

TEST(DisclosureVectors, AreWhatTheProgramMakes) {
  same_as_file(kFile, text_of("disclosure", all_cases()));
}

TEST(DisclosureVectors, ReadAsTheySay) {
  std::size_t read = 0;
  for (const auto& item : cases_of(kFile)) {
    ++read;
    const auto kind = text(item, "kind");
    if (kind == "change")
      EXPECT_EQ(outcome_of(people::change_from_json(item.at("json").as_object())),
                text(item, "outcome"))
          << text(item, "name");
    if (kind == "step")
      EXPECT_EQ(outcome_of(step_from_json(item.at("json").as_object())), text(item, "outcome"))
          << text(item, "name");
  }
  EXPECT_GE(read, 29u);
}

}  // namespace
}  // namespace callward::disclose
