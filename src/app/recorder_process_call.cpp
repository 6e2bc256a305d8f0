#include "app/recorder_process_call.hpp"

#include <algorithm>

#include "base/event_log.hpp"
#include "wire/rtp.hpp"

namespace callward::app {

using segment::kSegmentMs;
using store::AccountState;
using store::FrameType;

namespace {

constexpr std::size_t kPacketsPerSweepMax = 512;
constexpr std::size_t kSweepsPerTurnMax = 6;  // a full buffer of the kernel
constexpr std::int64_t kArrivalAgeNsMax = 60'000'000'000;
constexpr std::int64_t kClocksApartNsMax = 1'000'000;
constexpr int kClockReadsMax = 4;
constexpr std::size_t kAccountChangesMax = 4'096;  // kept while the spool refuses

store::RecorderState recorder_state(AccountState state) {
  switch (state) {
    case AccountState::kLost:
      return store::RecorderState::kLost;
    case AccountState::kOnHold:
      return store::RecorderState::kOnHold;
    case AccountState::kSilent:
      return store::RecorderState::kSilent;
    case AccountState::kSealed:
    case AccountState::kUnheard:
    case AccountState::kErased:
      return store::RecorderState::kSealed;
  }
  return store::RecorderState::kSealed;
}

}  // namespace

std::string socket_name(const CallId& call, std::uint8_t stream) {
  return "rtp:" + call.hex() + ":" + std::to_string(stream);
}

void PooledEntropy::fill(MutByteView out) {
  if (out.size() > pool_.size()) return source_.fill(out);
  if (used_ + out.size() > pool_.size()) {
    source_.fill(pool_);
    used_ = 0;
  }
  std::memcpy(out.data(), pool_.data() + used_, out.size());
  wipe(pool_.data() + used_, out.size());
  used_ += out.size();
}

// ---- streams ------------------------------------------------------------------------------------

void RecorderCall::Line::on_segment(std::uint32_t index, std::uint8_t codec,
                                    const segment::AudioSegment& segment) {
  call_.seal(*this, index, codec, segment);
}

void RecorderCall::Line::on_account(std::uint32_t start_ms, std::uint32_t end_ms,
                                    AccountState state, std::string_view reason) {
  call_.changes_.push_back(
      {spec.stream, recorder_state(state), start_ms, end_ms, std::string(reason)});
}

Status RecorderCall::take_keys(std::vector<keys::TreeNode> nodes) {
  unused_keys_ = TRY(keys::Cover::from_nodes(std::move(nodes)));
  for (auto& line : lines) {
    line->writer.replace_path(keys::ForwardKeys(unused_keys_, line->spec.stream));
    unused_keys_.puncture(keys::leaf_of(line->spec.stream, 0),
                          keys::leaf_of(line->spec.stream, 0) + (1u << keys::kIndexBits));
  }
  return {};
}

RecorderCall::Line& RecorderCall::add_line(const store::StreamSpec& spec, io::Fd socket,
                                           std::uint16_t port, std::uint32_t first_index,
                                           std::uint32_t jitter_ms, std::string_view lost_cause) {
  const auto first_leaf = keys::leaf_of(spec.stream, 0);
  auto line = std::make_unique<Line>(*this, spec, keys::ForwardKeys(unused_keys_, spec.stream));
  unused_keys_.puncture(first_leaf, first_leaf + (1u << keys::kIndexBits));
  line->socket = std::move(socket);
  line->port = port;
  line->next_index = first_index;
  auto& account = spooled.accounts[spec.stream];
  const auto from_ms = account.end_ms(), upto_ms = first_index * kSegmentMs;
  if (from_ms < upto_ms) {
    const auto state = lost_cause.empty() ? AccountState::kSilent : AccountState::kLost;
    account.assign(from_ms, upto_ms, state, lost_cause);
    changes_.push_back(
        {spec.stream, recorder_state(state), from_ms, upto_ms, std::string(lost_cause)});
  }
  if (!imported()) {
    const segment::SegmenterConfig config{spec.codec, spec.payload_type, spec.event_payload_type,
                                          jitter_ms, !lost_cause.empty()};
    line->segmenter =
        std::make_unique<segment::Segmenter>(config, first_index, spec.mode, account, *line);
  }
  lines.push_back(std::move(line));
  return *lines.back();
}

RecorderCall::Line* RecorderCall::line(std::uint8_t stream) {
  for (auto& line : lines)
    if (line->spec.stream == stream) return line.get();
  return nullptr;
}

// ---- from packet to spool -----------------------------------------------------------------------

// Whenever this thread is stopped in here, and for however long: no packet that waits in the socket
// becomes late by it. What came by `now_ns` has been read when this returns, and nothing later may
// be finished; each packet's time is the kernel's.
std::int64_t RecorderCall::sweep(Line& line) {
  auto now_ns = elapsed_ns();
  if (!line.socket.valid()) return now_ns;
  auto utc_now_ns = tools_.clock.utc_ms() * 1'000'000;
  for (int i = 1; i < kClockReadsMax; ++i) {  // both clocks at one time
    const auto again_ns = elapsed_ns();
    if (again_ns - now_ns <= kClocksApartNsMax) break;
    now_ns = again_ns;
    utc_now_ns = tools_.clock.utc_ms() * 1'000'000;
  }
  auto latest_ns = line.drained_ns;
  const auto on_packet = [&](ByteView datagram, std::int64_t at_utc_ns, bool truncated,
                             const Endpoint& from) {
    ++tools_.counters.received;
    // The kernel's stamp is wall time: only the packet's age is taken from it. It came after the
    // socket was last empty and before now, whatever was done to the wall clock.
    const auto age_ns =
        std::clamp<std::int64_t>(utc_now_ns - at_utc_ns, -kArrivalAgeNsMax, kArrivalAgeNsMax);
    const auto upto_ns = age_ns < 0 ? std::max(elapsed_ns(), now_ns) : now_ns;
    latest_ns = std::max(line.drained_ns, std::min(now_ns - age_ns, upto_ns));
    if (truncated) {
      ++tools_.counters.truncated;
      return;
    }
    on_datagram(line, datagram, std::max<std::int64_t>(latest_ns, 0), from);
  };
  for (std::size_t i = 0; i < kSweepsPerTurnMax; ++i) {
    const auto got = tools_.sweeper.sweep(line.socket.get(), kPacketsPerSweepMax, on_packet);
    if (!got) ++tools_.counters.socket_errors;
    if (got && *got >= kPacketsPerSweepMax) continue;
    line.drained_ns = now_ns;
    return now_ns;
  }
  return std::min(now_ns, latest_ns);  // more is there than one turn may read
}

void RecorderCall::hear_waiting(Line& line, const std::vector<WaitingPacket>& packets) {
  if (line.segmenter == nullptr) return;
  for (const auto& packet : packets) {
    ++tools_.counters.received;
    on_datagram(line, packet.datagram.expose(),
                std::max<std::int64_t>(packet.arrival_ns - started_ns, 0), packet.from);
  }
  flush_account();
}

void RecorderCall::on_datagram(Line& line, ByteView datagram, std::int64_t arrival_ns,
                               const Endpoint& from) {
  if (wire::is_rtcp(datagram)) return;
  const auto packet = wire::parse_rtp(datagram);
  if (!packet) {
    ++tools_.counters.malformed;
    return;
  }
  if (take_from(line, from, *packet, datagram, arrival_ns))
    line.segmenter->on_packet(*packet, arrival_ns);
}

// ---- whose packets ------------------------------------------------------------------------------

bool RecorderCall::take_from(Line& line, const Endpoint& from, const wire::RtpPacket& packet,
                             ByteView datagram, std::int64_t arrival_ns) {
  const auto stream = line.spec.stream;
  auto& rule = sources_[stream];
  const auto type = packet.payload_type;  // as the segmenter takes them
  const bool audio =
      !packet.payload.empty() && (type == line.spec.payload_type || type == segment::kCodecPcmu ||
                                  type == segment::kCodecPcma);
  const bool active = line.spec.mode == store::StreamMode::kActive;
  using enum segment::SourceVerdict;
  const auto verdict = rule.judge(tools_.source_policy, from, audio && active, arrival_ns);
  if (verdict == kRefused || verdict == kWaits) {
    if (verdict == kWaits && active) line.kept.keep(from, datagram, audio, arrival_ns);
    ++tools_.counters.foreign;
    if (rule.refused() == 1) note_source(stream, "recorder.rtp_refused", "rtp_refused");
    return false;
  }
  if (verdict == kAccepted && from == rule.held()) line.kept.clear();
  if (verdict == kTaken) {
    hear_kept(line, line.kept.take(from));
    if (rule.holder() == segment::SourceHolder::kForeign) {
      ++tools_.counters.sources_latched;
      note_source(stream, "recorder.rtp_latched", "rtp_latched");
    } else {
      put_sources();
    }
  }
  return true;
}

// As if it had been taken from its first packet on.
void RecorderCall::hear_kept(Line& line, const segment::KeptOfSource& kept) {
  for (const auto& one : kept.packets)
    if (const auto packet = wire::parse_rtp(one.datagram.expose()))
      line.segmenter->on_packet(*packet, one.arrival_ns);
  if (kept.lost_from_ns >= kept.lost_upto_ns) return;
  const auto from_ms = static_cast<std::uint32_t>(kept.lost_from_ns / 1'000'000);
  const auto upto_ms = static_cast<std::uint32_t>(kept.lost_upto_ns / 1'000'000) + 1;
  const bool more = line.refused_from_ms < line.refused_upto_ms;
  line.refused_from_ms = more ? std::min(line.refused_from_ms, from_ms) : from_ms;
  line.refused_upto_ms = std::max(line.refused_upto_ms, upto_ms);
}

void RecorderCall::account_refused(Line& line) {
  auto& account = spooled.accounts[line.spec.stream];
  if (line.refused_from_ms >= line.refused_upto_ms) return;
  if (line.segmenter->next_index() * kSegmentMs < line.refused_upto_ms) return;
  const auto amend = [&](AccountState state, std::string_view reason) {
    for (const auto& [start, end] : account.amend(line.refused_from_ms, line.refused_upto_ms, state,
                                                  reason, AccountState::kLost, store::kLostRefused))
      line.on_account(start, end, AccountState::kLost, store::kLostRefused);
  };
  amend(AccountState::kSilent, {});
  amend(AccountState::kLost, store::kLostNetwork);
  amend(AccountState::kLost, store::kLostNoMedia);
  line.refused_from_ms = line.refused_upto_ms = 0;
}

// The call's account says that strangers sent, or that one was taken for the client. Who it was is
// not written anywhere but in the spool.
void RecorderCall::note_source(std::uint8_t stream, std::string_view event, std::string_view flag) {
  auto& flags = spooled.begin->flags;
  if (std::find(flags.begin(), flags.end(), flag) == flags.end()) flags.emplace_back(flag);
  put_sources();
  if (tools_.may_tell_source && tools_.may_tell_source())
    log_event(std::string(event), {{"call", id().hex()}, {"stream", unsigned{stream}}});
}

void RecorderCall::put_sources() {
  spooled.sources.clear();
  for (const auto& line : lines) {
    const auto& rule = sources_[line->spec.stream];
    spooled.sources.push_back({line->spec.stream, rule.announced(),
                               static_cast<std::uint8_t>(rule.holder()), rule.held()});
  }
  (void)put(FrameType::kSources, pack(store::SpoolSources{spooled.sources, spooled.begin->flags}));
}

void RecorderCall::announce_sources(const std::vector<store::StreamSource>& sources) {
  bool changed = false;
  const auto now_ns = std::max<std::int64_t>(elapsed_ns(), 0);
  for (const auto& source : sources) {
    if (source.stream >= sources_.size()) continue;
    auto& rule = sources_[source.stream];
    changed = changed || source.announced != rule.announced();
    rule.announce(source.announced, now_ns);
  }
  if (changed) put_sources();
}

void RecorderCall::restore_sources() {
  const auto now_ns = std::max<std::int64_t>(elapsed_ns(), 0);
  for (const auto& source : spooled.sources)
    if (source.stream < sources_.size())
      sources_[source.stream].restore(
          source.announced, static_cast<segment::SourceHolder>(source.holder), source.held, now_ns);
}

std::vector<store::StreamSource> RecorderCall::announced_sources() const {
  std::vector<store::StreamSource> out;
  for (const auto& stream : spooled.streams)
    if (stream.stream < sources_.size())
      out.push_back({stream.stream, sources_[stream.stream].announced()});
  return out;
}

std::uint64_t RecorderCall::foreign_packets() const {
  std::uint64_t sum = 0;
  for (const auto& rule : sources_) sum += rule.refused();
  return sum;
}

void RecorderCall::tick() {
  for (auto& line : lines) {
    if (line->segmenter == nullptr) continue;
    const auto known_ns = sweep(*line);
    line->kept.expire(known_ns);
    // Not beyond what may still be taken.
    line->segmenter->advance(std::min(known_ns, line->kept.earliest_ns()));
    account_refused(*line);
  }
  flush_account();
}

void RecorderCall::seal(Line& line, std::uint32_t index, std::uint8_t codec,
                        const segment::AudioSegment& segment) {
  segment::AudioPayload payload;
  ++tools_.counters.segments;
  auto& end = spooled.end_index[line.spec.stream];
  end = std::max(end, index + 1);
  const auto record =
      line.writer.seal(tools_.cipher, tools_.entropy, index, codec, segment, payload);
  if (!record) {
    ++tools_.counters.unsealed;
    // Assigned after the segmenter has said "sealed": see flush_account.
    changes_.push_back({line.spec.stream, store::RecorderState::kLost, index * kSegmentMs,
                        (index + 1) * kSegmentMs, std::string(store::kLostKeeper)});
    return;
  }
  if (!put(FrameType::kAudio, *record)) {
    ++tools_.counters.unspooled;
    changes_.push_back({line.spec.stream, store::RecorderState::kLost, index * kSegmentMs,
                        (index + 1) * kSegmentMs, std::string(store::kLostSpoolFull)});
    return;
  }
  if (tools_.on_audio) tools_.on_audio(*this, line.spec.stream, codec, index, payload);
}

Status RecorderCall::put(FrameType type, ByteView payload) {
  const auto ref = tools_.spool.append(type, id(), payload);
  if (!ref) {
    if (!refusal_logged_)
      log_event("recorder.spool_refused", {{"call", id().hex()}, {"why", ref.error().message}});
    refusal_logged_ = true;
    return tl::unexpected(ref.error());
  }
  spooled.appended(type, payload, *ref);
  return {};
}

// In memory at once; on disk when the spool takes it, otherwise with the next tick.
void RecorderCall::flush_account() {
  if (changes_.empty()) return;
  for (const auto& change : changes_) {
    if (change.state != store::RecorderState::kLost) continue;
    if (change.cause == store::kLostKeeper || change.cause == store::kLostSpoolFull)
      spooled.accounts[change.stream].assign(change.start_ms, change.end_ms, AccountState::kLost,
                                             change.cause);
  }
  if (put(FrameType::kAccount, pack(store::SpoolAccount{changes_}))) {
    changes_.clear();
  } else if (changes_.size() > kAccountChangesMax) {
    changes_.erase(changes_.begin(),
                   changes_.end() - kAccountChangesMax);  // memory still has them all
  }
}

void RecorderCall::account_lost(std::uint8_t stream, std::uint32_t first_index,
                                std::uint32_t end_index, std::string_view cause) {
  auto& account = spooled.accounts[stream];
  for (const auto& [start, end] :
       account.amend(first_index * kSegmentMs, end_index * kSegmentMs, AccountState::kSealed, {},
                     AccountState::kLost, cause))
    changes_.push_back({stream, store::RecorderState::kLost, start, end, std::string(cause)});
}

// ---- end, import --------------------------------------------------------------------------------

std::vector<keys::StreamEnd> RecorderCall::finish() {
  std::uint32_t end_ms = 0;
  if (!imported())
    end_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(elapsed_ns() / 1'000'000, 0));
  for (auto& line : lines) {
    if (line->segmenter == nullptr) continue;
    (void)sweep(*line);
    // Nobody else ever spoke: a call may be shorter than a client must wait.
    if (sources_[line->spec.stream].holder() == segment::SourceHolder::kNobody) {
      auto kept = line->kept.take_first();
      if (!kept.packets.empty()) {
        hear_kept(*line, kept);
        ++tools_.counters.sources_latched;
        note_source(line->spec.stream, "recorder.rtp_latched", "rtp_latched");
      }
    }
    line->kept.clear();
    // A packet that came in the last moment may reach a little beyond it.
    end_ms = std::max(end_ms, std::min(line->segmenter->media_end_ms(), end_ms + 200));
  }
  for (auto& line : lines) {
    if (line->segmenter != nullptr) {
      line->segmenter->finish(end_ms);
      line->refused_upto_ms =
          std::min(line->refused_upto_ms, line->segmenter->next_index() * kSegmentMs);
      account_refused(*line);
    }
    line->socket.reset();
  }
  flush_account();
  drop_keys();
  return ends();
}

