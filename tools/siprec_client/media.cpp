#include "media.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "wire/dtmf.hpp"
#include "wire/rtp.hpp"

namespace callward::siprec_client {
namespace {
constexpr std::int64_t kSlotsPerTurnMax = 250;  // after a stop of the machine: not all at once
constexpr int kEndRepeats = 3;                  // RFC 4733, 2.5.1.4
}  // namespace

MediaStream::MediaStream(const Options& options, std::shared_ptr<const Bytes> sound,
                         std::uint64_t seed)
    : options_(options), sound_(std::move(sound)), random_(seed) {
  sequence_ = first_sequence_ = static_cast<std::uint16_t>(random_());
  first_timestamp_ = static_cast<std::uint32_t>(random_());
  ssrc_ = static_cast<std::uint32_t>(random_());
}

Status MediaStream::open(const std::string& address) {
  fd_ = io::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.valid()) return fail_errno("socket");
  sockaddr_in own{};
  own.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &own.sin_addr);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
    return fail_errno("bind");
  socklen_t size = sizeof own;
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&own), &size);
  port_ = ntohs(own.sin_port);
  return {};
}

void MediaStream::set_remote(const std::string& host, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
  (void)::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void MediaStream::set_digits(std::string digits, std::int64_t at_ms, std::int64_t every_ms) {
  digits_ = std::move(digits);
  digits_at_ms_ = at_ms;
  digits_every_ms_ = every_ms;
}

bool MediaStream::chance(double probability) {
  // The same number of random numbers whatever the options: seeds stay comparable.
  return std::generate_canonical<double, 53>(random_) < probability;
}

void MediaStream::extend(std::vector<Range>& ranges, std::size_t start, std::size_t end) {
  if (!ranges.empty() && ranges.back().end == start)
    ranges.back().end = end;
  else
    ranges.push_back({start, end});
}

void MediaStream::hold(bool on) {
  holding_ = on;
  marker_ = marker_ || on;  // the first packet after a pause has the marker (RFC 3551, 4.1)
}

void MediaStream::send_due(std::int64_t now_ms) {
  if (begun_ms_ < 0) return;
  for (std::int64_t i = 0; i < kSlotsPerTurnMax; ++i) {
    const auto due_ms = static_cast<std::int64_t>(slots_) * kPacketMs;
    if (done() || due_ms > now_ms - begun_ms_) return;
    send_audio();
    if (!holding_) send_events(due_ms);
    ++slots_;
  }
}

void MediaStream::send_audio() {
  const auto start = timeline_.size();
  const auto silence = codec::silence_of(options_.law);
  if (holding_) {
    timeline_.insert(timeline_.end(), kPacketSamples, silence);
    return extend(held_, start, timeline_.size());
  }
  wire::RtpPacket packet;
  packet.marker = std::exchange(marker_, false);
  packet.payload_type = static_cast<std::uint8_t>(options_.law);
  packet.sequence = sequence_++;
  packet.timestamp = first_timestamp_ + static_cast<std::uint32_t>(start);
  packet.ssrc = ssrc_;
  Bytes payload(kPacketSamples, silence);
  const auto count = std::min(kPacketSamples, sound_->size() - at_);
  std::copy_n(sound_->begin() + static_cast<std::ptrdiff_t>(at_), count, payload.begin());
  at_ += count;
  packet.payload = payload;
  const bool lose = chance(options_.loss);
  const bool swap = chance(options_.reorder), twice = chance(options_.duplicate);
  if (lose) {
    ++counts_.lost;
    timeline_.insert(timeline_.end(), kPacketSamples, silence);
    return extend(lost_, start, timeline_.size());
  }
  timeline_.insert(timeline_.end(), payload.begin(), payload.end());
  ++counts_.packets;
  auto raw = wire::write_rtp(packet);
  if (swap && late_.empty()) {
    ++counts_.reordered;
    late_ = std::move(raw);
    return;
  }
  put(raw);
  if (!twice) return;
  ++counts_.duplicated;
  emit(raw);
}

// The digits' packets go beside the audio, with numbers of the same sequence.
void MediaStream::send_events(std::int64_t media_ms) {
  if (digit_ >= digits_.size()) return;
  const auto start_ms = digits_at_ms_ + static_cast<std::int64_t>(digit_) * digits_every_ms_;
  if (media_ms < start_ms) return;
  if (digit_step_ == 0)
    digit_timestamp_ =
        first_timestamp_ + static_cast<std::uint32_t>(timeline_.size() - kPacketSamples);
  ++digit_step_;
  const bool end = digit_step_ * kPacketMs >= kDigitMs;
  wire::TelephoneEvent event;
  event.event = wire::event_of_digit(digits_[digit_]).value_or(0);
  event.end = end;
  event.volume = 10;
  event.duration_ticks = static_cast<std::uint16_t>(digit_step_ * 160);
  const auto payload = wire::write_telephone_event(event);
  for (int i = 0; i < (end ? kEndRepeats : 1); ++i) {
    wire::RtpPacket packet;
    packet.marker = digit_step_ == 1;
    packet.payload_type = kEventPayloadType;
    packet.sequence = sequence_++;
    packet.timestamp = digit_timestamp_;
    packet.ssrc = ssrc_;
    packet.payload = payload;
    if (chance(options_.loss)) continue;
    ++counts_.events;
    put(wire::write_rtp(packet));
  }
  if (!end) return;
  ++digit_;
  digit_step_ = 0;
}

void MediaStream::put(const Bytes& packet) {
  emit(packet);
  finish();
}

void MediaStream::finish() {
  if (late_.empty()) return;
  emit(late_);
  late_.clear();
}

void MediaStream::emit(const Bytes& packet) {
  (void)!::send(fd_.get(), packet.data(), packet.size(), MSG_NOSIGNAL);
}

}  // namespace callward::siprec_client
