#include "segment/kept_packets.hpp"

#include <algorithm>

namespace callward::segment {

void KeptPackets::Source::drop_oldest() {
  if (lost_from_ns < 0) lost_from_ns = packets.front().arrival_ns;
  bytes -= packets.front().datagram.size();
  packets.pop_front();
}

KeptPackets::Source* KeptPackets::source_of(const Endpoint& from, std::int64_t arrival_ns) {
  const auto at = std::find_if(sources_.begin(), sources_.end(),
                               [&](const Source& source) { return source.from == from; });
  if (at != sources_.end()) return &*at;
  if (sources_.size() >= kKeptSourcesMax) {
    if (unfollowed_from_ns_ < 0) unfollowed_from_ns_ = arrival_ns;
    unfollowed_upto_ns_ = arrival_ns;
    return nullptr;
  }
  sources_.push_back({});
  sources_.back().from = from;
  return &sources_.back();
}

void KeptPackets::keep(const Endpoint& from, ByteView datagram, bool audio,
                       std::int64_t arrival_ns) {
  expire(arrival_ns);
  auto* source = source_of(from, arrival_ns);
  if (source == nullptr) return;
  source->last_ns = std::max(source->last_ns, arrival_ns);
  source->audio = source->audio || audio;
  source->bytes += datagram.size();
  source->packets.push_back({SecretBytes(datagram), arrival_ns});
  while (source->packets.size() > kKeptPacketsMax || source->bytes > kKeptBytesMax)
    source->drop_oldest();
}

KeptOfSource KeptPackets::take(const Endpoint& from) {
  KeptOfSource out;
  const auto at = std::find_if(sources_.begin(), sources_.end(),
                               [&](const Source& source) { return source.from == from; });
  if (at == sources_.end()) {
    // Whose they were is not known: an account may overstate a loss, never hide one.
    if (unfollowed_from_ns_ >= 0) {
      out.lost_from_ns = unfollowed_from_ns_;
      out.lost_upto_ns = unfollowed_upto_ns_;
    }
  } else {
    out.packets = std::move(at->packets);
    if (at->lost_from_ns >= 0) {
      out.lost_from_ns = at->lost_from_ns;
      out.lost_upto_ns = out.packets.empty() ? at->last_ns : out.packets.front().arrival_ns;
    }
  }
  clear();
  return out;
}

KeptOfSource KeptPackets::take_first() {
  const auto at = std::find_if(sources_.begin(), sources_.end(),
                               [](const Source& source) { return source.audio; });
  if (at == sources_.end()) return {};
  const auto from = at->from;
  return take(from);
}

void KeptPackets::expire(std::int64_t now_ns) {
  for (auto& source : sources_)
    while (!source.packets.empty() && now_ns - source.packets.front().arrival_ns > kKeptNsMax)
      source.drop_oldest();
  std::erase_if(sources_, [](const Source& source) { return source.packets.empty(); });
  if (unfollowed_upto_ns_ >= 0 && now_ns - unfollowed_upto_ns_ > kKeptNsMax)
    unfollowed_from_ns_ = unfollowed_upto_ns_ = -1;
}

void KeptPackets::clear() {
  sources_.clear();
  unfollowed_from_ns_ = unfollowed_upto_ns_ = -1;
}

std::int64_t KeptPackets::earliest_ns() const {
  std::int64_t earliest = INT64_MAX;
  for (const auto& source : sources_)
    if (!source.packets.empty()) earliest = std::min(earliest, source.packets.front().arrival_ns);
  return earliest;
}

}  // namespace callward::segment
