// How long what is stored is kept, and what may make that shorter: an owner's word.
//
//   the policy states less ──▶ new cases are promised that; what is there stays as it was to stay
//   the policy states more ──▶ in force at once (what was promised less stays promised less)
//   a round counts ──▶ as usual ──▶ the next one takes, no more than was counted
//                  └─▶ more than usual, or a clock that jumped ──▶ stopped: counted, nothing taken
//   an owner's word ──▶ the policy's days are in force, what stopped goes on, N customers at once
//
// Secrets are as the policy states them, and go whatever has stopped.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "disclose/limits_json.hpp"
#include "disclose/office.hpp"

namespace callward::disclose {
// ---- beginning ----------------------------------------------------------------------------------

// Before the log is replayed. Without a state of its own, time is known from the newest entry.
Status Office::begin_keep() {
  kept_ = {};
  kept_.nonce = kept_.nonce_before = entropy_.array<16>();
  auto fresh = keys::RetentionState::since(clock_.utc_ms());
  if (const auto size = ledger_.log_size(); size != 0) fresh.utc = TRY(entry_at(size - 1)).at;
  kept_.guard = keys::RetentionGuard(book_.head().kept.retention.value_or(fresh), kFreeCustomers);
  if (const auto& days = book_.head().kept; !days.known()) {
    const auto keep = TRY(keep_of_log());
    auto& kept = book_.change_head().kept;
    kept.reference_days = keep.reference_days;
    kept.contact_days = keep.contact_days;
  }
  return {};
}

// By a head that does not say it: what the log stated last. Of a log with no such word nobody knows
// more than what each case was promised, which holds by itself.
Result<vault::Keep> Office::keep_of_log() {
  if (book_.nobody()) return policy_.policy.keep;
  vault::Keep keep{.reference_days = vault::kReferenceDaysMax,
                   .contact_days = vault::kReferenceDaysMax};
  TRY(ledger_.replay(0, [&keep](std::uint64_t, const audit::Entry& entry) -> Status {
    if (entry.type != "policy_in_force") return {};
    if (const auto* stated = entry.data.if_contains("keep"); stated != nullptr)
      keep = TRY(keep_from_json(*stated));
    return {};
  }));
  return keep;
}

// Behind the replay: what it closed was closed by the days of then.
Status Office::settle_keep() {
  (void)kept_.guard.observe(clock_.utc_ms(), clock_.monotonic_ms());
  const auto& stated = policy_.policy.keep;
  auto kept = book_.head().kept;
  if (book_.nobody()) kept.reference_days = kept.contact_days = 0;
  kept.reference_days = std::max(kept.reference_days, stated.reference_days);
  kept.contact_days = std::max(kept.contact_days, stated.contact_days);
  const bool shorter =
      stated.reference_days < kept.reference_days || stated.contact_days < kept.contact_days;
  if (!shorter)
    kept.since = 0;
  else if (kept.since == 0)
    kept.since = now();
  const auto& before = book_.head().kept;
  if (kept.reference_days != before.reference_days || kept.contact_days != before.contact_days ||
      kept.since != before.since)
    book_.change_head().kept = kept;
  if (shorter)
    log_event("keeper.fields_kept_longer", {{"reference_days", kept.reference_days},
                                            {"contact_days", kept.contact_days},
                                            {"since", kept.since}});
  return state_policy();
}

boost::json::array Office::days_in_force() const {
  const auto in_force = keep_in_force();
  return boost::json::array{in_force.reference_days, in_force.contact_days};
}

// What the log states as in force. With the days: an entry of a keeper that did not state them is
// followed by one that does.
crypto::Digest Office::policy_stated() const {
  return crypto::sha256({policy_.hash, as_bytes(policy_.party.id), as_bytes(" "),
                         as_bytes(policy_.party.origin),
                         as_bytes(boost::json::serialize(keep_to_json(policy_.policy.keep))),
                         as_bytes(boost::json::serialize(days_in_force()))});
}

Status Office::state_policy() {
  const auto whole = policy_stated();
  if (book_.head().policy == whole) return {};
  const auto before = book_.head().policy_entry;
  const auto index =
      TRY(ledger_.stage({.type = "policy_in_force",
                         .actor = "keeper",
                         .subject = "-",
                         .data = {{"hash", to_hex(policy_.hash)},
                                  {"party", policy_.party.id},
                                  {"origin", policy_.party.origin},
                                  {"limits", limits_to_json(policy_.policy.limits)},
                                  {"keep", keep_to_json(policy_.policy.keep)},
                                  {"in_force", days_in_force()}},
                         .prev_step = before == 0 ? std::optional<std::uint64_t>() : before - 1}));
  ledger_.with_log([this, whole, index](const Status& logged) {
    if (!logged) return;
    book_.change_head().policy = whole;
    book_.change_head().policy_entry = index + 1;
  });
  return {};
}

Status Office::stage_rows() {
  if (kept_.dirty) book_.change_head().kept.retention = kept_.guard.state();
  kept_.dirty = false;
  return book_.stage_rows();
}

// ---- what is in force ---------------------------------------------------------------------------

vault::Keep Office::keep_in_force() const {
  const auto& kept = book_.head().kept;
  return {.reference_days = kept.reference_days,
          .contact_days = kept.contact_days,
          .secret_hours = policy_.policy.keep.secret_hours};
}

// What this round takes: secrets always.
vault::Times Office::times() const {
  return {.secrets = now(), .kept = kept_.erasing ? kept_.guard.now() : 0};
}

bool Office::waits_for_owner() const {
  return kept_.guard.stopped() || book_.head().kept.since != 0;
}

// ---- rounds -------------------------------------------------------------------------------------

void Office::count_kept(const vault::Customer& customer) {
  auto& counting = kept_.counting;
  const auto fields = customer.over(keep_in_force(), {.secrets = 0, .kept = kept_.guard.now()});
  counting.fields += fields;
  counting.customers += fields != 0 ? 1 : 0;
  // By the wall clock, which the owner's word makes the time.
  if (customer.over(policy_.policy.keep, {.secrets = 0, .kept = kept_.guard.wall()}) != 0)
    ++counting.to_confirm;
}

// At the end of a round. One that took goes on until all that was counted is taken; then, or when
// there is more by now than was counted, it is counted anew.
void Office::decide_round() {
  auto& kept = kept_;
  if (kept.erasing) {
    if (passing_.left != 0 && kept.budget != 0) return;
    kept.erasing = false;
    kept.guard.run_over(static_cast<std::int64_t>(kept.taken));
    kept.dirty = true;
    return;
  }
  kept.counted = std::exchange(kept.counting, {});
  kept.counted.at = now();
  const auto due = static_cast<std::int64_t>(kept.counted.customers);
  if (kept.guard.stopped()) return;
  if (due == 0) {  // what an owner let go is gone, or stays: it was for this once
    if (kept.guard.state().confirmed != 0) {
      kept.guard.run_over(0);
      kept.dirty = true;
    }
    return;
  }
  if (due > kept.guard.may_erase(keys::usual_erased(kept.guard.state().days)))
    return stop_kept(keys::RetentionStop::kVolume, due);
  kept.erasing = true;
  kept.budget = kept.counted.customers;
  kept.taken = 0;
  passing_.left += kept.counted.fields;  // the next round follows at once
}

void Office::stop_kept(keys::RetentionStop why, std::int64_t by) {
  kept_.guard.stop(why, by);
  kept_.erasing = false;
  log_kept_stop();
}

// With every tick, so that a clock which goes to and fro is one clock that goes.
void Office::watch_kept() {
  auto& kept = kept_;
  if (kept.guard.observe(clock_.utc_ms(), clock_.monotonic_ms())) kept.erasing = false;
  if (kept.guard.stopped() && book_.nobody()) kept.guard.confirm(0);  // of nobody's data
  log_kept_stop();
  const auto mono = clock_.monotonic_ms();
  if (!ledger_.log_failed() &&
      (kept.saved_ms == 0 || mono - kept.saved_ms >= keys::RetentionState::kSaveEveryMs)) {
    kept.saved_ms = mono;
    kept.dirty = true;
    ledger_.write_rows();
  }
}

// Until it stands in the log.
void Office::log_kept_stop() {
  auto& state = kept_.guard.state();
  if (state.stop_logged || ledger_.log_failed()) return;
  log_event("keeper.field_retention_stopped",
            {{"cause", keys::to_text(state.stop)}, {"by", state.by}});
  if (!ledger_.stage({.type = "field_retention_stopped",
                      .actor = "keeper",
                      .subject = "-",
                      .data = {{"cause", keys::to_text(state.stop)}, {"by", state.by}}}))
    return;
  state.stop_logged = true;
  ledger_.with_log([this](const Status& logged) {
    kept_.guard.state().stop_logged = logged.has_value();
    kept_.dirty = true;
  });
  ledger_.write_rows();
}

// ---- what the log says that no row does ---------------------------------------------------------

// Taken by its time, and in no row that was written: it counts on that day.
void Office::replay_passed(const vault::Customer& customer, const audit::Entry& entry) {
  for (const auto& item : entry.data.at("fields").as_array()) {
    const auto* version = customer.find(static_cast<vault::Leaf>(item.at(0).as_int64()));
    if (version == nullptr || version->state == vault::FieldState::kGone ||
        item.at(1).as_string() != vault::to_text(vault::GoneBy::kRetention))
      continue;
    auto& state = kept_.guard.state();
    state.spend(std::max(state.spent_day, keys::day_of(entry.at)), 1);
    kept_.dirty = true;
    return;  // one customer, whatever fields
  }
}

Status Office::replay_word(const audit::Entry& entry) {
  const auto word = TRY(owners_word_from_json(TRY(PersonId::parse(entry.actor)), entry.data));
  kept_.guard.confirm_again(static_cast<std::int64_t>(word.customers), entry.at, word.stop);
  days_by(word);
  book_.change_head().policy = {};  // perhaps another one is stated by now: said anew
  return {};
}

// ---- an owner's word ----------------------------------------------------------------------------

// In force from here on. By other days, and other times: counted anew, and what was being taken by
// those of before is, too.
void Office::days_by(const OwnersWord& word) {
  auto& days = book_.change_head().kept;
  days.reference_days = word.keep.reference_days;
  days.contact_days = word.keep.contact_days;
  days.since = 0;
  kept_.dirty = true;
  kept_.erasing = false;
  kept_.budget = kept_.taken = 0;
  kept_.counting = kept_.counted = {};
  book_.scan_anew();
  next_scan_ms_ = 0;
}

Status Office::check_word(const OwnersWord& word) const {
  if (!waits_for_owner())
    return fail(Errc::kState,
                "nothing waits for an owner's word: nothing has stopped, and the "
                "policy's days are in force");
  if (word.nonce != kept_.nonce && word.nonce != kept_.nonce_before)
    return fail(Errc::kState, "signed too long ago, or taken already: look again");
  if (word.keep != policy_.policy.keep)
    return fail(Errc::kState, "of another policy than the one that is stated: look again");
  if (word.stop != keys::to_text(kept_.guard.state().stop))
    return fail(Errc::kState, "of another stop than this one: look again");
  if (kept_.counted.at == 0)
    return fail(Errc::kBusy, "it is just being counted: ask again in a moment");
  if (word.customers != kept_.counted.to_confirm)
    return fail(Errc::kState, "of " + std::to_string(kept_.counted.to_confirm) +
                                  " customers something would go at once, not of " +
                                  std::to_string(word.customers) + ": look again");
  return {};
}

void Office::confirm_field_retention(const keys::ConfirmFieldRetention& message,
                                     Reply<keys::FieldRetention> reply) {
  const auto refuse = [&reply](const Error& error) { reply(tl::unexpected<Error>(error)); };
  if (auto is_ready = ready(); !is_ready) return refuse(is_ready.error());
  const OwnersWord word{.by = message.by,
                        .customers = message.customers,
                        .keep = {.reference_days = message.reference_days,
                                 .contact_days = message.contact_days,
                                 .secret_hours = message.secret_hours},
                        .stop = message.stop,
                        .nonce = message.nonce,
                        .reason_hash = message.reason_hash};
  const auto signature = people::parse_signature(message.signature);
  if (!signature) return refuse(signature.error());
  if (signature->person != word.by || !chart_.is(word.by, people::Role::kOwner))
    return refuse({Errc::kDenied, "an owner confirms it, with their passkey"});
  if (auto said = chart_.check(word.by, hash_of(word), signature->said); !said)
    return refuse(said.error());
  if (kept_.guard.observe(clock_.utc_ms(), clock_.monotonic_ms())) log_kept_stop();
  if (auto fits = check_word(word); !fits) return refuse(fits.error());
  audit::Entry entry{.type = "field_retention_confirmed",
                     .actor = word.by.hex(),
                     .subject = "-",
                     .data = to_json(word)};
  entry.signature = people::signatures_to_json({*signature});
  if (auto staged = ledger_.stage(std::move(entry)); !staged) return refuse(staged.error());
  kept_.nonce = kept_.nonce_before = entropy_.array<16>();  // it is taken once
  ledger_.with_log([this, word](const Status& logged) {
    if (!logged) return;
    kept_.guard.confirm(static_cast<std::int64_t>(word.customers));
    days_by(word);
    book_.change_head().policy = policy_stated();  // the word says the days
  });
  ledger_.write_rows();
  ledger_.after_log([this, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::FieldRetention{boost::json::serialize(retention_json())});
  });
}

