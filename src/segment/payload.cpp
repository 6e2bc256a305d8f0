#include "segment/payload.hpp"

#include <string_view>

namespace callward::segment {
namespace {

constexpr std::size_t kPresentAt = kSegmentSamples;
constexpr std::size_t kDigitsCountAt = kPresentAt + kPresentBytes;
constexpr std::size_t kDigitsAt = kDigitsCountAt + 1;
constexpr std::size_t kFlagsAt = kDigitsAt + 4 * kDigitsPerSegmentMax;
static_assert(kFlagsAt == 846 && kFlagsAt + 2 == kAudioPayloadBytes);

constexpr std::string_view kKeys = "0123456789*#ABCD";
constexpr std::uint8_t kKnownFlags = kFlagOnHold | kFlagSilent | kFlagAfterGap;

bool digit_fits(const Digit& digit) {
  return digit.digit != 0 && kKeys.find(digit.digit) != std::string_view::npos &&
         digit.start_ms < kSegmentMs;
}

}  // namespace

void pack_payload(const AudioSegment& segment, AudioPayload& out) {
  auto* to = out.expose_mut().data();
  std::memcpy(to, segment.samples.data(), kSegmentSamples);
  std::memcpy(to + kPresentAt, segment.present.raw().data(), kPresentBytes);
  to[kDigitsCountAt] = segment.digits_count;
  for (std::size_t i = 0; i < kDigitsPerSegmentMax; ++i) {
    const Digit digit = i < segment.digits_count ? segment.digits[i] : Digit{};
    auto* at = to + kDigitsAt + 4 * i;
    at[0] = static_cast<std::uint8_t>(digit.digit);
    at[1] = digit.start_ms;
    store_le(at + 2, digit.length_10ms);
  }
  to[kFlagsAt] = segment.flags;
  to[kFlagsAt + 1] = 0;
}

Status unpack_payload(ByteView payload, AudioSegment& out) {
  out.clear();
  if (payload.size() != kAudioPayloadBytes)
    return fail(Errc::kMalformed, "an audio payload has 848 bytes");
  const auto* from = payload.data();
  std::memcpy(out.samples.data(), from, kSegmentSamples);
  std::memcpy(out.present.raw().data(), from + kPresentAt, kPresentBytes);
  out.digits_count = from[kDigitsCountAt];
  out.flags = from[kFlagsAt];
  if (out.digits_count > kDigitsPerSegmentMax || (out.flags & ~kKnownFlags) != 0 ||
      from[kFlagsAt + 1] != 0 || (out.present.raw()[12] & 0xF0) != 0) {
    out.clear();
    return fail(Errc::kMalformed, "audio payload: reserved bits or digit count");
  }
  for (std::size_t i = 0; i < out.digits_count; ++i) {
    const auto* at = from + kDigitsAt + 4 * i;
    out.digits[i] = {static_cast<char>(at[0]), at[1], load_le<std::uint16_t>(at + 2)};
    if (!digit_fits(out.digits[i])) {
      out.clear();
      return fail(Errc::kMalformed, "audio payload: not a key of a telephone");
    }
  }
  return {};
}

}  // namespace callward::segment
