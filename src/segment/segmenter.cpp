#include "segment/segmenter.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "codec/g711.hpp"

namespace callward::segment {

using store::AccountState;
using store::StreamMode;

namespace {

constexpr std::int64_t kSettleSamples = 100 * kSamplesPerMs;
constexpr std::int64_t kAgreeSamples = 60 * kSamplesPerMs;
constexpr std::int64_t kStraySamples = 500 * kSamplesPerMs;
constexpr std::int64_t kAheadSamples = 500 * kSamplesPerMs;
constexpr std::int64_t kBehindSamples = 2000 * kSamplesPerMs;
constexpr std::int64_t kDriftBucketSamples = 5000 * kSamplesPerMs;
constexpr std::int64_t kDriftToleratedSamples = 8 * kSamplesPerMs;
constexpr std::int64_t kDriftEverySamples = 500 * kSamplesPerMs;
constexpr std::size_t kSpareSlotsMax = 2;
constexpr std::size_t kModeChangesMax = 64;
constexpr std::uint8_t kComfortNoiseType = 13;  // RFC 3389

std::int64_t ms_floor(std::int64_t position) { return position >> 3; }
std::int64_t ms_ceil(std::int64_t position) { return (position + 7) >> 3; }
std::uint32_t to_ms(std::int64_t ms) {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(ms, 0));
}

AccountState state_of(StreamMode mode) {
  return mode == StreamMode::kOnHold ? AccountState::kOnHold : AccountState::kSilent;
}

}  // namespace

Segmenter::Segmenter(SegmenterConfig config, std::uint32_t first_index, StreamMode mode,
                     store::StreamAccount& account, SegmentSink& sink)
    : config_(config), account_(account), sink_(sink), next_(first_index) {
  const auto from_ms = first_index * kSegmentMs;
  modes_.push_back({from_ms, mode});
  media_end_ = emitted_end();
  waiting_first_ = mode == StreamMode::kActive && !config_.resumed;
  if (config_.resumed) resumed_until_ms_ = UINT32_MAX;
  grace_from_ms_ = from_ms;
  grace_end_ms_ = from_ms + (config_.resumed ? 0 : kFirstPacketGraceMs);
}

void Segmenter::set_types(std::uint8_t codec, std::uint8_t payload_type,
                          std::uint8_t event_payload_type) {
  config_.codec = codec;
  config_.payload_type = payload_type;
  config_.event_payload_type = event_payload_type;
}

std::optional<std::uint8_t> Segmenter::codec_of(std::uint8_t payload_type) const {
  if (payload_type == config_.payload_type) return config_.codec;
  if (payload_type == kCodecPcmu || payload_type == kCodecPcma) return payload_type;
  return std::nullopt;
}

void Segmenter::on_packet(const wire::RtpPacket& packet, std::int64_t arrival_ns) {
  ++counters_.packets;
  const auto arrival = arrival_ns / kNsPerSample;
  advance(arrival_ns);
  last_packet_ns_ = std::max(last_packet_ns_, arrival_ns);
  if (packet.payload_type == config_.event_payload_type) return on_event(packet, arrival);
  if (const auto codec = codec_of(packet.payload_type)) {
    if (!packet.payload.empty()) on_audio(packet, arrival, *codec);
    return;
  }
  if (packet.payload_type == kComfortNoiseType) return on_comfort_noise(packet);
  ++counters_.unknown_type;
}

void Segmenter::advance(std::int64_t now_ns) {
  const auto now = now_ns / kNsPerSample;
  const auto due = now - std::int64_t{config_.jitter_ms} * kSamplesPerMs;
  // Stashed packets are placed before the segment that they belong to is finished.
  if (candidate_) settle(now);
  while (next_ < kIndexEnd && emitted_end() + kSegmentSamples <= due) emit();
}

// ---- where a packet belongs ---------------------------------------------------------------------

std::int64_t Segmenter::extend_timestamp(std::uint32_t timestamp) const {
  return last_timestamp_ext_ + wire::timestamp_distance(timestamp, last_timestamp_);
}

std::int64_t Segmenter::extend_sequence(std::uint16_t sequence) const {
  return last_sequence_ext_ + wire::sequence_distance(sequence, last_sequence_);
}

