#include "audit/rules.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "audit/daily.hpp"
#include "audit/tiles.hpp"

namespace callward::audit {
namespace {

using boost::json::value;

constexpr std::int64_t kCallDataStream = 15;
constexpr std::size_t kHashDigits = 64;
constexpr std::int64_t kTimeMax = std::int64_t{1} << 53;      // what the log's numbers may be
constexpr std::int64_t kSegmentMax = std::int64_t{1} << 32;   // far beyond any call
constexpr std::int64_t kCallMsMax = std::int64_t{100} << 20;  // as far as an index reaches

// [stream, first, end); nothing for what is no range, so that sums of them are small.
bool is_segment(const value& json) {
  return json.is_int64() && json.get_int64() >= 0 && json.get_int64() <= kSegmentMax;
}
bool is_range(const value& json) {
  return json.is_array() && json.get_array().size() == 3 &&
         std::all_of(json.get_array().begin(), json.get_array().end(), is_segment) &&
         json.get_array()[1].get_int64() <= json.get_array()[2].get_int64();
}

bool overlap(std::int64_t first, std::int64_t end, std::int64_t other_first,
             std::int64_t other_end) {
  return first < other_end && other_first < end;
}

}  // namespace

const char* to_text(RuleWeight weight) {
  switch (weight) {
    case RuleWeight::kBreach:
      return "breach";
    case RuleWeight::kWarning:
      return "warning";
    case RuleWeight::kNote:
      return "note";
  }
  return "";
}

void RuleChecker::find(std::string_view name, std::uint64_t index, const std::string& subject,
                       std::string what) {
  const auto& table = rules();
  const auto rule =
      std::find_if(table.begin(), table.end(), [&](const Rule& r) { return r.name == name; });
  if (rule == table.end()) return;
  switch (rule->weight) {
    case RuleWeight::kBreach:
      ++report_.breaches;
      break;
    case RuleWeight::kWarning:
      ++report_.warnings;
      break;
    case RuleWeight::kNote:
      ++report_.notes;
      break;
  }
  if (report_.findings.size() < kRuleFindingsMax)
    report_.findings.push_back({&*rule, index, subject, std::move(what)});
}

// Fields ------------------------------------------------------------------------------------------

std::string RuleChecker::text_of(const Entry& entry, const char* field) {
  const auto* found = entry.data.if_contains(field);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
}

std::int64_t RuleChecker::number_of(const Entry& entry, const char* field) {
  const auto* found = entry.data.if_contains(field);
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

std::vector<std::string> RuleChecker::list_of(const Entry& entry, const char* field) {
  std::vector<std::string> out;
  const auto* found = entry.data.if_contains(field);
  if (found == nullptr || !found->is_array()) return out;
  for (const auto& item : found->get_array())
    if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}

std::vector<RuleChecker::Range> RuleChecker::ranges_of(const Entry& entry) {
  std::vector<Range> out;
  const auto* found = entry.data.if_contains("ranges");
  if (found == nullptr || !found->is_array()) return out;
  for (const auto& item : found->get_array())
    if (is_range(item))
      out.push_back({item.get_array()[0].get_int64(), item.get_array()[1].get_int64(),
                     item.get_array()[2].get_int64()});
  return out;
}

RuleChecker::Call& RuleChecker::call_of(const Entry& entry, bool may_begin) {
  auto& call = calls_[entry.subject];
  if (!may_begin && !call.started.set && !call.unknown_said) {
    call.unknown_said = true;  // once a call
    find("call-begins", entry.index, entry.subject, entry.type + " of a call that never began");
  }
  return call;
}

// Entries -----------------------------------------------------------------------------------------

namespace {

// Known, and under no rule of this folder.
constexpr std::string_view kElsewhere[] = {
    "chart_changed",
    "disclosure_step",
    "check_made",
    "code_sent",
    "call_back_made",
    "call_back_heard",
    "words_read",
    "receipt_given",
    "duty_changed",
    "reader_bound",
    "policy_in_force",
    "field_retention_stopped",
    "field_retention_confirmed",
    "fields_stored",
    "fields_void",
    "erasure_ordered",
    "case_closed",
    "case_assigned",
    "query_read",
    "looked_up",
    "customer_hold_set",
    "customer_hold_lifted",
    "call_missing",
    "cleared_unheard",
    "hand_over_failed",
    "sign_in_failed",
    "person_added",
    "link_made",
    "link_used",
    "passphrase_changed",
    "codes_changed",
    "mail_changed",
    "backup_made",
    "config_changed",
};

}  // namespace

const std::map<std::string_view, RuleChecker::Handler>& RuleChecker::handlers() {
  using R = RuleChecker;
  static const auto table = [] {
    std::map<std::string_view, Handler> all = {
        {"keeper_started", &R::keeper_started},
        {"call_started", &R::call_started},
        {"call_at", &R::call_at},
        {"call_ended", &R::call_ended},
        {"call_sealed", &R::call_sealed},
        {"keeper_adopted", &R::keeper_adopted},
        {"heard_again", &R::heard_again},
        {"listened", &R::listened},
        {"erase_intended", &R::erase_intended},
        {"fields_erase_intended", &R::fields_erase_intended},
        {"erased", &R::erased},
        {"erase_unconfirmed", &R::erase_unconfirmed},
        {"hold_set", &R::hold_set},
        {"hold_lifted", &R::hold_lifted},
        {"hold_refused", nullptr},
        {"mirror_left_out", nullptr},
        {"private_on", &R::private_on},
        {"private_off", &R::private_off},
        {"private_refused", nullptr},
        {"retention_run", &R::retention_run},
        {"retention_intended", &R::retention_intended},
        {"objects_deleted", &R::objects_deleted},
        {"retention_stopped", &R::retention_stopped},
        {"retention_confirmed", &R::retention_confirmed},
        {"mirror_retired", &R::mirror_retired},
        {"mirror_returned", &R::mirror_returned},
        {"order_held", &R::order_held},
        {"held_decided", &R::held_decided},
        {"key_statement", &R::key_statement},
        {"secret_missed", &R::secret_missed},
        {"erasure_needless", &R::marked},
        {"call_reviewed", &R::marked},
        {"opened", &R::opened},
        {"exported", &R::opened},
        {"signed_in", &R::signed_in},
        {"session_ended", &R::session_ended},
    };
    for (const auto type : kElsewhere) all.emplace(type, nullptr);
    return all;
  }();
  return table;
}

void RuleChecker::add(std::uint64_t index, std::string_view text) {
  ++report_.entries;
  boost::system::error_code error;
  const auto json = boost::json::parse(text, error);
  const auto* object = error ? nullptr : json.if_object();
  const auto field = [&](const char* name) {
    return object == nullptr ? nullptr : object->if_contains(name);
  };
  const auto* type = field("type");
  const auto* at = field("at");
  const auto* actor = field("actor");
  const auto* subject = field("subject");
  const auto* data = field("data");
  if (type == nullptr || !type->is_string() || at == nullptr || !at->is_int64() ||
      actor == nullptr || !actor->is_string() || subject == nullptr || !subject->is_string() ||
      data == nullptr || !data->is_object() || at->get_int64() < -kTimeMax ||
      at->get_int64() > kTimeMax)
    return find("entry-readable", index, "-", "not an entry");
  const Entry entry{index,
                    at->get_int64(),
                    std::string(type->get_string()),
                    std::string(actor->get_string()),
                    std::string(subject->get_string()),
                    data->get_object()};
  if (entry.at + grace_.backwards_ms < newest_at_)
    find("time-goes-on", index, entry.subject,
         std::to_string(newest_at_ - entry.at) + " ms before an earlier entry");
  newest_at_ = std::max(newest_at_, entry.at);
  const auto handler = handlers().find(entry.type);
  if (handler == handlers().end())
    ++report_.unknown;
  else if (handler->second != nullptr)
    (this->*handler->second)(entry);
  if (judge_ == nullptr || handler == handlers().end()) return;
  // Only what a log can hold: the judges read its fields as they stand in the table of types.
  if (const auto whole = decode_entry(text))
    judge_->add(index, *whole, finder());
  else
    find("entry-readable", index, entry.subject, whole.error().message);
}

RuleJudge::Find RuleChecker::finder() {
  return [this](std::string_view rule, std::uint64_t index, const std::string& subject,
                std::string what) { find(rule, index, subject, std::move(what)); };
}

// A planned restart hands all keys over: the calls go on as if nothing had been. It may have more
// than run (ended calls that nobody has heard yet), never fewer.
void RuleChecker::keeper_started(const Entry& entry) {
  const auto* handed_over = entry.data.if_contains("handed_over");
  if (handed_over != nullptr && handed_over->is_bool() && handed_over->get_bool()) {
    const auto calls =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_of(entry, "calls")));
    if (calls >= running_.size()) return;
    find("handed-over-whole", entry.index, entry.subject,
         "keys of " + std::to_string(calls) + " calls were handed over, and " +
             std::to_string(running_.size()) + " ran");
  }
  keeper_started_at_ = entry.at;
  running_.clear();  // until they are adopted
}

