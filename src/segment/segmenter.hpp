// Jitter buffer and segmenter of one stream: RTP packets with their arrival time go in, finished
// 100 ms segments and the recorder's account come out. Pure: no socket, no clock, no file.
//
// TIME. Position 0 is the call's start; 8 samples a millisecond. A packet stands at its RTP
// timestamp plus the *anchor*. Segment i is finished when `jitter_ms` has passed after its end;
// what comes later is late.
//
//   anchor chosen   from the first packets (100 ms of them, at most 16): the smallest transit time
//   wins, so
//                   that a delayed first packet does not shift the whole stream
//   drift           the sender's clock against ours, as the minimum of transit over 5-10 s. When it
//   is off
//                   by 8 ms or more, the anchor moves by 1 ms, at most twice a second: forward
//                   leaves 1 ms without samples, backward drops samples up to the next whole
//                   millisecond and leaves 1 ms without. Either way the account shows a loss of 1
//                   ms where it happened.
//   re-anchored     after a new SSRC, a timestamp jump (more than 500 ms ahead or 2 s behind), or
//   when packets
//                   keep coming late for 100 ms. Two packets that agree are needed, and are kept
//                   meanwhile: a stray packet changes nothing, and nothing is lost by waiting. The
//                   index never jumps.
//
// INVARIANTS
//   (1) Every index from the first to the last is finished exactly once, in order.
//   (2) The account covers every finished millisecond, once.
//   (3) Between two milliseconds that are reported present without a gap between them, the samples
//   are the
//       sender's, in the sender's order, none dropped or added (wherever the anchor moves, 1 ms is
//       left out). First come, first kept: duplicates change nothing.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "segment/payload.hpp"
#include "store/account.hpp"
#include "store/recorder_protocol.hpp"
#include "wire/dtmf.hpp"
#include "wire/rtp.hpp"

namespace callward::segment {

inline constexpr std::int64_t kNsPerSample = 125'000;
inline constexpr std::uint32_t kIndexEnd = 1u << 20;  // of a call: 29 hours
inline constexpr std::uint32_t kPendingSegmentsMax = 16;
inline constexpr std::size_t kStashedPacketsMax = 16;
inline constexpr std::uint32_t kFirstPacketGraceMs =
    2000;                                           // between "active" and the first packet: silent
inline constexpr std::uint32_t kTailGraceMs = 250;  // between the last packet and the end: silent
inline constexpr std::uint32_t kComfortNoiseMsMax =
    10'000;  // so long one comfort noise packet stands for silence

struct SegmenterConfig {
  std::uint8_t codec = kCodecPcmu;
  std::uint8_t payload_type = 0;           // besides the static 0 (PCMU) and 8 (PCMA)
  std::uint8_t event_payload_type = 0xFF;  // 0xFF: none
  std::uint32_t jitter_ms = 200;
  bool resumed =
      false;  // an earlier recorder died: what is missing before the first packet is lost by it
};

struct SegmenterCounters {
  std::uint64_t packets = 0, late = 0, duplicate = 0, unknown_type = 0, stray = 0, ahead = 0;
  std::uint64_t source_changes = 0, reanchored = 0, drift_steps = 0, digits = 0, digits_dropped = 0;
};

// Receives what the segmenter makes, in order.
class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  virtual void on_segment(std::uint32_t index, std::uint8_t codec, const AudioSegment& segment) = 0;
  // The account changed other than by "segment finished, all of it sealed": assign this, in this
  // order.
  virtual void on_account(std::uint32_t start_ms, std::uint32_t end_ms, store::AccountState state,
                          std::string_view reason) = 0;
};

class Segmenter {
 public:
  // `account` covers [0, first_index * 100) already.
  Segmenter(SegmenterConfig config, std::uint32_t first_index, store::StreamMode mode,
            store::StreamAccount& account, SegmentSink& sink);

  // `arrival_ns` since the call's start, not decreasing by more than the network's own reordering.
  void on_packet(const wire::RtpPacket& packet, std::int64_t arrival_ns);
  // Finishes what is due. Call it at least every 100 ms, after the packets that had come were
  // passed.
  void advance(std::int64_t now_ns);
  // From `at_ns` on, signalling says so.
  void set_mode(store::StreamMode mode, std::int64_t at_ns);
  void set_types(std::uint8_t codec, std::uint8_t payload_type, std::uint8_t event_payload_type);

  // Where the received audio ends so far, ms.
  [[nodiscard]] std::uint32_t media_end_ms() const;
  // Finishes everything up to `end_ms` (rounded up to a segment); the last call.
  void finish(std::uint32_t end_ms);

  [[nodiscard]] std::uint32_t next_index() const { return next_; }
  [[nodiscard]] std::int64_t last_packet_ns() const { return last_packet_ns_; }  // -1: none yet
  [[nodiscard]] const SegmenterCounters& counters() const { return counters_; }

