// The API with people who have passkeys: their browsers sign as real ones do, and the scripted
// keeper takes what a chart of its own takes, into a real log that the server reads.
#pragma once

#include "api/rig_test.hpp"
#include "audit/log.hpp"
#include "people/invitation.hpp"
#include "people/passkey_rig_test.hpp"

namespace callward::api::test {

using people::Role;
using people::test::Authenticator;

inline Bytes bytes_of(const boost::json::value& hex) {
  return from_hex(std::string_view(hex.as_string())).value_or(Bytes{});
}
inline people::Challenge challenge_of(const boost::json::object& json) {
  people::Challenge challenge{};
  const auto raw = bytes_of(json.at("challenge"));
  EXPECT_EQ(raw.size(), challenge.size());
  if (raw.size() == challenge.size()) std::ranges::copy(raw, challenge.begin());
  return challenge;
}

struct Somebody {
  std::string name;
  PersonId id;
  std::string passphrase;
  std::shared_ptr<Authenticator> device;
};

struct PeopleRig : Rig {
  const people::RelyingParty party{"calls.example", "https://calls.example"};
  people::Chart keepers{party};  // under `told`
  std::unique_ptr<audit::Log> audit_log;
  std::vector<keys::ReaderPut> readers;
  std::vector<keys::ReaderDrop> drops;
  std::vector<keys::DutyPut> duties;
  std::vector<keys::PeopleTold> all_told;
  std::optional<Errc> reader_refused, duty_refused;  // of every one
  std::optional<crypto::Digest> founding;
  bool publishes = true;
  bool answer_lost = false;   // to a change that it took
  bool keepers_away = false;  // it takes no change
  std::uint8_t next_device = 1;

  PeopleRig() {
    std::filesystem::create_directories(dir + "/log");
    audit_log = std::move(*audit::Log::open(vfs, dir + "/log", kLogOrigin, log_seed));
    people_answers = [this](io::Channel& c, io::Frame& f) { return answer_people(c, f); };
    start_peers();
  }
  ~PeopleRig() {
    keeper_peer.reset();
    audit_log.reset();
  }

  // ---- the keeper ----
  Result<keys::ChartTaken> take(const keys::ChartPut& message) {
    people::SignedChange change{
        TRY(people::change_from_json(boost::json::parse(message.change).as_object())), {}};
    for (const auto& text : message.signatures)
      change.signatures.push_back(TRY(people::parse_signature(text)));
    if (change.change.kind == people::ChangeKind::kFounded &&
        (!founding || crypto::sha256(change.change.token) != *founding))
      return fail(Errc::kDenied, "another token");
    TRY(keepers.key_first(change.change));
    TRY(keepers.apply(change));
    audit::Entry entry{.type = "chart_changed",
                       .actor = change.signatures[0].person.hex(),
                       .subject = change.change.person.hex(),
                       .at = clock.utc_ms(),
                       .data = people::to_json(change.change)};
    entry.signature = people::signatures_to_json(change.signatures);
    TRY(audit_log->stage(entry));
    TRY(audit_log->commit());
    if (publishes) TRY(audit_log->publish());
    return keys::ChartTaken{keepers.number(), keepers.head()};
  }
  template <class T>
  static void reply(io::Channel& channel, io::Frame& frame, const Result<T>& outcome) {
    if (outcome)
      channel.reply(frame, *outcome);
    else
      channel.reply(frame, keys::ErrorReply{outcome.error().code, outcome.error().message});
  }
  bool answer_people(io::Channel& channel, io::Frame& frame) {
    switch (frame.type) {
      case keys::ChartPut::kType:
        if (keepers_away) {
          reply<keys::Ack>(channel, frame, fail(Errc::kUnavailable, "not now"));
          return true;
        }
        if (const auto taken = take(*unpack<keys::ChartPut>(frame.body)); !answer_lost)
          reply(channel, frame, taken);
        else
          reply<keys::Ack>(channel, frame, fail(Errc::kUnavailable, "the answer was lost"));
        return true;
      case keys::ReaderPut::kType:
        readers.push_back(*unpack<keys::ReaderPut>(frame.body));
        reply<keys::Ack>(channel, frame,
                         reader_refused ? Result<keys::Ack>(fail(*reader_refused, "not now"))
                                        : check_reader(readers.back()));
        return true;
      case keys::ReaderDrop::kType:
        drops.push_back(*unpack<keys::ReaderDrop>(frame.body));
        channel.reply(frame, keys::Ack{});
        return true;
      case keys::DutyPut::kType:
        duties.push_back(*unpack<keys::DutyPut>(frame.body));
        reply<keys::Ack>(channel, frame,
                         duty_refused ? Result<keys::Ack>(fail(*duty_refused, "not now"))
                                      : Result<keys::Ack>(keys::Ack{}));
        return true;
      case keys::PeopleTold::kType:
        all_told.push_back(*unpack<keys::PeopleTold>(frame.body));
        channel.reply(frame, keys::Ack{});
        return true;
      default:
        return false;
    }
  }
  // As the office does.
  Result<keys::Ack> check_reader(const keys::ReaderPut& message) {
    const auto signature = TRY(people::parse_signature(message.signature));
    TRY(keepers.check(
        message.person,
        keys::reader_challenge(message.person, message.key, message.at, message.scope),
        signature.said));
    return keys::Ack{};
  }
  static crypto::Digest reader_challenge(const PersonId& person,
                                         const std::array<std::uint8_t, 32>& key, std::int64_t at) {
    return keys::reader_challenge(person, key, at, {});
  }