void Segmenter::on_audio(const wire::RtpPacket& packet, std::int64_t arrival, std::uint8_t codec) {
  if (!anchored_) return doubt(Doubt::kStart, packet, arrival, codec);
  if (packet.ssrc != ssrc_) return doubt(Doubt::kSource, packet, arrival, codec);
  const auto position =
      extend_timestamp(packet.timestamp) + anchor_for(extend_sequence(packet.sequence));
  const auto end = position + static_cast<std::int64_t>(packet.payload.size());
  if (position > arrival + kAheadSamples || position < arrival - kBehindSamples)
    return doubt(Doubt::kJump, packet, arrival, codec);
  if (end <= emitted_end()) {
    ++counters_.late;
    amend(to_ms(ms_ceil(position)), to_ms(ms_floor(end)), store::kLostNetwork, AccountState::kLost,
          store::kLostLate);
    return doubt(Doubt::kLate, packet, arrival, codec);
  }
  if (candidate_ && candidate_->doubt == Doubt::kLate) candidate_.reset();
  accept(packet, arrival, codec);
}

void Segmenter::accept(const wire::RtpPacket& packet, std::int64_t arrival, std::uint8_t codec) {
  const auto sequence = extend_sequence(packet.sequence);
  const auto timestamp = extend_timestamp(packet.timestamp);
  if (sequence == last_sequence_ext_ + 1) steer(arrival - timestamp, arrival);
  const auto position = timestamp + anchor_for(sequence);
  const auto end = position + static_cast<std::int64_t>(packet.payload.size());
  if (waiting_first_) {
    waiting_first_ = false;
    grace_end_ms_ = std::min(grace_end_ms_, to_ms(ms_floor(position)));
  }
  if (resumed_until_ms_ == UINT32_MAX) resumed_until_ms_ = to_ms(ms_floor(position));
  note_sequence(sequence, position, end);
  if (sequence > last_sequence_ext_) {
    last_sequence_ext_ = sequence;
    last_sequence_ = packet.sequence;
    last_timestamp_ext_ = timestamp;
    last_timestamp_ = packet.timestamp;
    noise_from_ = -1;
  }
  place(position, packet.payload, codec, sequence < anchor_since_);
}

// A sender that falls silent and goes on with the very next sequence number has lost nothing on the
// way.
void Segmenter::note_sequence(std::int64_t sequence, std::int64_t position, std::int64_t end) {
  if (sequence == last_sequence_ext_ + 1 && chain_end_ >= 0 &&
      position - chain_end_ >= kSamplesPerMs * 2)
    mark_quiet(chain_end_, position);
  if (sequence > last_sequence_ext_) chain_end_ = end;
}

void Segmenter::mark_quiet(std::int64_t from, std::int64_t to) {
  const auto first_ms = ms_ceil(from), end_ms = ms_floor(to);
  const auto emitted_ms = std::int64_t{next_} * kSegmentMs;
  if (first_ms < emitted_ms)
    amend(to_ms(first_ms), to_ms(std::min(end_ms, emitted_ms)), store::kLostNetwork,
          AccountState::kSealed, {});
  for (auto ms = std::max(first_ms, emitted_ms); ms < end_ms; ++ms)
    if (auto* slot = slot_at(ms / kSegmentMs))
      slot->quiet.set(static_cast<std::uint32_t>(ms % kSegmentMs));
}

void Segmenter::on_comfort_noise(const wire::RtpPacket& packet) {
  if (!anchored_ || packet.ssrc != ssrc_) return;
  const auto sequence = extend_sequence(packet.sequence);
  const auto position = extend_timestamp(packet.timestamp) + anchor_for(sequence);
  if (sequence <= last_sequence_ext_ || position > emitted_end() + kAheadSamples + kBehindSamples)
    return;
  note_sequence(sequence, position, position);
  last_sequence_ext_ = sequence;
  last_sequence_ = packet.sequence;
  noise_from_ = position;
}

// ---- anchoring ----------------------------------------------------------------------------------

