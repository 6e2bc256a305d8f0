// What the log says of people and requests, held to the rules.
#include "disclose/log_rules.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "disclose/limits_json.hpp"
#include "disclose/owners_word.hpp"
#include "disclose/parts.hpp"
#include "vault/policy.hpp"

namespace callward::disclose {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kBeganMs = 10'000;  // what a customer begins with is stored within it
constexpr std::int64_t kReaderMs = 12 * 3'600'000;  // a browser's key is taken
constexpr std::int64_t kAheadMs = 120'000;          // a browser's clock, and a restart's minute

std::string text(const audit::Entry& entry, const char* name) {
  return std::string(entry.data.at(name).as_string());
}
std::int64_t number(const audit::Entry& entry, const char* name) {
  return entry.data.at(name).as_int64();
}

bool same(const CallBack& a, const CallBack& b) {
  return a.call == b.call && a.answered == b.answered && a.recorded == b.recorded &&
         a.number_on_file == b.number_on_file && a.seconds == b.seconds &&
         a.number_age_days == b.number_age_days;
}

}  // namespace

const std::map<std::string_view, LogRules::Handler>& LogRules::handlers() {
  using R = LogRules;
  static const std::map<std::string_view, Handler> table = {
      {"keeper_started", &R::keeper_started},
      {"hand_over_failed", &R::hand_over_failed},
      {"policy_in_force", &R::policy_in_force},
      {"chart_changed", &R::chart_changed},
      {"duty_changed", &R::duty_changed},
      {"reader_bound", &R::reader_bound},
      {"disclosure_step", &R::disclosure_step},
      {"check_made", &R::check_made},
      {"code_sent", &R::code_sent},
      {"call_back_made", &R::call_back_made},
      {"words_read", &R::words_read},
      {"call_back_heard", &R::call_back_heard},
      {"receipt_given", &R::receipt_given},
      {"call_started", &R::call_started},
      {"call_at", &R::call_at},
      {"looked_up", &R::looked_up},
      {"private_on", &R::private_on},
      {"opened", &R::opened},
      {"exported", &R::opened},
      {"erase_intended", &R::erase_intended},
      {"held_decided", &R::held_decided},
      {"secret_missed", &R::marked},
      {"erasure_needless", &R::marked},
      {"call_reviewed", &R::marked},
      {"fields_stored", &R::fields_stored},
      {"fields_void", &R::fields_void},
      {"fields_erase_intended", &R::fields_erase_intended},
      {"field_retention_stopped", &R::field_retention_stopped},
      {"field_retention_confirmed", &R::field_retention_confirmed},
      {"case_closed", &R::case_closed},
      {"case_assigned", &R::case_assigned},
      {"query_read", &R::query_read},
      {"erasure_ordered", &R::erasure_ordered},
      {"customer_hold_set", &R::customer_hold},
      {"customer_hold_lifted", &R::customer_hold},
  };
  return table;
}

void LogRules::add(std::uint64_t index, const audit::Entry& entry, const Find& find) {
  // What a keeper that takes over says at its beginning, of itself or of what it found.
  constexpr std::array kOfItsBeginning = {std::string_view("hand_over_failed"),
                                          std::string_view("fields_void"),
                                          std::string_view("policy_in_force")};
  if (std::ranges::find(kOfItsBeginning, std::string_view(entry.type)) == kOfItsBeginning.end())
    keeper_before_.reset();
  const auto handler = handlers().find(entry.type);
  if (handler != handlers().end()) (this->*handler->second)({index, entry, find});
}

// ---- people -------------------------------------------------------------------------------------

