// The verification: the call-back, which the system dials, and the checks, of which the expert
// learns only whether they fit.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/office.hpp"
#include "vault/field_record.hpp"
#include "vault/normalise.hpp"

namespace callward::disclose {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kOneIntakeMs = 1'000;  // between a customer's first case and what is in it
constexpr std::uint32_t kCodesEnd = 100'000'000;  // eight digits

// Compared with what a customer says: not what was dialled, nor a text of their own words, nor a
// secret, which goes at its first use and is not to be said in a call that is kept.
bool may_be_checked(const vault::Version& version) {
  return version.of_class != vault::FieldClass::kSecret &&
         version.kind != vault::FieldKind::kPhone && version.kind != vault::FieldKind::kQuery &&
         version.kind != vault::FieldKind::kText;
}
bool may_have_a_code(const vault::Version& version) {
  return version.state == vault::FieldState::kReadable &&
         version.of_class != vault::FieldClass::kSecret &&
         (version.kind == vault::FieldKind::kEmail || version.kind == vault::FieldKind::kPhone);
}

// As lately as a number that is young, and not what the customer began with. The number is as old
// as it was when it was dialled: so the verdict counts, and the log's rule.
bool came_lately(const vault::Customer& customer, const vault::Version& version,
                 const CallBack& call, const World& world) {
  const auto young_days = world.limits.number_days_young;
  return call.number_age_days < young_days && world.now - version.stored_at < young_days * kDayMs &&
         version.stored_at > customer.begun_at() + kOneIntakeMs;
}

// Proof is what was known before anybody asked: not what was typed since, perhaps by who asks, nor
// what it replaced. Of own data, which nobody releases, not what came as lately as the number
// either: who took that over would bring the proof along.
Status may_prove(const Request& request, const CallBack& call, const vault::Customer& customer,
                 const vault::Version& version, const World& world) {
  if (customer.newest(version.field) != &version)
    return fail(Errc::kDenied, "a newer one is on file");
  if (version.stored_at > request.asked_at)
    return fail(Errc::kDenied, "it was stored after the request was made");
  return asks_own_data(request) && came_lately(customer, version, call, world)
             ? fail(Errc::kDenied, "the number was changed lately, and this was stored as lately")
             : Status{};
}

}  // namespace

// Of one that still goes on no more is known than how old its number is.
CallBack Office::judged(const Running& running) {
  return running.dialling ? CallBack{.number_on_file = true,
                                     .number_age_days = running.dialling->number_age_days}
                          : running.call_back;
}

Result<Office::Running*> Office::in_verification(const RequestId& id, const PersonId& expert) {
  TRY(ready());
  auto* running = TRY(find_request(id));
  const auto& request = running->chain.request();
  if (request.state != State::kCalling)
    return fail(Errc::kState, "checks are made while the customer is called back");
  const auto end = deadline(request, policy_.policy.limits);
  if (now() >= end) return fail(Errc::kState, "its time is over");
  if (request.expert != expert || !may_verify(request, expert, chart_))
    return fail(Errc::kDenied, "the expert to whom it was assigned does this");
  if (running->staged) return fail(Errc::kBusy, "a step is just being made; ask again");
  const bool reached =
      running->dialling ? running->dialling->connected_ms.has_value() : running->call_back.answered;
  if (!reached) return fail(Errc::kState, "nobody has answered yet");
  return running;
}

// An entry of the request's chain that is no step.
Result<std::uint64_t> Office::stage_of_request(const RequestId& id, Running& running,
                                               std::string type, std::string actor,
                                               boost::json::object data) {
  audit::Entry entry{.type = std::move(type),
                     .actor = std::move(actor),
                     .subject = id.hex(),
                     .data = std::move(data)};
  entry.prev_step = running.entry;
  const auto index = TRY(ledger_.stage(std::move(entry)));
  running.staged = true;
  running.entry = index;  // what comes in the same round follows this one
  ledger_.with_log([this, id, index](const Status& logged) {
    if (!logged) {
      known_ = false;
      return;
    }
    const auto still = find_request(id);
    if (!still) return;
    (*still)->staged = false;
    (*still)->logged = index;
    keep_running();
  });
  return index;
}

