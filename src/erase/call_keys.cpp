#include "erase/call_keys.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::erase {
namespace {

constexpr std::uint8_t kRowVersion = 3;
constexpr std::uint8_t kRowVersionOfCallBack = 4;        // says whose call-back the call is
constexpr std::uint8_t kRowVersionWithoutHeldIds = 1;    // read, and written anew as version 3
constexpr std::uint8_t kRowVersionWithoutProposals = 2;  // likewise
constexpr std::uint8_t kFlagEnded = 1;
constexpr std::uint8_t kFlagListened = 2;
constexpr std::uint8_t kFlagClosed = 4;
constexpr std::uint8_t kFlagHold = 8;
constexpr std::uint8_t kFlagDrop = 16;
// The end is known, and is in no log yet: who knows of it is to say it again.
constexpr std::uint8_t kFlagEndNotLogged = 32;

}  // namespace

bool CallKeys::is_empty() const {
  return ended && std::all_of(ends.begin(), ends.end(), [](std::uint32_t end) { return end == 0; });
}

bool CallKeys::is_blocked(std::uint8_t stream, std::uint32_t index) const {
  return overlaps_blocked({stream, index, index + 1});
}

void CallKeys::hold(std::vector<SegmentRange> ranges, std::uint8_t reason, const OrderId& order) {
  dirty = true;
  std::erase_if(ranges, [&](const SegmentRange& range) {  // asked again: the log had failed
    return std::any_of(blocked.begin(), blocked.end(), [&](const Blocked& block) {
      return block.state == BlockState::kHeld && block.order == order && block.range == range;
    });
  });
  const auto held = std::count_if(blocked.begin(), blocked.end(), [](const Blocked& block) {
    return block.state == BlockState::kHeld;
  });
  closed = closed || static_cast<std::size_t>(held) + ranges.size() > kHeldPerCallMax;
  if (closed) {
    if (closed_by.is_zero()) closed_by = order;
    return;
  }
  for (const auto& range : ranges)
    blocked.push_back({range, reason, BlockState::kHeld, order, persisted[range.stream]});
}

void CallKeys::propose_drop(const Proposal& proposal) {
  closed = drop = dirty = true;
  closed_by = proposal.order;
  if (proposal_of(proposal.order) == nullptr) proposals.push_back(proposal);
}

const Proposal* CallKeys::proposal_of(const OrderId& order) const {
  const auto found = std::find_if(proposals.begin(), proposals.end(),
                                  [&](const Proposal& item) { return item.order == order; });
  return found == proposals.end() ? nullptr : &*found;
}

bool CallKeys::is_husk() const {
  return to_be_dropped() && std::all_of(blocked.begin(), blocked.end(), [](const Blocked& block) {
           return block.state == BlockState::kErased;
         });
}

bool CallKeys::overlaps_blocked(const SegmentRange& range) const {
  if (closed && range.stream != keys::kCallDataStream) return true;
  return std::any_of(blocked.begin(), blocked.end(), [&](const Blocked& b) {
    return b.range.stream == range.stream && b.range.first < range.end && range.first < b.range.end;
  });
}

std::uint64_t CallKeys::not_yet_ordered(const std::vector<SegmentRange>& ranges) const {
  std::vector<SegmentRange> ordered;
  for (const auto& block : blocked)
    if (block.state != BlockState::kHeld) ordered.push_back(block.range);
  ordered = join(std::move(ordered));
  std::uint64_t count = 0;
  for (const auto& range : ranges) {
    count += range.end - range.first;
    for (const auto& other : ordered) {
      if (other.stream != range.stream) continue;
      const auto first = std::max(range.first, other.first);
      const auto end = std::min(range.end, other.end);
      if (first < end) count -= end - first;
    }
  }
  return count;
}

void CallKeys::skip_lost() {
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& range : lost) {
      auto& mark = heard[range.stream];
      if (mark < range.first || mark >= range.end) continue;
      mark = range.end;
      moved = heard_moved = true;
    }
  }
}

void CallKeys::settle_held() {
  std::vector<SegmentRange> gone;
  for (const auto& block : blocked)
    if (block.state == BlockState::kErased) gone.push_back(block.range);
  gone = join(std::move(gone));
  std::erase_if(blocked, [&](const Blocked& block) {
    return block.state == BlockState::kHeld &&
           std::any_of(gone.begin(), gone.end(), [&](const SegmentRange& range) {
             return range.stream == block.range.stream && range.first <= block.range.first &&
                    block.range.end <= range.end;
           });
  });
  forget_settled();
}