// Who was on duty, and which keys browsers have, a keeper knows only while it lives.
void LogRules::keeper_started(const Now& now) {
  auto before = std::exchange(keeper_, {});
  keeper_.at = now.entry.at;
  looked_ = {};
  callers_ = ordered_ = {};
  const auto* rules = now.entry.data.if_contains("rules");
  keeper_.rules =
      std::max(before.rules, rules != nullptr && rules->is_int64() ? rules->get_int64() : 0);
  const auto* handed_over = now.entry.data.if_contains("handed_over");
  if (handed_over != nullptr && handed_over->is_bool() && handed_over->get_bool())
    keeper_before_ = std::move(before);
}

// The one that was to go goes on with all it had: that another started just before is void.
void LogRules::hand_over_failed(const Now&) {
  if (keeper_before_) keeper_ = *std::exchange(keeper_before_, std::nullopt);
}

void LogRules::policy_in_force(const Now& now) {
  auto limits = limits_from_json(now.entry.data.at("limits").as_array());
  if (!limits) return now.breaks("policy-within-bounds", "limits that no policy may have");
  note_keep(now);
  limits_ = limits;
  party_ = {text(now.entry, "party"), text(now.entry, "origin")};
  if (!chart_ || chart_->number() == 0) chart_ = std::make_unique<people::Chart>(party_);
}

// One owner who makes the second of two for themselves is two people at once.
void LogRules::made_second_by(const Now& now, const people::SignedChange& change) {
  if (change.signatures.size() != 1 || !chart_->makes_second(change.change)) return;
  if (keeper_.rules >= kRulesOfSeconds && chart_->takes_two(change.change))
    return now.breaks("second-by-two", "made by one, though a second one was there");
  if (had_second_ && !chart_->has_second({}))
    now.breaks("second-begun-anew", "made by one: all others who might have are gone");
}

void LogRules::chart_changed(const Now& now) {
  const auto taken = [&]() -> Status {
    if (!chart_) return fail(Errc::kState, "no policy in force: nobody knows whose passkeys");
    const people::SignedChange change{TRY(people::change_from_json(now.entry.data)),
                                      TRY(people::signatures_from_json(now.entry.signature))};
    const auto before = chart_last_ == 0 ? std::optional<std::uint64_t>() : chart_last_ - 1;
    if (now.entry.prev_step != before) return fail(Errc::kState, "it follows another entry");
    if (now.entry.subject != change.change.person.hex())
      return fail(Errc::kMalformed, "about another person than its subject");
    made_second_by(now, change);
    if (const auto in_order = chart_->key_first(change.change);
        !in_order && keeper_.rules >= kRulesOfKeys)
      now.breaks("key-before-role", in_order.error().message);
    return chart_->apply(change);
  }();
  if (!taken) return now.breaks("chart-holds", taken.error().message);
  had_second_ = had_second_ || chart_->has_second({});
  chart_last_ = now.index + 1;
  const auto is_none = [this](const PersonId& p) { return !chart_->is(p, people::Role::kExpert); };
  std::erase_if(keeper_.on_duty, is_none);
  std::erase_if(came_, is_none);
}

void LogRules::duty_changed(const Now& now) {
  const auto person = PersonId::parse(now.entry.subject);
  if (!person) return now.breaks("expert-on-duty", "nobody's duty");
  if (!now.entry.data.at("on").as_bool()) {
    keeper_.on_duty.erase(*person);
    came_.erase(*person);
    return;
  }
  if (!chart_ || !chart_->is(*person, people::Role::kExpert))
    return now.breaks("expert-on-duty", "on duty, and no expert with a passkey");
  keeper_.on_duty.insert(*person);
  came_.insert(*person);
}

