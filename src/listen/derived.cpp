#include "listen/derived.hpp"

#include <algorithm>
#include <bit>

namespace callward::listen {
namespace {

constexpr std::size_t kWordBytesMin = 6;
constexpr std::size_t kWordTextMax = 120;

// Cut at a character's border, so that the text stays UTF-8.
std::string_view clip(std::string_view text) {
  if (text.size() <= kWordTextMax) return text;
  auto end = kWordTextMax;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

SecretBytes words_payload(std::uint32_t base_ms, std::span<const Word> words) {
  SecretBytes payload(kWordsPayloadBytes);
  auto* out = payload.expose_mut().data();
  std::size_t at = 2;
  std::uint16_t count = 0;
  for (const auto& word : words) {
    const auto text = clip(word.text);
    if (word.start_ms < base_ms || at + kWordBytesMin + text.size() > kWordsPayloadBytes) continue;
    const auto offset = [base_ms](std::uint32_t ms) {
      return static_cast<std::uint16_t>(std::min<std::uint32_t>(ms - base_ms, 0xFFFF));
    };
    store_le(out + at, offset(word.start_ms));
    store_le(out + at + 2, offset(std::max(word.start_ms, word.end_ms)));
    out[at + 4] = word.confidence;
    out[at + 5] = static_cast<std::uint8_t>(text.size());
    std::copy(text.begin(), text.end(), out + at + kWordBytesMin);
    at += kWordBytesMin + text.size();
    ++count;
  }
  store_le(out, count);
  return payload;
}

Result<std::vector<Word>> parse_words(ByteView payload) {
  if (payload.size() != kWordsPayloadBytes) return fail(Errc::kMalformed, "words of another size");
  ByteReader in(payload);
  std::vector<Word> words(in.u16());
  if (words.size() > kWordsPayloadBytes / kWordBytesMin)
    return fail(Errc::kMalformed, "too many words");
  for (auto& word : words) {
    word.start_ms = in.u16();
    word.end_ms = in.u16();
    word.confidence = in.u8();
    word.text = std::string(as_text(in.bytes(in.u8())));
    if (!in.ok() || word.end_ms < word.start_ms)
      return fail(Errc::kMalformed, "words do not fit their record");
  }
  return words;
}

std::uint8_t peak_level(std::uint32_t loudest) {
  // Eight steps of a doubling, each in 16: the companding of mu-law without its sign.
  const auto biased = std::min<std::uint32_t>(loudest, 32'635) + 132;
  const auto exponent = static_cast<std::uint32_t>(std::bit_width(biased)) - 8;
  const auto mantissa = (biased >> (exponent + 3)) & 0x0F;
  return static_cast<std::uint8_t>(std::min<std::uint32_t>(255, (exponent * 16 + mantissa) * 2));
}

SecretBytes peaks_payload(std::span<const std::uint8_t> peaks) {
  SecretBytes payload(kPeaksPayloadBytes);
  auto* out = payload.expose_mut().data();
  const auto count = std::min(peaks.size(), kPeaksMax);
  out[0] = static_cast<std::uint8_t>(count);
  std::copy_n(peaks.begin(), count, out + 1);
  return payload;
}

}  // namespace callward::listen