void RuleChecker::call_started(const Entry& entry) {
  auto& call = call_of(entry, true);
  if (call.started.set)
    return find("call-begins-once", entry.index, entry.subject,
                "began before, at entry " + std::to_string(call.started.index));
  call.started = {entry.index, entry.at, true};
  call.alive_at = entry.at;
  call.began_at = number_of(entry, "started_at");
  call.call_back = text_of(entry, "source") == "call_back";
  // Whoever says when it began makes it no older than a call can be.
  if (text_of(entry, "source") != "import")
    call.began_at = std::max(call.began_at, entry.at - kCallMsMax - grace_.age_ms);
  rows_[number_of(entry, "row")] = entry.subject;
  running_.insert(entry.subject);
  ++report_.calls;
}

void RuleChecker::call_at(const Entry& entry) { (void)call_of(entry); }

void RuleChecker::call_ended(const Entry& entry) {
  auto& call = call_of(entry);
  if (call.ended.set)
    find("call-begins-once", entry.index, entry.subject,
         "ended before, at entry " + std::to_string(call.ended.index));
  call.ended = {entry.index, entry.at, true};
  running_.erase(entry.subject);
  const auto* ends = entry.data.if_contains("ends");
  call.empty = ends != nullptr && ends->is_array() && ends->get_array().empty();
  if (call.empty)
    find("call-was-recorded", entry.index, entry.subject,
         "nothing of it was: " + text_of(entry, "cause"));
}