void LogRules::reader_bound(const Now& now) {
  const auto bound = [&]() -> Status {
    if (!chart_) return fail(Errc::kState, "no role chart yet");
    const auto person = TRY(PersonId::parse(now.entry.subject));
    const auto said = TRY(people::signatures_from_json(now.entry.signature));
    if (said.size() != 1 || said[0].person != person)
      return fail(Errc::kDenied, "not signed by whose key it is");
    Reader reader{.person = person, .passkey = said[0].said.passkey, .at = number(now.entry, "at")};
    ReaderKey key{};
    std::ranges::copy(TRY(from_hex(text(now.entry, "key"))), key.begin());
    if (now.entry.data.contains("call")) {
      const auto purpose = keys::purpose_of_text(text(now.entry, "purpose"));
      if (!purpose) return fail(Errc::kMalformed, "for no purpose");
      reader.scope = {TRY(CallId::parse(text(now.entry, "call"))), *purpose};
    }
    TRY(chart_->check(person, keys::reader_challenge(person, key, reader.at, reader.scope),
                      said[0].said));
    keeper_.readers[{person, key}] = std::move(reader);  // of another who bound it nothing changes
    return {};
  }();
  if (!bound) now.breaks("reader-is-signed", bound.error().message);
}

// ---- steps --------------------------------------------------------------------------------------

void LogRules::disclosure_step(const Now& now) {
  const auto taken = [&]() -> Status {
    if (!chart_ || !limits_) return fail(Errc::kState, "no policy in force, or no role chart");
    SignedStep next{TRY(step_from_json(now.entry.data)), {}};
    const auto said = TRY(people::signatures_from_json(now.entry.signature));
    if (said.size() > 1) return fail(Errc::kMalformed, "two signatures");
    if (!said.empty()) next.signature = said[0];
    const auto& step = next.step;
    if (now.entry.subject != step.request.hex())
      return fail(Errc::kMalformed, "of another request than its subject");
    const bool first = step.number == 1;
    if (first && requests_.contains(step.request))
      return fail(Errc::kState, "a request begins once");
    if (!first && !requests_.contains(step.request))
      return fail(Errc::kState, "of a request that did not begin");
    auto chain = first ? Chain{} : requests_.at(step.request).chain;
    const auto before = first ? std::optional<std::uint64_t>() : requests_.at(step.request).last;
    if (now.entry.prev_step != before) return fail(Errc::kState, "it follows another entry");
    if (!first && step.at < chain.request().since)
      return fail(Errc::kState, "older than the step before it");
    const World world{*chart_, *limits_, step.at};
    TRY(chain.apply(next, world));
    if (!first) {
      const auto& request = requests_.at(step.request);
      if (step.event.kind == EventKind::kAssign) check_assigned(now, request.chain.request(), step);
      if (step.event.kind == EventKind::kPass) check_pass(now, request, step);
      if (step.event.kind == EventKind::kView) check_view(now, request, step);
      if (step.event.kind == EventKind::kRelease) check_heard(now, request, step);
      if (step.event.kind == EventKind::kReview && keeper_.rules >= 1 && !step.event.found.said)
        now.breaks("review-answers",
                   "it says neither whether it was needed nor whether it was used");
      if (step.event.kind == EventKind::kReview &&
          step.at > deadline(request.chain.request(), *limits_))
        now.breaks(request.chain.request().broken ? "broken-is-reviewed" : "review-in-time",
                   "reviewed, and too late");
    }
    auto& request = requests_[step.request];
    if (first) customers_[step.customer].requests.push_back(step.request);
    request.chain = std::move(chain);
    request.last = now.index;
    request.said[step.number] = step.words != crypto::Digest{};
    if (!first && step.event.kind == EventKind::kRing) {
      request.passed.clear();
      request.proofs.clear();
      request.code_sent.reset();
      request.call_back.reset();
      request.opened.clear();
      request.heard.clear();
      request.rang = now.index;
      request.rung_by = request.chain.request().expert;
    }
    return {};
  }();
  if (!taken) now.breaks("step-holds", taken.error().message);
}

// A keeper that begins knows of nobody, and is told. Until somebody was said to be off, what they
// have is theirs.
void LogRules::check_assigned(const Now& now, const Request& before, const ChainStep& step) {
  if (!keeper_.on_duty.contains(step.event.expert))
    now.breaks("expert-on-duty", "assigned to who was not on duty");
  if (before.state == State::kAssigned && came_.contains(before.expert) &&
      may_verify(before, before.expert, *chart_))
    now.breaks("expert-on-duty", "taken from an expert who was on duty");
}