std::vector<keys::StreamEnd> RecorderCall::ends() const {
  std::vector<keys::StreamEnd> out;
  for (const auto& stream : spooled.streams)
    out.push_back({stream.stream, spooled.end_index[stream.stream]});
  return out;
}

Status RecorderCall::import_audio(std::uint8_t stream, std::uint32_t index, ByteView samples) {
  auto* to = line(stream);
  if (to == nullptr || index != to->next_index || index >= segment::kIndexEnd || samples.empty() ||
      samples.size() > segment::kSegmentSamples)
    return fail(Errc::kMalformed,
                "import: segments of a stream follow each other, 800 samples each");
  segment::AudioSegment segment;
  segment.samples.fill(segment::codec_silence(to->spec.codec));
  std::copy(samples.begin(), samples.end(), segment.samples.begin());
  const auto whole_ms = static_cast<std::uint32_t>(samples.size()) / segment::kSamplesPerMs;
  for (std::uint32_t ms = 0; ms < whole_ms; ++ms) segment.present.set(ms);
  ++to->next_index;
  spooled.accounts[stream].assign(index * kSegmentMs, (index + 1) * kSegmentMs,
                                  AccountState::kSealed);
  if (whole_ms < kSegmentMs) {  // the file's end
    spooled.accounts[stream].assign(index * kSegmentMs + whole_ms, (index + 1) * kSegmentMs,
                                    AccountState::kSilent);
    changes_.push_back({stream,
                        store::RecorderState::kSilent,
                        index * kSegmentMs + whole_ms,
                        (index + 1) * kSegmentMs,
                        {}});
  }
  seal(*to, index, to->spec.codec, segment);
  flush_account();
  return {};
}

