// Requests, step by step: what is drafted, signed, judged, logged, and done.
#include <algorithm>
#include <boost/json.hpp>
#include <numeric>

#include "base/event_log.hpp"
#include "disclose/office.hpp"
#include "disclose/parts.hpp"
#include "vault/field_record.hpp"

namespace callward::disclose {
namespace {

// What somebody said stands among the customer's fields, where nobody can ask for it.
constexpr char kWordsMark = '~';
constexpr std::size_t kNonceBytes = 16;

std::string words_field(const RequestId& request, std::uint32_t number) {
  return kWordsMark + request.hex().substr(0, 16) + "." + std::to_string(number);
}

std::optional<EventKind> kind_of(std::string_view word) {
  for (std::size_t i = 0; i < kEventKinds; ++i)
    if (word == to_text(static_cast<EventKind>(i))) return static_cast<EventKind>(i);
  return std::nullopt;
}

Result<ChainStep> parse_step(const std::string& text) {
  boost::system::error_code error;
  const auto json = boost::json::parse(text, error);
  if (error || !json.is_object()) return fail(Errc::kMalformed, "a step that is none");
  return step_from_json(json.get_object());
}

// A sentence: ten letters, two words. Of a verdict there are three: that it is genuine, that it was
// the right person, that the customer agrees.
bool is_sentence(std::string_view text) {
  std::size_t letters = 0, words = 0;
  bool in_word = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    letters += letter || byte >= 0xC0;
    const bool inside = letter || byte >= 0x80;
    words += inside && !in_word;
    in_word = inside;
  }
  return letters >= 10 && words >= 2;
}

Status check_said(const ChainStep& step, std::string_view text) {
  if (text.size() > 2'000) return fail(Errc::kTooLarge, "say it in 2,000 characters");
  if (step.number == 1)
    return is_concern(text) ? Status{}
                            : fail(Errc::kMalformed,
                                   "state the concern: three words and twenty letters at least, "
                                   "and not the same over and over");
  if (step.event.kind != EventKind::kPass)
    return is_sentence(text) ? Status{} : fail(Errc::kMalformed, "say why, in a sentence");
  std::size_t said = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    said += is_sentence(text.substr(at, end - at));
    at = end + 1;
  }
  return said >= 3 ? Status{}
                   : fail(Errc::kMalformed,
                          "say in a sentence each, on a line of its own: is it genuine, is it the "
                          "right person, does the customer agree");
}

}  // namespace

Result<Office::Running*> Office::find_known(const RequestId& id) {
  const auto at = requests_.find(id);
  if (at == requests_.end()) return fail(Errc::kNotFound, "no such request, or it is over");
  return &at->second;
}

// One of which something may still become.
Result<Office::Running*> Office::find_request(const RequestId& id) {
  auto* running = TRY(find_known(id));
  if (is_settled(running->chain.request().state))
    return fail(Errc::kNotFound, "no such request, or it is over");
  return running;
}

// ---- drafting -----------------------------------------------------------------------------------

void Office::step_draft(const keys::StepDraft& message, Reply<keys::StepDrafted> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  ChainStep step{.request = message.request, .at = now(), .event = {.by = message.by}};
  step.event.fields = message.fields;
  std::ranges::sort(step.event.fields);
  step.event.window_ms = message.window_ms;
  step.words = message.words;
  step.reader_key = message.reader_key;
  if (message.request.is_zero()) {
    if (message.kind != "ask") return refuse({Errc::kMalformed, "of which request?"});
    if (!is_category(message.category))
      return refuse({Errc::kMalformed, "say what it is about: a category"});
    if (drafted_.size() >= kDraftsMax)
      return refuse({Errc::kFull, "too many requests were drafted lately"});
    step.request = RequestId::random(entropy_);
    drafted_[step.request] = clock_.monotonic_ms();
    step.number = 1;
    step.customer = message.customer;
    step.of_case = message.of_case;
    step.category = message.category;
  } else {
    const auto running = find_request(message.request);
    if (!running) return refuse(running.error());
    const auto kind = kind_of(message.kind);
    if (!kind) return refuse({Errc::kMalformed, "no such step"});
    step.event.kind = *kind;
    if (*kind == EventKind::kReview && message.answered)
      step.event.found = {true, message.needed, message.used};
    step.number = (*running)->chain.number() + 1;
    step.before = (*running)->chain.head();
    // Whoever may otherwise learns it before they sign.
    if (*kind == EventKind::kRelease && why_not((*running)->chain.request(), *kind, message.by,
                                                world_at(now())) == WhyNot::kNothing)
      if (auto heard = has_heard(**running, message.by); !heard) return refuse(heard.error());
    if (*kind == EventKind::kPass) {
      step.event.call_back = (*running)->call_back;
      step.event.checks = static_cast<std::uint32_t>((*running)->passed.size());
    }
  }
  const auto text = audit::canonical_json(to_json(step));
  if (!text) return refuse(text.error());
  reply(keys::StepDrafted{*text});
}

