// Keyed digits that come as tones within the speech (ITU-T Q.23, Q.24), detected by spandsp.
//
// Decisions fall every 102 samples (12.75 ms) and need two blocks that agree, so the limits told
// lie up to three blocks outside the tone, never inside it: what erases a digit by them erases all
// of it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace callward::codec {

struct InbandDigit {
  char digit = 0;                  // '0'..'9' '*' '#' 'A'..'D'
  std::uint64_t start_sample = 0;  // since the first push(), at 8 kHz
  std::uint64_t end_sample = 0;    // exclusive; of an open digit: what was heard so far
  bool ended = false;
};

class InbandDtmf {
 public:
  InbandDtmf();
  ~InbandDtmf();
  InbandDtmf(InbandDtmf&&) noexcept;
  InbandDtmf& operator=(InbandDtmf&&) noexcept;

  // 16-bit samples at 8 kHz, any number. A digit comes twice: when it is recognised (`ended`
  // false), and when it is over.
  std::vector<InbandDigit> push(std::span<const std::int16_t> samples);
  // The stream is over: ends an open digit.
  std::vector<InbandDigit> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace callward::codec
