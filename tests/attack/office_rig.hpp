// A company with its keeper: real people's signatures, a real key store and log on a disk in
// memory, and a server, a courier and a telephone played by hand.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>

#include "audit/log.hpp"
#include "crypto/hpke.hpp"
#include "disclose/company_rig_test.hpp"
#include "disclose/log_rules.hpp"
#include "disclose/office.hpp"
#include "erase/keeper.hpp"
#include "sim/sim_vfs.hpp"

namespace callward::attack {

using disclose::ChainStep;
using disclose::Office;
using disclose::test::Company;
using people::test::Someone;

template <class T>
struct Answer {
  bool came = false;
  Result<T> value = fail(Errc::kTimeout, "no answer");
  std::function<void(Result<T>)> reply() {
    return [this](Result<T> outcome) {
      came = true;
      value = std::move(outcome);
    };
  }
};

inline const char* const kPolicy = R"(
[company]
name = "Example Support"
contact = "privacy@calls.example"
region = "US"
[[field]]
id = "name"
label = "Name"
kind = "name"
required = true
search = true
[[field]]
id = "phone"
label = "Phone"
kind = "phone"
required = true
search = true
[[field]]
id = "query"
label = "Query"
kind = "query"
[[field]]
id = "email"
label = "E-mail"
kind = "email"
search = true
[[field]]
id = "password"
label = "Password"
kind = "password"
[[field]]
id = "service_word"
label = "Service word"
kind = "service_word"
)";

inline const char* const kConcern = "The customer's router was replaced and needs the old settings";
inline const char* const kWhy = "This was needed as agreed";
inline const char* const kVerdict =
    "The request is genuine\nIt was the right person\nThe customer agrees to it";

inline const std::string kReason(64, 'e');  // the hash of one

struct SentCode {
  std::string channel, address, code;
};
struct Dialled {
  DialId dial;
  std::string expert, number;
};

class OfficeRig : public Company {
 public:
  explicit OfficeRig(std::string policy_of_it = kPolicy) : policy_text(std::move(policy_of_it)) {
    paths = {{"/a/store", "/a/anchor"}, {"/b/store", "/b/anchor"}};
    EXPECT_TRUE(keys::KeyStore::create(vfs, entropy, paths, wrap));
    boot();
    for (const auto& change : all) {
      const auto put = put_change(change);
      EXPECT_TRUE(put) << put.error().message;
    }
    give_extension(eve, "201");
    give_extension(emil, "202");
    told();
  }
  ~OfficeRig() { stop(); }

  // ---- the keeper's process ----
  void stop() {
    keeper.reset();
    office.reset();
    log.reset();
    store.reset();
  }
  Status start() {
    stop();
    store = TRY(keys::KeyStore::open(vfs, entropy, paths, wrap));
    for (std::size_t i = 0; i < paths.size() && mirrors_repaired; ++i)
      if (!store->mirrors()[i].good) (void)store->repair_mirror(i);
    log = TRY(audit::Log::open(vfs, "/log", "test/log", seed));
    keeper = std::make_unique<erase::Keeper>(
        clock, entropy, *store, *log, erase::KeeperPolicy{},
        erase::Keeper::Outbox{.derived_sealed = [this](const auto& m) { derived = m.record; },
                              .listening_done = [](const auto&) {},
                              .order_state = [](const auto&) {},
                              .wipe = [](const auto&, std::function<void()> done) { done(); }});
    office = std::make_unique<Office>(clock, entropy, *store, keeper->ledger(), policy(), outbox());
    keeper->set_tenant(*office);
    return keeper->start();
  }
  void boot() {
    const auto started = start();
    ASSERT_TRUE(started) << started.error().message;
  }
  disclose::OfficePolicy policy() const {
    return {*vault::parse_policy(policy_text, "policy.toml"), crypto::sha256(as_bytes(policy_text)),
            people::test::kParty, machine};
  }
  Office::Outbox outbox() {
    return {.fields_gone = [this](const keys::FieldsGone& m) { gone.push_back(m); },
            .records_wanted = [this](const keys::RecordsWanted& m) { wanted.push_back(m); },
            .typed_secret =
                [this](const CallId&, std::string_view kind, SecretBytes value) {
                  typed.emplace_back(kind, as_text(value.expose()));
                },
            .dial = [this](const DialId& dial, const std::string& expert,
                           SecretBytes number) -> Status {
              dials.push_back({dial, expert, std::string(as_text(number.expose()))});
              return {};
            },
            .hang_up = [this](const DialId& dial) { hung_up.push_back(dial); },
            .is_recorded = [this](const CallId& call) { return call == recording; },
            .deliver = [this](std::string_view channel, SecretBytes address,
                              SecretBytes code) -> Status {
              codes.push_back({std::string(channel), std::string(as_text(address.expose())),
                               std::string(as_text(code.expose()))});
              return {};
            },
            .founding = [] { return std::optional(crypto::sha256(Bytes(32, 77))); }};
  }
  // Some seconds of the process: what is due by its time is done.
  void ticks(std::int64_t ms) {
    clock.advance_ms(ms);
    for (int i = 0; i < 4; ++i) keeper->tick();
  }