// ---- judging ------------------------------------------------------------------------------------

// What the chain cannot judge alone, because only the keeper knows it.
Status Office::check_step(const ChainStep& step, const Running* running) const {
  const auto time = now();
  if (step.at > time || step.at < time - kDraftMs)
    return fail(Errc::kDenied, "signed too long ago: draft it anew");
  if (step.event.kind == EventKind::kPass && step.number != 1) {
    const auto& known = running->call_back;
    const auto& said = step.event.call_back;
    if (said.call != known.call || said.answered != known.answered ||
        said.recorded != known.recorded || said.number_on_file != known.number_on_file ||
        said.seconds != known.seconds || said.number_age_days != known.number_age_days ||
        step.event.checks != running->passed.size())
      return fail(Errc::kDenied, "not the call-back and the checks that the keeper knows of");
  }
  if (running == nullptr) return {};
  if (step.event.kind == EventKind::kPass || step.event.kind == EventKind::kRelease)
    TRY(enough_is_kept(running->call_back));
  const auto end = deadline(running->chain.request(), policy_.policy.limits);
  if (end != 0 && time >= end && !is_over(running->chain.request().state))
    return fail(Errc::kState, "its time is over");
  // It was signed before the last step was made, or is older than that.
  return step.at >= running->chain.request().since
             ? Status{}
             : fail(Errc::kDenied, "older than the step before it");
}

Status Office::check_asked(const ChainStep& step) {
  // A number that was never used: nobody asks twice by one signature, nor under another's number.
  if (!drafted_.contains(step.request))
    return fail(Errc::kDenied, "not drafted here, or made already: draft it anew");
  if (!is_category(step.category))  // those of old logs may have none
    return fail(Errc::kMalformed, "say what it is about: a category");
  if (step.event.window_ms > policy_.policy.limits.window_ms_max)
    return fail(Errc::kMalformed, "wished open for longer than any release may last");
  const auto unsettled = std::ranges::count_if(
      requests_, [](const auto& item) { return !is_settled(item.second.chain.request().state); });
  if (static_cast<std::size_t>(unsettled) >= kRequestsMax)
    return fail(Errc::kFull, "too many requests are open");
  const auto of_person = std::ranges::count_if(requests_, [&](const auto& item) {
    const auto& request = item.second.chain.request();
    return request.requester == step.event.by && !is_over(request.state);
  });
  if (static_cast<std::size_t>(of_person) >= kRequestsPerPersonMax)
    return fail(Errc::kFull, "too many requests of one person are open");
  const auto* customer = TRY(book_.find(step.customer));
  if (customer->find_case(step.of_case) == nullptr)
    return fail(Errc::kNotFound, "no such case of this customer");
  if (is_being_erased(step.customer))
    return fail(Errc::kBusy, "something of this customer is just being erased: ask again");
  const auto of_customer = unsettled_of(step.customer) + 1;
  if (of_customer > kRequestsPerCustomerMax ||
      of_customer * kWordsOfRequestMax > customer->room_for_words())
    return fail(Errc::kFull, "too much is asked, or was said, about one customer");
  for (const auto leaf : step.event.fields) {
    const auto* version = customer->find(leaf);
    if (version == nullptr || version->state != vault::FieldState::kReadable || is_words(*version))
      return fail(Errc::kNotFound, "a field that is not there, or can only be compared");
  }
  return {};
}