 private:
  struct Slot {
    AudioSegment segment;
    std::array<std::uint8_t, kSegmentMs> mask{};  // bit k: sample k of this millisecond is there
    MsBits quiet;                                 // the sender sent nothing here, nothing was lost
    bool has_codec = false;
    std::uint8_t codec = 0;
    void reset() {
      segment.clear();
      mask.fill(0);
      quiet = {};
      has_codec = false;
    }
  };
  struct Stashed {
    std::uint16_t sequence;
    std::uint32_t timestamp;
    std::int64_t arrival;  // samples
    std::uint8_t codec;
    SecretBytes payload;
  };
  enum class Doubt : std::uint8_t { kStart, kSource, kJump, kLate };
  struct Candidate {
    Doubt doubt{};
    std::uint32_t ssrc = 0;
    std::vector<Stashed> packets;
  };
  struct ModeChange {
    std::uint32_t from_ms;
    store::StreamMode mode;
  };

  std::optional<std::uint8_t> codec_of(std::uint8_t payload_type) const;
  void on_audio(const wire::RtpPacket& packet, std::int64_t arrival, std::uint8_t codec);
  void on_comfort_noise(const wire::RtpPacket& packet);
  void on_event(const wire::RtpPacket& packet, std::int64_t arrival);
  void accept(const wire::RtpPacket& packet, std::int64_t arrival, std::uint8_t codec);
  void note_sequence(std::int64_t sequence, std::int64_t position, std::int64_t end);
  void mark_quiet(std::int64_t from, std::int64_t to);

  void doubt(Doubt doubt, const wire::RtpPacket& packet, std::int64_t arrival, std::uint8_t codec);
  void settle(std::int64_t now, bool at_end = false);
  bool ripe(std::int64_t now, bool at_end) const;
  void promote();

  void steer(std::int64_t transit, std::int64_t arrival);
  void place(std::int64_t position, ByteView samples, std::uint8_t codec, bool before_seam);
  bool place_in_slot(Slot& slot, std::uint32_t offset, ByteView samples, std::uint8_t codec);
  void move_anchor(std::int64_t anchor, std::int64_t since);
  Slot* slot_at(std::int64_t index);
  void put_digit(const wire::DigitNews& news, std::int64_t position);

  void emit();
  void account_for(std::uint32_t index, const Slot& slot);
  void assign(std::uint32_t start_ms, std::uint32_t end_ms, store::AccountState state,
              std::string_view reason);
  void amend(std::uint32_t start_ms, std::uint32_t end_ms, std::string_view from_reason,
             store::AccountState to, std::string_view reason);
  store::StreamMode mode_at(std::uint32_t ms) const;
  std::pair<store::AccountState, std::string_view> fate_of_missing(std::uint32_t ms);

  std::int64_t extend_timestamp(std::uint32_t timestamp) const;
  std::int64_t extend_sequence(std::uint16_t sequence) const;
  std::int64_t anchor_for(std::int64_t sequence) const {
    return sequence < anchor_since_ ? anchor_before_ : anchor_;
  }
  std::int64_t emitted_end() const { return std::int64_t{next_} * kSegmentSamples; }

  SegmenterConfig config_;
  store::StreamAccount& account_;
  SegmentSink& sink_;
  SegmenterCounters counters_;

  std::uint32_t next_;  // index to be finished next
  std::array<std::unique_ptr<Slot>, kPendingSegmentsMax> slots_;
  std::vector<std::unique_ptr<Slot>> spare_slots_;
  bool gap_before_ = false;

  bool anchored_ = false;
  std::uint32_t ssrc_ = 0;
  std::uint32_t last_timestamp_ = 0;
  std::int64_t last_timestamp_ext_ = 0;
  std::uint16_t last_sequence_ = 0;
  std::int64_t last_sequence_ext_ = 0;     // the highest
  std::int64_t anchor_ = 0;                // position = extended timestamp + anchor
  std::int64_t anchor_before_ = 0;         // for packets older than ...
  std::int64_t anchor_since_ = INT64_MIN;  // ... this extended sequence number
  std::int64_t seam_ = INT64_MIN;  // where the anchor moved: older packets end before it, newer
                                   // ones begin a millisecond behind it
  std::int64_t media_end_ = 0;     // position behind the last sample placed
  std::int64_t chain_end_ = -1;    // behind the packet with the highest sequence number
  std::int64_t last_packet_ns_ = -1;

  std::int64_t drift_bucket_start_ = 0, drift_step_at_ = 0;
  std::int64_t drift_now_ = INT64_MAX, drift_before_ = INT64_MAX;

  std::optional<Candidate> candidate_;
  std::int64_t noise_from_ = -1;  // comfort noise since this position

  wire::DigitTracker digits_;
  std::uint32_t digits_ssrc_ = 0;
  std::uint32_t digit_index_ = 0;  // where the latest digit stands, to lengthen it
  std::uint8_t digit_at_ = 0;
  std::uint32_t digit_start_ticks_ = 0;

  std::deque<ModeChange> modes_;
  std::uint32_t grace_from_ms_ = 0;  // no packet yet since signalling said "active" here
  std::uint32_t grace_end_ms_ = 0;
  store::AccountState grace_state_ = store::AccountState::kSilent;
  bool waiting_first_ = false;
  std::uint32_t resumed_until_ms_ = 0;  // see SegmenterConfig::resumed
};

}  // namespace callward::segment