// ---- checks -------------------------------------------------------------------------------------

void Office::answer_check(const RequestId& id, const std::string& what, bool match,
                          std::uint8_t left, Reply<keys::Checked> reply) {
  ledger_.after_log([this, id, what, match, left, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto still = find_request(id);
    if (!still) return reply(tl::unexpected<Error>(still.error()));
    if (match) (*still)->passed.insert(what);
    reply(keys::Checked{match, left, static_cast<std::uint32_t>((*still)->passed.size())});
  });
}

void Office::check_field(const keys::CheckField& message, Reply<keys::Checked> reply) {
  std::uint8_t left = 0;
  std::string what;
  const auto match = [&]() -> Result<bool> {
    auto* running = TRY(in_verification(message.request, message.expert));
    auto* customer = TRY(book_.find(running->chain.request().customer));
    const auto leaf = message.field.leaf;
    const auto* version = customer->find(leaf);
    if (version == nullptr || !may_be_checked(*version))
      return fail(Errc::kNotFound, "nothing that can be compared");
    TRY(may_prove(running->chain.request(), judged(*running), *customer, *version,
                  world_at(now())));
    auto& misses = running->misses[leaf];
    if (misses >= kTriesMax || version->misses >= vault::kMissesMax)
      return fail(Errc::kDenied, "compared wrongly too often: locked");
    const auto given =
        TRY(open_intake(message.given, "check", {message.request.hex(), std::to_string(leaf)}));
    const auto said = vault::normalise(version->kind, given.expose(), policy_.policy.region);
    bool fits = false;  // what cannot be one fits nothing, and counts as a try
    if (version->state == vault::FieldState::kReadable) {
      const auto value = TRY(vault::open_value(cipher_, *customer, *version,
                                               keys::RecordKind::kField, message.field.record));
      const auto stored =
          TRY(vault::normalise(version->kind, value.expose(), policy_.policy.region));
      fits = said && equal_constant_time(said->expose(), stored.expose());
    } else {
      if (!version->compare) return fail(Errc::kNotFound, "nothing that can be compared");
      fits = said && TRY(compare_fits(*version->compare, version->kind, said->expose()));
    }
    // By customer, not by request: who asks anew guesses no further.
    const auto counted = customer->compared(leaf, fits);
    if (!counted) return tl::unexpected<Error>(counted.error());
    book_.touch(*customer);
    ledger_.write_rows();
    TRY(stage_of_request(
        message.request, *running, "check_made", message.expert.hex(),
        {{"kind", vault::to_text(version->kind)}, {"leaf", std::int64_t{leaf}}, {"passed", fits}}));
    what = counts_as(running->chain.request(), vault::to_text(version->kind), false, leaf);
    if (!fits) ++misses;
    left = static_cast<std::uint8_t>(
        std::min(kTriesMax - misses, vault::kMissesMax - version->misses));
    return fits;
  }();
  if (!match) return reply(tl::unexpected<Error>(match.error()));
  answer_check(message.request, what, *match, left, std::move(reply));
}

// ---- the code -----------------------------------------------------------------------------------