// r || text, opened and held to what was signed. None: the step says nothing.
Result<std::optional<SecretBytes>> Office::check_words(const keys::StepPut& message,
                                                       const ChainStep& step) {
  if (step.words == crypto::Digest{}) return std::optional<SecretBytes>();
  if (step.number != 1 && !needs_words(step.event.kind))
    return fail(Errc::kMalformed, "nothing is said with this step");
  auto words =
      TRY(open_intake(message.words, "words", {step.request.hex(), std::to_string(step.number)}));
  if (words.size() < kNonceBytes || crypto::sha256(words.expose()) != step.words)
    return fail(Errc::kDenied, "other words than those that were signed");
  TRY(check_said(step, as_text(words.expose().subspan(kNonceBytes))));
  return std::optional<SecretBytes>(SecretBytes(words.expose().subspan(kNonceBytes)));
}

Result<keys::FieldRecord> Office::seal_words(const CustomerId& customer, std::uint32_t of_case,
                                             const ChainStep& step, const SecretBytes& words) {
  auto& owner = *TRY(book_.find(customer));
  const vault::FieldSpec spec{.id = words_field(step.request, step.number),
                              .kind = vault::FieldKind::kText,
                              .of_class = vault::FieldClass::kReference};
  const auto leaf = TRY(owner.add_words(spec, of_case, now()));
  book_.touch(owner);
  auto record = TRY(vault::seal_value(cipher_, entropy_, owner, *owner.find(leaf),
                                      keys::RecordKind::kStatement, words.expose()));
  return keys::FieldRecord{leaf, std::move(record)};
}

Result<SecretBytes> Office::open_released(const Request& request, vault::Leaf leaf,
                                          const keys::FieldRecord& record) {
  if (record.leaf != leaf) return fail(Errc::kDenied, "the record of another field");
  const auto* customer = TRY(book_.find(request.customer));
  const auto* version = customer->find(leaf);
  if (version == nullptr || version->state != vault::FieldState::kReadable)
    return fail(Errc::kErased, "this field is gone");
  return vault::open_value(cipher_, *customer, *version, keys::RecordKind::kField, record.record);
}

Result<Office::Judged> Office::judge(Chain chain, const SignedStep& step) const {
  auto actions = TRY(chain.apply(step, world_at(step.step.at)));
  return Judged{std::move(chain), std::move(actions)};
}

// ---- taking a step ------------------------------------------------------------------------------

Status Office::stage_step(const RequestId& id, Running& running, const SignedStep& step,
                          Judged judged) {
  audit::Entry entry{.type = "disclosure_step",
                     .actor = step.signature ? step.step.event.by.hex() : "keeper",
                     .subject = id.hex(),
                     .data = to_json(step.step)};
  if (step.step.number != 1) entry.prev_step = running.entry;
  if (step.signature) entry.signature = people::signatures_to_json({*step.signature});
  const auto index = TRY(ledger_.stage(std::move(entry)));
  running.staged = true;
  running.entry = index;
  auto next = std::make_shared<Chain>(std::move(judged.chain));
  ledger_.with_log([this, id, index, next, words = step.step.words != crypto::Digest{},
                    by = step.step.event.by](const Status& logged) {
    if (!logged) {
      known_ = false;  // all of it is read from the log again
      return;
    }
    const auto still = find_request(id);
    if (!still) return;
    auto& taken = **still;
    taken.chain = std::move(*next);
    taken.staged = false;
    taken.logged = index;
    if (words) taken.words[taken.chain.number()] = by;
    keep_running();
  });
  ledger_.after_log([this, id, actions = std::move(judged.actions)](const Status& logged) {
    if (logged) carry_out(id, actions);
  });
  return {};
}