  // ---- browsers ----
  using Json = boost::json::object;
  Response send(const std::string& method, const std::string& path, const Json& body,
                const std::string& token = {}) {
    return ask(method, path, token, boost::json::serialize(body));
  }
  static std::string token_of(const Response& response) {
    const auto value = header_of(response, "Set-Cookie");
    const auto begin = value.find('=') + 1;
    return value.substr(begin, value.find(';') - begin);
  }
  std::shared_ptr<Authenticator> device() { return std::make_shared<Authenticator>(next_device++); }
  Json signature_by(const Somebody& who, const people::Challenge& challenge) {
    return people::to_json(people::PersonSignature{who.id, who.device->sign(party, challenge)});
  }
  // From the link to the passkey in the chart; the last answer.
  // `secret`: of the link, where it is an invitation.
  Response enrol(Somebody& who, const std::string& token, const Key32* secret = nullptr) {
    auto begun = send("POST", "/v1/enrolments/begin", {{"token", token}});
    if (begun.status != 200) return begun;
    const auto challenge = challenge_of(json_of(begun));
    const auto made = who.device->enrol(party, challenge);
    Json body{{"token", token},
              {"passphrase", who.passphrase},
              {"client_data", made.client_data},
              {"authenticator_data", to_hex(made.authenticator_data)}};
    if (secret != nullptr)
      body["invitation"] = to_hex(*people::answer_invitation(
          *secret, who.id, *people::check_registration(party, challenge, made)));
    auto given = send("POST", "/v1/enrolments/passkey", body);
    const auto json = json_of(given);
    if (given.status != 202 || json.at("change").is_null()) return given;
    return send("POST", "/v1/enrolments/finish",
                {{"token", token}, {"signature", signature_by(who, challenge_of(json))}});
  }
  Response passphrase(const Somebody& who) {
    return send("POST", "/v1/session", {{"name", who.name}, {"passphrase", who.passphrase}});
  }
  Json passkey_body(const Somebody& who, const Json& half) {
    const auto key = entropy.array<32>();
    const auto at = clock.utc_ms();
    return {{"ticket", half.at("ticket")},
            {"reader_key", to_hex(key)},
            {"at", at},
            {"signature", signature_by(who, reader_challenge(who.id, key, at))}};
  }
  Response sign_in(const Somebody& who) {
    auto half = passphrase(who);
    EXPECT_EQ(half.status, 202) << half.body;
    if (half.status != 202) return half;
    return send("POST", "/v1/session/passkey", passkey_body(who, json_of(half)));
  }
  std::string session_of(const Somebody& who) {
    const auto response = sign_in(who);
    EXPECT_EQ(response.status, 201) << response.body;
    return token_of(response);
  }
  Response sign(const Somebody& who, const std::string& session, const Json& draft) {
    return send("POST",
                "/v1/chart/drafts/" + std::string(draft.at("draft").as_string()) + "/signature",
                {{"signature", signature_by(who, challenge_of(draft))}}, session);
  }
  // Drafted and signed by one.
  Response change(const Somebody& who, const std::string& session, const Json& body) {
    const auto draft = send("POST", "/v1/chart/drafts", body, session);
    EXPECT_EQ(draft.status, 201) << draft.body;
    return draft.status == 201 ? sign(who, session, json_of(draft)) : draft;
  }