void RuleChecker::call_sealed(const Entry& entry) {
  auto& call = call_of(entry);
  const auto root = text_of(entry, "root");
  if (call.sealed.set && call.root != root)
    find("sealed-as-one", entry.index, entry.subject,
         "another root than at entry " + std::to_string(call.sealed.index));
  call.sealed = {entry.index, entry.at, true};
  call.root = root;
}

void RuleChecker::keeper_adopted(const Entry& entry) {
  auto& call = call_of(entry);
  call.alive_at = entry.at;
  if (call.started.set && !call.ended.set) running_.insert(entry.subject);
  const auto* lost = entry.data.if_contains("lost");
  if (lost == nullptr || !lost->is_array()) return;
  std::int64_t segments = 0;
  for (const auto& item : lost->get_array())
    if (is_range(item))
      segments += item.get_array()[2].get_int64() - item.get_array()[1].get_int64();
  if (segments > 0)
    find("lost-with-the-keeper", entry.index, entry.subject,
         std::to_string(segments) + " segments of 100 ms");
}

void RuleChecker::heard_again(const Entry& entry) {
  if (const auto& call = call_of(entry); call.listened.set)
    find("heard-until-done", entry.index, entry.subject,
         "listening was over at entry " + std::to_string(call.listened.index));
}

void RuleChecker::listened(const Entry& entry) {
  call_of(entry).listened = {entry.index, entry.at, true};
}

