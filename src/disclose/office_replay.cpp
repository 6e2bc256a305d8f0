// How the office begins, and what the log tells it: of people, requests and customers.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/limits_json.hpp"
#include "disclose/office.hpp"

namespace callward::disclose {
namespace {

constexpr std::size_t kEntriesOfRequestMax = 10'000;

bool of_request(const audit::Entry& entry) {
  static constexpr std::array<std::string_view, 5> kTypes = {
      "disclosure_step", "check_made", "code_sent", "call_back_made", "call_back_heard"};
  // Of words the first time that somebody reads the concern: what else is read changes nothing.
  return std::ranges::find(kTypes, entry.type) != kTypes.end() ||
         (entry.type == "words_read" && entry.prev_step);
}

}  // namespace

Status Office::begin() {
  TRY(book_.open());
  going_.clear();
  going_of_.clear();
  unconfirmed_ = 0;
  wanted_.clear();
  for (const auto& order : book_.head().owed) going_[order] = {.logged = true, .punctured = true};
  TRY(begin_time());
  TRY(begin_keep());
  TRY(reload(ledger_.rows_upto()));
  TRY(ledger_.replay(ledger_.rows_upto(), [this](std::uint64_t, const audit::Entry& entry) {
    return replay_customer(entry);
  }));
  if (book_.make_spare()) ledger_.write_rows();
  warm_numbers();
  return settle_keep();
}

Status Office::log_is_back(std::uint64_t known_upto) {
  bool of_ours = false, stated = false;
  TRY(ledger_.replay(known_upto, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
    if (entry.type == "policy_in_force") {
      stated = true;
      book_.change_head().policy_entry = index + 1;
    }
    of_ours = of_ours || entry.type == "chart_changed" || of_request(entry);
    // An erasure that was begun is in hand, and is logged once more.
    if (entry.type == "erased" || entry.type == "fields_erase_intended") return {};
    if (entry.type != "duty_changed") return replay_customer(entry);
    note_duty(TRY(PersonId::parse(entry.subject)), entry.data.at("on").as_bool());
    return {};
  }));
  // Else nothing was lost, and a call-back that goes on does.
  if (!known_ || of_ours) TRY(reload(known_upto));
  // It may have been of another keeper, which did not take over: ours is in force.
  return stated ? state_policy() : Status{};
}

Result<audit::Entry> Office::entry_at(std::uint64_t index) {
  std::optional<audit::Entry> found;
  auto done = ledger_.replay(index, [&](std::uint64_t, const audit::Entry& entry) -> Status {
    found = entry;
    return fail(Errc::kExists, "that was it");
  });
  if (found) return std::move(*found);
  return done ? Result<audit::Entry>(fail(Errc::kCorrupt, "the log lacks an entry that it had"))
              : Result<audit::Entry>(tl::unexpected<Error>(done.error()));
}

void Office::forget() {
  known_ = false;
  chart_ = people::Chart(policy_.party);
  chart_entry_ = 0;
  chart_staged_ = false;
  requests_.clear();
  dials_.clear();
  drafted_.clear();
  duty_staged_.clear();
  limits_then_.reset();
}