// ---- how it stands ------------------------------------------------------------------------------

void Office::renew_nonce() {
  const auto mono = clock_.monotonic_ms();
  if (kept_.nonce_ms && mono - *kept_.nonce_ms < kNonceMs) return;
  const bool old = kept_.nonce_ms && mono - *kept_.nonce_ms >= 2 * kNonceMs;
  kept_.nonce_before = old ? entropy_.array<16>() : kept_.nonce;
  kept_.nonce = entropy_.array<16>();
  kept_.nonce_ms = mono;
}

void Office::add_kept(boost::json::object& json) const {
  const auto& guard = kept_.guard;
  const auto& state = guard.state();
  const auto& stated = policy_.policy.keep;
  const auto in_force = keep_in_force();
  const auto usual = keys::usual_erased(state.days);
  json["keep"] = boost::json::object{{"reference_days", stated.reference_days},
                                     {"contact_days", stated.contact_days},
                                     {"secret_hours", stated.secret_hours}};
  json["in_force"] = boost::json::object{{"reference_days", in_force.reference_days},
                                         {"contact_days", in_force.contact_days}};
  json["waits"] = waits_for_owner();
  json["shorter_since"] = book_.head().kept.since;
  json["stop"] = keys::to_text(state.stop);
  json["stop_why"] = keys::why_stopped(state, "customers");
  json["stopped_at"] = guard.stopped() ? state.stopped_at : 0;
  json["counted_at"] = kept_.counted.at;
  json["due_customers"] = kept_.counted.customers;
  json["to_confirm"] = kept_.counted.to_confirm;
  json["usual"] = usual;
  json["may"] = guard.may_erase(usual);
}

}  // namespace callward::disclose