void RuleChecker::erase_intended(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  // Intended again: it was tried again, which must end as well.
  if (!order.intended.set) ++report_.orders;
  order.intended = {entry.index, entry.at, true};
  name_call(order, entry);
  order.decided = true;
  check_private(entry, order);
  close(call_of(entry), id, entry);
}

// `erased` names orders alone: one id for two calls would let the one's end stand for the other's.
void RuleChecker::name_call(Order& order, const Entry& entry) {
  if (!order.call.empty() && order.call != entry.subject)
    find("order-of-one-call", entry.index, entry.subject,
         entry.type + " of an order that is of call " + order.call);
  else
    order.call = entry.subject;
}

// What was closed under an order's id before stays closed.
void RuleChecker::close(Call& call, const std::string& order, const Entry& entry) {
  for (const auto& range : ranges_of(entry)) call.closed[order].insert(range);
}

void RuleChecker::erased(const Entry& entry) {
  for (const auto& id : list_of(entry, "orders")) {
    auto& order = orders_[id];
    if (!order.intended.set)
      find("erased-was-intended", entry.index, order.call.empty() ? "-" : order.call,
           "order " + id + " was never intended");
    order.erased = {entry.index, entry.at, true};
  }
  const auto* retired = entry.data.if_contains("retired");
  if (retired == nullptr || !retired->is_array()) return;
  for (const auto& item : retired->get_array()) {
    const bool fits = item.is_array() && item.get_array().size() == 2 &&
                      item.get_array()[0].is_int64() &&
                      retired_.contains(item.get_array()[0].get_int64());
    if (!fits)
      find("retired-by-a-person", entry.index, entry.subject,
           "it leaves out a mirror that nobody retired");
  }
}

// A customer's: done as any other.
void RuleChecker::fields_erase_intended(const Entry& entry) {
  auto& order = orders_[text_of(entry, "order")];
  if (!order.intended.set) ++report_.orders;
  order.intended = {entry.index, entry.at, true};
  order.decided = true;
}

void RuleChecker::check_second(const Entry& entry, const Order& order) {
  if (!order.held.set || order.source == "listener") return;
  if (order.source == entry.actor)
    find("two-erase-a-call", entry.index, entry.subject, "ordered and confirmed by " + entry.actor);
  if (call_of(entry).hold)
    find("hold-is-kept", entry.index, entry.subject, "confirmed by " + entry.actor);
}

void RuleChecker::mirror_retired(const Entry& entry) {
  check_reader(entry);
  retired_.insert(number_of(entry, "mirror"));
}

void RuleChecker::mirror_returned(const Entry& entry) {
  retired_.erase(number_of(entry, "mirror"));
}

void RuleChecker::erase_unconfirmed(const Entry& entry) {
  for (const auto& id : list_of(entry, "orders")) {
    auto& order = orders_[id];
    if (!order.intended.set)
      find("erased-was-intended", entry.index, order.call.empty() ? "-" : order.call,
           "order " + id + " was never intended");
    order.unconfirmed = {entry.index, entry.at, true};
  }
}

void RuleChecker::order_held(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  order.held = {entry.index, entry.at, true};
  order.decided = false;  // what was decided was about what was held before
  order.source = text_of(entry, "source");
  name_call(order, entry);
  close(call_of(entry), id, entry);
}

// "erase": the intention follows, under the same number. Anything else: what was held opens again
// (`whole`: all of the call that is held), or at least this rule knows no longer that it must not.
void RuleChecker::held_decided(const Entry& entry) {
  const auto id = text_of(entry, "order");
  auto& order = orders_[id];
  order.decided = true;
  name_call(order, entry);
  if (text_of(entry, "reason_hash").size() != kHashDigits)
    find("opened-with-reason", entry.index, entry.subject, "decided without a reason's hash");
  check_reader(entry);
  const auto* whole = entry.data.if_contains("whole");
  const bool is_whole = whole != nullptr && whole->is_bool() && whole->get_bool();
  if (text_of(entry, "decision") == "erase") {
    order.to_erase = {entry.index, entry.at, true};
    check_second(entry, order);
    if (is_whole && order.source == "listener")
      find("two-erase-a-call", entry.index, entry.subject,
           "closed whole by the listener, and erased by " + entry.actor + " alone");
    return;
  }
  auto& call = call_of(entry);
  if (is_whole) {
    std::erase_if(call.closed, [this](const auto& item) {
      auto& other = orders_[item.first];
      other.decided = true;
      return !other.intended.set;
    });
  } else if (!order.intended.set) {
    call.closed.erase(id);
  }
}