void Office::send_code(const keys::SendCode& message, Reply<keys::Ack> reply) {
  const auto done = [&]() -> Status {
    auto* running = TRY(in_verification(message.request, message.expert));
    if (running->codes >= kCodesMax) return fail(Errc::kDenied, "enough codes were sent");
    const auto* customer = TRY(book_.find(running->chain.request().customer));
    const auto* version = customer->find(message.field.leaf);
    if (version == nullptr || !may_have_a_code(*version))
      return fail(Errc::kNotFound, "no address on file that a code can be sent to");
    TRY(may_prove(running->chain.request(), judged(*running), *customer, *version,
                  world_at(now())));
    const bool mail = version->kind == vault::FieldKind::kEmail;
    const std::string channel(mail ? kByMail : kBySms);
    const auto value = TRY(vault::open_value(cipher_, *customer, *version, keys::RecordKind::kField,
                                             message.field.record));
    auto address = TRY(vault::normalise(version->kind, value.expose(), policy_.policy.region));
    // Over a channel other than the number that was dialled, whatever field says it.
    if (!mail && (running->dialled.empty() ||
                  equal_constant_time(address.expose(), running->dialled.expose())))
      return fail(Errc::kDenied, "not to the number that was dialled");
    std::uint32_t digits = 0;
    do {
      digits = load_le<std::uint32_t>(entropy_.array<4>().data());
    } while (digits >= 42 * kCodesEnd);  // each code as likely as another
    digits %= kCodesEnd;
    SecretBytes code(8);
    for (std::size_t i = 8; i-- > 0; digits /= 10)
      code.expose_mut()[i] = static_cast<std::uint8_t>('0' + digits % 10);
    TRY(stage_of_request(message.request, *running, "code_sent", message.expert.hex(),
                         {{"leaf", std::int64_t{message.field.leaf}}, {"channel", channel}}));
    ++running->codes;
    running->code_by_mail = mail;
    running->code = Code{.value = code.clone(),
                         .leaf = message.field.leaf,
                         .until_ms = clock_.monotonic_ms() + kCodeMs};
    ledger_.after_log([this, channel, address = std::make_shared<SecretBytes>(std::move(address)),
                       code = std::make_shared<SecretBytes>(std::move(code)),
                       reply](Status logged) {
      if (logged) logged = outbox_.deliver(channel, std::move(*address), std::move(*code));
      if (!logged) return reply(tl::unexpected<Error>(logged.error()));
      reply(keys::Ack{});
    });
    return {};
  }();
  if (!done) reply(tl::unexpected<Error>(done.error()));
}

void Office::check_code(const keys::CheckCode& message, Reply<keys::Checked> reply) {
  std::uint8_t left = 0;
  std::string what;
  const auto match = [&]() -> Result<bool> {
    auto* running = TRY(in_verification(message.request, message.expert));
    auto& code = running->code;
    if (!code || clock_.monotonic_ms() >= code->until_ms)
      return fail(Errc::kState, "no code that still holds: send one");
    if (code->misses >= kTriesMax) return fail(Errc::kDenied, "too many wrong codes: send another");
    const auto given = TRY(open_intake(message.given, "code", {message.request.hex()}));
    const auto said = vault::normalise(vault::FieldKind::kCode, given.expose(), "ZZ");
    const bool fits = said && equal_constant_time(said->expose(), code->value.expose());
    TRY(stage_of_request(
        message.request, *running, "check_made", message.expert.hex(),
        {{"kind", std::string(kByCode)}, {"leaf", std::int64_t{code->leaf}}, {"passed", fits}}));
    what = counts_as(running->chain.request(), kByCode, running->code_by_mail, code->leaf);
    if (!fits) ++code->misses;
    left = static_cast<std::uint8_t>(kTriesMax - code->misses);
    if (fits) code.reset();  // once
    return fits;
  }();
  if (!match) return reply(tl::unexpected<Error>(match.error()));
  answer_check(message.request, what, *match, left, std::move(reply));
}

// ---- the call-back ------------------------------------------------------------------------------