// People and requests as the log has them: from what the head names, and what came since the rows
// were written, back to their beginnings; then judged anew in the order of the log.
Status Office::reload(std::uint64_t rows_upto) {
  forget();
  auto chart_entry = book_.head().chart_entry;
  auto policy_entry = book_.head().policy_entry;
  std::set<std::uint64_t> last(book_.head().running.begin(), book_.head().running.end());
  TRY(ledger_.replay(rows_upto, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
    if (entry.type == "chart_changed") chart_entry = index + 1;
    if (entry.type == "policy_in_force") policy_entry = index + 1;
    if (!of_request(entry)) return {};
    if (entry.prev_step) last.erase(*entry.prev_step);
    last.insert(index);
    return {};
  }));
  Entries entries;
  if (chart_entry != 0) TRY(walk_back(chart_entry - 1, entries));
  // A head of before (193, 194) names none: once, the whole log is asked.
  if (book_.head().policy_entry == 0)
    TRY(ledger_.replay(0, [&](std::uint64_t index, const audit::Entry& entry) -> Status {
      if (entry.type != "policy_in_force") return {};
      entries.emplace(index, entry);
      policy_entry = index + 1;
      return {};
    }));
  if (policy_entry != 0) TRY(walk_back(policy_entry - 1, entries));
  for (const auto index : last) TRY(walk_back(index, entries));
  // What was before all that the log tells of limits: by the oldest that it tells.
  const auto oldest = std::ranges::find_if(
      entries, [](const auto& item) { return item.second.type == "policy_in_force"; });
  if (oldest != entries.end()) TRY(replay_known(oldest->first, oldest->second));
  for (const auto& [index, entry] : entries) TRY(replay_known(index, entry));
  if (book_.head().chart_entry == chart_entry && chart_.head() != book_.head().chart_head)
    return fail(Errc::kCorrupt, "the log has another role chart than the key store knows");
  known_ = true;
  std::vector<RequestId> all;  // one that is over goes from among them
  for (const auto& [id, running] : requests_) all.push_back(id);
  for (const auto& id : all) carry_out(id, {});
  // The next rows count what was read here as known: so their head has to name it.
  auto& head = book_.change_head();
  head.chart_entry = chart_entry_;
  head.chart_head = chart_.head();
  head.policy_entry = policy_entry;
  keep_running();
  place_again();
  return {};
}

Status Office::walk_back(std::uint64_t from, Entries& entries) {
  for (std::optional<std::uint64_t> at = from; at && !entries.contains(*at);) {
    auto entry = TRY(entry_at(*at));
    const auto before = entry.prev_step;
    if (before && *before >= *at) return fail(Errc::kCorrupt, "a step before itself");
    if (entries.size() > kEntriesOfRequestMax * (kRequestsMax + 1))
      return fail(Errc::kTooLarge, "more steps than there can be");
    entries.emplace(*at, std::move(entry));
    at = before;
  }
  return {};
}

Status Office::replay_known(std::uint64_t index, const audit::Entry& entry) {
  if (entry.type == "chart_changed") {
    people::SignedChange change{TRY(people::change_from_json(entry.data)),
                                TRY(people::signatures_from_json(entry.signature))};
    TRY(chart_.apply(change));
    chart_entry_ = index + 1;
    return {};
  }
  if (entry.type == "policy_in_force") {
    limits_then_ = limits_from_json(entry.data.at("limits").as_array());
    return {};
  }
  const auto id = TRY(RequestId::parse(entry.subject));
  // One that cannot be judged any more (by limits that the log does not tell) is over: nothing of
  // it opens. It never keeps the others, nor the calls, from going on.
  if (auto done = replay_step(index, id, entry); !done) {
    log_event("office.request_dropped", {{"request", id.hex()}, {"why", done.error().message}});
    requests_.erase(id);
  }
  return {};
}

Status Office::replay_step(std::uint64_t index, const RequestId& id, const audit::Entry& entry) {
  if (entry.type == "disclosure_step") {
    SignedStep step{TRY(step_from_json(entry.data)), {}};
    const auto signatures = TRY(people::signatures_from_json(entry.signature));
    if (signatures.size() > 1) return fail(Errc::kMalformed, "a step with two signatures");
    if (!signatures.empty()) step.signature = signatures[0];
    if (step.step.number == 1) requests_.erase(id);
    auto& running = requests_[id];
    const auto& limits = limits_then_ ? *limits_then_ : policy_.policy.limits;
    TRY(running.chain.apply(step, {chart_, limits, step.step.at}));
    utc_from_ += std::max<std::int64_t>(0, step.step.at - now());  // who made it had counted so far
    running.entry = index;
    running.logged = index;
    // Whoever saw a secret, saw it, though the keeper that showed it died before the key was gone.
    if (step.step.event.kind == EventKind::kView && step.step.number != 1)
      if (auto customer = book_.find(running.chain.request().customer))
        use_up(**customer, step.step.event.fields.at(0));
    if (step.step.event.kind == EventKind::kAssign && step.step.number != 1 && !duty_told_ms_)
      given_[step.step.event.expert] = ++turn_;
    if (step.step.words != crypto::Digest{}) running.words[step.step.number] = step.step.event.by;
    if (step.step.event.kind == EventKind::kRing && step.step.number != 1) {
      running.passed.clear();
      running.call_back = {};
    }
    return {};
  }
  const auto at = requests_.find(id);
  if (at == requests_.end()) return fail(Errc::kCorrupt, "about a request that did not begin");
  auto& running = at->second;
  running.entry = index;
  running.logged = index;
  if (entry.type == "code_sent") {
    ++running.codes;
    running.code_by_mail = entry.data.at("channel").as_string() == kByMail;
  }
  if (entry.type == "check_made") {
    const auto leaf = static_cast<vault::Leaf>(entry.data.at("leaf").as_int64());
    const auto kind = std::string_view(entry.data.at("kind").as_string());
    const auto what = counts_as(running.chain.request(), kind, running.code_by_mail, leaf);
    if (entry.data.at("passed").as_bool())
      running.passed.insert(what);
    else if (kind != kByCode)
      ++running.misses[leaf];
  }
  if (entry.type == "words_read" || entry.type == "call_back_heard") {
    auto& who = entry.type == "words_read" ? running.read : running.heard;
    who.insert(TRY(PersonId::parse(entry.actor)));
  }
  if (entry.type == "call_back_made") {
    running.call_back = {
        .call =
            CallId::parse(std::string_view(entry.data.at("call").as_string())).value_or(CallId{}),
        .answered = entry.data.at("answered").as_bool(),
        .recorded = entry.data.at("recorded").as_bool(),
        .number_on_file = true,
        .seconds = entry.data.at("seconds").as_int64(),
        .number_age_days = entry.data.at("number_age_days").as_int64()};
  }
  return {};
}