std::int64_t RecorderCall::last_packet_ns() const {
  std::int64_t last = -1;
  for (const auto& line : lines)
    if (line->segmenter != nullptr) last = std::max(last, line->segmenter->last_packet_ns());
  return last;
}

// ---- keys ---------------------------------------------------------------------------------------

std::uint32_t RecorderCall::next_index() const {
  std::uint32_t next = 0;
  for (const auto& line : lines)
    next = std::max(next,
                    line->segmenter != nullptr ? line->segmenter->next_index() : line->next_index);
  return next;
}

void RecorderCall::freeze() {
  needs_adoption = true;
  if (!frozen.empty()) return;  // still of the first loss: it opens more
  frozen_index = next_index();
  for (const auto& line : lines)
    for (auto& node : line->writer.remaining()) frozen.push_back(std::move(node));
  for (const auto& node : unused_keys_.nodes()) frozen.push_back(node.clone());
  std::sort(frozen.begin(), frozen.end(), [](const keys::TreeNode& a, const keys::TreeNode& b) {
    return a.first_leaf(keys::kTreeLevels) < b.first_leaf(keys::kTreeLevels);
  });
}

void RecorderCall::drop_keys() {
  unused_keys_ = {};
  for (auto& line : lines) line->writer.replace_path({});
}

}  // namespace callward::app