// One that stands for all of a closed call has no range of its own.
void CallKeys::forget_settled() {
  std::erase_if(proposals, [this](const Proposal& item) {
    return !(closed && item.order == closed_by) &&
           std::none_of(blocked.begin(), blocked.end(), [&](const Blocked& block) {
             return block.state == BlockState::kHeld && block.order == item.order;
           });
  });
}

bool CallKeys::waits_for_a_person() const {
  return closed || std::any_of(blocked.begin(), blocked.end(), [](const Blocked& block) {
           return block.state == BlockState::kHeld;
         });
}

Decision CallKeys::held_under(const OrderId& wanted) const {
  Decision held{.order = wanted, .whole = closed};
  if (closed) {
    held.reason = reason_number(kClosedReason).value_or(0);
    if (const auto* proposal = proposal_of(wanted)) held.reason = proposal->reason;
    for (std::uint8_t stream = 0; stream < 15; ++stream)
      if (has_stream(stream) && ends[stream] > 0) held.ranges.push_back({stream, 0, ends[stream]});
    return held;
  }
  for (const auto& block : blocked) {
    if (block.state != BlockState::kHeld || block.order != wanted) continue;
    held.reason = block.reason;
    held.ranges.push_back(block.range);
  }
  held.ranges = join(std::move(held.ranges));
  return held;
}

void CallKeys::take(const Decision& decision) {
  std::erase_if(blocked, [&](const Blocked& block) {
    if (block.state == BlockState::kErased) return false;
    const bool held = block.state == BlockState::kHeld;
    return block.order == decision.order || (held && decision.whole);
  });
  if (decision.whole) {
    closed = false;
    closed_by = {};
    drop = drop && decision.erase;
  }
  std::erase_if(proposals, [&](const Proposal& item) {
    return decision.whole || item.order == decision.order;
  });
  if (decision.erase)
    for (const auto& range : decision.ranges)
      blocked.push_back({range, decision.reason, BlockState::kOrdered, decision.order});
  dirty = true;
}

std::vector<SegmentRange> CallKeys::missing(const SegmentRange& range) const {
  if (range.first >= range.end) return {};
  std::vector<SegmentRange> known;
  const auto part =
      cover.slice(keys::leaf_of(range.stream, range.first), keys::leaf_of(range.stream, range.end));
  for (const auto& node : part.nodes()) {
    const auto stream_begin = keys::leaf_of(range.stream, 0);
    known.push_back({range.stream, node.first_leaf(keys::kTreeLevels) - stream_begin,
                     node.end_leaf(keys::kTreeLevels) - stream_begin});
  }
  for (const auto& block : blocked)
    if (block.range.stream == range.stream) known.push_back(block.range);
  for (const auto& gone : lost)
    if (gone.stream == range.stream) known.push_back(gone);
  std::vector<SegmentRange> out;
  auto at = range.first;
  for (const auto& stretch : join(std::move(known))) {
    if (at >= range.end) break;
    if (stretch.first > at) out.push_back({range.stream, at, std::min(stretch.first, range.end)});
    at = std::max(at, stretch.end);
  }
  if (at < range.end) out.push_back({range.stream, at, range.end});
  return out;
}

void CallKeys::join_erased(std::size_t most) {
  // Open ones keep their order's id, and stay as they are.
  const auto open_end = std::stable_partition(blocked.begin(), blocked.end(), [](const Blocked& b) {
    return b.state != BlockState::kErased;
  });
  std::vector<Blocked> erased(open_end, blocked.end());
  blocked.erase(open_end, blocked.end());
  std::stable_sort(erased.begin(), erased.end(), [](const Blocked& a, const Blocked& b) {
    return a.range.stream != b.range.stream ? a.range.stream < b.range.stream
                                            : a.range.first < b.range.first;
  });
  const auto pass = [](const std::vector<Blocked>& all, bool any_reason) {
    std::vector<Blocked> out;
    for (const auto& block : all) {
      auto* last = out.empty() ? nullptr : &out.back();
      const bool touches = last != nullptr && last->range.stream == block.range.stream &&
                           block.range.first <= last->range.end;
      const bool inside = touches && block.range.end <= last->range.end;
      // That all of it went when its time was over is not forgotten over what had gone before.
      if (inside && kReasons[block.reason] == kRetentionReason) last->reason = block.reason;
      if (inside || (touches && (any_reason || last->reason == block.reason)))
        last->range.end = std::max(last->range.end, block.range.end);
      else
        out.push_back(block);
    }
    return out;
  };
  erased = pass(erased, false);
  if (erased.size() > most) erased = pass(erased, true);
  blocked.insert(blocked.end(), erased.begin(), erased.end());
}

std::uint64_t CallKeys::kept_segments(std::uint8_t stream, std::uint32_t end) const {
  if (!has_stream(stream) || closed) return 0;
  auto gone = lost;
  for (const auto& block : blocked) gone.push_back(block.range);
  std::uint64_t kept = end;
  for (const auto& range : join(std::move(gone)))
    if (range.stream == stream && range.first < end) kept -= std::min(range.end, end) - range.first;
  return kept;
}

