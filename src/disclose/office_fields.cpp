// What people type: sealed to the keeper before it leaves their browser, opened here, sealed anew
// by the customer's own keys, and never shown to who typed it.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "crypto/argon2id.hpp"
#include "crypto/hpke.hpp"
#include "disclose/office.hpp"
#include "disclose/parts.hpp"
#include "vault/field_record.hpp"
#include "vault/normalise.hpp"

namespace callward::disclose {
namespace {

using people::Role;

constexpr std::string_view kIntakeInfo = "callward intake v1", kReaderInfo = "callward reader v1";
// The key is the keeper's secret; Argon2id is for the day on which somebody has that, too.
constexpr crypto::Argon2Cost kCompareCost{.passes = 3, .memory_bytes = 8u << 20};
constexpr std::string_view kByCustomer = "customer";  // a one-time form
constexpr const char* kNoneTyped = "nothing is typed in a call-back: store it as of no call";
constexpr std::size_t kSealedBytesMax = vault::kValueBytesMax + 64, kFieldNameBytesMax = 64;

// What may wait for its call is of a size that many may wait.
bool is_over_limit(const keys::StoreFields& message) {
  return message.fields.size() > Office::kFieldsPerIntakeMax ||
         std::ranges::any_of(message.fields, [](const auto& field) {
           return field.field.size() > kFieldNameBytesMax ||
                  field.value.ciphertext.size() > kSealedBytesMax;
         });
}

// Where it was said it is looked for and erased: what nobody is to have for longer than its use,
// and what nobody is to read at all.
bool is_nobodys_to_hear(vault::FieldClass of_class) {
  return of_class == vault::FieldClass::kSecret || of_class == vault::FieldClass::kServiceWord;
}

}  // namespace

// ---- the intake's key ---------------------------------------------------------------------------

Office::IntakeSecret* Office::intake_secret(std::uint32_t number) {
  for (auto& secret : intake_)
    if (secret.number == number && clock_.monotonic_ms() - secret.begun_ms <= 2 * kIntakeKeyMs)
      return &secret;
  return nullptr;
}

// In memory only: what was recorded of the wire opens to nobody two hours later.
void Office::intake_key(const keys::IntakeKeyRequest&, Reply<keys::IntakeKey> reply) {
  const auto mono = clock_.monotonic_ms();
  if (intake_.empty() || mono - intake_.front().begun_ms >= kIntakeKeyMs) {
    IntakeSecret fresh{.secret = entropy_.key(), .begun_ms = mono};
    // A number that another keeper did not give: what was sealed to that one's key is refused.
    fresh.number = load_le<std::uint32_t>(entropy_.array<4>().data());
    const auto key = crypto::x25519_public(fresh.secret);
    if (!key) return reply(tl::unexpected<Error>(key.error()));
    fresh.public_key = *key;
    intake_.push_front(std::move(fresh));
  }
  const auto& now_in_use = intake_.front();
  reply(keys::IntakeKey{now_in_use.number, now_in_use.public_key,
                        (now_in_use.begun_ms + 2 * kIntakeKeyMs - mono) / 1'000});
}

Result<SecretBytes> Office::open_intake(const keys::SealedValue& value, std::string_view purpose,
                                        std::initializer_list<std::string_view> about) {
  std::optional<IntakeContext> alone;
  return open_intake(value, purpose, about, alone);
}

// The same encapsulated key as before: the next message of that context. Agreeing on a key is most
// of what a value costs.
Result<SecretBytes> Office::open_intake(const keys::SealedValue& value, std::string_view purpose,
                                        std::initializer_list<std::string_view> about,
                                        std::optional<IntakeContext>& context) {
  const auto* secret = intake_secret(value.key);
  if (secret == nullptr)
    return fail(Errc::kState, "sealed to a key that is not taken any more; get the new one");
  if (value.ciphertext.size() > kSealedBytesMax)
    return fail(Errc::kTooLarge, "a value over its limit");
  if (!context || context->key != value.key || context->enc != value.enc)
    context.emplace(
        IntakeContext{value.key, value.enc,
                      TRY(crypto::HpkeReceiver::make(secret->secret, secret->public_key, value.enc,
                                                     as_bytes(kIntakeInfo)))});
  return context->receiver.open(as_bytes(keys::intake_aad(purpose, about)), value.ciphertext);
}

Result<keys::ValueRead> Office::seal_to(const std::array<std::uint8_t, 32>& key, ByteView aad,
                                        ByteView value) {
  auto sealed = TRY(crypto::hpke_seal(entropy_, key, as_bytes(kReaderInfo), aad, value));
  return keys::ValueRead{sealed.enc, std::move(sealed.ciphertext)};
}

// ---- what is compared ---------------------------------------------------------------------------

namespace {

Result<Key32> compare_hash(const Key32& key, vault::FieldKind kind, ByteView normalised,
                           const std::array<std::uint8_t, 16>& salt) {
  const std::array<std::uint8_t, 1> tag = {static_cast<std::uint8_t>(kind)};
  auto mac = crypto::hmac_sha256(key.expose(), {as_bytes("CWT-compare"), tag, normalised});
  const SecretBytes keyed(mac);
  wipe(mac.data(), mac.size());
  return crypto::derive_key(keyed, salt, kCompareCost);
}

}  // namespace

Result<vault::CompareToken> Office::compare_token(vault::FieldKind kind, ByteView normalised) {
  vault::CompareToken token;
  token.salt = entropy_.array<16>();
  const auto hash = TRY(compare_hash(book_.head().compare_key, kind, normalised, token.salt));
  std::ranges::copy(hash.expose(), token.hash.begin());
  return token;
}

Result<bool> Office::compare_fits(const vault::CompareToken& token, vault::FieldKind kind,
                                  ByteView normalised) {
  const auto hash = TRY(compare_hash(book_.head().compare_key, kind, normalised, token.salt));
  return equal_constant_time(hash.expose(), token.hash);
}

// ---- storing ------------------------------------------------------------------------------------

Status Office::may_act(std::string_view actor, people::Roles roles) const {
  const auto id = PersonId::parse(actor);
  const auto* member = id ? chart_.here(*id) : nullptr;
  // One way to write it: bounds of one person are counted by it, and the log has it.
  return member != nullptr && (member->roles & roles) != 0 && id->hex() == actor
             ? Status{}
             : fail(Errc::kDenied, "nobody in the role chart who may do this");
}

Result<std::vector<Office::Typed>> Office::open_fields(const keys::StoreFields& message) {
  if (message.fields.empty() || message.fields.size() > kFieldsPerIntakeMax)
    return fail(Errc::kMalformed, "no field, or too many");
  std::vector<Typed> typed;
  std::optional<IntakeContext> context;
  for (const auto& field : message.fields) {
    const auto* spec = policy_.policy.find(field.field);
    if (spec == nullptr) return fail(Errc::kMalformed, "the policy knows no such field");
    if (std::ranges::find(typed, spec, &Typed::spec) != typed.end())
      return fail(Errc::kMalformed, field.field + ": twice");
    auto value = open_intake(field.value, "field", {message.intake.hex(), field.field}, context);
    if (!value) return fail(value.error().code, field.field + ": " + value.error().message);
    auto normalised = vault::normalise(spec->kind, value->expose(), policy_.policy.region);
    if (!normalised)
      return fail(normalised.error().code, field.field + ": " + normalised.error().message);
    typed.push_back({spec, std::move(*value), std::move(*normalised)});
  }
  if (message.customer.is_zero())
    for (const auto& spec : policy_.policy.fields)
      if (spec.required && std::ranges::find(typed, &spec, &Typed::spec) == typed.end())
        return fail(Errc::kMalformed, spec.id + ": is asked of every new customer");
  return typed;
}

Result<keys::StoredField> Office::store_one(vault::Customer& customer, std::uint32_t of_case,
                                            const Typed& typed) {
  const auto& spec = *typed.spec;
  std::optional<vault::CompareToken> compare;
  if (spec.of_class == vault::FieldClass::kServiceWord)
    compare = TRY(compare_token(spec.kind, typed.normalised.expose()));
  const auto leaf = TRY(customer.store(spec, of_case, policy_.policy, now(), compare));
  const auto& version = *customer.find(leaf);
  keys::StoredField stored{.field = spec.id,
                           .leaf = leaf,
                           .of_class = static_cast<std::uint8_t>(spec.of_class),
                           .gone_at = version.gone_at,
                           .record = {}};
  if (compare) {
    customer.puncture({leaf});  // nothing was ever sealed by it: no epoch is needed
    return stored;
  }
  stored.record = TRY(vault::seal_value(cipher_, entropy_, customer, version,
                                        keys::RecordKind::kField, typed.value.expose()));
  if (spec.search)
    TRY(book_.index(customer, leaf, book_.token_of(spec.kind, typed.normalised.expose())));
  return stored;
}

Status Office::stage_stored(const keys::StoreFields& message, const keys::FieldsStored& stored,
                            const vault::Customer& customer, bool fresh) {
  boost::json::array fields;
  for (const auto& one : stored.fields) {
    boost::json::array item;
    item.emplace_back(std::int64_t{one.leaf});
    item.emplace_back(one.field);
    item.emplace_back(vault::to_text(customer.find(one.leaf)->kind));
    item.emplace_back(vault::to_text(static_cast<vault::FieldClass>(one.of_class)));
    item.emplace_back(one.gone_at);
    fields.emplace_back(std::move(item));
  }
  boost::json::object data{{"call", message.call.is_zero() ? "" : message.call.hex()},
                           {"case", std::int64_t{stored.of_case}},
                           {"new_customer", fresh},
                           {"new_case", message.of_case == 0},
                           {"fields", std::move(fields)}};
  const auto& keep = policy_.policy.keep;
  if (message.of_case == 0) data["days"] = {keep.reference_days, keep.contact_days};
  TRY(ledger_.stage({.type = "fields_stored",
                     .actor = message.actor,
                     .subject = customer.id().hex(),
                     .data = std::move(data)}));
  return {};
}

Status Office::may_store(const keys::StoreFields& message) {
  TRY(ready());
  if (message.actor != kByCustomer) return may_act(message.actor, kTakesCalls);
  if (message.customer.is_zero() || message.of_case == 0)
    return fail(Errc::kDenied, "a form is a known customer's, of an open case");
  if (!message.call.is_zero()) return fail(Errc::kDenied, "a form is filled in in no call");
  return {};
}

// What is typed in a call is looked for in its sound, and erased there; of a call-back, by which a
// request is judged, who rang would choose what goes.
bool Office::is_typed_in_call_back(const keys::StoreFields& message) {
  return !message.call.is_zero() && ledger_.is_call_back(message.call);
}

void Office::store_fields(const keys::StoreFields& message, Reply<keys::FieldsStored> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (message.call.is_zero()) return store_typed(message, std::move(reply));
  if (auto may = may_store(message); !may) return refuse(may.error());
  if (is_over_limit(message)) return refuse({Errc::kTooLarge, "more than a form has"});
  if (is_typed_in_call_back(message)) return refuse({Errc::kDenied, kNoneTyped});
  when_in_call(message.call, message.actor, InCall::kWas,
               [this, message, reply](const Status& may) {
                 if (!may) return reply(tl::unexpected<Error>(may.error()));
                 store_typed(message, reply);
               });
}

void Office::store_typed(const keys::StoreFields& message, Reply<keys::FieldsStored> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto may = may_store(message); !may) return refuse(may.error());
  if (is_typed_in_call_back(message)) return refuse({Errc::kDenied, kNoneTyped});  // by now
  if (intakes_.contains(message.intake)) return refuse({Errc::kExists, "this was stored already"});
  if (intakes_.size() >= kIntakesMax) return refuse({Errc::kFull, "too much was typed lately"});
  auto typed = open_fields(message);
  if (!typed) return refuse(typed.error());
  const bool fresh = message.customer.is_zero();
  const auto created = fresh ? book_.create() : Result<vault::Book::Created>();
  if (!created) return refuse(created.error());
  const auto found =
      fresh ? Result<vault::Customer*>(created->customer) : book_.find(message.customer);
  if (!found) return refuse(found.error());
  auto& customer = **found;
  keys::FieldsStored stored{.customer = customer.id(), .of_case = message.of_case, .fields = {}};
  const auto before = customer.before();
  const auto done = [&]() -> Status {
    if (message.of_case == 0) stored.of_case = TRY(customer.open_case(policy_.policy.keep, now()));
    for (const auto& one : *typed)
      stored.fields.push_back(TRY(store_one(customer, stored.of_case, one)));
    return stage_stored(message, stored, customer, fresh);
  }();
  book_.touch(customer);
  if (!done) {
    // What was stored of it nobody was given: it goes, and what it replaced stays.
    customer.take_back(before);
    note_going(customer, fresh);
    return refuse(done.error());
  }
  note_going(customer);  // what it replaces
  intakes_[message.intake] = clock_.monotonic_ms();
  // Keys that stand on no disk yet, a word of which nothing but its token is left: written before
  // anybody hears of it. Everything else can be told again from the log and the server's records.
  const bool only_here =
      std::ranges::any_of(stored.fields, [](const auto& one) { return one.record.empty(); });
  if ((fresh && !created->durable) || only_here) ledger_.write_rows();
  unlogged_.try_emplace(customer.id(), before);  // of several in one round the first one's
  ledger_.with_log([this, id = customer.id()](const Status& logged) {
    const auto first = unlogged_.extract(id);
    if (logged || first.empty()) return;
    if (auto still = book_.find(id)) {
      (*still)->take_back(first.mapped());
      book_.touch(**still);
      note_going(**still);
    }
  });
  ledger_.after_log([this, call = message.call, intake = message.intake, stored = std::move(stored),
                     typed = std::make_shared<std::vector<Typed>>(std::move(*typed)),
                     reply](Status logged) {
    if (!logged) {
      intakes_.erase(intake);
      return reply(tl::unexpected<Error>(logged.error()));
    }
    for (auto& one : *typed)
      if (!call.is_zero() && is_nobodys_to_hear(one.spec->of_class))
        outbox_.typed_secret(call, vault::to_text(one.spec->kind), std::move(one.value));
    reply(stored);
  });
}

// ---- finding ------------------------------------------------------------------------------------

bool Office::within_rate(const std::string& actor) {
  const auto minute = clock_.monotonic_ms() / 60'000;
  constexpr std::size_t kActorsMax = 10'000;
  if (rates_.size() > kActorsMax)
    std::erase_if(rates_, [minute](const auto& item) { return item.second.minute != minute; });
  const auto spend = [&](const std::string& whose, std::size_t most) {
    auto& rate = rates_[whose];
    if (rate.minute != minute) rate = {minute, 0};
    return ++rate.count <= most;
  };
  return spend(actor, kLookUpsPerMinute) && spend("", kLookUpsPerMinuteAll);
}

// A keeper that begins counts anew: its log says what was looked up, and `log check` counts days.
Status Office::within_day(const std::string& actor) {
  const auto mono = clock_.monotonic_ms();
  if (!looked_ || mono - looked_->since_ms >= kLookUpDayMs) looked_ = {.since_ms = mono};
  auto& own = looked_->by[actor];
  const bool all_spent = looked_->all >= look_ups_per_day(chart_);
  if (!all_spent && own < kLookUpsPerDay) {
    ++own;
    ++looked_->all;
    return {};
  }
  if (looked_->said.insert(all_spent ? "" : actor).second)
    log_event("office.look_ups_spent",
              {{"person", all_spent ? "all" : actor}, {"today", looked_->all}});
  return fail(Errc::kFull, all_spent ? "as many look-ups today as all may make together: tomorrow "
                                       "again; the call's own number is found all the same"
                                     : "as many look-ups today as one person may make");
}

// The same of what each person does for themselves, of which nobody takes another's.
Status Office::within_own_day(OwnDay& day, const std::string& actor, std::size_t most,
                              std::string_view event, std::string_view why) {
  const auto mono = clock_.monotonic_ms();
  if (!day.since_ms || mono - *day.since_ms >= kLookUpDayMs) day = {.since_ms = mono};
  auto& own = day.by[actor];
  if (own < most) {
    ++own;
    return {};
  }
  if (day.said.insert(actor).second) log_event(event, {{"person", actor}, {"today", own}});
  return fail(Errc::kFull, std::string(why));
}

Status Office::may_look_up(const std::string& actor) {
  TRY(ready());
  constexpr auto kMayLook = kTakesCalls | people::bit(Role::kExpert) |
                            people::bit(Role::kSupervisor) | people::bit(Role::kAuthorised) |
                            people::bit(Role::kOwner);
  TRY(may_act(actor, kMayLook));
  if (!within_rate(actor)) return fail(Errc::kBusy, "too many look-ups this minute");
  return {};
}

Result<keys::FoundCustomers> Office::who_has(const vault::Token& token) {
  keys::FoundCustomers found;
  for (const auto& id : TRY(book_.look_up(token))) {
    const auto customer = book_.find(id);
    if (!customer) continue;
    keys::FoundCustomer one{.customer = id, .open_cases = {}};
    for (const auto& c : (*customer)->cases())
      if (c.closed_at == 0) one.open_cases.push_back(c.number);
    found.customers.push_back(std::move(one));
  }
  return found;
}

// Said when the log has it.
void Office::answer_found(const keys::FoundCustomers& found, audit::Entry entry,
                          const Reply<keys::FoundCustomers>& reply) {
  if (auto staged = ledger_.stage(std::move(entry)); !staged)
    return reply(tl::unexpected<Error>(staged.error()));
  ledger_.after_log([found, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(found);
  });
}

void Office::look_up(const keys::LookUp& message, Reply<keys::FoundCustomers> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto may = may_look_up(message.actor); !may) return refuse(may.error());
  const auto* spec = policy_.policy.find(message.field);
  if (spec == nullptr || !spec->search)
    return refuse({Errc::kMalformed, "nobody is found by this field"});
  if (auto may = within_day(message.actor); !may) return refuse(may.error());
  const auto value = open_intake(message.value, "find", {message.actor, message.field});
  if (!value) return refuse(value.error());
  const auto normalised = vault::normalise(spec->kind, value->expose(), policy_.policy.region);
  if (!normalised) return refuse(normalised.error());
  const auto found = who_has(book_.token_of(spec->kind, normalised->expose()));
  if (!found) return refuse(found.error());
  answer_found(*found,
               {.type = "looked_up",
                .actor = message.actor,
                .subject = "-",
                .data = {{"field", message.field},
                         {"found", static_cast<std::int64_t>(found->customers.size())}}},
               reply);
}

// After a keeper's death. What the server has was stored, and is found again; what it has not was
// never answered for.
void Office::records_put(const keys::RecordsPut& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const auto wanted = wanted_.find(message.customer);
  if (wanted == wanted_.end()) return reply(keys::Ack{});
  const auto found = book_.find(message.customer);
  std::vector<vault::Leaf> empty;
  for (const auto leaf : found ? wanted->second : std::vector<vault::Leaf>{}) {
    auto& customer = **found;
    const auto* version = customer.find(leaf);
    if (version == nullptr || version->state != vault::FieldState::kReadable) continue;
    const auto record = std::ranges::find(message.records, leaf, &keys::FieldRecord::leaf);
    const auto value = record == message.records.end()
                           ? Result<SecretBytes>(fail(Errc::kNotFound, "no record"))
                           : vault::open_value(cipher_, customer, *version,
                                               keys::RecordKind::kField, record->record);
    if (!value) {
      empty.push_back(leaf);
      customer.go(leaf, vault::GoneBy::kCorrected);
      continue;
    }
    const auto* spec = policy_.policy.find(version->field);
    if (spec == nullptr || !spec->search) continue;
    const auto normalised = vault::normalise(version->kind, value->expose(), policy_.policy.region);
    if (!normalised) continue;
    if (auto done =
            book_.index(customer, leaf, book_.token_of(version->kind, normalised->expose()));
        !done)
      return refuse(done.error());
  }
  wanted_.erase(wanted);
  if (found) {
    const bool nobody = (*found)->versions().empty() ||
                        std::ranges::all_of((*found)->versions(), [](const auto& version) {
                          return version.state == vault::FieldState::kGone;
                        });
    book_.touch(**found);
    note_going(**found, nobody);
  }
  if (!empty.empty()) void_fields(message.customer, empty);
  ledger_.after_log([reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Ack{});
  });
}