void Office::step_put(const keys::StepPut& message, Reply<keys::StepTaken> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  auto taken = std::make_shared<keys::StepTaken>();
  auto value = std::make_shared<SecretBytes>();
  SignedStep step;
  const auto done = [&]() -> Status {
    step.step = TRY(parse_step(message.step));
    step.signature = TRY(people::parse_signature(message.signature));
    const auto& s = step.step;
    const bool first = s.number == 1;
    Running* running = first ? nullptr : TRY(find_request(s.request));
    if (running != nullptr && running->staged)
      return fail(Errc::kBusy, "another step is just being made; ask again");
    if (first && requests_.contains(s.request))
      return fail(Errc::kExists, "this request is there already");
    TRY(check_step(s, running));
    if (first) TRY(check_asked(s));
    // Judged before anything is opened for it.
    auto judged = TRY(judge(running != nullptr ? running->chain : Chain{}, step));
    if (!first && s.event.kind == EventKind::kRelease) TRY(has_heard(*running, s.event.by));
    if (!first && s.event.kind == EventKind::kReview && !s.event.found.said)
      return fail(Errc::kMalformed, "say whether it was needed and whether it was used");
    const auto words = TRY(check_words(message, s));
    const auto& request = judged.chain.request();
    if (!first && s.event.kind == EventKind::kView)
      *value = TRY(open_released(request, s.event.fields.at(0), message.record));
    if (!first && s.event.kind == EventKind::kView && !reads_with(s.event.by, s.reader_key))
      return tl::unexpected<Error>(no_reader("no key of this person's browser"));
    if (!first && s.event.kind == EventKind::kRing) TRY(ring(s.request, *running, message.record));
    if (words) taken->statement = TRY(seal_words(request.customer, request.of_case, s, *words));
    if (first) (running = &requests_[s.request])->asked_of = s.customer;
    auto staged = stage_step(s.request, *running, step, std::move(judged));
    if (!staged && first) requests_.erase(s.request);
    if (staged && first) drafted_.erase(s.request);
    if (staged && !first && s.event.kind == EventKind::kView) keep_time();
    return staged;
  }();
  if (!done) return refuse(done.error());
  taken->request = step.step.request;
  taken->number = step.step.number;
  if (!taken->statement.record.empty()) ledger_.write_rows();
  ledger_.after_log([this, step = step.step, taken, value, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    if (step.number == 1 || step.event.kind != EventKind::kView) return reply(std::move(*taken));
    // A second look: what came meanwhile may have ended it. Then it is used up all the same, for
    // the log says that it was seen.
    const auto running = find_request(step.request);
    const auto open = running
                          ? disclose::step((*running)->chain.request(), step.event, world_at(now()))
                          : Result<Step>(tl::unexpected<Error>(running.error()));
    const auto leaf = step.event.fields.at(0);
    const auto owner = running ? book_.find((*running)->chain.request().customer)
                               : Result<vault::Customer*>(tl::unexpected<Error>(running.error()));
    const auto* version = owner ? (*owner)->find(leaf) : nullptr;
    const bool there = version != nullptr && version->state == vault::FieldState::kReadable;
    if (owner) use_up(**owner, leaf);
    if (!open || !there || !reads_with(step.event.by, step.reader_key))
      return reply(fail(there ? Errc::kDenied : Errc::kErased, "it was ended meanwhile"));
    Bytes aad(step.request.bytes.begin(), step.request.bytes.end());
    aad.resize(24);
    store_le(aad.data() + 16, step.number);
    store_le(aad.data() + 20, leaf);
    auto sealed = seal_to(step.reader_key, aad, value->expose());
    if (!sealed) return reply(tl::unexpected<Error>(sealed.error()));
    taken->value = std::move(*sealed);
    reply(std::move(*taken));
  });
}

