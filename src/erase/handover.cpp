#include "erase/handover.hpp"

#include <algorithm>

namespace callward::erase {
namespace {

constexpr std::uint32_t kEndMax = keys::kIndexMax + 1;

bool fits(const SegmentRange& range) {
  return range.stream < keys::kCallDataStream && range.first <= range.end && range.end <= kEndMax;
}

bool all_fit(const std::vector<SegmentRange>& ranges) {
  return std::all_of(ranges.begin(), ranges.end(), fits);
}

bool fits(const Blocked& block) {
  return fits(block.range) && block.reason < kReasons.size() &&
         block.state >= BlockState::kOrdered && block.state <= BlockState::kErased;
}

bool fits(const HandedOrder& order) {
  return all_fit(order.ranges) && order.reason < kReasons.size();
}

bool fits(const HandedStream& stream) {
  return std::max({stream.ends, stream.heard, stream.persisted, stream.heard_before_question}) <=
         kEndMax;
}

bool fits(const HandedCall& call) {
  return keys::is_call_source(call.source) && call.direction <= keys::Direction::kOutgoing &&
         (call.streams & 0x8000) == 0 && (call.declared & ~call.streams) == 0 &&
         call.marks.size() == keys::kStreamsMax && call.issued_from <= kEndMax &&
         call.next_call_data <= kEndMax &&
         std::all_of(call.marks.begin(), call.marks.end(),
                     [](const HandedStream& stream) { return fits(stream); }) &&
         std::all_of(call.blocked.begin(), call.blocked.end(),
                     [](const Blocked& block) { return fits(block); }) &&
         call.proposals.size() <= kProposalsPerCallMax &&
         std::all_of(call.proposals.begin(), call.proposals.end(),
                     [](const Proposal& item) { return item.reason < kReasons.size(); }) &&
         all_fit(call.lost);
}

bool fits(const HandedOutcome& known) {
  return known.outcome >= keys::OrderOutcome::kAccepted &&
         known.outcome <= keys::OrderOutcome::kKept;
}

bool fits(const HandedDecision& decided) {
  return decided.decision == keys::HeldDecision::kErase ||
         decided.decision == keys::HeldDecision::kKeep;
}

bool fits(const HandedPrivate& open) {
  return open.first <= open.end && open.end <= kEndMax && open.first <= open.kept_upto &&
         open.kept_upto <= open.end && (open.kept & 0x8001) == 0;
}

template <class T>
bool each_fits(const std::vector<T>& items) {
  return std::all_of(items.begin(), items.end(), [](const T& item) { return fits(item); });
}

}  // namespace

HandedCall to_handed(const CallKeys& call) {
  const auto& [id, row, source, direction, streams, declared, started_at, ended, listened, closed,
               closed_by, legal_hold, drop, proposals, start_logged, end_logged, rooted, begun_ms,
               issued_from, ends, heard, persisted, blocked, lost, cover, listener_segments,
               next_call_data, question_open, heard_before_question, question_since_ms, dirty,
               heard_moved, call_back] = call;
  HandedCall out{.id = id,
                 .row = row,
                 .source = source,
                 .direction = direction,
                 .streams = streams,
                 .declared = declared,
                 .started_at = started_at,
                 .ended = ended,
                 .listened = listened,
                 .closed = closed,
                 .closed_by = closed_by,
                 .legal_hold = legal_hold,
                 .drop = drop,
                 .proposals = proposals,
                 .start_logged = start_logged,
                 .end_logged = end_logged,
                 .rooted = rooted,
                 .begun_ms = begun_ms,
                 .issued_from = issued_from,
                 .marks = {},
                 .blocked = blocked,
                 .lost = lost,
                 .cover = cover.clone().take_nodes(),
                 .listener_segments = listener_segments,
                 .next_call_data = next_call_data,
                 .question_open = question_open,
                 .question_since_ms = question_since_ms,
                 .dirty = dirty,
                 .heard_moved = heard_moved,
                 .call_back = call_back};
  for (std::size_t i = 0; i < keys::kStreamsMax; ++i)
    out.marks.push_back({ends[i], heard[i], persisted[i], heard_before_question[i]});
  return out;
}

Result<CallKeys> from_handed(HandedCall handed) {
  if (!fits(handed)) return fail(Errc::kMalformed, "a handed call contradicts itself");
  CallKeys call;
  call.id = handed.id;
  call.row = handed.row;
  call.source = handed.source;
  call.direction = handed.direction;
  call.streams = handed.streams;
  call.declared = handed.declared;
  call.started_at = handed.started_at;
  call.ended = handed.ended;
  call.listened = handed.listened;
  call.closed = handed.closed;
  call.closed_by = handed.closed_by;
  call.legal_hold = handed.legal_hold;
  call.drop = handed.drop;
  call.proposals = std::move(handed.proposals);
  call.start_logged = handed.start_logged;
  call.end_logged = handed.end_logged;
  call.rooted = handed.rooted;
  call.begun_ms = handed.begun_ms;
  call.issued_from = handed.issued_from;
  for (std::size_t i = 0; i < keys::kStreamsMax; ++i) {
    call.ends[i] = handed.marks[i].ends;
    call.heard[i] = handed.marks[i].heard;
    call.persisted[i] = handed.marks[i].persisted;
    call.heard_before_question[i] = handed.marks[i].heard_before_question;
  }
  call.blocked = std::move(handed.blocked);
  call.lost = std::move(handed.lost);
  call.cover = TRY(keys::Cover::from_nodes(std::move(handed.cover)));
  call.listener_segments = handed.listener_segments;
  call.next_call_data = handed.next_call_data;
  call.question_open = handed.question_open;
  call.question_since_ms = handed.question_since_ms;
  call.dirty = handed.dirty;
  call.heard_moved = handed.heard_moved;
  call.call_back = handed.call_back;
  return call;
}

Result<SecretBytes> encode_handed(const HandedState& state) {
  auto raw = pack_secret(state);
  if (raw.size() > kHandoverBytesMax)
    return fail(Errc::kTooLarge, "more state than may be handed over at once");
  return raw;
}

Result<HandedState> decode_handed(ByteView raw) {
  if (raw.size() > kHandoverBytesMax)
    return fail(Errc::kTooLarge, "handed state is over its limit");
  ByteReader in(raw);
  const auto version = in.u32();
  if (!in.ok() || version == 0) return fail(Errc::kMalformed, "handed state without a version");
  constexpr std::uint32_t kVersionWithoutPrivates = 2, kVersionOfBothSides = 3,
                          kVersionWithoutCallBacks = 4;
  static_assert(kHandoverVersion == 5, "each version has its reader here");
  if (version > kHandoverVersion)
    return fail(Errc::kUnsupported, "handed state of version " + std::to_string(version) +
                                        ": this program knows 1 to " +
                                        std::to_string(kHandoverVersion));
  auto state = TRY(version == kHandoverVersion           ? unpack<HandedState>(raw)
                   : version == kVersionWithoutCallBacks ? decode_handed_v4(raw)
                   : version == kVersionOfBothSides      ? decode_handed_v3(raw)
                   : version == kVersionWithoutPrivates  ? decode_handed_v2(raw)
                                                         : decode_handed_v1(raw));
  if (!each_fits(state.calls) || !each_fits(state.orders) || !each_fits(state.unconfirmed) ||
      !each_fits(state.known_orders) || !each_fits(state.decided) || !each_fits(state.privates))
    return fail(Errc::kMalformed, "handed state contradicts itself");
  return state;
}

}  // namespace callward::erase