void Segmenter::doubt(Doubt doubt, const wire::RtpPacket& packet, std::int64_t arrival,
                      std::uint8_t codec) {
  if (candidate_ && !candidate_->packets.empty()) {
    const auto& last = candidate_->packets.back();
    const auto step = wire::sequence_distance(packet.sequence, last.sequence);
    const auto drift =
        (arrival - last.arrival) - wire::timestamp_distance(packet.timestamp, last.timestamp);
    const bool agrees = candidate_->ssrc == packet.ssrc && candidate_->doubt == doubt &&
                        step > -32 && step < 256 && drift > -kStraySamples && drift < kStraySamples;
    if (agrees && std::any_of(candidate_->packets.begin(), candidate_->packets.end(),
                              [&](const Stashed& s) { return s.sequence == packet.sequence; })) {
      ++counters_.duplicate;
      return;
    }
    if (!agrees) {
      counters_.stray += candidate_->packets.size();
      candidate_.reset();
    }
  }
  if (!candidate_) candidate_ = Candidate{doubt, packet.ssrc, {}};
  auto& packets = candidate_->packets;
  // A burst after a stall is late but no reason to move: only what keeps coming late is.
  if (packets.size() >= kStashedPacketsMax) packets.erase(packets.begin());
  packets.push_back(
      {packet.sequence, packet.timestamp, arrival, codec, SecretBytes(packet.payload)});
  settle(arrival);
}

bool Segmenter::ripe(std::int64_t now, bool at_end) const {
  const auto& packets = candidate_->packets;
  const auto span = packets.back().arrival - packets.front().arrival;
  const auto age = now - packets.front().arrival;
  switch (candidate_->doubt) {
    case Doubt::kStart:
      return at_end || packets.size() >= kStashedPacketsMax || age >= kSettleSamples;
    case Doubt::kSource:
    case Doubt::kJump:
      return packets.size() >= 2 && (at_end || packets.size() >= kStashedPacketsMax ||
                                     span >= kAgreeSamples || age >= kSettleSamples);
    case Doubt::kLate:
      return packets.size() >= 3 && span >= kSettleSamples;
  }
  return false;
}

void Segmenter::settle(std::int64_t now, bool at_end) {
  if (!candidate_) return;
  if (ripe(now, at_end)) return promote();
  if (candidate_->doubt != Doubt::kStart &&
      now - candidate_->packets.back().arrival > kStraySamples) {
    counters_.stray += candidate_->packets.size();
    candidate_.reset();
  }
}

void Segmenter::promote() {
  auto candidate = std::move(*candidate_);
  candidate_.reset();
  auto& packets = candidate.packets;
  std::sort(packets.begin(), packets.end(), [&](const Stashed& a, const Stashed& b) {
    return wire::sequence_distance(a.sequence, b.sequence) < 0;
  });
  const auto& first = packets.front();
  std::int64_t transit = INT64_MAX;
  for (const auto& packet : packets)
    transit = std::min(
        transit, packet.arrival - wire::timestamp_distance(packet.timestamp, first.timestamp));
  // `transit` is where the first sample of the first packet stands. Whole milliseconds, never
  // sealed time.
  const auto start = std::max(transit & ~std::int64_t{7}, emitted_end());
  const bool same_source = anchored_ && ssrc_ == candidate.ssrc;
  if (anchored_) {
    ++counters_.reanchored;
    counters_.source_changes += same_source ? 0 : 1;
  }
  const auto sequence =
      same_source ? extend_sequence(first.sequence) : std::int64_t{first.sequence};
  const auto timestamp =
      same_source ? extend_timestamp(first.timestamp) : std::int64_t{first.timestamp};
  move_anchor(start - timestamp, same_source ? sequence : INT64_MIN);
  anchored_ = true;
  ssrc_ = candidate.ssrc;
  last_timestamp_ = first.timestamp;
  last_timestamp_ext_ = timestamp;
  last_sequence_ext_ = sequence - 1;
  last_sequence_ = static_cast<std::uint16_t>(first.sequence - 1);
  chain_end_ = -1;
  noise_from_ = -1;
  drift_now_ = drift_before_ = INT64_MAX;
  drift_bucket_start_ = first.arrival;
  for (const auto& packet : packets) {
    wire::RtpPacket view;
    view.sequence = packet.sequence;
    view.timestamp = packet.timestamp;
    view.ssrc = ssrc_;
    view.payload = packet.payload.expose();
    accept(view, packet.arrival, packet.codec);
  }
}

