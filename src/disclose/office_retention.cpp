// What its time is over for: found by going round all customers, erased some at a turn, counted.
// And dry runs, which go the same round and change nothing.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/office.hpp"

namespace callward::disclose {

// What is over by its time goes, whoever has it in mind: all customers are looked at, some at a
// turn, round after round. What is kept for days is counted by one round and taken by the next
// (office_keep.cpp). A round counts all that is over, and takes no more in hand than
// kPassingMax: so many customers fall due together as once had their cases closed together.
void Office::scan_customers() {
  if (ledger_.log_failed() || clock_.monotonic_ms() < next_scan_ms_) return;
  passing_.taking = 0;
  const auto turn =
      book_.scan([this](const vault::Customer& customer) { return has_passed(customer); },
                 [this](vault::Customer& customer) { pass_customer(customer); });
  passing_.taking = 0;
  if (!turn) {
    log_event("office.scan_failed", {{"why", turn.error().message}});
    ++passing_.errors;
    passing_.why = turn.error().message;
    next_scan_ms_ = clock_.monotonic_ms() + kScanPauseMs;
    return;
  }
  if (turn->unread != 0) {
    log_event("office.rows_unread", {{"rows", turn->unread}, {"why", turn->why}});
    passing_.errors += turn->unread;
    passing_.why = turn->why;
  }
  if (!turn->next) end_round();
}

bool Office::has_passed(const vault::Customer& customer) {
  if (!kept_.erasing) count_kept(customer);
  const auto over = customer.over(keep_in_force(), times());
  if (over == 0 && customer.leaves_to_go().empty()) return false;
  if (going_of_.contains(customer.id())) return over != 0;  // behind that erasure is another
  if (passing_.in_hand.size() + passing_.taking < kPassingMax) {
    ++passing_.taking;
    return true;
  }
  passing_.counted += customer.passed() + over;
  return false;
}

void Office::pass_customer(vault::Customer& customer) {
  const auto keep = keep_in_force();
  auto when = times();
  if (when.kept != 0 && customer.over(keep, {.secrets = 0, .kept = when.kept}) != 0) {
    if (kept_.budget == 0) {
      when.kept = 0;  // nobody counted this one
    } else {
      --kept_.budget;
      ++kept_.taken;
      kept_.guard.spend(1);
      kept_.dirty = true;
    }
  }
  customer.pass(keep, when);
  book_.touch(customer);
  note_going(customer);
  const auto passed = customer.passed();
  if (passed == 0) return;
  if (passing_.since == 0) passing_.since = now();
  auto& in_hand = passing_.in_hand[customer.id()];
  passing_.left -= std::min<std::uint64_t>(passing_.left, in_hand == 0 ? passed : 0);
  in_hand = passed;
}

// An erasure of this customer's is done: perhaps an earlier one, behind which there is another.
std::uint64_t Office::count_passed(const CustomerId& customer) {
  const auto at = passing_.in_hand.find(customer);
  if (at == passing_.in_hand.end()) return 0;
  const auto left = book_.find(customer);
  const auto still = left ? (*left)->passed() : 0;
  const auto fields = at->second - std::min(at->second, still);
  at->second = still;
  if (still == 0) passing_.in_hand.erase(at);
  passing_.customers += still == 0 ? 1 : 0;
  passing_.fields += fields;
  return fields;
}

void Office::note_batch(std::uint64_t fields) {
  if (fields == 0) return;
  passing_.batch_at = now();
  passing_.batch = fields;
}

// Beyond what was in hand there is more: the next round follows at once.
void Office::end_round() {
  passing_.left = std::exchange(passing_.counted, 0);
  decide_round();
  if (passing_.left == 0) next_scan_ms_ = clock_.monotonic_ms() + kScanPauseMs;
  if (passing_.left != 0 || passing_.since == 0 || !passing_.in_hand.empty()) return;
  passed_ = {passing_.since, passing_.batch_at, passing_.fields, passing_.customers};
  passing_.since = 0;
  passing_.fields = passing_.customers = 0;
}

// ---- dry runs -----------------------------------------------------------------------------------

void Office::forecast_fields(const keys::ForecastFields& message,
                             Reply<keys::FieldRetention> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  if (foreseen_ && foreseen_->next) return refuse({Errc::kBusy, "a dry run goes on already"});
  auto keep = policy_.policy.keep;
  if (!message.in_force)
    keep = {.reference_days = message.reference_days,
            .contact_days = message.contact_days,
            .secret_hours = message.secret_hours};
  if (auto good = vault::check_keep(keep); !good)
    return refuse({Errc::kMalformed, good.error().message});
  // When a clock has jumped: by the one that an owner's word makes the time.
  const auto at = kept_.guard.stopped() ? kept_.guard.wall() : now();
  foreseen_ = Foreseen{vault::Forecast(keep, at), keys::kCustomerRowsFrom, ""};
  reply(keys::FieldRetention{boost::json::serialize(retention_json())});
}

void Office::forecast_on() {
  if (!foreseen_ || !foreseen_->next) return;
  auto& foreseen = *foreseen_;
  auto next = book_.visit(
      *foreseen.next, [&](const vault::Customer& customer) { foreseen.forecast.add(customer); });
  if (!next)
    foreseen.failed = next.error().message;
  else if (next->unread != 0)  // a count without them would be too low
    foreseen.failed = std::to_string(next->unread) + " rows cannot be read: " + next->why;
  foreseen.next = foreseen.failed.empty() ? next->next : std::nullopt;
}

void Office::field_retention(const keys::FieldRetentionRequest&,
                             Reply<keys::FieldRetention> reply) {
  if (waits_for_owner()) renew_nonce();
  auto json = retention_json();
  json["nonce"] = waits_for_owner() ? to_hex(kept_.nonce) : "";
  reply(keys::FieldRetention{boost::json::serialize(json)});
}

boost::json::object Office::retention_json() const {
  std::uint64_t in_hand = 0;
  for (const auto& [customer, fields] : passing_.in_hand) in_hand += fields;
  const auto place = book_.scanned();
  boost::json::object json{
      {"state", ledger_.log_failed()    ? "stopped"
                : passing_.since != 0   ? "erasing"
                : kept_.guard.stopped() ? "stopped"
                                        : "waiting"},
      {"due", in_hand + std::max(passing_.left, passing_.counted) +
                  (kept_.erasing ? 0 : kept_.counted.fields)},
      {"in_hand", in_hand},
      {"unconfirmed", unconfirmed_},
      {"done", passing_.fields},
      {"done_customers", passing_.customers},
      {"since", passing_.since},
      {"batch_at", passing_.batch_at},
      {"batch", passing_.batch},
      {"errors", passing_.errors},
      {"why", ledger_.log_failed() ? "the audit log cannot be written" : passing_.why},
      {"scanned", place.rows},
      {"rows", place.of},
      {"last", boost::json::object{{"since", passed_.since},
                                   {"until", passed_.until},
                                   {"fields", passed_.fields},
                                   {"customers", passed_.customers}}},
      {"dry_run", nullptr}};
  add_kept(json);
  if (!foreseen_) return json;
  auto run = foreseen_->forecast.to_json();
  const auto at = book_.place_of(foreseen_->next.value_or(book_.head().next_customer));
  run["state"] = foreseen_->next ? "running" : foreseen_->failed.empty() ? "done" : "failed";
  run["why"] = foreseen_->failed;
  run["scanned"] = at.rows;
  run["rows"] = at.of;
  json["dry_run"] = std::move(run);
  return json;
}

}  // namespace callward::disclose
