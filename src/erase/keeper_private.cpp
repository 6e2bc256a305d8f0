// An agent who stays private: what is recorded meanwhile is ordered erased.
//
//   on ──▶ closed from now until the bound, before anybody is answered: on every stream, or on
//          every one but the agent's own ("customer only")
//          private_on logged: the whole stretch, not knowing yet where it ends
//   off, the bound, or the call's end ──▶ private_off logged: where it ended
//          ──▶ an order like any other: erase_intended ──▶ erased; what is behind it is open again
//
// The message names no range: a stretch begins with the segment of now, so that nothing of the past
// can be reached. Nobody has to renew it: a console that dies with its network leaves a secret
// closed, and costs at most the bound. A keeper that dies meanwhile finds the stretch in the row or
// in the log as an order that is not done, and erases all of it, up to its bound: where it would
// have ended nobody can say.
#include <algorithm>
#include <boost/json.hpp>

#include "base/check.hpp"
#include "base/event_log.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

constexpr std::uint32_t kSegmentMs = 100;
constexpr std::uint32_t kSegmentsPerSecond = 10;

std::uint8_t private_reason() { return reason_number(kPrivateReason).value_or(0); }

boost::json::array kept_of(std::uint16_t kept) {
  boost::json::array streams;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
    if ((kept >> stream & 1) != 0) streams.push_back(stream);
  return streams;
}

tl::unexpected<Error> not_logged(const Error& error) {
  return fail(Errc::kUnavailable,
              "closed to everybody, but not logged; ask again: " + error.message);
}

}  // namespace

// From the ranges that are closed or gone for this reason: rows keep them, so that a keeper that
// starts anew knows what was used as the one before it did. Pauses keep stretches apart.
Keeper::PrivateUse Keeper::private_use(const CallKeys& call) {
  PrivateUse use;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream) {
    std::vector<SegmentRange> stretches;
    for (const auto& block : call.blocked)
      if (block.range.stream == stream && block.reason == private_reason() &&
          block.state != BlockState::kHeld)
        stretches.push_back(block.range);
    stretches = join(std::move(stretches));
    if (!stretches.empty()) use.last_end = std::max(use.last_end, stretches.back().end);
    use.segments = std::max(use.segments, static_cast<std::uint32_t>(segments_in(stretches)));
    use.times = std::max(use.times, static_cast<std::uint32_t>(stretches.size()));
  }
  return use;
}

std::uint16_t Keeper::not_private_at(const CallKeys& call, std::uint32_t index) {
  auto open = call.streams;
  for (const auto& block : call.blocked)
    if (block.reason == private_reason() && block.range.first <= index && index < block.range.end)
      open = static_cast<std::uint16_t>(open & ~(1u << block.range.stream));
  return open;
}

keys::PrivateState Keeper::private_state(const CallKeys& call) const {
  const auto use = private_use(call);
  const auto now = elapsed_segments(call);
  keys::PrivateState state{.times = use.times, .used_ms = use.segments * kSegmentMs};
  if (const auto open = privates_.find(call.id); open != privates_.end() && !open->second.over) {
    state.on = true;
    state.kept = open->second.one_side() ? open->second.kept : std::uint16_t{0};
    state.left_ms = (open->second.end - std::min(open->second.end, now)) * kSegmentMs;
  } else if (use.last_end > now + kAheadSegmentsMax) {
    // A keeper began it and died: up to its bound all of it goes, whoever says off.
    state.on = true;
    state.left_ms = (use.last_end - now) * kSegmentMs;
    state.kept = not_private_at(call, now);
  } else if (use.times > 0 && use.last_end + kPrivatePauseSegments > now) {
    state.wait_ms = (use.last_end + kPrivatePauseSegments - now) * kSegmentMs;
  }
  return state;
}

// How many segments a stretch that begins now may have; or why none.
Keeper::PrivateGrant Keeper::private_grant(const CallKeys& call, const std::string& actor) const {
  const auto others = std::count_if(privates_.begin(), privates_.end(),
                                    [&](const auto& item) { return item.second.by == actor; });
  if (static_cast<std::size_t>(others) >= kPrivatePerPersonMax) return {0, "many_calls"};
  const auto now = elapsed_segments(call);
  const auto use = private_use(call);
  if (use.times > 0 && now < use.last_end + kPrivatePauseSegments) return {0, "pause"};
  const auto once = static_cast<std::uint64_t>(policy_.private_s_max) * kSegmentsPerSecond;
  // Once at its full length in any call: a card is often asked for at once.
  const auto whole = std::max(
      once, std::uint64_t{now} * static_cast<std::uint64_t>(policy_.private_share_percent) / 100);
  const auto left = whole - std::min<std::uint64_t>(whole, use.segments);
  if (left < kPrivateSegmentsMin) return {0, "share"};
  const auto most = std::min({once, left, std::uint64_t{keys::kIndexMax} + 1 - now});
  return {static_cast<std::uint32_t>(most), {}};
}

