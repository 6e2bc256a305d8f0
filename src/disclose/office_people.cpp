// The role chart, the keys of people's browsers, and who is on duty.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/office.hpp"

namespace callward::disclose {
namespace {

using people::Role;

constexpr std::int64_t kChangeMs = 15 * 60'000;  // between a change's time and its coming
constexpr std::int64_t kAheadMs = 60'000;        // a browser's clock, and ours

Result<people::SignedChange> parse_change(const keys::ChartPut& message) {
  boost::system::error_code error;
  const auto json = boost::json::parse(message.change, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "a change that is none");
  people::SignedChange change{TRY(people::change_from_json(json.get_object())), {}};
  if (message.signatures.empty() || message.signatures.size() > 2)
    return fail(Errc::kMalformed, "signed by one or two");
  for (const auto& text : message.signatures)
    change.signatures.push_back(TRY(people::parse_signature(text)));
  return change;
}

}  // namespace

void Office::chart_put(const keys::ChartPut& message, Reply<keys::ChartTaken> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const auto change = parse_change(message);
  if (!change) return refuse(change.error());
  const auto time = now();
  if (change->change.at > time + kAheadMs || change->change.at < time - kChangeMs)
    return refuse({Errc::kDenied, "a change of another time: draft it anew"});
  if (change->change.kind == people::ChangeKind::kFounded) {
    const auto token = outbox_.founding ? outbox_.founding() : std::nullopt;
    if (!token || change->change.token.size() != 32 ||
        crypto::sha256(change->change.token) != *token)
      return refuse({Errc::kDenied, "a role chart is founded with the link that `init` gave"});
  }
  if (chart_.takes_two(change->change) && change->signatures.size() < 2)
    return refuse({Errc::kDenied, "this takes two people"});
  if (auto in_order = chart_.key_first(change->change); !in_order) return refuse(in_order.error());
  auto next = std::make_shared<people::Chart>(chart_);
  if (auto taken = next->apply(*change); !taken) return refuse(taken.error());
  audit::Entry entry{.type = "chart_changed",
                     .actor = change->signatures[0].person.hex(),
                     .subject = change->change.person.hex(),
                     .data = people::to_json(change->change)};
  if (chart_entry_ != 0) entry.prev_step = chart_entry_ - 1;
  entry.signature = people::signatures_to_json(change->signatures);
  const auto index = ledger_.stage(std::move(entry));
  if (!index) return refuse(index.error());
  chart_staged_ = true;
  ledger_.with_log([this, next, index = *index](const Status& logged) {
    chart_staged_ = false;
    if (!logged) {
      known_ = false;
      return;
    }
    chart_ = std::move(*next);
    chart_entry_ = index + 1;
    auto& head = book_.change_head();
    head.chart_entry = chart_entry_;
    head.chart_head = chart_.head();
    std::erase_if(on_duty_, [this](const auto& item) {
      const bool gone = !chart_.is(item.first, Role::kExpert);
      if (gone) off_.insert(item.first);
      return gone;
    });
  });
  ledger_.write_rows();
  ledger_.after_log([this, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    place_again();
    reply(keys::ChartTaken{chart_.number(), chart_.head()});
  });
}

// ---- readers ------------------------------------------------------------------------------------

const Office::Reader* Office::find_reader(const PersonId& person,
                                          const std::array<std::uint8_t, 32>& key) const {
  const auto readers = readers_.find(person);
  const auto* member = chart_.here(person);
  if (readers == readers_.end() || member == nullptr) return nullptr;
  const auto found = std::ranges::find_if(readers->second, [&](const Reader& reader) {
    // A passkey that was taken away takes what it signed along.
    return reader.key == key && reader.until_ms > clock_.monotonic_ms() &&
           std::ranges::find(member->keys, reader.passkey, &people::Passkey::id) !=
               member->keys.end();
  });
  return found == readers->second.end() ? nullptr : &*found;
}

bool Office::reads_with(const PersonId& person, const std::array<std::uint8_t, 32>& key) const {
  const auto* reader = find_reader(person, key);
  return reader != nullptr && !reader->scope.is_some();
}

// A keeper that begins was told of no key yet: who has one that holds is not sent away.
Error Office::no_reader(std::string why) const {
  if (!readers_told_) return {Errc::kUnavailable, "whose keys hold is just being told; ask again"};
  return {Errc::kDenied, std::move(why)};
}

// A public key is in the log for everybody to read: who binds another's opens nothing with it, and
// would make the log say that one key is two people's.
bool Office::is_anothers(const std::array<std::uint8_t, 32>& key, const PersonId& person) const {
  const auto known = key_of_.find(key);
  if (known != key_of_.end()) return known->second != person;
  return std::ranges::any_of(readers_, [&](const auto& item) {
    return item.first != person &&
           std::ranges::find(item.second, key, &Reader::key) != item.second.end();
  });
}

void Office::note_bound(const std::array<std::uint8_t, 32>& key, const PersonId& person) {
  if (!key_of_.emplace(key, person).second) return;
  keys_in_order_.push_back(key);
  if (keys_in_order_.size() <= kKeysKnownMax) return;
  key_of_.erase(keys_in_order_.front());
  keys_in_order_.pop_front();
}

// What the passkey signed, and when; a key stays for what it was signed for.
Result<people::PersonSignature> Office::check_reader(const keys::ReaderPut& message) const {
  const auto& scope = message.scope;
  if (scope.is_some() && (scope.call.is_zero() || !keys::is_purpose(scope.purpose)))
    return fail(Errc::kMalformed, "for one call and one purpose, or for none");
  if (find_reader(message.person, message.key) != nullptr)
    return fail(Errc::kDenied, "this key was signed for something else");
  auto signature = TRY(people::parse_signature(message.signature));
  const auto age = now() - message.at;
  if (age < -kAheadMs || age > (scope.is_some() ? keys::kConsentMs : kReaderMs))
    return fail(Errc::kDenied, "signed too long ago: sign in anew");
  if (signature.person != message.person)
    return fail(Errc::kDenied, "a key is bound by whose it is");
  TRY(chart_.check(message.person,
                   keys::reader_challenge(message.person, message.key, message.at, scope),
                   signature.said));
  if (is_anothers(message.key, message.person))
    return fail(Errc::kDenied, "this key is another person's: sign in anew");
  return signature;
}

void Office::reader_put(const keys::ReaderPut& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const auto& scope = message.scope;
  if (const auto* known = find_reader(message.person, message.key);
      known != nullptr && known->scope == scope)
    return reply(keys::Ack{});
  const auto signature = check_reader(message);
  if (!signature) return refuse(signature.error());
  audit::Entry entry{.type = "reader_bound",
                     .actor = message.person.hex(),
                     .subject = message.person.hex(),
                     .data = {{"key", to_hex(message.key)}, {"at", message.at}}};
  if (scope.is_some()) {
    entry.data["call"] = scope.call.hex();
    entry.data["purpose"] = keys::to_text(scope.purpose);
  }
  entry.signature = people::signatures_to_json({*signature});
  if (auto staged = ledger_.stage(std::move(entry)); !staged) return refuse(staged.error());
  note_bound(message.key, message.person);
  const auto age = std::max<std::int64_t>(now() - message.at, 0);
  const Reader fresh{
      .key = message.key,
      .passkey = signature->said.passkey,
      .until_ms = clock_.monotonic_ms() - age + (scope.is_some() ? keys::kConsentMs : kReaderMs),
      .scope = scope};
  ledger_.after_log([this, person = message.person, fresh, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    auto& readers = readers_[person];
    if (readers.size() >= kReadersPerPersonMax) readers.erase(readers.begin());
    readers.push_back(fresh);
    reply(keys::Ack{});
  });
}

void Office::reader_drop(const keys::ReaderDrop& message, Reply<keys::Ack> reply) {
  if (const auto readers = readers_.find(message.person); readers != readers_.end())
    std::erase_if(readers->second, [&](const Reader& reader) { return reader.key == message.key; });
  reply(keys::Ack{});
}

// ---- duty ---------------------------------------------------------------------------------------

void Office::duty_put(const keys::DutyPut& message, Reply<keys::Ack> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  if (message.on && !chart_.is(message.person, Role::kExpert))
    return refuse({Errc::kDenied, "no expert with a passkey"});
  if (duty_staged_.contains(message.person))
    return refuse({Errc::kBusy, "it is just being changed; ask again"});
  if (message.on ? on_duty_.contains(message.person) : is_off(message.person))
    return reply(keys::Ack{});
  const auto staged =
      stage_duty(message.person, message.on, message.person.hex(), [reply](const Status& logged) {
        if (!logged) return reply(tl::unexpected<Error>(logged.error()));
        reply(keys::Ack{});
      });
  if (!staged) refuse(staged.error());
}

// Of whom this keeper was told nothing the log may still say that they are on duty.
bool Office::is_off(const PersonId& person) const {
  return off_.contains(person) || (!on_duty_.contains(person) && chart_.find(person) == nullptr);
}

void Office::people_told(const keys::PeopleTold& message, Reply<keys::Ack> reply) {
  readers_told_ = readers_told_ || message.readers;
  if (message.duty && !duty_told_ms_) duty_told_ms_ = clock_.monotonic_ms();
  reply(keys::Ack{});
}

Status Office::stage_duty(const PersonId& person, bool on, std::string actor,
                          std::function<void(const Status&)> then) {
  TRY(ledger_.stage({.type = "duty_changed",
                     .actor = std::move(actor),
                     .subject = person.hex(),
                     .data = {{"on", on}}}));
  duty_staged_.insert(person);
  ledger_.after_log([this, person, on, then = std::move(then)](const Status& logged) {
    duty_staged_.erase(person);
    if (logged) note_duty(person, on);
    if (logged) find_experts();
    then(logged);
  });
  return {};
}

// Who comes is last, else whoever went and came would be next. Whom the server tells a keeper that
// begins of was there before: they stand where the log has them, whatever the order of the telling.
void Office::note_duty(const PersonId& person, bool on) {
  if (on) {
    const bool was_there = !duty_told_ms_ && !off_.contains(person);
    const auto given = given_.find(person);
    const auto before = given != given_.end() ? given->second : 0;
    on_duty_.try_emplace(person, was_there ? before : ++turn_);
    off_.erase(person);
  } else {
    on_duty_.erase(person);
    off_.insert(person);
  }
}

// Who goes leaves what they have not begun to somebody else.
bool Office::lost_its_expert(const Request& request) const {
  return request.state == State::kAssigned &&
         (off_.contains(request.expert) || !may_verify(request, request.expert, chart_));
}

bool Office::waits_for_expert(const Request& request) const {
  return request.state == State::kRequested || lost_its_expert(request);
}

void Office::find_experts() {
  std::vector<RequestId> waiting;
  for (const auto& [id, running] : requests_)
    if (waits_for_expert(running.chain.request())) waiting.push_back(id);
  for (const auto& id : waiting) find_expert(id);
}

// Whoever has something to verify, and was on duty for the keeper before this one alone, is not
// there any more: that is said, so that the log tells why it is given to somebody else.
void Office::miss_experts() {
  if (!duty_told_ms_ || clock_.monotonic_ms() < *duty_told_ms_ + kDutyToldMs) return;
  std::set<PersonId> missing;
  for (const auto& [id, running] : requests_) {
    const auto& request = running.chain.request();
    const auto& expert = request.expert;
    if (request.state == State::kAssigned && !lost_its_expert(request) &&
        !on_duty_.contains(expert) && !duty_staged_.contains(expert))
      missing.insert(expert);
  }
  for (const auto& expert : missing)
    if (const auto staged = stage_duty(expert, false, "keeper", [](const Status&) {}); !staged)
      log_event("office.duty_not_said", {{"why", staged.error().message}});
}

}  // namespace callward::disclose