// Before the step is logged: that there is a number on file, and a telephone of the expert's.
// Dialled is once it is.
Status Office::ring(const RequestId& id, Running& running, const keys::FieldRecord& record) {
  const auto& request = running.chain.request();
  const auto* customer = TRY(book_.find(request.customer));
  const auto* version = customer->find(record.leaf);
  if (version == nullptr || version->kind != vault::FieldKind::kPhone ||
      version->of_class != vault::FieldClass::kReference ||
      customer->newest(version->field) != version || version->state != vault::FieldState::kReadable)
    return fail(Errc::kDenied, "only the number on file is dialled");
  const auto value =
      TRY(vault::open_value(cipher_, *customer, *version, keys::RecordKind::kField, record.record));
  auto number = TRY(vault::normalise(version->kind, value.expose(), policy_.policy.region));
  const auto* expert = chart_.find(request.expert);
  if (expert == nullptr || expert->extension.empty())
    return fail(Errc::kState, "the role chart has no telephone of this expert's");
  const auto age = (now() - customer->number_since()) / kDayMs;
  const Dialling dialling{
      .dial = DialId::random(entropy_), .leaf = record.leaf, .number_age_days = age};
  ledger_.after_log([this, id, dialling, extension = expert->extension,
                     number = std::make_shared<SecretBytes>(std::move(number))](Status logged) {
    const auto still = find_request(id);
    if (!logged || !still || (*still)->chain.request().state != State::kCalling) return;
    auto& calling = **still;
    calling.passed.clear();  // each call is verified by itself
    calling.code.reset();
    calling.call_back = {};
    calling.dialled = number->clone();
    calling.dialling = dialling;
    dials_[dialling.dial] = id;
    const auto& of = calling.chain.request();
    note_rang(dialling.dial, {id, of.requester, of.expert});
    if (auto begun = outbox_.dial(dialling.dial, extension, std::move(*number)); !begun)
      dial_over(dialling.dial, {.cause = "failed"});
  });
  return {};
}

void Office::dial_connected(const DialId& dial) {
  const auto at = dials_.find(dial);
  const auto running = at == dials_.end() ? fail(Errc::kNotFound, "") : find_request(at->second);
  // It may be told again: the recording's name comes when it comes.
  if (running && (*running)->dialling && !(*running)->dialling->connected_ms)
    (*running)->dialling->connected_ms = clock_.monotonic_ms();
}

void Office::note_rang(const DialId& dial, const keys::CallBackOf& of) {
  if (!rang_.emplace(dial, of).second) return;
  rang_in_order_.push_back(dial);
  if (rang_in_order_.size() <= kRangMax) return;
  rang_.erase(rang_in_order_.front());
  rang_in_order_.pop_front();
}

// Whose it is stays with the call, whatever becomes of the request meanwhile.
void Office::dial_recorded(const DialId& dial, const CallId& call) {
  if (const auto of = rang_.find(dial); of != rang_.end()) ledger_.note_call_back(call, of->second);
  const auto at = dials_.find(dial);
  const auto running = at == dials_.end() ? fail(Errc::kNotFound, "") : find_request(at->second);
  if (running && (*running)->dialling) (*running)->dialling->call = call;
}

// How long both talked is what we saw ourselves, or less where who dialled says so.
void Office::dial_over(const DialId& dial, const DialEnd& end) {
  const auto at = dials_.find(dial);
  if (at == dials_.end()) return;
  const auto id = at->second;
  dials_.erase(at);
  const auto found = find_request(id);
  if (!found || !(*found)->dialling) return;
  auto& running = **found;
  const auto dialling = *running.dialling;
  running.dialling.reset();
  const auto seen = !dialling.connected_ms ? 0 : clock_.monotonic_ms() - *dialling.connected_ms;
  const CallBack made{.call = dialling.call,
                      .answered = end.answered && dialling.connected_ms.has_value(),
                      .recorded = !dialling.call.is_zero() && outbox_.is_recorded(dialling.call),
                      .number_on_file = true,
                      .seconds = std::min(seen, end.talked_ms) / 1'000,
                      .number_age_days = dialling.number_age_days};
  auto staged = stage_of_request(id, running, "call_back_made", "keeper",
                                 {{"dial", dial.hex()},
                                  {"call", made.call.is_zero() ? "" : made.call.hex()},
                                  {"leaf", std::int64_t{dialling.leaf}},
                                  {"answered", made.answered},
                                  {"recorded", made.recorded},
                                  {"seconds", made.seconds},
                                  {"number_age_days", made.number_age_days},
                                  {"cause", end.cause}});
  if (!staged) return log_event("office.call_back_not_logged", {{"request", id.hex()}});
  ledger_.after_log([this, id, made](const Status& logged) {
    const auto still = find_request(id);
    if (!logged || !still) return;
    (*still)->call_back = made;
    // Nobody was reached, or not long enough to tell: it may be tried again.
    if (!counts(made)) system_step(id, EventKind::kNoAnswer);
  });
}

}  // namespace callward::disclose