void Keeper::private_look(const keys::PrivateLook& message, Reply<keys::PrivateState> reply) {
  const auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  if ((*found)->ended) return reply(fail(Errc::kState, "the call is over"));
  reply(private_state(**found));
}

// A stretch is begun by whose telephone the call is at. What is refused anyway is refused at once.
void Keeper::private_mode(const keys::PrivateMode& message, Reply<keys::PrivateState> reply) {
  const bool begins = message.on && !privates_.contains(message.call);
  const auto found = find(message.call);
  const bool may_begin = found && !(*found)->ended && !(*found)->is_call_back() &&
                         (*found)->source != keys::CallSource::kImport;
  if (tenant_ == nullptr || !begins || !may_begin) return press_private(message, std::move(reply));
  tenant_->when_at(message.call, message.actor, [this, message, reply](const Status& may) {
    if (!may) return reply(tl::unexpected<Error>(may.error()));
    press_private(message, reply);
  });
}

void Keeper::press_private(const keys::PrivateMode& message, Reply<keys::PrivateState> reply) {
  if (!may_act(message.actor))
    return reply(fail(Errc::kDenied, "a person is private, or the operator"));
  if ((message.kept & (1u | 1u << keys::kCallDataStream)) != 0)
    return reply(fail(Errc::kMalformed, "an agent's own streams may be kept, and no other"));
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (call.ended || call.source == keys::CallSource::kImport)
    return reply(fail(Errc::kState, "only a call that runs can be private"));
  // It is what a request is judged by, and who rang is no agent in it.
  if (message.on && call.is_call_back())
    return reply(fail(Errc::kDenied, "a call-back is recorded whole: nobody is private in it"));
  const auto open = privates_.find(call.id);
  if (open != privates_.end() && open->second.by != message.actor)
    return refuse_private(call, message.actor, "other_person",
                          fail(Errc::kDenied, "another person made this call private"), reply);
  if (!message.on) {
    if (open == privates_.end()) return reply(private_state(call));  // over, or never begun
    return end_private(call, "off", message.actor, std::move(reply));
  }
  if (open == privates_.end()) {
    const auto grant = private_grant(call, message.actor);
    if (grant.segments == 0)
      return refuse_private(call, message.actor, grant.refused,
                            fail(Errc::kState, "private is over its bound: " + grant.refused),
                            reply);
    if (call.open_blocks() + keys::kStreamsMax > kOpenBlocksPerCallMax)
      return reply(fail(Errc::kFull, "too many orders wait for this call"));
    const auto first = elapsed_segments(call);
    privates_[call.id] = {.order = OrderId::random(entropy_),
                          .by = message.actor,
                          .first = first,
                          .end = first + grant.segments,
                          .kept = message.kept,
                          .kept_upto = message.kept == 0 ? first : first + grant.segments,
                          .until_ms = clock_.monotonic_ms() +
                                      std::int64_t{grant.segments} * std::int64_t{kSegmentMs}};
    close_private(call);
  } else if (open->second.over) {
    return reply(fail(Errc::kBusy, "the last stretch is just being ended; ask again"));
  } else if ((open->second.kept & message.kept) != open->second.kept) {
    widen_private(call, open->second);
  }
  begin_private(call, std::move(reply));
}

// One side becomes both: from now on, and no sooner. Said in the log like a beginning, under the
// same order.
void Keeper::widen_private(CallKeys& call, Private& open) {
  if (!open.one_side()) return;
  open.kept_upto = std::min(open.end, elapsed_segments(call));
  open.logged = false;
  close_private(call);
}

// Closed already; answered when it is logged. The log failed: whoever asks again is answered then.
void Keeper::begin_private(const CallKeys& call, Reply<keys::PrivateState> reply) {
  auto& open = privates_.at(call.id);
  if (auto staged = stage_private_on(call, open); !staged)
    return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, id = call.id, order = open.order, reply](Status logged) {
    const auto still = privates_.find(id);
    if (!logged) return reply(not_logged(logged.error()));
    if (still != privates_.end() && still->second.order == order) still->second.logged = true;
    const auto begun = find(id);
    if (!begun) return reply(tl::unexpected<Error>(begun.error()));
    reply(private_state(**begun));
    outbox_.order_state({order, id, keys::OrderOutcome::kAccepted, private_ranges(**begun, order),
                         std::string(kReasons[private_reason()])});
  });
}