void LogRules::check_pass(const Now& now, const OfRequest& request, const ChainStep& step) {
  if (!request.call_back || !same(*request.call_back, step.event.call_back))
    now.breaks("call-back-holds", "not the call-back that was made since it rang");
  if (step.event.checks != request.passed.size())
    now.breaks("checks-hold", std::to_string(step.event.checks) + " checks are said, and " +
                                  std::to_string(request.passed.size()) + " were passed");
  check_proofs(now, request, step);
}

// Nobody releases own data: what was stored as lately as a young number proves nothing of it, but
// for what the customer began with. A day less than the keeper counts.
void LogRules::check_proofs(const Now& now, const OfRequest& request, const ChainStep& step) {
  const auto& of = request.chain.request();
  const auto young_days = limits_->number_days_young;
  if (!asks_own_data(of) || step.event.call_back.number_age_days >= young_days) return;
  const auto& fields = customers_[of.customer].fields;
  for (const auto leaf : request.proofs) {
    const auto field = fields.find(leaf);
    if (field == fields.end()) continue;  // said where it was checked
    const auto at = field->second.stored.at;
    if (at > now.entry.at - (young_days - 1) * kDayMs &&
        at > fields.begin()->second.stored.at + kBeganMs)
      now.breaks("checks-hold", "own data, proven by what came as lately as its number");
  }
}

// The passkey that signed it is still theirs, and it is not too long ago.
bool LogRules::reads_on(const Reader& reader, std::int64_t at) const {
  const auto* member = chart_->here(reader.person);
  const auto lasts = reader.scope.is_some() ? keys::kConsentMs : kReaderMs;
  return member != nullptr && at <= reader.at + lasts + kAheadMs &&
         std::ranges::find(member->keys, reader.passkey, &people::Passkey::id) !=
             member->keys.end();
}

void LogRules::check_view(const Now& now, const OfRequest& request, const ChainStep& step) {
  const auto reader = keeper_.readers.find({step.event.by, step.reader_key});
  if (reader == keeper_.readers.end() || reader->second.scope.is_some())
    return now.breaks("seen-by-whose-key-it-is", "sealed to a key that this person has not bound");
  if (!reads_on(reader->second, step.at))
    return now.breaks("seen-by-whose-key-it-is", "the passkey is gone, or it is too long ago");
  auto& customer = customers_[request.chain.request().customer];
  const auto field = customer.fields.find(step.event.fields.at(0));
  if (field == customer.fields.end() || field->second.gone)
    return now.breaks("seen-while-it-lives", "a field that is not there, or was to be erased");
  if (field->second.of_class == "secret") due_soon(field->second, now.entry.at);
}

// ---- the verification ---------------------------------------------------------------------------

// The request that an entry of its verification is about; nullptr when that breaks the rule.
LogRules::OfRequest* LogRules::in_call(const Now& now, std::string_view rule, bool by_expert) {
  const auto id = RequestId::parse(now.entry.subject);
  const auto at = id ? requests_.find(*id) : requests_.end();
  if (at == requests_.end()) {
    now.breaks(rule, "of a request that did not begin");
    return nullptr;
  }
  auto& request = at->second;
  const auto& state = request.chain.request();
  // A call-back that ends after the verdict is told all the same.
  if (by_expert && (state.state != State::kCalling || now.entry.actor != state.expert.hex()))
    now.breaks(rule, "not by its expert, or not while the customer was called back");
  if (now.entry.prev_step != request.last) now.breaks(rule, "it follows another entry");
  request.last = now.index;
  return &request;
}