void RuleChecker::signed_in(const Entry& entry) {
  auto& person = persons_[entry.subject];
  person.signed_in = true;
  person.sessions.insert(text_of(entry, "session"));
}

void RuleChecker::session_ended(const Entry& entry) {
  auto& person = persons_[entry.subject];
  person.sessions.erase(text_of(entry, "session"));
  person.last_end_at = entry.at;
}

void RuleChecker::opened(const Entry& entry) {
  const auto& call = call_of(entry);
  if (text_of(entry, "reason_hash").size() != kHashDigits)
    find("opened-with-reason", entry.index, entry.subject, entry.type + " without a reason's hash");
  check_reader(entry);
  check_given(entry, call);
}

// That it is erased stands to be seen: the order is given when this is durable.
void RuleChecker::secret_missed(const Entry& entry) {
  marked(entry);
  auto& order = orders_[text_of(entry, "order")];
  name_call(order, entry);
  order.missed = {entry.index, entry.at, true};
}

void RuleChecker::marked(const Entry& entry) {
  (void)call_of(entry);
  check_reader(entry);
}

// Nothing is given; but the log says who wanted to know what of which call.
void RuleChecker::key_statement(const Entry& entry) {
  call_of(entry);
  check_reader(entry);
}

void RuleChecker::check_reader(const Entry& entry) {
  if (entry.actor == "operator") return;
  const auto person = persons_.find(entry.actor);
  if (person == persons_.end() || !person->second.signed_in)
    return find("opened-by-somebody", entry.index, entry.subject,
                entry.type + " by " + entry.actor + ", who had not signed in");
  if (person->second.sessions.empty() && person->second.last_end_at + grace_.session_ms < entry.at)
    find("opened-by-somebody", entry.index, entry.subject,
         entry.type + " by " + entry.actor + ", whose sessions had all ended");
}

// A piece that was asked for may contain what is erased: of that no key is given. How many records
// lie outside cannot be told from the log in general, but some things can.
void RuleChecker::check_given(const Entry& entry, const Call& call) {
  const auto given = number_of(entry, "given");
  const auto kinds = list_of(entry, "kinds");
  if (given <= 0 || std::find(kinds.begin(), kinds.end(), "call_data") != kinds.end()) return;
  const bool audio_alone = kinds.size() == 1 && kinds.front() == "audio";
  std::int64_t open_segments = 0;
  for (const auto& asked : ranges_of(entry)) {
    if (asked.stream == kCallDataStream) return;
    std::vector<Range> closed;
    for (const auto& [order, ranges] : call.closed)
      for (const auto& range : ranges)
        if (range.stream == asked.stream && overlap(asked.first, asked.end, range.first, range.end))
          closed.push_back({0, std::max(asked.first, range.first), std::min(asked.end, range.end)});
    std::sort(closed.begin(), closed.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
    auto at = asked.first;
    for (const auto& range : closed) {
      open_segments += std::max<std::int64_t>(0, range.first - at);
      at = std::max(at, range.end);
    }
    open_segments += std::max<std::int64_t>(0, asked.end - at);
  }
  if (open_segments == 0)
    find("erased-stays-closed", entry.index, entry.subject,
         std::to_string(given) + " keys given of what had all been ordered erased");
  else if (audio_alone && given > open_segments)
    find("erased-stays-closed", entry.index, entry.subject,
         std::to_string(given) + " keys given, and " + std::to_string(open_segments) +
             " segments were open");
}

}  // namespace callward::audit
