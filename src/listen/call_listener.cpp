#include "listen/call_listener.hpp"

#include <algorithm>
#include <cstdlib>

#include "listen/heard_words.hpp"

namespace callward::listen {
namespace {

constexpr std::uint32_t kSamplesPerMs = 8;
constexpr std::uint32_t kForever = 0xFFFF'FFFF;
constexpr std::uint32_t kKeyedSharePercent =
    60;  // a turn that is tones for the most part is no speech

std::uint64_t sample_of(std::uint32_t ms) { return std::uint64_t{ms} * kSamplesPerMs; }
std::uint32_t ms_of(std::uint64_t sample) {
  return static_cast<std::uint32_t>(sample / kSamplesPerMs);
}

void wipe_samples(std::int16_t* at, std::size_t count) {
  if (count > 0) wipe(at, count * sizeof(std::int16_t));
}
}  // namespace

CallListener::~CallListener() {
  for (auto& [number, stream] : streams_) {
    wipe_samples(stream.samples.data(), stream.samples.size());
    for (auto& word : stream.words) wipe_word(word);
    for (auto& turn : stream.remembered)
      for (auto& word : turn.words) wipe_word(word);
    for (auto& pending : stream.pending)
      for (auto& word : pending.heard.words) wipe_word(word);
    for (auto& key : stream.keyed) key.digit = 0;
  }
}

CallListener::Stream* CallListener::find(std::uint8_t number) {
  const auto at = streams_.find(number);
  return at == streams_.end() ? nullptr : &at->second;
}
const CallListener::Stream* CallListener::find(std::uint8_t number) const {
  const auto at = streams_.find(number);
  return at == streams_.end() ? nullptr : &at->second;
}

std::uint32_t CallListener::next_index(std::uint8_t number) const {
  const auto* stream = find(number);
  return stream == nullptr ? 0 : stream->next_index;
}

std::uint32_t CallListener::buffered_ms() const {
  std::size_t most = 0;
  for (const auto& [number, stream] : streams_) most = std::max(most, stream.samples.size());
  return ms_of(most);
}

std::uint32_t CallListener::turns_waiting() const {
  std::size_t count = 0;
  for (const auto& [number, stream] : streams_) count += stream.pending.size();
  return static_cast<std::uint32_t>(count);
}

// ---- audio --------------------------------------------------------------------------------------

void CallListener::open_stream(std::uint8_t number, Side side, std::uint32_t first_index,
                               std::uint32_t cleared) {
  if (find(number) != nullptr) return;
  auto& stream = streams_[number];
  stream.number = number;
  stream.side = side;
  stream.first_index = stream.next_index = first_index;
  stream.cleared = std::max(first_index, cleared);
  stream.base = stream.vad_sent = std::uint64_t{first_index} * kListenSegmentSamples;
  stream.turns.skip_to(first_index * kListenSegmentMs);
  // derive() stays one window behind clearance: the last one before the mark was not derived.
  stream.window_next = first_index / kWindowSegments;
  if (cleared > first_index)
    stream.window_next = std::max((first_index + kWindowSegments - 1) / kWindowSegments,
                                  std::max(cleared / kWindowSegments, 1u) - 1);
  stream.peaks_base = first_index * (kListenSegmentMs / kPeakMs);
  stream.loudness.begin_at(first_index);
  stream.unheard_next = first_index;
}

Status CallListener::audio(std::uint8_t number, std::uint32_t index,
                           std::span<const std::int16_t> samples,
                           std::span<const PayloadDigit> digits) {
  auto* stream = find(number);
  if (stream == nullptr) return fail(Errc::kNotFound, "no such stream");
  if (samples.size() != kListenSegmentSamples)
    return fail(Errc::kMalformed, "a segment has 800 samples");
  if (index < stream->next_index) return {};  // heard already
  const auto buffered = stream->samples.size() +
                        std::uint64_t{index - stream->next_index + 1} * kListenSegmentSamples;
  if (buffered > sample_of(limits_.buffered_ms_max))
    return fail(Errc::kFull, "too much audio waits to be heard");
  while (stream->next_index < index) {
    const std::vector<std::int16_t> silence(kListenSegmentSamples, 0);
    TRY(audio(number, stream->next_index, silence, {}));
  }
  // Growing copies: the old block is left to the allocator, so room is made ahead, and wiped when
  // moved.
  if (stream->samples.capacity() < stream->samples.size() + kListenSegmentSamples) {
    std::vector<std::int16_t> larger;
    larger.reserve(2 * stream->samples.size() + 16 * kListenSegmentSamples);
    larger.assign(stream->samples.begin(), stream->samples.end());
    wipe_samples(stream->samples.data(), stream->samples.size());
    stream->samples.swap(larger);
  }
  // A range that was ordered away while it was on its way here is not taken in.
  const bool gone = stream->wiped.touches({index, index + 1});
  if (gone)
    stream->samples.insert(stream->samples.end(), samples.size(), 0);
  else
    stream->samples.insert(stream->samples.end(), samples.begin(), samples.end());
  stream->loudness.push(std::span(stream->samples).last(kListenSegmentSamples));
  for (std::size_t cell = 0; cell < kListenSegmentMs / kPeakMs; ++cell) {
    std::uint32_t loudest = 0;
    for (std::size_t i = 0; i < kPeakMs * kSamplesPerMs; ++i)
      loudest = std::max(loudest, static_cast<std::uint32_t>(
                                      std::abs(int{samples[cell * kPeakMs * kSamplesPerMs + i]})));
    stream->peaks.push_back(peak_level(loudest));
  }
  for (const auto& digit : gone ? std::span<const PayloadDigit>{} : digits) {
    const auto start = index * kListenSegmentMs + digit.start_ms;
    stream->keyed.push_back(
        {number, start, start + std::max<std::uint32_t>(digit.length_ms, 40), digit.digit});
    add_spoken(*stream, start, stream->keyed.back().end_ms);
  }
  take_tones(*stream, stream->tones.push(std::span(stream->samples).last(kListenSegmentSamples)));
  stream->next_index = index + 1;
  work();
  return {};
}

Status CallListener::skip(std::uint8_t number, std::uint32_t end_index) {
  const std::vector<std::int16_t> silence(kListenSegmentSamples, 0);
  for (auto index = next_index(number); index < end_index; ++index)
    TRY(audio(number, index, silence, {}));
  return {};
}

void CallListener::take_tones(Stream& stream, const std::vector<codec::InbandDigit>& digits) {
  const auto origin = stream.first_index * kListenSegmentMs;
  for (const auto& digit : digits) {
    const auto start = origin + ms_of(digit.start_sample);
    if (!digit.ended) {
      stream.tone_open_ms = start;
      continue;
    }
    stream.tone_open_ms.reset();
    stream.keyed.push_back({stream.number, start, origin + ms_of(digit.end_sample), digit.digit});
    add_spoken(stream, start, stream.keyed.back().end_ms);
  }
}

void CallListener::end_stream(std::uint8_t number, std::uint32_t end_index) {
  auto* stream = find(number);
  if (stream == nullptr || stream->end_index) return;
  take_tones(*stream, stream->tones.finish());
  stream->end_index = std::max(end_index, stream->next_index);
  stream->next_index = *stream->end_index;
  work();
}

// ---- voice --------------------------------------------------------------------------------------

// How many windows may be asked now; nothing while it is not worth it.
std::optional<std::uint64_t> CallListener::vad_windows(const Stream& stream) const {
  if (stream.vad_out || stream.vad_over) return std::nullopt;
  const auto whole =
      (stream.base + stream.samples.size() - stream.vad_sent) / std::uint64_t{kVadWindowSamples};
  const auto windows = std::min<std::uint64_t>(whole, limits_.vad_windows_max);
  if (windows < limits_.vad_windows_min && !(stream.end_index && windows == whole))
    return std::nullopt;
  return windows;
}

std::vector<std::pair<std::uint8_t, std::uint32_t>> CallListener::vad_waiting() const {
  std::vector<std::pair<std::uint8_t, std::uint32_t>> waiting;
  for (const auto& [number, stream] : streams_)
    if (vad_windows(stream)) waiting.emplace_back(number, ms_of(stream.vad_sent));
  return waiting;
}

std::optional<VadJob> CallListener::take_vad() {
  for (auto& [number, stream] : streams_)
    if (auto job = vad_job(stream)) return job;
  return std::nullopt;
}

std::optional<VadJob> CallListener::take_vad(std::uint8_t number) {
  auto* stream = find(number);
  return stream == nullptr ? std::nullopt : vad_job(*stream);
}

std::optional<VadJob> CallListener::vad_job(Stream& stream) {
  const auto windows = vad_windows(stream);
  if (!windows) return std::nullopt;
  const auto left = stream.base + stream.samples.size() - stream.vad_sent;
  VadJob job{.stream = stream.number,
             .begin = stream.vad_fresh,
             .end = stream.end_index && *windows == left / kVadWindowSamples,
             .pcm = SecretBytes(*windows * kVadWindowSamples * 2)};
  auto* out = job.pcm.expose_mut().data();
  const auto* in = stream.samples.data() + (stream.vad_sent - stream.base);
  for (std::size_t i = 0; i < *windows * kVadWindowSamples; ++i) store_le(out + 2 * i, in[i]);
  stream.vad_out = true;
  stream.vad_out_windows = *windows;
  stream.vad_fresh = false;
  stream.vad_over = job.end;
  return job;
}

void CallListener::vad_done(std::uint8_t number, ByteView probabilities) {
  auto* stream = find(number);
  if (stream == nullptr || !stream->vad_out) return;
  if (probabilities.size() != stream->vad_out_windows) return vad_failed(number);
  stream->vad_out = false;
  stream->vad_sent += probabilities.size() * kVadWindowSamples;
  for (const auto& turn : stream->turns.push(probabilities)) add_turn(*stream, turn);
  if (stream->vad_over)
    if (const auto turn = stream->turns.finish()) add_turn(*stream, *turn);
  work();
}

void CallListener::vad_failed(std::uint8_t number) {
  auto* stream = find(number);
  if (stream == nullptr || (stream->vad_over && !stream->vad_out)) return;
  stream->vad_out = stream->vad_over = false;
  stream->vad_fresh = true;
}

bool CallListener::keyed_away(const Stream& stream, const Turn& turn) const {
  std::uint32_t tones = 0;
  for (const auto& key : stream.keyed)
    if (key.start_ms < turn.end_ms && turn.start_ms < key.end_ms)
      tones += std::min(key.end_ms, turn.end_ms) - std::max(key.start_ms, turn.start_ms);
  return tones * 100 > (turn.end_ms - turn.start_ms) * kKeyedSharePercent;
}

void CallListener::add_turn(Stream& stream, const Turn& turn) {
  if (turn.end_ms <= turn.start_ms) return;
  if (keyed_away(stream, turn)) return;
  add_spoken(stream, turn.start_ms, turn.end_ms);
  Pending pending{.id = next_turn_++,
                  .turn = turn,
                  .heard = {.stream = stream.number,
                            .side = stream.side,
                            .start_ms = turn.start_ms,
                            .end_ms = turn.end_ms,
                            .words = {}}};
  stream.pending.push_back(std::move(pending));
}

// ---- recognition --------------------------------------------------------------------------------

SecretBytes CallListener::turn_pcm(const Stream& stream, const Turn& turn) const {
  const auto from = std::max(sample_of(turn.start_ms), stream.base);
  const auto to = std::min(sample_of(turn.end_ms), stream.base + stream.samples.size());
  const auto count = to > from ? to - from : 0;
  SecretBytes pcm(count * 2);
  auto* out = pcm.expose_mut().data();
  for (std::uint64_t i = 0; i < count; ++i)
    store_le(out + 2 * i, stream.samples[from + i - stream.base]);
  for (const auto& key : stream.keyed) {  // recognisers loop on tones
    const auto first = std::clamp(sample_of(key.start_ms), from, to),
               end = std::clamp(sample_of(key.end_ms), from, to);
    std::fill(out + 2 * (first - from), out + 2 * (end - from), std::uint8_t{0});
  }
  return pcm;
}

// The earliest that nobody was asked for.
const CallListener::Pending* CallListener::next_turn(const Stream** of) const {
  const Pending* best = nullptr;
  for (const auto& [number, stream] : streams_)
    for (const auto& pending : stream.pending)
      if (!pending.asked && !pending.done &&
          (best == nullptr || pending.turn.start_ms < best->turn.start_ms))
        best = &pending, *of = &stream;
  return best;
}

std::optional<std::uint32_t> CallListener::turn_waiting_ms() const {
  const Stream* stream = nullptr;
  const auto* turn = next_turn(&stream);
  return turn == nullptr ? std::nullopt : std::optional(turn->turn.end_ms);
}

std::optional<TurnJob> CallListener::take_turn() {
  const Stream* stream = nullptr;
  const auto* next = next_turn(&stream);
  if (next == nullptr) return std::nullopt;
  auto* best = find_turn(next->id);
  best->asked = true;
  ++best->attempts;
  return TurnJob{best->id, stream->number, urgent(), best->turn.end_ms,
                 turn_pcm(*stream, best->turn)};
}

CallListener::Pending* CallListener::find_turn(std::uint64_t id) {
  for (auto& [number, stream] : streams_)
    for (auto& pending : stream.pending)
      if (pending.id == id) return &pending;
  return nullptr;
}

void CallListener::turn_done(std::uint64_t id, const RecogniseReply& reply) {
  auto* pending = find_turn(id);
  if (pending == nullptr || pending->done || !pending->asked) return;
  pending->done = true;
  auto& heard = pending->heard;
  heard.no_speech = reply.no_speech;
  heard.flags = reply.flags;
  if (well_formed(reply.words))
    heard.words = reply.words;
  else
    heard.failed = true;
  const auto length = pending->turn.end_ms - pending->turn.start_ms;
  constexpr TurnLimits kTurns;
  const auto speech_ms = length - std::min(length, kTurns.before_ms + kTurns.after_ms);
  if (same_answers_.count(heard.words) >= kSameAnswersMax) heard.flags |= kLooped;
  if (says_too_little(heard.words, speech_ms)) heard.flags |= kTruncated;
  for (auto& word : heard.words) {  // an engine's times stay inside its turn, whatever it says
    word.start_ms = pending->turn.start_ms + std::min(word.start_ms, length);
    word.end_ms = std::max(word.start_ms, pending->turn.start_ms + std::min(word.end_ms, length));
  }
  work();
}

void CallListener::turn_failed(std::uint64_t id) {
  auto* pending = find_turn(id);
  if (pending == nullptr || pending->done) return;
  pending->asked = false;
  if (pending->attempts < limits_.turn_attempts_max) return;
  pending->done = pending->heard.failed = true;
  work();
}

// ---- weighing, in order -------------------------------------------------------------------------

// No turn of this stream will begin before this.
std::uint32_t CallListener::settled_ms(const Stream& stream) const {
  std::uint32_t settled = kForever;
  if (!(stream.vad_over && !stream.vad_out)) settled = stream.turns.settled_ms();
  if (!stream.pending.empty()) settled = std::min(settled, stream.pending.front().turn.start_ms);
  if (stream.keyed_weighed < stream.keyed.size())
    settled = std::min(settled, stream.keyed[stream.keyed_weighed].start_ms);
  if (stream.tone_open_ms) settled = std::min(settled, *stream.tone_open_ms);
  return settled;
}

std::uint32_t CallListener::wall_ms(const Stream& stream) const {
  return stream.vad_over && !stream.vad_out ? kForever : stream.turns.heard_ms();
}

bool CallListener::may_weigh(std::uint32_t start_ms, std::uint32_t end_ms,
                             const Stream& own) const {
  for (const auto& [number, stream] : streams_) {
    if (&stream == &own || settled_ms(stream) >= start_ms) continue;
    if (wall_ms(stream) >= end_ms + limits_.wait_other_ms && stream.pending.empty())
      continue;  // waited enough
    return false;
  }
  return true;
}

bool CallListener::weigh_next() {
  Stream* stream = nullptr;
  bool key = false;
  std::uint32_t start = kForever, end = 0;
  for (auto& [number, candidate] : streams_) {
    if (!candidate.pending.empty() && candidate.pending.front().turn.start_ms < start) {
      const auto& turn = candidate.pending.front().turn;
      stream = &candidate, key = false, start = turn.start_ms, end = turn.end_ms;
    }
    if (candidate.keyed_weighed < candidate.keyed.size() &&
        candidate.keyed[candidate.keyed_weighed].start_ms < start) {
      const auto& digit = candidate.keyed[candidate.keyed_weighed];
      stream = &candidate, key = true, start = digit.start_ms, end = digit.end_ms;
    }
  }
  if (stream == nullptr || !may_weigh(start, end, *stream)) return false;
  if (key) {
    weigh_key(*stream);
    return true;
  }
  if (!stream->pending.front().done) return false;
  weigh_turn(*stream);
  return true;
}

void CallListener::weigh_turn(Stream& stream) {
  auto pending = std::move(stream.pending.front());
  stream.pending.pop_front();
  const auto typed = remember(stream, pending.heard);
  const bool asked = urgent();
  for (const auto& finding : conversation_.hear(pending.heard))
    order(finding, limits_.pad_before_ms, limits_.pad_after_ms);
  if (!asked && urgent()) asked_end_ms_ = pending.turn.end_ms;
  order_typed(stream, typed);
  for (auto& word : pending.heard.words) {
    if (stream.erased.touches(segments_of(word)))
      wipe_word(word);
    else
      stream.words.push_back(std::move(word));
  }
}

void CallListener::weigh_key(Stream& stream) {
  const auto key = stream.keyed[stream.keyed_weighed++];
  const auto typed = remember(stream, key);
  auto findings = conversation_.keyed(key);
  for (auto& finding : findings) {
    const bool joined = stream.keyed_last_end && *stream.keyed_last_end <= finding.start_ms &&
                        finding.start_ms - *stream.keyed_last_end <= limits_.digit_join_ms;
    if (joined) finding.start_ms = *stream.keyed_last_end;
    stream.keyed_last_end = finding.end_ms;
    order(finding, limits_.digit_pad_ms, limits_.digit_pad_ms);
  }
  order_typed(stream, typed);
}

// The other streams lose the same stretch: the far side's echo and whoever spoke at the same time
// carry it.
void CallListener::order(const Finding& finding, std::uint32_t before_ms, std::uint32_t after_ms) {
  Order order{.ranges = {}, .kind = finding.kind};
  for (auto& [number, stream] : streams_) {
    const bool own = number == finding.stream;
    const auto start =
        own ? finding.start_ms - std::min(finding.start_ms, before_ms) : finding.start_ms;
    const auto end = own ? finding.end_ms + after_ms : finding.end_ms;
    // Also what of the other stream has not come yet: it may be heard again later, in pieces.
    const Interval wanted{std::max(start / kListenSegmentMs, stream.first_index),
                          std::min((end + kListenSegmentMs - 1) / kListenSegmentMs,
                                   own ? stream.next_index : stream.end_index.value_or(kForever))};
    if (wanted.first >= wanted.end) continue;
    for (const auto& rest : stream.erased.missing(wanted))
      order.ranges.push_back({number, rest.first, rest.end});
    stream.erased.add(wanted);
    forget_words(stream, stream.erased);
  }
  if (!order.ranges.empty()) orders_.push_back(std::move(order));
}

void CallListener::forget_words(Stream& stream, const IntervalSet& gone) {
  std::erase_if(stream.words, [&](Word& word) {
    const bool touched = gone.touches(segments_of(word));
    if (touched) wipe_word(word);
    return touched;
  });
  forget_remembered(stream, gone);
}

void CallListener::work() {
  do settle();
  while (weigh_next());
  for (auto& [number, stream] : streams_) forget_samples(stream);
}

// How far everything was heard; and what of it nobody heard while a question was open.
void CallListener::settle() {
  auto heard = kForever;
  for (const auto& [number, stream] : streams_) heard = std::min(heard, settled_ms(stream));
  const bool was_open = urgent();
  if (heard != kForever) {
    heard_ms_ = std::max(heard_ms_, heard);
    conversation_.advance(heard_ms_);
  }
  const auto upto = (heard == kForever ? kForever : heard_ms_) / kListenSegmentMs;
  for (auto& [number, stream] : streams_)
    look_unheard(stream, std::min(upto, stream.next_index), was_open || urgent());
  if (urgent()) return;
  for (auto& [number, stream] : streams_) order_unheard(stream);  // before it is cleared
}

// Audio is dropped, zeroed, once no turn can want it.
void CallListener::forget_samples(Stream& stream) {
  auto keep =
      std::min(sample_of(std::min(settled_ms(stream), stream.next_index * kListenSegmentMs)),
               stream.vad_sent);
  if (stream.vad_over && !stream.vad_out && stream.pending.empty())
    keep = stream.base + stream.samples.size();
  if (keep <= stream.base + 8 * kListenSegmentSamples && !stream.vad_over) return;
  const auto drop = static_cast<std::size_t>(
      std::min<std::uint64_t>(keep - std::min(keep, stream.base), stream.samples.size()));
  if (drop == 0) return;
  const auto left = stream.samples.size() - drop;
  std::copy(stream.samples.begin() + static_cast<std::ptrdiff_t>(drop), stream.samples.end(),
            stream.samples.begin());
  wipe_samples(stream.samples.data() + left, drop);
  stream.samples.resize(left);
  stream.base += drop;
  // Keys that no kept sample belongs to blank nothing any more.
  std::size_t gone = 0;
  while (gone < stream.keyed_weighed && stream.keyed[gone].end_ms <= ms_of(stream.base)) ++gone;
  stream.keyed.erase(stream.keyed.begin(),
                     stream.keyed.begin() + static_cast<std::ptrdiff_t>(gone));
  stream.keyed_weighed -= gone;
}

void CallListener::wipe_range(const StreamRange& range) {
  auto* stream = find(range.stream);
  if (stream == nullptr) return;
  const auto from = std::max(std::uint64_t{range.first} * kListenSegmentSamples, stream->base);
  const auto to = std::min(std::uint64_t{range.end} * kListenSegmentSamples,
                           stream->base + stream->samples.size());
  if (from < to) wipe_samples(stream->samples.data() + (from - stream->base), to - from);
  for (auto& key : stream->keyed)
    if (key.start_ms < range.end * kListenSegmentMs && range.first * kListenSegmentMs < key.end_ms)
      key.digit = 0;
  stream->erased.add({range.first, range.end});
  stream->wiped.add({range.first, range.end});
  stream->loudness.wipe(range.first, range.end);
  forget_words(*stream, stream->erased);
}

}  // namespace callward::listen