void LogRules::check_made(const Now& now) {
  auto* request = in_call(now, "checks-hold", true);
  if (request == nullptr) return;
  const auto leaf = static_cast<std::uint32_t>(number(now.entry, "leaf"));
  const auto kind = text(now.entry, "kind");
  const bool code = kind == kByCode;
  const auto what = counts_as(request->chain.request(), kind, request->code_by_mail, leaf);
  if (code && request->code_sent != leaf)
    now.breaks("checks-hold", "a code that was not sent there since it rang");
  const auto& customer = customers_[request->chain.request().customer];
  const auto field = customer.fields.find(leaf);
  if (field == customer.fields.end() || field->second.gone)
    now.breaks("checks-hold", "a field that is not there");
  else if (field->second.stored.index > 0 && !code &&
           field->second.stored.at > request->chain.request().asked_at + kAheadMs)
    now.breaks("checks-hold", "a field that was stored after the request was made");
  else if (!code && kind != field->second.kind)
    now.breaks("checks-hold", "a field that was stored as another kind");
  if (!now.entry.data.at("passed").as_bool()) return;
  request->passed.insert(what);
  request->proofs.insert(leaf);
}

void LogRules::code_sent(const Now& now) {
  auto* request = in_call(now, "checks-hold", true);
  if (request == nullptr) return;
  const auto leaf = static_cast<std::uint32_t>(number(now.entry, "leaf"));
  const auto& fields = customers_[request->chain.request().customer].fields;
  const auto field = fields.find(leaf);
  const auto channel = text(now.entry, "channel");
  const auto kind = channel == kByMail ? vault::FieldKind::kEmail : vault::FieldKind::kPhone;
  if (field == fields.end() || field->second.gone || field->second.kind != vault::to_text(kind))
    now.breaks("checks-hold", "a code by " + std::string(channel) + " to what is no such address");
  request->code_sent = leaf;
  request->code_by_mail = channel == kByMail;
}

void LogRules::call_started(const Now& now) {
  const auto id = CallId::parse(now.entry.subject);
  if (!id) return;
  const auto source = keys::source_of_text(text(now.entry, "source"));
  calls_.emplace(*id, OfCall{now.index, source == keys::CallSource::kCallBack, {}, {}});
}

void LogRules::call_back_made(const Now& now) {
  auto* request = in_call(now, "call-back-holds", false);
  if (request == nullptr) return;
  const auto& of = request->chain.request();
  CallBack made{.call = CallId::parse(text(now.entry, "call")).value_or(CallId{}),
                .answered = now.entry.data.at("answered").as_bool(),
                .recorded = now.entry.data.at("recorded").as_bool(),
                .number_on_file = true,
                .seconds = number(now.entry, "seconds"),
                .number_age_days = number(now.entry, "number_age_days")};
  if (of.rings == 0 || request->call_back)
    now.breaks("call-back-holds", "nobody was ringing, or it is told twice");
  if (!made.call.is_zero()) {
    const auto began = calls_.find(made.call);
    if (began == calls_.end() || began->second.began < request->rang)
      now.breaks("call-back-holds", "its recording did not begin after it rang");
    const keys::CallBackOf whose{of.id, of.requester, request->rung_by};
    if (!backed_.emplace(made.call, whose).second)
      now.breaks("call-back-holds", "one recording for two call-backs");
    check_opened_before(now, made.call, whose);
  }
  const auto& customer = customers_[of.customer];
  const auto field = customer.fields.find(static_cast<std::uint32_t>(number(now.entry, "leaf")));
  if (field == customer.fields.end()) {
    now.breaks("call-back-holds", "to a number that was never stored");
  } else if (field->second.replaced &&
             made.number_age_days > (now.entry.at - field->second.stored.at) / kDayMs + 1) {
    now.breaks("call-back-holds", "the number is younger than is said");
  }
  request->call_back = made;
}