// Keeps the stream within 8 ms of its true time; see the head of the header.
void Segmenter::steer(std::int64_t transit, std::int64_t arrival) {
  if (arrival - drift_bucket_start_ >= kDriftBucketSamples) {
    drift_before_ =
        arrival - drift_bucket_start_ < 2 * kDriftBucketSamples ? drift_now_ : INT64_MAX;
    drift_now_ = INT64_MAX;
    drift_bucket_start_ = arrival;
  }
  drift_now_ = std::min(drift_now_, transit);
  if (drift_before_ == INT64_MAX || arrival - drift_step_at_ < kDriftEverySamples) return;
  const auto error = std::min(drift_now_, drift_before_) - anchor_;
  if (error < kDriftToleratedSamples && error > -kDriftToleratedSamples) return;
  drift_step_at_ = arrival;
  ++counters_.drift_steps;
  const std::int64_t step = error > 0 ? kSamplesPerMs : -std::int64_t{kSamplesPerMs};
  move_anchor(anchor_ + step, last_sequence_ext_ + 1);
}

// For packets from `since` on. What is older keeps its place, so that reordering cannot close the
// seam.
void Segmenter::move_anchor(std::int64_t anchor, std::int64_t since) {
  if (anchored_) seam_ = ms_ceil(media_end_) * kSamplesPerMs;
  anchor_before_ = anchor_;
  anchor_since_ = since;
  anchor_ = anchor;
}

// ---- placing ------------------------------------------------------------------------------------

Segmenter::Slot* Segmenter::slot_at(std::int64_t index) {
  if (index < next_ || index >= std::int64_t{next_} + kPendingSegmentsMax) return nullptr;
  auto& slot = slots_[static_cast<std::size_t>(index) % kPendingSegmentsMax];
  if (slot == nullptr) {
    if (spare_slots_.empty()) {
      slot = std::make_unique<Slot>();
    } else {
      slot = std::move(spare_slots_.back());
      spare_slots_.pop_back();
    }
  }
  return slot.get();
}

void Segmenter::place(std::int64_t position, ByteView samples, std::uint8_t codec,
                      bool before_seam) {
  if (seam_ != INT64_MIN) {
    const auto end = position + static_cast<std::int64_t>(samples.size());
    const auto from = before_seam ? position : std::max(position, seam_ + kSamplesPerMs);
    const auto upto = before_seam ? std::min(end, seam_) : end;
    if (from >= upto) return;
    samples = samples.subspan(static_cast<std::size_t>(from - position),
                              static_cast<std::size_t>(upto - from));
    position = from;
  }
  if (position < emitted_end()) {
    const auto cut =
        std::min<std::int64_t>(emitted_end() - position, static_cast<std::int64_t>(samples.size()));
    ++counters_.late;
    amend(to_ms(ms_ceil(position)), to_ms(ms_floor(position + cut)), store::kLostNetwork,
          AccountState::kLost, store::kLostLate);
    samples = samples.subspan(static_cast<std::size_t>(cut));
    position += cut;
  }
  bool fresh = samples.empty();
  while (!samples.empty()) {
    auto* slot = slot_at(position / kSegmentSamples);
    if (slot == nullptr) {
      ++counters_.ahead;
      return;
    }
    const auto offset = static_cast<std::uint32_t>(position % kSegmentSamples);
    const auto count = std::min<std::size_t>(samples.size(), kSegmentSamples - offset);
    fresh |= place_in_slot(*slot, offset, samples.first(count), codec);
    samples = samples.subspan(count);
    position += static_cast<std::int64_t>(count);
  }
  if (!fresh) ++counters_.duplicate;
  media_end_ = std::max(media_end_, position);
}

// Copies samples to where none is yet. True if there was any such place.
bool Segmenter::place_in_slot(Slot& slot, std::uint32_t offset, ByteView samples,
                              std::uint8_t codec) {
  if (!slot.has_codec) {
    slot.has_codec = true;
    slot.codec = codec;
    slot.segment.samples.fill(codec_silence(codec));
  }
  const auto first_ms = offset / kSamplesPerMs;
  const auto end_ms = (offset + samples.size()) / kSamplesPerMs;
  const bool whole = offset % kSamplesPerMs == 0 && samples.size() % kSamplesPerMs == 0 &&
                     slot.codec == codec &&
                     std::all_of(slot.mask.begin() + first_ms,
                                 slot.mask.begin() + static_cast<std::ptrdiff_t>(end_ms),
                                 [](std::uint8_t m) { return m == 0; });
  if (whole) {
    std::memcpy(slot.segment.samples.data() + offset, samples.data(), samples.size());
    std::memset(slot.mask.data() + first_ms, 0xFF, end_ms - first_ms);
    return true;
  }
  bool fresh = false;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto at = offset + i;
    auto& mask = slot.mask[at / kSamplesPerMs];
    const auto bit = static_cast<std::uint8_t>(1u << (at % kSamplesPerMs));
    if ((mask & bit) != 0) continue;
    mask |= bit;
    fresh = true;
    // A segment has one codec: what comes in the other one after a change is converted.
    slot.segment.samples[at] =
        slot.codec == codec
            ? samples[i]
            : codec::encode(codec::G711{slot.codec}, codec::decode(codec::G711{codec}, samples[i]));
  }
  return fresh;
}