// The log is back: what is closed since it was away, and will be erased, stands in it before
// anything is erased, whether anybody asks again or not. (Of one that is over, tick_private() says
// both ends.)
void Keeper::log_privates() {
  for (const auto& [id, open] : privates_) {
    if (open.logged || open.over) continue;
    if (const auto found = find(id)) begin_private(**found, [](const auto&) {});
  }
}

Status Keeper::stage_private_on(const CallKeys& call, const Private& open) {
  if (open.logged) return {};
  return stage_entry("private_on", open.by, call.id.hex(),
                     {{"order", open.order.hex()},
                      {"ranges", ranges_json(private_ranges(call, open.order))},
                      {"times", private_use(call).times},
                      {"sides", open.one_side() ? "customer" : "both"},
                      {"kept", kept_of(open.one_side() ? open.kept : std::uint16_t{0})}});
}

// Of every stream that there is, those too that begin while it is private: whoever speaks in one
// that the agent's press did not name is not the agent.
void Keeper::close_private(CallKeys& call) {
  const auto found = privates_.find(call.id);
  if (found == privates_.end()) return;
  const auto& open = found->second;
  for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream) {
    const bool kept = (open.kept >> stream & 1) != 0;
    const SegmentRange range{stream, kept ? open.kept_upto : open.first, open.end};
    const bool closed =
        std::any_of(call.blocked.begin(), call.blocked.end(), [&](const Blocked& block) {
          return block.order == open.order && block.range.stream == stream;
        });
    if (!call.has_stream(stream) || closed || range.first >= range.end) continue;
    call.blocked.push_back({range, private_reason(), BlockState::kOrdered, open.order});
    call.dirty = true;
  }
}

std::vector<SegmentRange> Keeper::private_ranges(const CallKeys& call, const OrderId& order) {
  std::vector<SegmentRange> ranges;
  for (const auto& block : call.blocked)
    if (block.order == order) ranges.push_back(block.range);
  return join(std::move(ranges));
}

// Where it ends is said once: a write that failed may stand in the log all the same.
void Keeper::end_private(CallKeys& call, const std::string& cause, const std::string& actor,
                         Reply<keys::PrivateState> reply) {
  auto& open = privates_.at(call.id);
  if (open.staged) return answer_ended(call.id, std::move(reply));  // asked twice in one round
  close_private(call);
  if (!open.over) {
    open.over = true;
    open.cause = cause;
    open.ended_by = actor;
    // An index may run ahead of the clock: what is on its way was said while it was private.
    const bool one_side = open.one_side();
    open.end = std::min(open.end, elapsed_segments(call) + kAheadSegmentsMax);
    if (one_side) open.kept_upto = open.end;
  }
  auto ranges = private_ranges(call, open.order);
  for (auto& range : ranges)
    range.end =
        std::min(range.end, call.ended ? std::min(open.end, call.ends[range.stream]) : open.end);
  std::erase_if(ranges, [](const SegmentRange& range) { return range.first >= range.end; });
  auto staged = stage_private_on(call, open);
  if (staged)
    staged = stage_entry("private_off", open.ended_by, call.id.hex(),
                         {{"order", open.order.hex()},
                          {"ranges", ranges_json(ranges)},
                          {"cause", open.cause},
                          {"times", private_use(call).times},
                          {"sides", open.one_side() ? "customer" : "both"},
                          {"kept", kept_of(open.one_side() ? open.kept : std::uint16_t{0})}});
  if (!staged) {
    if (reply) reply(tl::unexpected<Error>(staged.error()));
    return;
  }
  open.staged = true;
  with_log([this, id = call.id, order = open.order, ranges](const Status& logged) {
    settle_private(id, order, ranges, logged);
  });
  answer_ended(call.id, std::move(reply));
}

void Keeper::answer_ended(const CallId& id, Reply<keys::PrivateState> reply) {
  if (!reply) return;
  after_log([this, id, reply = std::move(reply)](Status logged) {
    const auto still = find(id);
    if (!logged) return reply(not_logged(logged.error()));
    if (!still) return reply(tl::unexpected<Error>(still.error()));
    reply(private_state(**still));
  });
}