void LogRules::words_read(const Now& now) {
  const auto id = RequestId::parse(now.entry.subject);
  const auto at = id ? requests_.find(*id) : requests_.end();
  const auto person = PersonId::parse(now.entry.actor);
  if (at == requests_.end() || !person || !chart_)
    return now.breaks("words-read-by-a-part", "of a request that did not begin, or by nobody");
  const auto& request = at->second.chain.request();
  const auto said = at->second.said.find(static_cast<std::uint32_t>(number(now.entry, "number")));
  if (!may_read_words(*chart_, *person, request))
    now.breaks("words-read-by-a-part", "by who has no part in it");
  else if (said == at->second.said.end() || !said->second)
    now.breaks("words-read-by-a-part", "nothing was said there");
  if (!now.entry.prev_step) return;  // in the request's own chain: who releases has to have read it
  if (now.entry.prev_step != at->second.last || said == at->second.said.end() || said->first != 1)
    return now.breaks("words-read-by-a-part", "not in the place where it says that it stands");
  at->second.last = now.index;
  at->second.read.insert(*person);
}

void LogRules::call_back_heard(const Now& now) {
  const auto id = RequestId::parse(now.entry.subject);
  const auto at = id ? requests_.find(*id) : requests_.end();
  const auto person = PersonId::parse(now.entry.actor);
  if (at == requests_.end() || !person)
    return now.breaks("release-heard", "of a request that did not begin, or by nobody");
  auto& request = at->second;
  const auto call = CallId::parse(text(now.entry, "call"));
  if (now.entry.prev_step != request.last)
    now.breaks("release-heard", "not in the place where it says that it stands");
  request.last = now.index;
  const auto least = limits_.value_or(Limits{}).call_seconds_min * 1'000;
  if (!request.call_back || call != request.call_back->call || request.opened[*person].ms() < least)
    return now.breaks("release-heard", "by who had no keys of enough of the call-back's sound");
  request.heard.insert(*person);
}

void LogRules::check_heard(const Now& now, const OfRequest& request, const ChainStep& step) {
  if (keeper_.rules < 1) return;  // keepers before asked for neither
  if (!request.read.contains(step.event.by))
    now.breaks("release-heard", "released by who had not read the concern");
  if (!request.heard.contains(step.event.by))
    now.breaks("release-heard", "released by who had not heard the call-back");
}

// The server hands it over: it may have ended since the keeper was asked.
void LogRules::receipt_given(const Now& now) {
  const auto id = RequestId::parse(now.entry.subject);
  const auto at = id ? requests_.find(*id) : requests_.end();
  if (at == requests_.end())
    return now.breaks("receipt-to-who-asked", "of a request that did not begin");
  const auto& request = at->second.chain.request();
  if (now.entry.actor != request.requester.hex())
    now.breaks("receipt-to-who-asked", "to somebody else");
  else if (!was_confirmed(request))
    now.breaks("receipt-to-who-asked", "nobody confirmed that it is the customer");
  else if (now.entry.at > grace_.erase_ms + (is_over(request.state)
                                                 ? request.since
                                                 : deadline(request, limits_.value_or(Limits{}))))
    now.breaks("receipt-to-who-asked", "its time was over");
}

// ---- at the end ---------------------------------------------------------------------------------

void LogRules::finish_reviews(std::int64_t newest_at, const Find& find) const {
  if (!limits_) return;
  for (const auto& [id, request] : requests_) {
    const auto& of = request.chain.request();
    const auto end = deadline(of, *limits_);
    if (end == 0 || newest_at <= end + grace_.erase_ms) continue;
    if (is_over(of.state))
      find(of.broken ? "broken-is-reviewed" : "review-in-time", request.last, id.hex(),
           "nobody has reviewed it");
    else if (keeper_.at + grace_.erase_ms < newest_at)
      find("request-ends", request.last, id.hex(),
           std::string("it is ") + to_text(of.state) + ", and its time is over");
  }
}

void LogRules::finish(std::int64_t newest_at, const Find& find) {
  finish_reviews(newest_at, find);
  finish_secrets(newest_at, find);
}

}  // namespace callward::disclose
