// The packets of those who wait for a stream (rtp_source.hpp: kWaits), with the times when they
// came, so that a client that sends from elsewhere loses nothing by being taken late. Pure.
//
// INVARIANTS
//   (1) No more than kKeptSourcesMax senders with kKeptPacketsMax packets and kKeptBytesMax each,
//       none older than kKeptNsMax.
//   (2) What was a sender's and is kept no more is in its range `lost`.
#pragma once

#include <cstdint>
#include <deque>
#include <list>

#include "base/endpoint.hpp"
#include "base/secret.hpp"
#include "segment/rtp_source.hpp"

namespace callward::segment {

inline constexpr std::size_t kKeptSourcesMax = 4;
inline constexpr std::size_t kKeptPacketsMax = 320;  // two seconds of 10 ms, and some
inline constexpr std::size_t kKeptBytesMax = 32u << 10;
inline constexpr std::int64_t kKeptNsMax = kSourceQuietNs + 500'000'000;

struct KeptPacket {
  SecretBytes datagram;
  std::int64_t arrival_ns = 0;
};
struct KeptOfSource {
  std::deque<KeptPacket> packets;  // as they came
  // Where packets came that are not here: from, to. Nothing when both are the same.
  std::int64_t lost_from_ns = 0, lost_upto_ns = 0;
};

class KeptPackets {
 public:
  void keep(const Endpoint& from, ByteView datagram, bool audio, std::int64_t arrival_ns);
  // This sender's, and all the others' are wiped.
  KeptOfSource take(const Endpoint& from);
  // Of the first that brought audio, if anybody did; like take().
  KeptOfSource take_first();
  void expire(std::int64_t now_ns);
  void clear();
  // Nothing later may be finished yet. INT64_MAX: nobody waits.
  [[nodiscard]] std::int64_t earliest_ns() const;

 private:
  struct Source {
    Endpoint from;
    std::deque<KeptPacket> packets;
    std::size_t bytes = 0;
    bool audio = false;
    std::int64_t lost_from_ns = -1;  // -1: nothing lost
    std::int64_t last_ns = 0;
    void drop_oldest();
  };
  Source* source_of(const Endpoint& from, std::int64_t arrival_ns);
  std::list<Source> sources_;
  std::int64_t unfollowed_from_ns_ = -1;  // packets of one sender too many came since
  std::int64_t unfollowed_upto_ns_ = -1;
};

}  // namespace callward::segment