// ---- digits -------------------------------------------------------------------------------------

void Segmenter::on_event(const wire::RtpPacket& packet, std::int64_t arrival) {
  if (packet.ssrc != digits_ssrc_) {
    digits_.reset();
    digits_ssrc_ = packet.ssrc;
  }
  const bool anchored = anchored_ && packet.ssrc == ssrc_;
  for (const auto& news : digits_.push(packet)) {
    auto position = arrival;
    if (anchored) {
      position = extend_timestamp(news.start_ticks) + anchor_;
      if (position > arrival + kAheadSamples || position < arrival - kBehindSamples)
        position = arrival;
    }
    put_digit(news, position);
  }
  if (!anchored) return;
  const auto sequence = extend_sequence(packet.sequence);
  if (sequence == last_sequence_ext_ + 1) {
    // The chain of sequence numbers goes on; where the audio ended stays what it was.
    last_sequence_ext_ = sequence;
    last_sequence_ = packet.sequence;
  }
}

void Segmenter::put_digit(const wire::DigitNews& news, std::int64_t position) {
  const auto length =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(news.duration_ticks / 80, 0xFFFF));
  if (!news.fresh) {
    if (news.start_ticks != digit_start_ticks_ || digit_index_ < next_) return;
    if (auto* slot = slot_at(digit_index_);
        slot != nullptr && digit_at_ < slot->segment.digits_count)
      slot->segment.digits[digit_at_].length_10ms = length;
    return;
  }
  ++counters_.digits;
  auto index = position / kSegmentSamples;
  auto start_ms = static_cast<std::uint8_t>(position % kSegmentSamples / kSamplesPerMs);
  if (position < emitted_end()) {
    index = next_;  // learned late: into the segment that is sealed next
    start_ms = 0;
  }
  for (;; ++index, start_ms = 0) {
    auto* slot = slot_at(index);
    if (slot == nullptr) {
      ++counters_.digits_dropped;
      return;
    }
    auto& segment = slot->segment;
    if (segment.digits_count >= kDigitsPerSegmentMax) continue;
    digit_index_ = static_cast<std::uint32_t>(index);
    digit_at_ = segment.digits_count;
    digit_start_ticks_ = news.start_ticks;
    segment.digits[segment.digits_count++] = {news.digit, start_ms, length};
    return;
  }
}

// ---- finishing ----------------------------------------------------------------------------------

void Segmenter::emit() {
  const auto index = next_;
  auto& pending = slots_[index % kPendingSegmentsMax];
  if (pending == nullptr) (void)slot_at(index);
  auto slot = std::move(pending);
  if (!slot->has_codec) {
    slot->codec = config_.codec;
    slot->segment.samples.fill(codec_silence(config_.codec));
  }
  auto& segment = slot->segment;
  for (std::uint32_t ms = 0; ms < kSegmentMs; ++ms)
    if (slot->mask[ms] == 0xFF) segment.present.set(ms);
  const auto mode = mode_at(index * kSegmentMs);
  if (mode == StreamMode::kOnHold) segment.flags |= kFlagOnHold;
  if (mode == StreamMode::kSilent || mode == StreamMode::kRemoved) segment.flags |= kFlagSilent;
  if (gap_before_ && !segment.present.none()) segment.flags |= kFlagAfterGap;
  gap_before_ = !segment.present.test(kSegmentMs - 1);
  ++next_;  // before the account: what is amended from now on is behind us
  sink_.on_segment(index, slot->codec, segment);
  account_for(index, *slot);
  while (modes_.size() > 1 && modes_[1].from_ms <= next_ * kSegmentMs) modes_.pop_front();
  if (spare_slots_.size() < kSpareSlotsMax) {
    slot->reset();
    spare_slots_.push_back(std::move(slot));
  }
}

