// What is computed from a stretch and lives under its keys: words and peaks, each a record of
// constant size.
//
//   words, 1,024 bytes: count u16, then per word { start_ms u16, end_ms u16, confidence u8, length
//   u8, UTF-8 } peaks,   128 bytes: count u8 (50 for a whole second), then one u8 each 20 ms: the
//   loudest sample, companded
//
// Times count from the record's first segment. Windows are whole seconds; where a part of one is
// erased, each part that is left gets a record of its own, so what stands beside a secret is not
// lost with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/secret.hpp"
#include "listen/worker_protocol.hpp"

namespace callward::listen {

inline constexpr std::size_t kWordsPayloadBytes = 1'024;
inline constexpr std::size_t kPeaksPayloadBytes = 128;
inline constexpr std::uint32_t kWindowSegments = 10;
inline constexpr std::uint32_t kPeakMs = 20;
inline constexpr std::size_t kPeaksMax = 50;

// Words that begin at or after `base_ms`; one too many for the record is left out (about 100 fit a
// second).
SecretBytes words_payload(std::uint32_t base_ms, std::span<const Word> words);
SecretBytes peaks_payload(std::span<const std::uint8_t> peaks);
// 0..32768 to 0..255, finer where it is quiet, as a waveform is looked at.
std::uint8_t peak_level(std::uint32_t loudest);

// kMalformed: counts or lengths that do not fit.
Result<std::vector<Word>> parse_words(ByteView payload);

}  // namespace callward::listen
