// What the server asks of retention: how it stands, a run, the owner's word.
#include <algorithm>
#include <boost/json.hpp>

#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

constexpr std::string_view kCounted = "calls";

const char* state_word(bool on, bool running, bool stopped) {
  if (!on) return "off";
  if (stopped) return "stopped";
  return running ? "running" : "waiting";
}

}  // namespace

// In the keeper's status, each second: what is at hand.
boost::json::object Keeper::retention_json() const {
  const auto& work = retention_;
  const auto& state = work.guard.state();
  const bool on = policy_.retention.any();
  return {{"on", on},
          {"state", state_word(on, work.running, work.guard.stopped())},
          {"why", on ? why_stopped(state, kCounted) : std::string()},
          {"last_run", state.last_run},
          {"next_run",
           on && !work.guard.stopped() && state.last_run > 0 ? state.last_run + kRunEveryMs : 0},
          {"last_erased", state.last_erased},
          {"objects_to_delete", work.ciphertext.size()}};
}

std::string Keeper::retention_report(bool dry_run) const {
  const auto& work = retention_;
  const auto& guard = work.guard;
  auto out = retention_json();
  boost::json::object days;
  for (std::size_t i = 0; i < kCallClasses.size(); ++i)
    days[kCallClasses[i]] = policy_.retention.days[i];
  const auto due = due_at(guard.now());
  const auto usual = usual_calls();
  const auto may = guard.may_erase(usual);
  out["days"] = std::move(days);
  out["now"] = guard.now();
  out["clock"] = clock_.utc_ms();
  out["due"] = due.rows.size();
  out["held"] = due.held;
  out["unheard"] = due.unheard;
  out["usual"] = usual;
  out["may"] = may;
  // By the wall clock, which the owner's word makes the time.
  out["to_confirm"] = guard.stopped() ? due_at(clock_.utc_ms()).rows.size() : 0;
  if (dry_run) {
    boost::json::array calls;
    for (const auto row : due.rows)
      if (calls.size() < kHeldListMax) calls.emplace_back(work.ages.at(row).call.hex());
    const bool stops = static_cast<std::int64_t>(due.rows.size()) > may;
    out["would"] = !policy_.retention.any() || guard.stopped() ? "nothing"
                   : stops                                     ? "stop"
                                                               : "erase";
    out["calls"] = std::move(calls);
  }
  return boost::json::serialize(out);
}

void Keeper::retention_status(const keys::RetentionStatusRequest& /*message*/,
                              Reply<keys::RetentionStatus> reply) {
  (void)retention_.guard.observe(clock_.utc_ms(), clock_.monotonic_ms());
  reply(keys::RetentionStatus{retention_report(false)});
}

void Keeper::run_retention(const keys::RunRetention& message, Reply<keys::RetentionStatus> reply) {
  auto& guard = retention_.guard;
  if (guard.observe(clock_.utc_ms(), clock_.monotonic_ms())) retention_.dirty = true;
  if (message.dry_run) return reply(keys::RetentionStatus{retention_report(true)});
  if (!policy_.retention.any())
    return reply(fail(Errc::kState, "no retention is set: [retention] in callward.toml"));
  if (!may_act(message.actor))
    return reply(fail(Errc::kDenied, "a person asks for it, or the operator"));
  if (log_->failed())
    return reply(fail(Errc::kUnavailable, "the audit log cannot be written: nothing is erased"));
  if (retention_.running) return reply(fail(Errc::kBusy, "a run is on its way"));
  if (!guard.stopped()) start_run(message.actor);
  if (guard.stopped()) log_stop();
  after_log([this, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto& state = retention_.guard.state();
    if (retention_.guard.stopped())
      return reply(fail(Errc::kState, "nothing is erased: " + why_stopped(state, kCounted) +
                                          ". `callward retention confirm` lets it go on"));
    reply(keys::RetentionStatus{retention_report(false)});
  });
}

void Keeper::confirm_retention(const keys::ConfirmRetention& message,
                               Reply<keys::RetentionStatus> reply) {
  auto& guard = retention_.guard;
  if (!policy_.retention.any())
    return reply(fail(Errc::kState, "no retention is set: [retention] in callward.toml"));
  if (!may_act(message.actor)) return reply(fail(Errc::kDenied, "the owner confirms"));
  if (guard.observe(clock_.utc_ms(), clock_.monotonic_ms())) retention_.dirty = true;
  if (!guard.stopped()) return reply(fail(Errc::kState, "retention has not stopped"));
  const auto due = due_at(guard.wall()).rows.size();
  if (due != message.calls)
    return reply(fail(Errc::kState, "by the clock as it is now " + std::to_string(due) +
                                        " calls are due, not " + std::to_string(message.calls) +
                                        ": look at `callward retention status` again"));
  auto staged = stage_entry("retention_confirmed", message.actor, "-",
                            {{"cause", to_text(guard.state().stop)},
                             {"calls", message.calls},
                             {"reason_hash", message.reason_hash}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, message, reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    const auto before = retention_.guard;
    retention_.guard.confirm(static_cast<std::int64_t>(message.calls));
    if (auto saved = save_retention(); !saved) {
      retention_.guard = before;
      return reply(tl::unexpected<Error>(saved.error()));
    }
    start_run(message.actor);
    reply(keys::RetentionStatus{retention_report(false)});
  });
}

keys::HoldsAmong Keeper::holds_among(const keys::HoldsAmongRequest& message) const {
  keys::HoldsAmong out;
  for (const auto& id : message.calls)
    if (on_hold_.contains(id)) out.calls.push_back(id);
  return out;
}

}  // namespace callward::erase