std::size_t CallKeys::open_blocks() const {
  return static_cast<std::size_t>(
      std::count_if(blocked.begin(), blocked.end(),
                    [](const Blocked& block) { return block.state != BlockState::kErased; }));
}

bool CallKeys::all_heard() const {
  if (!ended) return false;
  for (std::uint8_t stream = 0; stream < 15; ++stream)
    if (has_stream(stream) && heard[stream] < ends[stream]) return false;
  return true;
}

void CallKeys::puncture(const SegmentRange& range) {
  cover.puncture(keys::leaf_of(range.stream, range.first), keys::leaf_of(range.stream, range.end));
  dirty = true;
}

void CallKeys::persist_upto(const std::array<std::uint32_t, keys::kStreamsMax>& upto) {
  if (closed) return;
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!has_stream(stream) || upto[stream] <= persisted[stream]) continue;
    persisted[stream] = upto[stream];
    dirty = true;
  }
}

namespace {

// What goes to the disk: of each audio stream what is before its mark, minus what is blocked; all
// of stream 15.
keys::Cover kept_cover(const CallKeys& call) {
  keys::Cover kept;
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!call.has_stream(stream)) continue;
    auto part =
        call.cover.slice(keys::leaf_of(stream, 0), keys::leaf_of(stream, call.persisted[stream]));
    for (const auto& block : call.blocked) {
      if (block.range.stream != stream) continue;
      const auto kept_below = block.state == BlockState::kHeld ? block.kept_below : 0;
      const auto first = std::min(std::max(block.range.first, kept_below), block.range.end);
      part.puncture(keys::leaf_of(stream, first), keys::leaf_of(stream, block.range.end));
    }
    CHECK(kept.merge(std::move(part)).has_value());
  }
  CHECK(
      kept.merge(call.cover.slice(keys::leaf_of(keys::kCallDataStream, 0), 1u << keys::kTreeLevels))
          .has_value());
  return kept;
}

}  // namespace

SecretBytes CallKeys::encode_row() const {
  ByteWriter head;
  head.u8(call_back.is_known() ? kRowVersionOfCallBack : kRowVersion);
  head.bytes(id.bytes);
  head.u8(static_cast<std::uint8_t>(source));
  head.u8(static_cast<std::uint8_t>(direction));
  head.u16(streams);
  head.u16(declared);
  head.i64(started_at);
  head.u8(static_cast<std::uint8_t>((ended ? kFlagEnded : 0) | (listened ? kFlagListened : 0) |
                                    (closed ? kFlagClosed : 0) | (legal_hold ? kFlagHold : 0) |
                                    (drop ? kFlagDrop : 0) |
                                    (ended && !end_logged ? kFlagEndNotLogged : 0)));
  if (closed) head.bytes(closed_by.bytes);
  CHECK(proposals.size() <= 0xFF);  // kProposalsPerCallMax
  head.u8(static_cast<std::uint8_t>(proposals.size()));
  for (const auto& proposal : proposals) {
    head.bytes(proposal.order.bytes);
    head.bytes(proposal.by.bytes);
    head.u8(proposal.reason);
  }
  head.u32(next_call_data);
  head.u64(listener_segments);
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!has_stream(stream)) continue;
    head.u32(ends[stream]);
    head.u32(heard[stream]);
    head.u32(persisted[stream]);
  }
  CHECK(blocked.size() <= 0xFFFF);  // kOpenBlocksPerCallMax + kHeldPerCallMax and an order's ranges
  head.u16(static_cast<std::uint16_t>(blocked.size()));
  for (const auto& block : blocked) {
    head.u8(block.range.stream);
    head.u32(block.range.first);
    head.u32(block.range.end);
    head.u8(block.reason);
    head.u8(static_cast<std::uint8_t>(block.state));
    if (block.state != BlockState::kErased) head.bytes(block.order.bytes);
    if (block.state == BlockState::kHeld) head.u32(block.kept_below);
  }
  head.u16(static_cast<std::uint16_t>(lost.size()));
  for (const auto& range : lost) {
    head.u8(range.stream);
    head.u32(range.first);
    head.u32(range.end);
  }
  if (call_back.is_known()) {
    head.bytes(call_back.request.bytes);
    head.bytes(call_back.asked_by.bytes);
    head.bytes(call_back.rung_by.bytes);
  }
  const auto nodes = kept_cover(*this).serialize();
  SecretBytes row(head.size() + nodes.size());
  std::memcpy(row.expose_mut().data(), head.view().data(), head.size());
  std::memcpy(row.expose_mut().data() + head.size(), nodes.expose().data(), nodes.size());
  return row;
}

