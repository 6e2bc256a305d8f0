#include "codec/inband_dtmf.hpp"

#include <spandsp.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace callward::codec {
namespace {
constexpr std::size_t kBlockSamples = 102;  // spandsp's DTMF_SAMPLES_PER_BLOCK
}

struct InbandDtmf::State {
  dtmf_rx_state_t* receiver = nullptr;
  std::array<std::int16_t, kBlockSamples> block{};
  std::size_t filled = 0;
  std::uint64_t position = 0;  // samples given to the receiver
  std::optional<InbandDigit> open;
  std::vector<InbandDigit> news;

  State() : receiver(dtmf_rx_init(nullptr, nullptr, nullptr)) {
    CHECK(receiver != nullptr);
    dtmf_rx_set_realtime_callback(receiver, &State::on_change, this);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { dtmf_rx_free(receiver); }

  static void on_change(void* user, int code, int, int) {
    static_cast<State*>(user)->changed(code);
  }

  void changed(int code) {
    const auto back = [this](std::size_t blocks) {
      return position - std::min<std::uint64_t>(position, blocks * kBlockSamples);
    };
    if (open) {
      open->end_sample = std::max(open->start_sample, back(1));
      open->ended = true;
      news.push_back(*open);
      open.reset();
    }
    if (code == 0) return;
    open = InbandDigit{static_cast<char>(code), back(3), position, false};
    news.push_back(*open);
  }

  void feed() {
    position += filled;  // changes are told at the end of the block that brought them
    dtmf_rx(receiver, block.data(), static_cast<int>(filled));
    filled = 0;
  }
};

InbandDtmf::InbandDtmf() : state_(std::make_unique<State>()) {}
InbandDtmf::~InbandDtmf() = default;
InbandDtmf::InbandDtmf(InbandDtmf&&) noexcept = default;
InbandDtmf& InbandDtmf::operator=(InbandDtmf&&) noexcept = default;

std::vector<InbandDigit> InbandDtmf::push(std::span<const std::int16_t> samples) {
  auto& state = *state_;
  while (!samples.empty()) {
    const auto count = std::min(samples.size(), kBlockSamples - state.filled);
    std::copy_n(samples.begin(), count,
                state.block.begin() + static_cast<std::ptrdiff_t>(state.filled));
    state.filled += count;
    samples = samples.subspan(count);
    if (state.filled == kBlockSamples) state.feed();
  }
  return std::exchange(state.news, {});
}

std::vector<InbandDigit> InbandDtmf::finish() {
  auto& state = *state_;
  state.feed();
  if (state.open) {
    state.open->end_sample = state.position;
    state.open->ended = true;
    state.news.push_back(*state.open);
    state.open.reset();
  }
  return std::exchange(state.news, {});
}

}  // namespace callward::codec