void Office::customer_state(const keys::CustomerStateRequest& message,
                            Reply<keys::CustomerState> reply) {
  const auto found = book_.find(message.customer);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  const auto& customer = **found;
  keys::CustomerState state{.held = customer.held(), .cases = {}, .fields = {}};
  const auto keep = keep_in_force();
  // By the days in force, and as it was promised when the case began.
  const auto days = [](std::int64_t now, std::uint16_t then) {
    return std::min<std::int64_t>(now, then);
  };
  for (const auto& one : customer.cases())
    state.cases.push_back(
        {.number = one.number,
         .opened_at = one.opened_at,
         .closed_at = one.closed_at,
         .reference_until =
             one.ends(one.reference_until, days(keep.reference_days, one.reference_days)),
         .contact_until = one.ends(one.contact_until, days(keep.contact_days, one.contact_days)),
         .technician = one.technician});
  for (const auto& version : customer.versions())
    state.fields.push_back(
        {.field = version.field,
         .of_case = version.of_case,
         .leaf = version.leaf,
         .kind = static_cast<std::uint8_t>(version.kind),
         .of_class = static_cast<std::uint8_t>(version.of_class),
         .state = static_cast<std::uint8_t>(version.state),
         .stored_at = version.stored_at,
         .gone_at = version.gone_at,
         .kept_days = static_cast<std::uint32_t>(customer.days_told(version, keep))});
  reply(std::move(state));
}

}  // namespace callward::disclose