// The keeper's own step: nobody signs it.
void Office::system_step(const RequestId& id, EventKind kind, const PersonId& expert) {
  const auto running = find_request(id);
  if (!running || (*running)->staged) return;
  const auto& chain = (*running)->chain;
  SignedStep step{{.request = id,
                   .number = chain.number() + 1,
                   .before = chain.head(),
                   .at = now(),
                   .event = {.kind = kind, .by = {}, .expert = expert}},
                  {}};
  const auto staged = [&]() -> Status {
    return stage_step(id, **running, step, TRY(judge(chain, step)));
  }();
  if (!staged)
    log_event("office.step_not_made",
              {{"request", id.hex()}, {"kind", to_text(kind)}, {"why", staged.error().message}});
}

// ---- what follows -------------------------------------------------------------------------------

// The others (who is told what) follow the log: the server does it.
void Office::carry_out(const RequestId& id, const std::vector<Action>& actions) {
  const auto at = requests_.find(id);
  if (at == requests_.end()) return;
  auto& running = at->second;
  const auto& request = running.chain.request();
  for (const auto action : actions)
    if (action == Action::kFindExpert) find_expert(id);
  if (running.dialling && request.state != State::kCalling) {
    outbox_.hang_up(running.dialling->dial);
    dials_.erase(running.dialling->dial);
    running.dialling.reset();
  }
  if (request.state != State::kCalling) running.code.reset();
  if (is_settled(request.state)) settle(running);
}

// Nobody does anything with it any more. It is known for a while: what was said is read.
void Office::settle(Running& running) {
  running.dialled = {};
  const auto settled = [](const auto& item) {
    return is_settled(item.second.chain.request().state);
  };
  if (std::ranges::count_if(requests_, settled) > static_cast<std::ptrdiff_t>(kSettledMax)) {
    auto oldest = requests_.end();
    for (auto at = requests_.begin(); at != requests_.end(); ++at)
      if (settled(*at) && (oldest == requests_.end() ||
                           at->second.chain.request().since < oldest->second.chain.request().since))
        oldest = at;
    requests_.erase(oldest);
  }
  keep_running();
}

// Whose turn it is: of those on duty who may, the one who was given none, or is there, for longest.
void Office::find_expert(const RequestId& id) {
  const auto running = find_request(id);
  // Else it could stand in the log behind what makes it wrong there.
  if (!running || (*running)->staged || chart_staged_ || !duty_staged_.empty()) return;
  const auto& request = (*running)->chain.request();
  const PersonId* found = nullptr;
  std::uint64_t longest = 0;
  for (const auto& [person, last] : on_duty_) {
    if (!may_verify(request, person, chart_) || person == request.expert) continue;
    if (found != nullptr && last >= longest) continue;
    found = &person;
    longest = last;
  }
  if (found == nullptr) return;  // somebody comes on duty, or its time passes
  const auto expert = *found;
  on_duty_[expert] = ++turn_;
  system_step(id, EventKind::kAssign, expert);
}

// ---- what may be known of it --------------------------------------------------------------------

// Who releases has read the concern: the first time is in the request's own chain of entries.
Status Office::stage_read(const keys::ReadWords& message) {
  const boost::json::object data{{"number", std::int64_t{message.number}}};
  const auto running = find_request(message.request);
  if (message.number == 1 && running && !(*running)->read.contains(message.person)) {
    TRY(stage_of_request(message.request, **running, "words_read", message.person.hex(), data));
    (*running)->read.insert(message.person);
    return {};
  }
  TRY(ledger_.stage({.type = "words_read",
                     .actor = message.person.hex(),
                     .subject = message.request.hex(),
                     .data = data}));
  return {};
}

