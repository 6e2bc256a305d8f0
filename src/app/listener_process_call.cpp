#include "app/listener_process_call.hpp"

#include <algorithm>

#include "base/event_log.hpp"
#include "codec/g711.hpp"
#include "segment/payload.hpp"

namespace callward::app {

namespace {

std::optional<listen::Side> side_of_party(store::Party party) {
  switch (party) {
    case store::Party::kCustomer:
      return listen::Side::kCustomer;
    case store::Party::kAgent:
      return listen::Side::kAgent;
    case store::Party::kOther:
    case store::Party::kMixed:
      return listen::Side::kEither;
  }
  return std::nullopt;
}

}  // namespace

ListenedCall::Line& ListenedCall::line(std::uint8_t stream, std::uint64_t& handles) {
  const auto [at, fresh] = lines_.try_emplace(stream);
  if (fresh) {
    at->second.stream = stream;
    at->second.handle = ++handles;
  }
  return at->second;
}

// Without signalling's word: stream 0 is the customer and 1 the agent, unless there is only one.
listen::Side ListenedCall::side_of(const Line& line) const {
  if (line.side) return *line.side;
  if (lines_.size() < 2 || line.stream > 1) return listen::Side::kEither;
  return line.stream == 0 ? listen::Side::kCustomer : listen::Side::kAgent;
}

void ListenedCall::open(Line& line, std::uint32_t first, std::uint32_t cleared) {
  listener_->open_stream(line.stream, side_of(line), first, cleared);
}

void ListenedCall::describe(const std::vector<store::StreamSpec>& streams, bool fresh,
                            std::uint64_t& handles) {
  for (const auto& spec : streams) {
    if (spec.stream >= keys::kCallDataStream) continue;
    line(spec.stream, handles).side = side_of_party(spec.party);
  }
  if (!fresh || placed_) return;
  for (auto& [number, line] : lines_) open(line, 0, 0);
  placed_ = true;
}

void ListenedCall::place(const keys::UnheardCall& known_call, std::uint64_t& handles) {
  known = true;
  if (placed_) return;
  for (const auto& mark : known_call.heard)
    if (mark.stream < keys::kCallDataStream) (void)line(mark.stream, handles);
  for (const auto& mark : known_call.heard) {
    if (mark.stream >= keys::kCallDataStream) continue;
    // With typed values all of it: they may have been said before.
    const bool some = listener_->searches().empty() && mark.upto > kContextSegments;
    const auto first = some ? mark.upto - kContextSegments : 0;
    open(line(mark.stream, handles), first, mark.upto);
  }
  placed_ = true;
  feed();
}

void ListenedCall::live(store::Audio audio, std::uint64_t& handles) {
  if (audio.stream >= keys::kCallDataStream) return;
  auto& to = line(audio.stream, handles);
  if (to.end) return;
  to.known_end = std::max(to.known_end, audio.index + 1);
  if (!to.live.empty() && audio.index <= to.live.back().index) return;  // had it
  to.live.push_back({audio.index, audio.codec, std::move(audio.payload)});
  if (placed_) feed(to);
  while (to.live.size() > kLiveHeldMax) {
    to.live.pop_front();
    ++counters_.live_dropped;
  }
}

void ListenedCall::close(const std::vector<keys::StreamEnd>& ends, std::int64_t now_ms,
                         std::uint64_t& handles) {
  for (const auto& end : ends) {
    if (end.stream >= keys::kCallDataStream) continue;
    auto& to = line(end.stream, handles);
    if (to.end) continue;
    to.end = to.known_end = end.end_index;
    while (!to.live.empty() && to.live.back().index >= end.end_index) to.live.pop_back();
  }
  if (closed_ms_ == 0) closed_ms_ = now_ms;
  feed();
}

bool ListenedCall::ended() const {
  return !lines_.empty() &&
         std::all_of(lines_.begin(), lines_.end(), [](const auto& l) { return !!l.second.end; });
}

void ListenedCall::feed() {
  if (!placed_) return;
  for (auto& [number, line] : lines_) feed(line);
}

void ListenedCall::pause(bool on) {
  if (on == paused_) return;
  paused_ = on;
  feed();
}

// False: there is no room now.
bool ListenedCall::take(Line& line, std::uint32_t index, std::uint8_t codec, ByteView payload) {
  segment::AudioSegment segment;
  if (!segment::unpack_payload(payload, segment) ||
      (codec != segment::kCodecPcmu && codec != segment::kCodecPcma)) {
    ++counters_.bad_payloads;
    return listener_->skip(line.stream, index + 1).has_value();
  }
  std::array<std::int16_t, segment::kSegmentSamples> samples;
  const auto law = static_cast<codec::G711>(codec);
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = codec::decode(law, segment.samples[i]);
  std::array<listen::PayloadDigit, segment::kDigitsPerSegmentMax> digits;
  for (std::size_t i = 0; i < segment.digits_count; ++i)
    digits[i] = {segment.digits[i].digit, segment.digits[i].start_ms,
                 std::uint32_t{segment.digits[i].length_10ms} * 10};
  const auto taken =
      listener_->audio(line.stream, index, samples, std::span(digits).first(segment.digits_count));
  callward::wipe(samples.data(), sizeof samples);
  callward::wipe(digits.data(), sizeof digits);
  return taken.has_value();
}

void ListenedCall::feed(Line& line) {
  if (paused_) return;
  if (!listener_->has_stream(line.stream)) {
    if (line.live.empty() && !line.end) return;
    // A stream that joined the call: it begins here, or where the others were when some of it was
    // dropped.
    auto first = line.live.empty() ? *line.end : line.live.front().index;
    for (const auto& [number, other] : lines_)
      if (listener_->has_stream(number) && listener_->next_index(number) + kLiveHeldMax < first)
        first = listener_->next_index(number);
    open(line, first, first);
  }
  while (!line.live.empty()) {
    auto& front = line.live.front();
    const auto next = listener_->next_index(line.stream);
    if (front.index > next) break;
    if (front.index == next) {
      const bool taken = front.payload.empty()
                             ? listener_->skip(line.stream, next + 1).has_value()
                             : take(line, next, front.codec, front.payload.expose());
      if (!taken) return;
      line.missing_tries = 0;
    }
    line.live.pop_front();
  }
  if (line.end && !line.end_told && listener_->next_index(line.stream) >= *line.end) {
    listener_->end_stream(line.stream, *line.end);
    line.end_told = true;
  }
}

void ListenedCall::wipe(const keys::SegmentRange& range) {
  listener_->wipe_range({range.stream, range.first, range.end});
  forget_derived(range);
  const auto at = lines_.find(range.stream);
  if (at == lines_.end()) return;
  for (auto& held : at->second.live)
    if (held.index >= range.first && held.index < range.end) held.payload.clear();
}

void ListenedCall::forget_derived(const keys::SegmentRange& range) {
  std::erase_if(derived, [&](const keys::DerivedPut& item) {
    return item.stream == range.stream && item.first < range.end && range.first < item.end;
  });
}

void ListenedCall::hear_from_start(std::uint64_t serial, const listen::Grammar& grammar) {
  auto old = std::exchange(listener_, std::make_unique<listen::CallListener>(grammar));
  serial_ = serial;
  asking = false;
  for (const auto& [stream, upto] : old->clearance().marks) open(lines_.at(stream), 0, upto);
  listener_->take_over(*old);
  for (auto& [number, line] : lines_) {
    line.worker.reset();
    line.live.clear();
    line.end_told = false;
    line.missing_tries = 0;
    line.retry_ms = 0;
  }
  for (auto& order : orders) order.asked = false;  // repeats are one order
}

// The stream that is furthest behind first: the conversation waits for it.
std::optional<keys::SegmentRange> ListenedCall::wanted(std::int64_t now_ms) const {
  if (!placed_ || paused_ || asking || listener_->buffered_ms() > kHearAgainBelowMs)
    return std::nullopt;
  std::optional<keys::SegmentRange> best;
  for (const auto& [number, line] : lines_) {
    if (now_ms < line.retry_ms || !listener_->has_stream(number)) continue;
    const auto next = listener_->next_index(number);
    const auto upto = line.live.empty() ? line.known_end : line.live.front().index;
    if (next >= upto || (best && best->first <= next)) continue;
    best = keys::SegmentRange{number, next, std::min(upto, next + kHearAgainSegments)};
  }
  return best;
}

// A record that the recorder wrote a moment ago may not be on its disk yet.
bool ListenedCall::may_come_yet(const Line& line, std::uint32_t index, std::int64_t now_ms) const {
  constexpr std::int64_t kSettledMs = 10'000;
  const bool settled = ended() && now_ms - closed_ms_ > kSettledMs;
  return !settled && index + kEdgeSegments >= line.known_end &&
         line.missing_tries < kMissingTriesMax;
}

void ListenedCall::heard_again(const keys::SegmentRange& range,
                               std::vector<keys::HeardSegment> segments, std::int64_t now_ms) {
  const auto at = lines_.find(range.stream);
  if (at == lines_.end()) return;
  auto& line = at->second;
  std::map<std::uint32_t, keys::HeardSegment*> by_index;
  for (auto& segment : segments) by_index[segment.index] = &segment;
  for (auto index = range.first; index < range.end; ++index) {
    if (index < listener_->next_index(range.stream)) continue;
    const auto got = by_index.find(index);
    if (got != by_index.end()) {
      if (!take(line, index, got->second->codec, got->second->payload.expose())) break;
      ++counters_.heard_again;
      line.missing_tries = 0;
      continue;
    }
    if (may_come_yet(line, index, now_ms)) {
      ++line.missing_tries;
      hear_later(range.stream, now_ms + kMissingRetryMs);
      break;
    }
    if (!listener_->skip(range.stream, index + 1)) break;
    ++counters_.missing;
  }
  feed(line);
}

void ListenedCall::hear_later(std::uint8_t stream, std::int64_t when_ms) {
  const auto at = lines_.find(stream);
  if (at != lines_.end()) at->second.retry_ms = when_ms;
}

std::uint32_t ListenedCall::lag_ms() const {
  std::uint32_t newest = 0;
  for (const auto& [number, line] : lines_) newest = std::max(newest, line.known_end);
  const auto newest_ms = newest * listen::kListenSegmentMs;
  if (listener_->finished()) return 0;
  return newest_ms - std::min(newest_ms, listener_->heard_ms());
}

}  // namespace callward::app