// Logged: from here on it is an order like any other.
void Keeper::settle_private(const CallId& id, const OrderId& order,
                            const std::vector<SegmentRange>& ranges, const Status& logged) {
  const auto open = privates_.find(id);
  if (open == privates_.end() || open->second.order != order) return;
  open->second.staged = false;
  if (!logged) return;  // stays closed; tick() says it again
  const auto by = open->second.by;
  privates_.erase(open);
  const auto found = find(id);
  if (!found) return;
  trim_private(**found, order, ranges);
  if (ranges.empty()) return;
  if (known_orders_.size() >= kKnownOrdersMax) known_orders_.clear();
  known_orders_[order] = keys::OrderOutcome::kAccepted;
  orders_.push_back({order, id, ranges, private_reason(), by, false, {}});
}

void Keeper::trim_private(CallKeys& call, const OrderId& order,
                          const std::vector<SegmentRange>& ranges) {
  std::erase_if(call.blocked, [&](const Blocked& block) {
    return block.order == order && block.state == BlockState::kOrdered;
  });
  for (const auto& range : ranges)
    call.blocked.push_back({range, private_reason(), BlockState::kOrdered, order});
  call.dirty = true;
}

// Whoever presses a thousand times a second fills no log: refusals of a call that come together are
// one entry, with their number.
void Keeper::refuse_private(const CallKeys& call, const std::string& actor,
                            const std::string& cause, Result<keys::PrivateState> refused,
                            const Reply<keys::PrivateState>& reply) {
  if (private_refused_.size() >= kPrivateRefusedMax && private_refused_.count(call.id) == 0)
    private_refused_.clear();
  auto& before = private_refused_[call.id];
  ++before.count;
  const auto now = clock_.monotonic_ms();
  if (before.said && now - before.at_ms < kPrivateRefusedMs) return reply(std::move(refused));
  auto staged = stage_entry("private_refused", actor, call.id.hex(),
                            {{"cause", cause}, {"count", before.count}});
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  before = {.count = 0, .at_ms = now, .said = true};
  after_log([refused = std::move(refused), reply](Status) { reply(refused); });
}

// Bounds are the keeper's, by its own clock.
void Keeper::tick_private() {
  std::vector<CallId> over;
  for (const auto& [id, open] : privates_)
    if (!open.staged && (open.over || clock_.monotonic_ms() >= open.until_ms)) over.push_back(id);
  if (log_->failed()) return;
  for (const auto& id : over) {
    const auto found = find(id);
    if (!found) {
      privates_.erase(id);
      continue;
    }
    end_private(**found, "bound", "keeper", nullptr);
  }
}

// What the log says of one beyond the rows. Its end makes it shorter; without an end it stays an
// order that is not done, up to its bound.
void Keeper::replay_private(CallKeys& call, const audit::Entry& entry) {
  const auto order = OrderId::parse(std::string_view(entry.data.at("order").as_string()));
  if (!order) return;
  const auto ranges = parse_ranges(entry.data.at("ranges"));
  if (entry.type == "private_off") {
    const bool waits =
        std::any_of(call.blocked.begin(), call.blocked.end(), [&](const Blocked& block) {
          return block.order == *order && block.state == BlockState::kOrdered;
        });
    if (waits) trim_private(call, *order, ranges);
    return;
  }
  // It began, or became both sides': in which streams it is not closed yet, unless its end was
  // carried out.
  std::uint16_t closed = 0;
  for (const auto& block : call.blocked) {
    if (block.order != *order) continue;
    if (block.state != BlockState::kOrdered) return;
    closed = static_cast<std::uint16_t>(closed | 1u << block.range.stream);
  }
  for (const auto& range : ranges) {
    if ((closed >> range.stream & 1) != 0) continue;
    call.blocked.push_back({range, private_reason(), BlockState::kOrdered, *order});
    call.dirty = true;
  }
}

std::vector<HandedPrivate> Keeper::handed_privates() const {
  std::vector<HandedPrivate> out;
  for (const auto& [id, open] : privates_)
    out.push_back({id, open.order, open.by, open.first, open.end, open.until_ms, open.logged,
                   open.over, open.cause, open.ended_by, open.kept, open.kept_upto});
  return out;
}

void Keeper::take_privates(const std::vector<HandedPrivate>& handed) {
  for (const auto& item : handed)
    privates_[item.call] = {.order = item.order,
                            .by = item.by,
                            .first = item.first,
                            .end = item.end,
                            .kept = item.kept,
                            .kept_upto = item.kept_upto,
                            .until_ms = item.until_ms,
                            .logged = item.logged,
                            .over = item.over,
                            .cause = item.cause,
                            .ended_by = item.ended_by};
}

}  // namespace callward::erase
