// Whose packets are a stream's. Pure: addresses and times go in, a verdict comes out; the rule is a
// table (rtp_source.cpp).
//
// A packet's rank:
//   exact    its address and port are what signalling announced
//   near     its address is announced, its port is another one (asymmetric RTP), or no port was
//            announced (NAT, RFC 8866's discard port); anybody, when no usable address was
//            announced
//   foreign  everybody else
//
//   nobody ----[exact]--------------------------> announced
//   nobody ----[near]---------------------------> near        (held for this one address and port)
//   nobody ----[foreign, 2 s without a word]----> foreign     (held likewise)
//   near, foreign --[exact]--> announced     foreign --[near]--> near      both at once
//   announced, near --[near, holder silent for 2 s]--> near
//   foreign --[foreign, holder silent for 2 s]--> foreign
//   announced, near --[foreign, holder silent for 10 s, heard for the last 2 s]--> foreign
//                     ... for 2 s, where the holder brought no more than two packets of audio
//
// Only who brings audio of the stream's payload types while the stream is active can become its
// holder, whoever it is: forged telephone-events alone are nobody's. The announced one's are taken
// all the same while nobody else holds the stream.
//
// Who must wait may be the client that sends from elsewhere: its packets are not refused for good
// (kWaits) and are kept (kept_packets.hpp) until it is taken or the holder speaks.
//
// INVARIANTS
//   (1) While the announced source speaks, no other packet is accepted, but for kChangeOverNs after
//       signalling announced another address: then the old source's are, too.
//   (2) A foreign address takes a stream from an announced one only after kSourceGoneNs without a
//       packet of it (kSourceQuietNs until it has brought kProofPackets), or after signalling
//       announced another.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/endpoint.hpp"

namespace callward::segment {

inline constexpr std::int64_t kSourceQuietNs = 2'000'000'000;
inline constexpr std::int64_t kSourceGoneNs = 10'000'000'000;
inline constexpr std::int64_t kSourceSteadyNs =
    2'000'000'000;                                           // so long a stranger is heard first,
inline constexpr std::int64_t kSourceGapNs = 1'000'000'000;  // without so long a gap
inline constexpr std::uint32_t kProofPackets = 3;  // of audio: one forged packet holds nothing long
inline constexpr std::size_t kSourceRunsMax = 4;   // strangers that are followed at a time
inline constexpr std::int64_t kChangeOverNs = 5'000'000'000;
inline constexpr std::size_t kAnnouncedMax = 4;  // addresses of one stream at a time

enum class SourcePolicy : std::uint8_t {
  kAnnounced,  // nobody but announced addresses and ports, ever
  kLatch,      // the table above
  kAny         // everybody: for networks where nobody else can send
};
enum class SourceHolder : std::uint8_t { kNobody, kAnnounced, kNear, kForeign };
enum class SourceVerdict : std::uint8_t {
  kRefused,
  kWaits,  // refused for now: taken if the holder stays silent
  kAccepted,
  kTaken  // accepted, and the stream is held by this one from now on
};

class SourceRule {
 public:
  // From now on signalling says so; ports 0: any. The same again changes nothing.
  void announce(std::vector<Endpoint> announced, std::int64_t now_ns);
  // The stream is active (again) from now on: its silence counts from here.
  void wait_again(std::int64_t now_ns) { silent_since_ns_ = std::max(silent_since_ns_, now_ns); }
  // As an earlier recorder left it. Whoever held the stream is waited for.
  void restore(std::vector<Endpoint> announced, SourceHolder holder, const Endpoint& held,
               std::int64_t now_ns);

  // `may_take`: audio of the stream's payload type, and the stream is active.
  SourceVerdict judge(SourcePolicy policy, const Endpoint& from, bool may_take,
                      std::int64_t now_ns);

  [[nodiscard]] const std::vector<Endpoint>& announced() const { return announced_; }
  [[nodiscard]] SourceHolder holder() const { return holder_; }
  [[nodiscard]] const Endpoint& held() const { return held_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  enum class Rank : std::uint8_t { kExact, kNear, kForeign };
  Rank rank_of(SourcePolicy policy, const Endpoint& from) const;
  bool of_change_over(const Endpoint& from, std::int64_t now_ns) const;
  SourceVerdict not_taken(const Endpoint& from, std::int64_t now_ns, SourceVerdict verdict);
  // It brought audio. True: for kSourceSteadyNs by now.
  bool steady(const Endpoint& from, std::int64_t now_ns);
  struct Run {
    Endpoint from;
    std::int64_t since_ns = 0, last_ns = 0;
  };

  std::vector<Endpoint> announced_;
  SourceHolder holder_ = SourceHolder::kNobody;
  Endpoint held_;            // the source heard last of those that held the stream
  std::uint32_t proof_ = 0;  // packets of audio that the holder brought, up to kProofPackets
  std::int64_t silent_since_ns_ = 0;
  std::vector<Run> runs_;
  std::vector<Endpoint> before_;  // announced, or held, before the latest announcement
  std::int64_t before_until_ns_ = INT64_MIN;
  std::uint64_t refused_ = 0;
};

}  // namespace callward::segment
