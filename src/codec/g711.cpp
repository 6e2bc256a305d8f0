#include "codec/g711.hpp"

namespace callward::codec {

std::vector<std::int16_t> decode(G711 law, ByteView codes) {
  const auto& table = law == G711::kMuLaw ? kMuLawTable : kALawTable;
  std::vector<std::int16_t> samples;
  samples.reserve(codes.size());
  for (const auto code : codes) samples.push_back(table[code]);
  return samples;
}

Bytes encode(G711 law, std::span<const std::int16_t> samples) {
  Bytes codes;
  codes.reserve(samples.size());
  for (const auto sample : samples) codes.push_back(encode(law, sample));
  return codes;
}

}  // namespace callward::codec
