// Opening: record keys for a reader, and what may be said about a call.
#include <algorithm>
#include <boost/json.hpp>

#include "crypto/hpke.hpp"
#include "erase/keeper.hpp"

namespace callward::erase {
namespace {

// The segments whose leaves seal a record.
std::vector<SegmentRange> segments_of(const keys::RecordHeader& header) {
  if (!keys::is_derived(header.kind)) return {{header.stream, header.first, header.last + 1}};
  std::vector<SegmentRange> ranges;
  for (std::uint8_t stream = 0; stream < keys::kStreamsMax; ++stream)
    if ((header.streams >> stream & 1) != 0)
      ranges.push_back({stream, header.first, header.last + 1});
  return ranges;
}

struct Wanted {
  std::vector<keys::RecordHeader> headers;
  std::vector<SegmentRange> ranges;
  std::set<std::string> kinds;
};

Result<Wanted> parse_wanted(const keys::Open& message) {
  Wanted wanted;
  std::uint32_t first = ~0u;
  std::uint32_t last = 0;
  for (const auto& raw : message.headers) {
    auto header = TRY(keys::RecordHeader::parse(raw));
    if (header.kind == keys::RecordKind::kField || header.kind == keys::RecordKind::kStatement)
      return fail(Errc::kDenied, "a customer's record opens by a disclosure only");
    if (header.kind != keys::RecordKind::kCallData) {
      first = std::min(first, header.first);
      last = std::max(last, header.last);
    }
    for (const auto& range : segments_of(header)) wanted.ranges.push_back(range);
    wanted.kinds.insert(to_text(header.kind));
    wanted.headers.push_back(header);
  }
  // A derived record's window may reach one second beyond the piece.
  if (first != ~0u && last - first > Keeper::kOpenSegmentsMax + 30)
    return fail(Errc::kTooLarge, "a piece is at most 60 s");
  return wanted;
}

boost::json::array kinds_json(const std::set<std::string>& kinds) {
  boost::json::array list;
  for (const auto& kind : kinds) list.push_back(boost::json::string(kind));
  return list;
}

// The sound of which keys are given.
std::vector<SegmentRange> sound_given(const std::vector<keys::RecordHeader>& headers,
                                      const keys::Opened& opened) {
  std::vector<SegmentRange> ranges;
  for (std::size_t i = 0; i < headers.size(); ++i)
    if (headers[i].kind == keys::RecordKind::kAudio &&
        opened.states[i] == static_cast<std::uint8_t>(keys::KeyState::kGiven))
      ranges.push_back({headers[i].stream, headers[i].first, headers[i].last + 1});
  return join(std::move(ranges));
}

Result<crypto::HpkeSealed> seal_keys(Entropy& entropy, const crypto::PublicKey& reader,
                                     const CallId& call, const std::vector<Key32>& record_keys) {
  SecretBytes plain(record_keys.size() * 32);
  for (std::size_t i = 0; i < record_keys.size(); ++i)
    std::memcpy(plain.expose_mut().data() + 32 * i, record_keys[i].expose().data(), 32);
  return crypto::hpke_seal(entropy, reader, as_bytes("callward open v1"), call.bytes,
                           plain.expose());
}

}  // namespace

keys::KeyState Keeper::key_state(const CallKeys& call, const keys::RecordHeader& header) const {
  if (call.to_be_dropped()) return keys::KeyState::kErased;  // its own data, too
  for (const auto& range : segments_of(header)) {
    if (range.stream == keys::kCallDataStream && header.kind == keys::RecordKind::kCallData)
      continue;
    if (!call.has_stream(range.stream)) return keys::KeyState::kRefused;
    if (call.overlaps_blocked(range)) return keys::KeyState::kErased;
    if (range.end > call.heard[range.stream]) return keys::KeyState::kUnheard;
  }
  return keys::KeyState::kGiven;
}

Result<boost::json::object> Keeper::right_to_open(const CallKeys& call, const std::string& actor,
                                                  const std::array<std::uint8_t, 32>& reader_key,
                                                  const keys::OpenAsked& asked) const {
  if (tenant_ == nullptr) return boost::json::object{};
  return tenant_->may_open({call.id, call.source, call.call_back}, actor, reader_key, asked);
}

// Whose call-back a call is goes to the disk with the next round: a keeper that starts anew knows
// it from the row, however long ago its request was settled.
void Keeper::note_call_back(const CallId& id, const keys::CallBackOf& of) {
  const auto found = find(id);
  if (!found || !of.is_known() || (*found)->call_back.is_known()) return;
  (*found)->call_back = of;
  (*found)->dirty = new_rows_ = true;
}

std::int64_t Keeper::kept_ms(const CallId& id, std::uint8_t stream) {
  const auto found = find(id);
  if (!found || stream >= keys::kCallDataStream) return 0;
  const auto& call = **found;
  const auto end = call.ended ? call.ends[stream] : elapsed_segments(call);
  return static_cast<std::int64_t>(call.kept_segments(stream, end)) * SegmentRange::kSegmentMs;
}

void Keeper::open(const keys::Open& message, Reply<keys::Opened> reply) {
  auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  auto& call = **found;
  if (message.headers.empty() || message.headers.size() > kHeadersPerOpenMax)
    return reply(fail(Errc::kMalformed, "no header, or too many"));
  if (log_->failed())
    return reply(fail(Errc::kUnavailable, "the audit log cannot be written: nothing is opened"));
  auto wanted = parse_wanted(message);
  if (!wanted) return reply(tl::unexpected<Error>(wanted.error()));
  const auto has = [&](keys::RecordKind kind) {
    return std::ranges::find(wanted->headers, kind, &keys::RecordHeader::kind) !=
           wanted->headers.end();
  };
  const keys::OpenAsked asked{
      .purpose = message.purpose,
      .about = has(keys::RecordKind::kCallData),  // notes, too
      .sound = has(keys::RecordKind::kAudio),
      .derived = std::ranges::any_of(wanted->headers, keys::is_derived, &keys::RecordHeader::kind)};
  const auto right = right_to_open(call, message.actor, message.reader_key, asked);
  if (!right) return reply(tl::unexpected<Error>(right.error()));
  auto opened = std::make_shared<keys::Opened>();
  auto record_keys = std::make_shared<std::vector<Key32>>(keys_for(call, wanted->headers, *opened));
  const bool exporting = message.purpose == keys::OpenPurpose::kExport;
  boost::json::object data{{"purpose", keys::to_text(message.purpose)},
                           {"ranges", ranges_json(join(wanted->ranges))},
                           {"kinds", kinds_json(wanted->kinds)},
                           {"reason_hash", message.reason_hash},
                           {"given", record_keys->size()}};
  for (const auto& [name, value] : *right) data[name] = value;
  const auto sound = sound_given(wanted->headers, *opened);
  if (!sound.empty()) data["sound"] = ranges_json(sound);
  auto staged =
      stage_entry(exporting ? "exported" : "opened", message.actor, call.id.hex(), std::move(data));
  if (!staged) return reply(tl::unexpected<Error>(staged.error()));
  after_log([this, id = call.id, actor = message.actor, reader = message.reader_key, asked,
             headers = std::move(wanted->headers), opened, record_keys, sound,
             reply](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    // So may have whose right it was: a role taken away in the same round gives nothing.
    const auto still = find(id);
    if (!still) return reply(tl::unexpected<Error>(still.error()));
    if (auto may = right_to_open(**still, actor, reader, asked); !may)
      return reply(tl::unexpected<Error>(may.error()));
    // An order may have been accepted while the entry was on its way to the disk: then nothing
    // leaves.
    for (std::size_t i = 0; i < headers.size(); ++i)
      if (opened->states[i] == static_cast<std::uint8_t>(keys::KeyState::kGiven) &&
          key_state(**still, headers[i]) != keys::KeyState::kGiven)
        return reply(fail(Errc::kBusy, "the call changed meanwhile; ask again"));
    auto sealed = seal_keys(entropy_, reader, id, *record_keys);
    if (!sealed) return reply(tl::unexpected<Error>(sealed.error()));
    opened->enc = to_bytes(sealed->enc);
    opened->sealed = std::move(sealed->ciphertext);
    ++opened_;
    if (tenant_ != nullptr && !sound.empty())
      tenant_->was_opened({id, (*still)->source, (*still)->call_back}, actor, sound);
    reply(std::move(*opened));
  });
}

// The keys that may be given, in the headers' order; what of each becomes, in `opened`.
std::vector<Key32> Keeper::keys_for(const CallKeys& call,
                                    const std::vector<keys::RecordHeader>& headers,
                                    keys::Opened& opened) const {
  std::vector<Key32> given;
  for (const auto& header : headers) {
    auto state = key_state(call, header);
    if (state == keys::KeyState::kGiven) {
      auto key = keys::key_of_record(header, [&call](std::uint8_t stream, std::uint32_t index) {
        return call.cover.leaf(keys::leaf_of(stream, index));
      });
      // A header whose commitment does not fit is not a record of this call: no key for it.
      if (!key)
        state = keys::KeyState::kErased;
      else if (!keys::commitment_matches(header, *key))
        state = keys::KeyState::kRefused;
      else
        given.push_back(std::move(*key));
    }
    opened.states.push_back(static_cast<std::uint8_t>(state));
  }
  return given;
}

Result<keys::CallState> Keeper::call_state(const CallId& id) {
  keys::CallState state;
  if (rows_.count(id) == 0) return state;
  auto& call = *TRY(find(id));
  state.known = true;
  state.live = !call.ended;
  state.listened = call.listened;
  for (std::uint8_t stream = 0; stream < 15; ++stream) {
    if (!call.has_stream(stream)) continue;
    const auto end = call.ended ? call.ends[stream] : elapsed_segments(call);
    state.cleared.push_back({stream, call.heard[stream]});
    state.ends.push_back({stream, end});
    if (call.closed && end > 0)
      state.erased.push_back({{stream, 0, end},
                              std::string(kReasons[call.held_under(call.closed_by).reason]),
                              keys::OrderOutcome::kHeld,
                              call.closed_by});
    // Of a call that runs the recorder may know of a later segment than our clock: unheard as well.
    const auto upto = call.ended ? end : keys::kIndexMax + 1;
    if (call.heard[stream] < upto) state.unheard.push_back({stream, call.heard[stream], upto});
  }
  for (const auto& block : call.blocked) {
    if (call.closed && block.state == BlockState::kHeld) continue;  // in the whole that is closed
    const auto outcome = block.state == BlockState::kErased ? keys::OrderOutcome::kErased
                         : block.state == BlockState::kHeld ? keys::OrderOutcome::kHeld
                                                            : keys::OrderOutcome::kIntended;
    state.erased.push_back(
        {block.range, std::string(kReasons[block.reason]), outcome, block.order});
  }
  state.lost = call.lost;
  return state;
}

}  // namespace callward::erase