  // One verb whose round goes on: what comes with it is in the same one. `round()` ends it.
  template <class Reply, class Message>
  std::shared_ptr<Answer<Reply>> post(void (Office::*verb)(const Message&, disclose::Reply<Reply>),
                                      const Message& message) {
    const auto answer = std::make_shared<Answer<Reply>>();
    (office.get()->*verb)(message, [answer](Result<Reply> outcome) {
      answer->came = true;
      answer->value = std::move(outcome);
    });
    return answer;
  }
  void round() {
    keeper->end_round();
    keeper->tick();
  }
  // One verb, to its answer.
  template <class Reply, class Message>
  Result<Reply> ask(void (Office::*verb)(const Message&, disclose::Reply<Reply>),
                    const Message& message) {
    Answer<Reply> answer;
    (office.get()->*verb)(message, answer.reply());
    keeper->end_round();
    return std::move(answer.value);
  }

  // ---- people ----
  Status put_change(const people::SignedChange& change) {
    TRY(ask(&Office::chart_put, message_of(change)));
    return {};
  }
  static keys::ChartPut message_of(const people::SignedChange& change) {
    keys::ChartPut put{.change = boost::json::serialize(people::to_json(change.change)),
                       .signatures = {}};
    for (const auto& signature : change.signatures)
      put.signatures.push_back(boost::json::serialize(people::to_json(signature)));
    return put;
  }
  // A change that the owner makes, with whoever is the second: where it takes one and none is
  // named, Max, or about himself Rita.
  Status change_roles(const Someone& about, people::Roles roles, std::vector<Someone> by,
                      const std::string& extension = "") {
    now = office->now();
    auto change = person(about.id, roles, olga.id);
    change.extension = extension;
    if (by.size() == 1 && chart.takes_two(change)) by.push_back(about.id == max.id ? rita : max);
    TRY(apply(change, by));
    return put_change(all.back());
  }
  void give_extension(const Someone& about, const std::string& extension) {
    ASSERT_TRUE(change_roles(about, chart.find(about.id)->roles, {olga}, extension));
  }
  // Signs in: a key of the browser's, bound by the passkey.
  Key32 browser(const Someone& who) {
    auto secret = entropy.key();
    const auto bound = bind(who, *crypto::x25519_public(secret), office->now());
    EXPECT_TRUE(bound) << bound.error().message;
    return secret;
  }
  Status bind(const Someone& who, const crypto::PublicKey& key, std::int64_t at,
              const keys::ReaderScope& scope = {}) {
    const auto challenge = keys::reader_challenge(who.id, key, at, scope);
    const people::PersonSignature said{who.id, who.device->sign(people::test::kParty, challenge)};
    keys::ReaderPut put{.person = who.id,
                        .key = key,
                        .at = at,
                        .signature = boost::json::serialize(people::to_json(said)),
                        .scope = scope};
    TRY(ask(&Office::reader_put, put));
    return {};
  }