namespace {

SegmentRange read_range(ByteReader& in) {
  SegmentRange range;
  range.stream = in.u8();
  range.first = in.u32();
  range.end = in.u32();
  return range;
}

Status read_proposals(ByteReader& in, CallKeys& call) {
  const auto proposals = in.u8();
  for (int i = 0; i < proposals && in.ok(); ++i) {
    Proposal proposal;
    proposal.order.bytes = in.array<16>();
    proposal.by.bytes = in.array<16>();
    proposal.reason = in.u8();
    if (proposal.reason >= kReasons.size())
      return fail(Errc::kMalformed, "row's proposal has no reason that there is");
    call.proposals.push_back(proposal);
  }
  return {};
}

// `only`: the number of everything that is held, in rows that do not name orders.
Status read_blocks(ByteReader& in, CallKeys& call, bool held_ids, const OrderId& only) {
  const auto blocks = in.u16();
  for (int i = 0; i < blocks && in.ok(); ++i) {
    Blocked block{.range = read_range(in)};
    block.reason = in.u8();
    block.state = static_cast<BlockState>(in.u8());
    if (block.state == BlockState::kHeld) block.order = only;
    if (block.state == BlockState::kOrdered || (block.state == BlockState::kHeld && held_ids))
      block.order.bytes = in.array<16>();
    if (block.state == BlockState::kHeld) block.kept_below = in.u32();
    if (block.state < BlockState::kOrdered || block.state > BlockState::kErased)
      return fail(Errc::kMalformed, "row's blocked range is in no known state");
    if (block.range.stream > 14 || block.range.end > 1u << 20 ||
        block.range.first > block.range.end || block.reason >= kReasons.size())
      return fail(Errc::kMalformed, "row's blocked range contradicts itself");
    call.blocked.push_back(block);
  }
  return {};
}

}  // namespace

Result<CallKeys> CallKeys::decode_row(std::uint64_t row, ByteView raw) {
  ByteReader in(raw);
  const auto version = in.u8();
  const bool held_ids = version != kRowVersionWithoutHeldIds;
  const bool with_proposals = held_ids && version != kRowVersionWithoutProposals;
  if (in.ok() && with_proposals && version != kRowVersion && version != kRowVersionOfCallBack)
    return fail(Errc::kUnsupported,
                "row of version " + std::to_string(version) + "; this program knows 1 to 4");
  CallKeys call;
  call.row = row;
  call.id.bytes = in.array<16>();
  call.source = static_cast<keys::CallSource>(in.u8());
  call.direction = static_cast<keys::Direction>(in.u8());
  call.streams = in.u16();
  call.declared = in.u16();
  call.started_at = in.i64();
  const auto flags = in.u8();
  call.ended = (flags & kFlagEnded) != 0;
  call.end_logged = call.ended && (flags & kFlagEndNotLogged) == 0;
  call.listened = (flags & kFlagListened) != 0;
  call.closed = (flags & kFlagClosed) != 0;
  // A row of version 1 does not say which orders are held: all that it holds is one of this number.
  OrderId only;
  only.bytes = call.id.bytes;
  if (call.closed) call.closed_by = only;
  if (call.closed && held_ids) call.closed_by.bytes = in.array<16>();
  if (with_proposals) {
    call.legal_hold = (flags & kFlagHold) != 0;
    call.drop = (flags & kFlagDrop) != 0;
    TRY(read_proposals(in, call));
  }
  call.next_call_data = in.u32();
  call.listener_segments = in.u64();
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!call.has_stream(stream)) continue;
    call.ends[stream] = in.u32();
    call.heard[stream] = in.u32();
    call.persisted[stream] = in.u32();
  }
  TRY(read_blocks(in, call, held_ids, only));
  const auto losses = in.u16();
  for (int i = 0; i < losses && in.ok(); ++i) {
    call.lost.push_back(read_range(in));
    if (call.lost.back().stream > 14)
      return fail(Errc::kMalformed, "row's lost range contradicts itself");
  }
  if (version == kRowVersionOfCallBack) {
    call.call_back.request.bytes = in.array<16>();
    call.call_back.asked_by.bytes = in.array<16>();
    call.call_back.rung_by.bytes = in.array<16>();
    if (in.ok() && !call.call_back.is_known())
      return fail(Errc::kMalformed, "row's call-back is nobody's");
  }
  if (!in.ok()) return fail(Errc::kMalformed, "row is cut off");
  call.cover = TRY(keys::Cover::parse(in.bytes(in.remaining())));
  call.forget_settled();  // rows of before kept such ones
  return call;
}

}  // namespace callward::erase
