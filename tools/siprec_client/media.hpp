// One G.711 stream of a call: packets of 20 ms, paced by the monotonic clock, with losses,
// reordering and duplicates as asked, and an exact memory of what was sent.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "codec/g711.hpp"
#include "io/fd.hpp"
#include "options.hpp"

namespace callward::siprec_client {

inline constexpr std::int64_t kPacketMs = 20;
inline constexpr std::size_t kPacketSamples = 160;
inline constexpr std::uint8_t kEventPayloadType = 101;
inline constexpr std::int64_t kDigitMs = 100;

struct StreamCounts {
  std::uint64_t packets = 0, lost = 0, reordered = 0, duplicated = 0, events = 0;
};

class MediaStream {
 public:
  MediaStream(const Options& options, std::shared_ptr<const Bytes> sound, std::uint64_t seed);
  Status open(const std::string& address);  // a socket of its own
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void set_remote(const std::string& host, std::uint16_t port);
  void set_digits(std::string digits, std::int64_t at_ms, std::int64_t every_ms);

  void begin(std::int64_t now_ms) { begun_ms_ = now_ms; }
  void send_due(std::int64_t now_ms);  // whatever has become due
  void hold(bool on);
  void finish();  // what reordering still holds back
  [[nodiscard]] bool done() const { return at_ >= sound_->size(); }

  [[nodiscard]] const StreamCounts& counts() const { return counts_; }
  [[nodiscard]] std::uint16_t first_sequence() const { return first_sequence_; }
  [[nodiscard]] std::uint32_t first_timestamp() const { return first_timestamp_; }
  [[nodiscard]] std::uint32_t ssrc() const { return ssrc_; }
  // From the first packet on, in samples of the RTP clock: a silence code where nothing was sent.
  [[nodiscard]] const Bytes& timeline() const { return timeline_; }
  struct Range {
    std::size_t start, end;  // samples
  };
  [[nodiscard]] const std::vector<Range>& lost() const { return lost_; }
  [[nodiscard]] const std::vector<Range>& held() const { return held_; }

 private:
  void send_audio();
  void send_events(std::int64_t media_ms);
  void put(const Bytes& packet);
  void emit(const Bytes& packet);
  bool chance(double probability);
  static void extend(std::vector<Range>& ranges, std::size_t start, std::size_t end);

  const Options& options_;
  std::shared_ptr<const Bytes> sound_;
  std::mt19937_64 random_;
  io::Fd fd_;
  std::uint16_t port_ = 0;
  std::uint16_t sequence_, first_sequence_;
  std::uint32_t first_timestamp_, ssrc_;
  std::int64_t begun_ms_ = -1;
  std::uint64_t slots_ = 0;  // of 20 ms since the beginning, sent or not
  std::size_t at_ = 0;       // in the sound
  bool holding_ = false, marker_ = true;
  Bytes late_;  // waits for its successor
  std::string digits_;
  std::int64_t digits_at_ms_ = 0, digits_every_ms_ = 0;
  std::size_t digit_ = 0;        // the next one
  std::int64_t digit_step_ = 0;  // packets of it that were sent
  std::uint32_t digit_timestamp_ = 0;
  StreamCounts counts_;
  Bytes timeline_;
  std::vector<Range> lost_, held_;
};

}  // namespace callward::siprec_client