  // ---- a browser that seals ----
  keys::SealedValue seal(std::string_view text, std::string_view purpose,
                         std::initializer_list<std::string_view> about) {
    const auto key = ask(&Office::intake_key, keys::IntakeKeyRequest{});
    const auto aad = keys::intake_aad(purpose, about);
    auto sealed = crypto::hpke_seal(entropy, key->public_key, as_bytes("callward intake v1"),
                                    as_bytes(aad), as_bytes(text));
    return {key->key, sealed->enc, sealed->ciphertext};
  }
  using Values = std::vector<std::pair<std::string, std::string>>;
  keys::StoreFields intake(const Values& values, const CustomerId& customer = {},
                           std::uint32_t of_case = 0) {
    keys::StoreFields message{.intake = keys::IntakeId::random(entropy),
                              .actor = max.id.hex(),
                              .customer = customer,
                              .of_case = of_case};
    message.actor = agent().hex();
    const auto key = ask(&Office::intake_key, keys::IntakeKeyRequest{});
    auto sender =
        *crypto::HpkeSender::make(entropy, key->public_key, as_bytes("callward intake v1"));
    for (const auto& [field, value] : values) {
      const auto aad = keys::intake_aad("field", {message.intake.hex(), field});
      message.fields.push_back(
          {field, {key->key, sender.enc(), sender.seal(as_bytes(aad), as_bytes(value))}});
    }
    return message;
  }
  // Stored by an agent; the server keeps the records.
  Result<keys::FieldsStored> store_values(const Values& values, const CustomerId& customer = {},
                                          std::uint32_t of_case = 0) {
    auto stored = ask(&Office::store_fields, intake(values, customer, of_case));
    if (!stored) return stored;
    for (const auto& field : stored->fields) {
      records[{stored->customer, field.leaf}] = field.record;
      leaf_of[{stored->customer, field.field}] = field.leaf;
    }
    return stored;
  }
  CustomerId carla(std::uint32_t* of_case = nullptr) {
    const auto stored = store_values({{"name", "Carla Muster"},
                                      {"phone", "(650) 253-0000"},
                                      {"query", "No picture on the second screen"},
                                      {"email", "Carla@Example.com"},
                                      {"password", "sunshine42"},
                                      {"service_word", "Blue Heron"}});
    EXPECT_TRUE(stored) << stored.error().message;
    if (of_case != nullptr) *of_case = stored->of_case;
    return stored->customer;
  }
  PersonId agent() {
    if (ada.id.is_zero()) {
      now = office->now();
      ada = join(20, people::bit(people::Role::kAgent));
      for (auto i = all.size() - 3; i < all.size(); ++i)
        EXPECT_TRUE(put_change(all[i])) << put_change(all[i]).error().message;
    }
    return ada.id;
  }
  // Another agent, at this telephone.
  Someone colleague(std::uint8_t n, const std::string& extension) {
    now = office->now();
    const auto first = all.size();
    const auto one = join(n, people::bit(people::Role::kAgent));
    for (auto i = first; i < all.size(); ++i) EXPECT_TRUE(put_change(all[i]));
    give_extension(one, extension);
    return one;
  }