void Office::read_words(const keys::ReadWords& message, Reply<keys::ValueRead> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const auto may_read = [this, message]() -> Result<const vault::Version*> {
    const auto* running = TRY(find_known(message.request));
    const auto& request = running->chain.request();
    const auto* const who = "who has a part in a request reads what was said about it";
    if (!may_read_words(chart_, message.person, request)) return fail(Errc::kDenied, who);
    if (!reads_with(message.person, message.reader_key))
      return tl::unexpected<Error>(no_reader(who));
    const auto* version = TRY(book_.find(request.customer))->find(message.statement.leaf);
    if (version == nullptr || version->field != words_field(message.request, message.number))
      return fail(Errc::kNotFound, "nothing was said there");
    return version;
  };
  const auto version = may_read();
  if (!version) return refuse(version.error());
  const auto& request = (*find_known(message.request))->chain.request();
  auto value = vault::open_value(cipher_, **book_.find(request.customer), **version,
                                 keys::RecordKind::kStatement, message.statement.record);
  if (!value) return refuse(value.error());
  if (auto staged = stage_read(message); !staged) return refuse(staged.error());
  ledger_.after_log([this, message, may_read,
                     value = std::make_shared<SecretBytes>(std::move(*value)),
                     reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    if (auto still = may_read(); !still) return reply(tl::unexpected<Error>(still.error()));
    Bytes aad(message.request.bytes.begin(), message.request.bytes.end());
    aad.resize(20);
    store_le(aad.data() + 16, message.number);
    reply(seal_to(message.reader_key, aad, value->expose()));
  });
}

boost::json::object Office::state_of(const Running& running) const {
  const auto& r = running.chain.request();
  const auto& limits = policy_.policy.limits;
  const auto id = [](const PersonId& person) { return person.is_zero() ? "" : person.hex(); };
  const auto numbers = [](const std::vector<FieldNumber>& list) {
    boost::json::array out;
    for (const auto n : list) out.emplace_back(std::int64_t{n});
    return out;
  };
  const auto call = judged(running);
  boost::json::value needed;  // nobody knows before a number is dialled
  if (r.state == State::kCalling && call.number_on_file)
    needed = std::int64_t{checks_needed(r, call, limits)};
  boost::json::array may, passed, locked, words, read, heard;
  for (const auto& person : running.read) read.emplace_back(person.hex());
  for (const auto& person : running.heard) heard.emplace_back(person.hex());
  for (const auto kind : possible(r)) {
    boost::json::object one;
    one["step"] = to_text(kind);
    one["who"] = std::string(who_may(kind));
    may.emplace_back(std::move(one));
  }
  for (const auto& what : running.passed) passed.emplace_back(what);
  for (const auto& [leaf, misses] : running.misses)
    if (misses >= kTriesMax) locked.emplace_back(std::int64_t{leaf});
  for (const auto& [number, by] : running.words) words.emplace_back(std::int64_t{number});
  return {{"request", r.id.hex()},
          {"customer", r.customer.hex()},
          {"case", std::int64_t{r.of_case}},
          {"state", to_text(r.state)},
          {"since", r.since},
          {"deadline", deadline(r, limits)},
          {"steps", std::int64_t{running.chain.number()}},
          {"requester", id(r.requester)},
          {"expert", id(r.expert)},
          {"released_by", id(r.released_by)},
          {"second", id(r.second)},
          {"reviewed_by", id(r.reviewed_by)},
          {"asked", numbers(r.fields)},
          {"released", numbers(r.released)},
          {"opened_at", r.opened_at},
          {"until", r.state == State::kOpen ? r.until : 0},
          {"views", std::int64_t{r.views}},
          {"broken", r.broken},
          {"rings", std::int64_t{r.rings}},
          {"call", running.call_back.call.is_zero() ? "" : running.call_back.call.hex()},
          {"call_seconds", running.call_back.seconds},
          {"call_recorded", running.call_back.recorded},
          {"ringing", running.dialling.has_value()},
          {"talking", running.dialling && running.dialling->connected_ms.has_value()},
          {"code_sent", running.code.has_value()},
          {"passed", std::move(passed)},
          {"checks_needed", std::move(needed)},
          {"locked", std::move(locked)},
          {"words", std::move(words)},
          {"read", std::move(read)},
          {"heard", std::move(heard)},
          {"next", std::move(may)}};
}

void Office::request_state(const keys::RequestStateRequest& message,
                           Reply<keys::RequestState> reply) {
  if (auto is_ready = ready(); !is_ready) return reply(tl::unexpected<Error>(is_ready.error()));
  const auto running = find_known(message.request);
  if (!running) return reply(tl::unexpected<Error>(running.error()));
  reply(keys::RequestState{boost::json::serialize(state_of(**running))});
}

}  // namespace callward::disclose