  // ---- a company ----
  Somebody olga;
  std::string olgas;               // her session
  std::optional<Somebody> second;  // the first who joined and may be
  void found() {
    olga = {"olga", {}, "nine quiet rivers", device()};
    olga.id = people.add("olga", people::kBeforeChart, std::nullopt)->id;
    const auto token = *people.make_enrolment(olga.id);
    founding = crypto::sha256(*from_hex(token));
    const auto done = enrol(olga, token);
    ASSERT_EQ(done.status, 201) << done.body;
    olgas = session_of(olga);
  }
  static std::string tail_of(const Response& response) {
    const auto link = std::string(json_of(response).at("link").as_string());
    return link.substr(link.find('#') + 1);
  }
  // As the owner's browser makes it.
  struct Invitation {
    Key32 secret;
    std::string token;  // opens the link
  };
  static Json invited_body(const Somebody& who, const Invitation& link) {
    const auto key = *crypto::ed25519_public(people::invitation_seed(link.secret));
    return {{"kind", "invited"},
            {"person", who.id.hex()},
            {"invite", to_hex(people::invite_of(key))},
            {"link", to_hex(crypto::sha256(as_bytes(link.token)))}};
  }
  Invitation invitation() {
    Key32 secret(entropy.array<32>());
    auto token = to_hex(people::invitation_link(secret));
    return {std::move(secret), std::move(token)};
  }
  Invitation invite(const Somebody& who) {
    auto link = invitation();
    const auto invited = change(olga, olgas, invited_body(who, link));
    EXPECT_EQ(invited.status, 200) << invited.body;
    return link;
  }
  Response enrol(Somebody& who, const Invitation& link) {
    return enrol(who, link.token, &link.secret);
  }
  // In the chart with this role; "": with none.
  Somebody named(const std::string& name, const std::string& role) {
    Somebody who{name, {}, "seven tall chimneys " + name, device()};
    const auto added =
        send("POST", "/v1/people", {{"name", name}, {"roles", boost::json::array{}}}, olgas);
    EXPECT_EQ(added.status, 201) << added.body;
    who.id = *PersonId::parse(std::string(json_of(added).at("person").as_string()));
    give(who, role);
    return who;
  }
  // Where it takes two, the first who may be the second signs, too.
  void give(const Somebody& who, const std::string& role) {
    auto given = change(olga, olgas, person_body(who, role));
    if (given.status == 202 && second) given = sign(*second, session_of(*second), json_of(given));
    EXPECT_EQ(given.status, 200) << given.body;
  }
  Json person_body(const Somebody& who, const std::string& role) {
    return {{"kind", "person"},
            {"person", who.id.hex()},
            {"roles", role.empty() ? boost::json::array{} : boost::json::array{role}},
            {"answers_to", olga.id.hex()},
            {"extension", ""}};
  }
  Somebody join(const std::string& name, const std::string& role) {
    const bool later = (people::bit(*people::parse_role(role)) & people::kMaySecond) != 0;
    auto who = named(name, later ? "" : role);
    const auto done = enrol(who, invite(who));
    EXPECT_EQ(done.status, 201) << done.body;
    if (!later) return who;
    give(who, role);
    if (!second) second = who;
    return who;
  }
  // What the passkey signs before somebody changes how they come in.
  Json confirmation(const Somebody& who, const std::string& session, const std::string& act) {
    const auto asked = send("POST", "/v1/own/confirmation", {{"act", act}}, session);
    EXPECT_EQ(asked.status, 201) << asked.body;
    if (asked.status != 201) return {};
    return signature_by(who, crypto::sha256({as_bytes("CWS1 own act "), as_bytes(act), Bytes(1),
                                             who.id.bytes, bytes_of(json_of(asked).at("nonce"))}));
  }
  Response confirmed(const Somebody& who, const std::string& session, const std::string& act,
                     const std::string& path, Json body = {}) {
    body["signature"] = confirmation(who, session, act);
    return send("POST", path, body, session);
  }
  // One-time codes of somebody who is signed in; the secret.
  Bytes set_up_codes(const Somebody& who, const std::string& session) {
    const auto made = confirmed(who, session, "codes", "/v1/own/code");
    EXPECT_EQ(made.status, 201) << made.body;
    const auto id = people.session(session)->person.id;
    // Base32 back to bytes, as an application does.
    Bytes secret;
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : std::string(json_of(made).at("secret").as_string())) {
      held = held << 5 | static_cast<std::uint32_t>(c >= 'A' ? c - 'A' : c - '2' + 26);
      bits += 5;
      if (bits < 8) continue;
      bits -= 8;
      secret.push_back(static_cast<std::uint8_t>(held >> bits));
    }
    const auto confirmed =
        send("POST", "/v1/own/code/confirmation", {{"code", code(secret)}}, session);
    EXPECT_EQ(confirmed.status, 204) << confirmed.body;
    EXPECT_TRUE(*people.has_code(id));
    clock.advance_ms(people::kCodeStepMs);
    return secret;
  }
  std::string code(const Bytes& secret) {
    return *people::code_of_step(secret, clock.utc_ms() / people::kCodeStepMs);
  }
  Response sign_in_by_code(const Somebody& who, const std::string& code) {
    const auto half = passphrase(who);
    EXPECT_EQ(half.status, 202) << half.body;
    return send("POST", "/v1/session/code",
                {{"ticket", json_of(half).at("ticket")}, {"code", code}});
  }
  std::size_t logged(const std::string& type) {
    const std::lock_guard lock(told);
    return static_cast<std::size_t>(std::ranges::count(log, type, &keys::LogAppend::type));
  }
};

}  // namespace callward::api::test