  // ---- an agent's own call ----
  static std::string call_data(const std::string& customer, const std::string& agent = "") {
    return R"({"version":1,"customer":{"number":")" + customer + R"("},"agent":{"number":")" +
           agent + R"("}})";
  }
  CallId begin(const std::string& data, keys::CallSource source = keys::CallSource::kSiprec) {
    const auto call = CallId::random(entropy);
    Answer<keys::CallStarted> begun;
    keeper->call_start({.call = call,
                        .source = source,
                        .direction = keys::Direction::kIncoming,
                        .streams = 3,
                        .started_at = clock.utc_ms(),
                        .call_data = to_bytes(as_bytes(data))},
                       begun.reply());
    keeper->end_round();
    EXPECT_TRUE(begun.value);
    return call;
  }
  // As the recorder says it.
  Status at_telephone(const CallId& call, const std::string& telephone) {
    Answer<keys::Ack> told;
    keeper->call_at({call, telephone}, told.reply());
    keeper->end_round();
    TRY(std::move(told.value));
    return {};
  }
  Status end(const CallId& call) {
    Answer<keys::Ack> ended;
    keeper->call_end({call, clock.utc_ms(), "bye", {{0, 10}, {1, 10}}}, ended.reply());
    keeper->end_round();
    TRY(std::move(ended.value));
    return {};
  }
  keys::FieldRecord record(const CustomerId& customer, const std::string& field) {
    const auto leaf = leaf_of.at({customer, field});
    return {leaf, records.at({customer, leaf})};
  }

  // ---- steps ----
  struct Said {
    std::string kind;
    std::vector<std::uint32_t> fields = {};
    std::int64_t window_ms = 0;
    std::string words = {};
    crypto::PublicKey reader = {};
    keys::FieldRecord record = {};
    std::string category = "billing";             // of an `ask`
    disclose::Found found = {true, true, false};  // of a `review`
  };
  Result<ChainStep> draft(const RequestId& request, const Someone& by, const Said& said,
                          const CustomerId& customer = {}, std::uint32_t of_case = 0) {
    nonce = entropy.array<16>();
    keys::StepDraft message{.request = request,
                            .kind = said.kind,
                            .by = by.id,
                            .customer = customer,
                            .of_case = of_case,
                            .fields = said.fields,
                            .window_ms = said.window_ms,
                            .reader_key = said.reader,
                            .category = said.category,
                            .answered = said.found.said,
                            .needed = said.found.needed,
                            .used = said.found.used};
    if (!said.words.empty()) message.words = crypto::sha256({nonce, as_bytes(said.words)});
    const auto drafted = TRY(ask(&Office::step_draft, message));
    return disclose::step_from_json(boost::json::parse(drafted.step).as_object());
  }
  Result<keys::StepTaken> put(const ChainStep& step, const Someone& by, const Said& said) {
    return put_signed(step, sign(step, by), said);
  }
  static people::PersonSignature sign(const ChainStep& step, const Someone& by) {
    return {by.id, by.device->sign(people::test::kParty, *disclose::hash_of(step))};
  }
  keys::StepPut message_of(const ChainStep& step, const people::PersonSignature& signature,
                           const Said& said) {
    keys::StepPut message{.step = boost::json::serialize(disclose::to_json(step)),
                          .signature = boost::json::serialize(people::to_json(signature)),
                          .record = said.record};
    if (!said.words.empty())
      message.words = seal(std::string(as_text(nonce)) + said.words, "words",
                           {step.request.hex(), std::to_string(step.number)});
    return message;
  }
  Result<keys::StepTaken> put_signed(const ChainStep& step,
                                     const people::PersonSignature& signature, const Said& said) {
    auto taken = ask(&Office::step_put, message_of(step, signature, said));
    keeper->tick();
    if (taken && !taken->statement.record.empty())
      statements[{step.request, step.number}] = taken->statement;
    return taken;
  }
  Result<keys::StepTaken> act(const RequestId& request, const Someone& by, const Said& said,
                              const CustomerId& customer = {}, std::uint32_t of_case = 0) {
    const auto step = TRY(draft(request, by, said, customer, of_case));
    return put(step, by, said);
  }
  Result<RequestId> request(const Someone& by, const CustomerId& customer,
                            const std::vector<std::string>& fields,
                            const std::string& concern = kConcern) {
    Said said{.kind = "ask", .words = concern};
    for (const auto& field : fields) said.fields.push_back(leaf_of.at({customer, field}));
    return TRY(act({}, by, said, customer, 1)).request;
  }
  void duty(const Someone& expert, bool on = true) {
    const auto put = ask(&Office::duty_put, keys::DutyPut{expert.id, on});
    EXPECT_TRUE(put) << put.error().message;
    keeper->tick();
  }
  // As the server tells a keeper that begins: there are no other keys, and nobody else is there.
  void told(bool readers = true, bool on_duty = true) {
    EXPECT_TRUE(ask(&Office::people_told, keys::PeopleTold{.readers = readers, .duty = on_duty}));
  }
  boost::json::object state(const RequestId& id) {
    const auto answer = ask(&Office::request_state, keys::RequestStateRequest{id});
    if (!answer) return {{"state", "over"}};
    return boost::json::parse(answer->json).as_object();
  }
  std::string state_word(const RequestId& id) {
    const auto json = state(id);
    const auto word = std::string(json.at("state").as_string());
    for (const auto settled : {disclose::State::kReviewed, disclose::State::kRefused,
                               disclose::State::kLapsed, disclose::State::kWithdrawn})
      if (word == disclose::to_text(settled)) return "over";
    return word;
  }
  // The customer answers and talks so long, recorded.
  void talk(std::int64_t seconds = 60, bool recorded = true) {
    ASSERT_FALSE(dials.empty());
    const auto dial = dials.back().dial;
    recording = recorded ? CallId::random(entropy) : CallId{};
    office->dial_connected(dial);
    if (recorded) {
      Answer<keys::CallStarted> begun;
      keeper->call_start({.call = recording,
                          .source = keys::CallSource::kCallBack,
                          .direction = keys::Direction::kOutgoing,
                          .streams = 3,
                          .started_at = clock.utc_ms(),
                          .call_data = Bytes(2, 32)},
                         begun.reply());
      keeper->end_round();
      recording_data = begun.value->call_data_record;
      recording_nodes = *keys::Cover::from_nodes(std::move(begun.value->nodes));
      office->dial_recorded(dial, recording);
    }
    clock.advance_ms(seconds * 1'000);
  }
  // What the customer said in a call's first second, in words, as the server has it.
  Bytes words_of(const CallId& call) {
    keeper->cleared({.call = call, .marks = {{0, 20}, {1, 20}}});
    EXPECT_TRUE(keeper->derived_put({.call = call,
                                     .kind = static_cast<std::uint8_t>(keys::RecordKind::kWords),
                                     .stream = 0,
                                     .streams = 1,
                                     .first = 0,
                                     .end = 10,
                                     .plaintext = SecretBytes(8)}));
    return derived;
  }
  Result<keys::Opened> open_record(const CallId& call, const Bytes& record,
                                   const std::string& actor, const Key32& key,
                                   keys::OpenPurpose purpose = keys::OpenPurpose::kPlay) {
    const auto header = TRY(keys::parse_record(record));
    Answer<keys::Opened> answer;
    keys::Open message{.call = call,
                       .actor = actor,
                       .purpose = purpose,
                       .reason_hash = std::string(64, 'a'),
                       .headers = {header.encode()}};
    message.reader_key = *crypto::x25519_public(key);
    keeper->open(message, answer.reply());
    keeper->end_round();
    return std::move(answer.value);
  }
  void hang_up(std::int64_t seconds = 60) {
    office->dial_over(
        dials.back().dial,
        {.answered = true, .talked_ms = seconds * 1'000, .cause = "hung_up_customer"});
    keeper->end_round();
    keeper->tick();
  }
  Result<keys::Checked> check(const RequestId& id, const Someone& expert,
                              const CustomerId& customer, const std::string& field,
                              const std::string& given) {
    const auto leaf = leaf_of.at({customer, field});
    return ask(&Office::check_field,
               keys::CheckField{.request = id,
                                .expert = expert.id,
                                .field = {leaf, records[{customer, leaf}]},
                                .given = seal(given, "check", {id.hex(), std::to_string(leaf)})});
  }
  Result<keys::StepTaken> ring(const RequestId& id, const Someone& expert,
                               const CustomerId& customer) {
    return act(id, expert, {.kind = "ring", .record = record(customer, "phone")});
  }
  // Has keys of the last recording's sound, of one side, so many tenths of a second of it.
  Result<keys::Opened> hear_sound(const Someone& who, const Key32& key,
                                  std::uint32_t segments = 300, std::uint8_t stream = 0,
                                  std::uint32_t from = 0) {
    keeper->cleared({.call = recording, .marks = {{0, 600}, {1, 600}}});
    keys::ForwardKeys forward(recording_nodes, stream);
    keys::Open message{.call = recording,
                       .actor = who.id.hex(),
                       .purpose = keys::OpenPurpose::kPlay,
                       .reason_hash = std::string(64, 'a'),
                       .headers = {}};
    for (auto i = from; i < from + segments; ++i)
      message.headers.push_back(
          keys::parse_record(
              cipher.seal(entropy, {.kind = keys::RecordKind::kAudio, .stream = stream, .first = i},
                          recording, as_bytes("audio"), *forward.take(i)))
              ->encode());
    message.reader_key = *crypto::x25519_public(key);
    Answer<keys::Opened> answer;
    keeper->open(message, answer.reply());
    keeper->end_round();
    return std::move(answer.value);
  }
  // As the server tells the log.
  void signs_in(const Someone& who) {
    if (!signed_in.insert(who.id).second) return;
    Answer<keys::LogAppended> told;
    keeper->log_append({.type = "signed_in",
                        .actor = who.id.hex(),
                        .subject = who.id.hex(),
                        .data = R"({"session":"00","method":"passkey"})"},
                       audit::kByServer, told.reply());
    keeper->end_round();
    EXPECT_TRUE(told.value) << told.value.error().message;
  }
  // Reads the concern and hears the call-back: who releases has.
  void judges(const RequestId& id, const Someone& who, const keys::FieldRecord& concern) {
    signs_in(who);
    const auto key = browser(who);
    const auto read = ask(&Office::read_words,
                          keys::ReadWords{id, 1, who.id, *crypto::x25519_public(key), concern});
    EXPECT_TRUE(read) << read.error().message;
    const auto heard = hear_sound(who, key);
    EXPECT_TRUE(heard) << heard.error().message;
    round();
  }
  void judges(const RequestId& id, const Someone& who) { judges(id, who, statements.at({id, 1})); }
  // As far as verified, by Eve; who may release has heard what there is to hear.
  RequestId verified(const CustomerId& customer,
                     const std::vector<std::string>& fields = {"email", "phone"}) {
    duty(eve);
    const auto id = request(tom, customer, fields);
    EXPECT_TRUE(id) << id.error().message;
    keeper->tick();
    EXPECT_TRUE(ring(*id, eve, customer));
    talk();
    EXPECT_TRUE(check(*id, eve, customer, "service_word", "blue  heron")->match);
    EXPECT_TRUE(check(*id, eve, customer, "name", "carla muster")->match);
    hang_up();
    const auto passed = act(*id, eve, {.kind = "pass", .words = kVerdict});
    EXPECT_TRUE(passed) << passed.error().message;
    for (const auto* who : {&anna, &abe})
      if (judged_by_all && chart.is(who->id, people::Role::kAuthorised)) judges(*id, *who);
    return *id;
  }
  RequestId opened(const CustomerId& customer, const std::vector<std::string>& fields = {"email"}) {
    const auto id = verified(customer, {"email", "phone"});
    const auto released = release(id, anna, customer, fields);
    EXPECT_TRUE(released) << released.error().message;
    if (state_word(id) == "half_released") EXPECT_TRUE(release(id, abe, customer, fields));
    EXPECT_EQ(state_word(id), "open");
    return id;
  }
  Result<keys::StepTaken> release(const RequestId& id, const Someone& by,
                                  const CustomerId& customer,
                                  const std::vector<std::string>& fields) {
    Said said{.kind = "release"};
    for (const auto& field : fields) said.fields.push_back(leaf_of.at({customer, field}));
    return act(id, by, said);
  }
  // What the requester's browser shows.
  Result<std::string> view(const RequestId& id, const Someone& by, const Key32& browser_key,
                           const CustomerId& customer, const std::string& field) {
    const auto said = viewing(customer, field, browser_key);
    return open_view(TRY(act(id, by, said)), browser_key, said.fields[0]);
  }
  Said viewing(const CustomerId& customer, const std::string& field, const Key32& browser_key) {
    const auto leaf = leaf_of.at({customer, field});
    return {.kind = "view",
            .fields = {leaf},
            .reader = *crypto::x25519_public(browser_key),
            .record = {leaf, records[{customer, leaf}]}};
  }
  static Result<std::string> open_view(const keys::StepTaken& taken, const Key32& browser_key,
                                       std::uint32_t leaf) {
    Bytes aad(taken.request.bytes.begin(), taken.request.bytes.end());
    aad.resize(24);
    store_le(aad.data() + 16, taken.number);
    store_le(aad.data() + 20, leaf);
    const auto value = TRY(crypto::hpke_open(
        browser_key, taken.value.enc, as_bytes("callward reader v1"), aad, taken.value.sealed));
    return std::string(as_text(value.expose()));
  }

  std::vector<audit::Entry> entries() {
    std::vector<audit::Entry> all_of_it;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      all_of_it.push_back(entry);
      return {};
    }));
    return all_of_it;
  }
  static audit::RulesReport judge(const std::vector<audit::Entry>& log_entries) {
    disclose::LogRules rules;
    audit::RuleChecker checker({}, &rules);
    for (std::size_t i = 0; i < log_entries.size(); ++i)
      checker.add(i, audit::encode_entry(log_entries[i]).value_or("not an entry"));
    return checker.finish();
  }
  std::map<std::string, int> log_types() {
    std::map<std::string, int> counts;
    EXPECT_TRUE(log->replay(0, [&](std::uint64_t, const audit::Entry& entry) -> Status {
      ++counts[entry.type];
      return {};
    }));
    return counts;
  }

  std::string policy_text;
  bool mirrors_repaired = true;  // at a start; not: one that is away stays away
  sim::SimVfs vfs{5};
  ManualClock clock{1'700'000'001'000};
  SeededEntropy entropy{11};
  Key32 wrap = entropy.key(), seed = entropy.key();
  std::vector<keys::MirrorPaths> paths;
  std::unique_ptr<keys::KeyStore> store;
  std::unique_ptr<audit::Log> log;
  std::unique_ptr<erase::Keeper> keeper;
  std::unique_ptr<Office> office;
  Someone ada;
  std::map<std::pair<CustomerId, std::uint32_t>, Bytes> records;  // the server's database
  std::map<std::pair<CustomerId, std::string>, std::uint32_t> leaf_of;
  std::map<std::pair<RequestId, std::uint32_t>, keys::FieldRecord> statements;
  std::vector<keys::FieldsGone> gone;
  std::vector<keys::RecordsWanted> wanted;
  std::vector<std::pair<std::string, std::string>> typed;
  std::vector<Dialled> dials;
  std::vector<DialId> hung_up;
  std::vector<SentCode> codes;
  std::array<std::uint8_t, 16> machine{1};  // its boot
  CallId recording;
  Bytes recording_data;  // its sealed record of call data
  keys::Cover recording_nodes;
  bool judged_by_all = true;  // verified(): at once
  std::set<PersonId> signed_in;
  keys::RecordCipher cipher;
  Bytes derived;  // the last sealed record of what the listener found
  std::array<std::uint8_t, 16> nonce{};
};

}  // namespace callward::attack