// ---- customers, beyond their rows ---------------------------------------------------------------

Status Office::replay_customer(const audit::Entry& entry) {
  // Perhaps another one's than the head knows of: this one's is said anew.
  if (entry.type == "policy_in_force") book_.change_head().policy = {};
  if (entry.type == "field_retention_confirmed") return replay_word(entry);
  if (entry.type == "erased") {
    for (const auto& item : entry.data.at("orders").as_array())
      if (const auto id = OrderId::parse(std::string_view(item.as_string()))) {
        if (const auto at = going_.find(*id); at != going_.end()) {
          unconfirmed_ -= at->second.unconfirmed ? 1 : 0;
          if (!at->second.unconfirmed) going_of_.erase(at->second.customer);
          going_.erase(at);
        }
        std::erase(book_.change_head().owed, *id);
      }
    return {};
  }
  const bool ours = entry.type == "fields_stored" || entry.type == "fields_erase_intended" ||
                    entry.type == "case_closed" || entry.type == "case_assigned" ||
                    entry.type == "customer_hold_set" || entry.type == "customer_hold_lifted";
  if (!ours) return {};
  const auto id = TRY(CustomerId::parse(entry.subject));
  if (entry.type == "fields_stored") TRY(replay_stored(id, entry));
  auto found = book_.find(id);
  if (!found && found.error().code != Errc::kNotFound) return tl::unexpected<Error>(found.error());
  auto* customer = found ? *found : nullptr;
  if (entry.type == "fields_erase_intended") replay_going(id, customer, entry);
  if (customer == nullptr) return {};
  if (entry.type == "case_closed") {
    // Contacts that were to become tokens had them in that row: without it they are gone.
    const auto of_case = static_cast<std::uint32_t>(entry.data.at("case").as_int64());
    (void)customer->close_case(of_case, keep_in_force(), entry.at);
    for (const auto leaf : customer->to_compare()) customer->go(leaf, vault::GoneBy::kCaseClosed);
  }
  if (entry.type == "case_assigned")
    (void)customer->assign_case(
        static_cast<std::uint32_t>(entry.data.at("case").as_int64()),
        PersonId::parse(std::string_view(entry.data.at("person").as_string()))
            .value_or(PersonId{}));
  if (entry.type == "customer_hold_set") customer->hold(true);
  if (entry.type == "customer_hold_lifted") lift_hold(*customer);
  book_.touch(*customer);
  note_going(*customer);
  return {};
}

