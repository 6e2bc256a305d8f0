// What the keeper asks of the courier: messages that wait for an outcome. A peer that is away is
// no loss: each is sent again when it is back, until its outcome or its deadline.
//
// INVARIANTS
//   (1) Each message that was taken has one outcome, told once by `on_outcome`: the courier's, or
//       kGivenUp (`no_courier`, `no_answer`) once its deadline is past.
//   (2) The same id again is the same message.
//   (3) At most kMessagesMax wait; one more is refused and counted (queue `keeper.courier`).
//   (4) A planned restart of the keeper hands all of it over: who asks is a handler, not a closure
//       a message.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/queue.hpp"
#include "io/frame.hpp"
#include "keys/courier_protocol.hpp"

namespace callward::app {

class CourierDesk {
 public:
  using OnOutcome = std::function<void(const keys::Delivered&)>;
  using Send = std::function<bool(io::Frame)>;  // false: nothing was sent

  static constexpr std::size_t kMessagesMax = 1'000;
  static constexpr std::int64_t kAgainMs = 5'000;   // a courier that had no room is asked again
  static constexpr std::int64_t kAnswerMs = 3'000;  // beyond the deadline: for its last word

  CourierDesk(Clock& clock, OnOutcome on_outcome)
      : clock_(clock), on_outcome_(std::move(on_outcome)) {}
  void set_on_outcome(OnOutcome on_outcome) { on_outcome_ = std::move(on_outcome); }

  // kFull; kState: its deadline is past. The outcome comes later, never from inside this call.
  Status deliver(keys::Deliver message);

  // The courier said Hello on this channel (any number of ours that no other one has).
  void connected(std::uint64_t channel, Send send);
  void lost(std::uint64_t channel);
  [[nodiscard]] bool is_connected() const { return static_cast<bool>(send_); }
  void on_reply(const io::Frame& frame);
  void tick();

  // A copy of all that waits, for the next keeper, which sends it again on the connection that it
  // takes over: to the courier that is a repeat.
  [[nodiscard]] SecretBytes hand_over() const;
  Status take_over(ByteView raw);  // into an empty desk; "" is one that had nothing
  [[nodiscard]] QueueGauge gauge() const {
    return {"keeper.courier", waiting_.size(), kMessagesMax, refused_};
  }

 private:
  struct Item {
    keys::Deliver message;
    std::int64_t give_up = 0;  // monotonic ms
    std::int64_t due = 0;      // to be sent then; kSent: it is at the courier
    std::uint32_t frame = 0;   // its request, 0: none
  };
  static constexpr std::int64_t kSent = INT64_MAX;

  void send_due();
  void ended(const keys::Delivered& said);

  Clock& clock_;
  OnOutcome on_outcome_;
  Send send_;
  std::uint64_t channel_ = 0;
  std::map<keys::DeliveryId, Item> waiting_;
  std::unordered_map<std::uint32_t, keys::DeliveryId> asked_;  // by frame
  std::uint32_t next_frame_ = 1;
  std::uint64_t refused_ = 0;
};

}  // namespace callward::app