void Segmenter::account_for(std::uint32_t index, const Slot& slot) {
  const auto base_ms = index * kSegmentMs;
  account_.assign(base_ms, base_ms + kSegmentMs, AccountState::kSealed);
  if (slot.segment.present.all()) return;
  const auto noise_end = noise_from_ < 0 ? 0 : ms_ceil(noise_from_) + kComfortNoiseMsMax;
  std::uint32_t run_from = 0;
  std::optional<std::pair<AccountState, std::string_view>> run;
  for (std::uint32_t ms = 0; ms <= kSegmentMs; ++ms) {
    std::optional<std::pair<AccountState, std::string_view>> fate;
    if (ms < kSegmentMs && !slot.segment.present.test(ms)) {
      const std::int64_t at = base_ms + ms;
      const bool noise = noise_from_ >= 0 && at >= ms_floor(noise_from_) && at < noise_end;
      fate = fate_of_missing(base_ms + ms);
      if (fate->first == AccountState::kLost && (noise || slot.quiet.test(ms))) fate.reset();
    }
    if (fate == run && ms < kSegmentMs) continue;
    if (run) assign(base_ms + run_from, base_ms + ms, run->first, run->second);
    run = fate;
    run_from = ms;
  }
}

std::pair<AccountState, std::string_view> Segmenter::fate_of_missing(std::uint32_t ms) {
  const auto mode = mode_at(ms);
  if (mode != StreamMode::kActive) return {state_of(mode), {}};
  if (ms < resumed_until_ms_) return {AccountState::kLost, store::kLostRecorder};
  if (ms >= grace_from_ms_ && ms < grace_end_ms_) return {grace_state_, {}};
  if (waiting_first_) {
    // Two seconds and nothing came: it was no slow start. The whole wait counts as lost.
    if (grace_end_ms_ > grace_from_ms_) {
      assign(grace_from_ms_, grace_end_ms_, AccountState::kLost, store::kLostNoMedia);
      grace_end_ms_ = grace_from_ms_;
    }
    return {AccountState::kLost, store::kLostNoMedia};
  }
  return {AccountState::kLost, store::kLostNetwork};
}

StreamMode Segmenter::mode_at(std::uint32_t ms) const {
  auto mode = modes_.front().mode;
  for (const auto& change : modes_)
    if (change.from_ms <= ms) mode = change.mode;
  return mode;
}

void Segmenter::set_mode(StreamMode mode, std::int64_t at_ns) {
  if (mode == modes_.back().mode) return;
  const auto at_ms = std::max(to_ms(at_ns / 1'000'000), modes_.back().from_ms);
  const auto before = modes_.back().mode;
  if (modes_.size() >= kModeChangesMax)
    modes_.pop_back();  // a flood of re-INVITEs: the latest counts
  modes_.push_back({std::max(at_ms, next_ * kSegmentMs), mode});
  if (mode != StreamMode::kActive) {
    waiting_first_ = false;
    return;
  }
  waiting_first_ = true;
  grace_from_ms_ = modes_.back().from_ms;
  grace_end_ms_ = grace_from_ms_ + kFirstPacketGraceMs;
  grace_state_ = state_of(before);
}

void Segmenter::assign(std::uint32_t start_ms, std::uint32_t end_ms, AccountState state,
                       std::string_view reason) {
  account_.assign(start_ms, end_ms, state, reason);
  sink_.on_account(start_ms, end_ms, state, reason);
}

void Segmenter::amend(std::uint32_t start_ms, std::uint32_t end_ms, std::string_view from_reason,
                      AccountState to, std::string_view reason) {
  for (const auto& [start, end] :
       account_.amend(start_ms, end_ms, AccountState::kLost, from_reason, to, reason))
    sink_.on_account(start, end, to, reason);
}

std::uint32_t Segmenter::media_end_ms() const { return to_ms(ms_ceil(media_end_)); }

void Segmenter::finish(std::uint32_t end_ms) {
  settle(std::int64_t{end_ms} * kSamplesPerMs, true);
  end_ms = std::max(end_ms, next_ * kSegmentMs);
  while (next_ < kIndexEnd && next_ * kSegmentMs < end_ms) emit();
  const auto tail_from = end_ms - std::min(end_ms, kTailGraceMs);
  if (to_ms(ms_floor(media_end_)) >= tail_from)
    amend(to_ms(ms_floor(media_end_)), next_ * kSegmentMs, store::kLostNetwork,
          AccountState::kSilent, {});
}

}  // namespace callward::segment