namespace {

struct StoredEntry {
  vault::FieldSpec spec;
  vault::Leaf leaf = 0;
  std::int64_t gone_at = 0;
};
Result<std::vector<StoredEntry>> stored_in(const audit::Entry& entry) {
  std::vector<StoredEntry> stored;
  for (const auto& item : entry.data.at("fields").as_array()) {
    const auto* list = item.if_array();
    if (list == nullptr || list->size() != 5)
      return fail(Errc::kMalformed, "fields_stored of another form");
    StoredEntry one;
    one.leaf = static_cast<vault::Leaf>(list->at(0).to_number<std::uint32_t>());
    one.spec.id = std::string(list->at(1).as_string());
    one.spec.kind = TRY(vault::parse_kind(std::string_view(list->at(2).as_string())));
    one.spec.of_class = TRY(vault::parse_class(std::string_view(list->at(3).as_string())));
    one.gone_at = list->at(4).to_number<std::int64_t>();
    stored.push_back(std::move(one));
  }
  return stored;
}

// What a case was promised when it began, which may be less than the policy in force says by now;
// an entry that does not say it is an older keeper's.
vault::Keep promised_in(const audit::Entry& entry, vault::Keep keep) {
  const auto* days = entry.data.if_contains("days");
  const auto* list = days == nullptr ? nullptr : days->if_array();
  if (list == nullptr || list->size() != 2) return keep;
  keep.reference_days = list->at(0).to_number<std::int64_t>();
  keep.contact_days = list->at(1).to_number<std::int64_t>();
  return keep;
}

}  // namespace

// Logged, and in no row that was written when the keeper died. A customer whose keys were not on
// the disk before, and a word that can only be compared, were not answered for: they are void. The
// rest may have been given to the server: it says.
Status Office::replay_stored(const CustomerId& id, const audit::Entry& entry) {
  const auto stored = TRY(stored_in(entry));
  if (const auto row = vault::row_of(id)) book_.taken(*row);
  std::vector<vault::Leaf> leaves;
  bool whole = true;
  for (const auto& one : stored) {
    leaves.push_back(one.leaf);
    whole = whole && one.spec.of_class != vault::FieldClass::kServiceWord;
  }
  auto found = book_.find(id);
  if (!found && found.error().code != Errc::kNotFound) return tl::unexpected<Error>(found.error());
  if (found && !stored.empty() && stored.front().leaf < (*found)->next_leaf())
    return {};  // its row has it
  if (!found || !whole) {
    if (found) (*found)->skip_leaves(stored.back().leaf + 1);
    void_fields(id, leaves);
    return {};
  }
  auto& customer = **found;
  const auto of_case = static_cast<std::uint32_t>(entry.data.at("case").as_int64());
  if (entry.data.at("new_case").as_bool())
    customer.restore_case(of_case, promised_in(entry, policy_.policy.keep), entry.at);
  for (const auto& one : stored)
    if (customer.restore(one.spec, of_case, one.leaf, entry.at, one.gone_at))
      wanted_[id].push_back(one.leaf);
  book_.touch(customer);
  return {};
}

void Office::void_fields(const CustomerId& id, const std::vector<vault::Leaf>& leaves) {
  boost::json::array numbers;
  for (const auto leaf : leaves) numbers.emplace_back(std::int64_t{leaf});
  (void)ledger_.stage({.type = "fields_void",
                       .actor = "keeper",
                       .subject = id.hex(),
                       .data = {{"leaves", std::move(numbers)}}});
}

void Office::want_records() {
  std::size_t asked = 0;
  for (const auto& [customer, leaves] : wanted_) {
    if (++asked > kWantedPerTurnMax) break;
    outbox_.records_wanted({customer, leaves});
  }
}

void Office::replay_going(const CustomerId& id, vault::Customer* customer,
                          const audit::Entry& entry) {
  const auto order = OrderId::parse(std::string_view(entry.data.at("order").as_string()));
  if (!order || going_.contains(*order)) return;
  if (customer != nullptr) replay_passed(*customer, entry);
  Going going{.customer = id, .whole = entry.data.at("whole").as_bool(), .logged = true};
  for (const auto& item : entry.data.at("fields").as_array()) {
    const auto leaf = static_cast<vault::Leaf>(item.at(0).as_int64());
    going.leaves.push_back(leaf);
    if (customer != nullptr)
      customer->go(leaf, vault::parse_gone_by(std::string_view(item.at(1).as_string()))
                             .value_or(vault::GoneBy::kCustomer));
  }
  going_of_.insert(id);
  going_[*order] = std::move(going);
}

}  // namespace callward::disclose
