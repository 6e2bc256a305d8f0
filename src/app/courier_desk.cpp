#include "app/courier_desk.hpp"

#include <algorithm>

#include "base/event_log.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::app {
namespace {

constexpr std::uint32_t kHandedDeskVersion = 1;

struct HandedDesk {
  std::uint32_t version = kHandedDeskVersion;
  std::uint32_t next_frame = 1;  // a late answer to the old keeper must not answer the new one
  std::vector<keys::Deliver> messages;
  template <class V>
  void visit(V& v) {
    v(version, next_frame, messages);
  }
};

// The frame of a message, of which no copy is left in memory that was let go.
io::Frame frame_of(const keys::Deliver& message, std::uint32_t id) {
  io::Frame frame;
  frame.type = keys::Deliver::kType;
  frame.id = id;
  frame.body = to_bytes(pack_secret(message).expose());
  return frame;
}

}  // namespace

Status CourierDesk::deliver(keys::Deliver message) {
  if (waiting_.contains(message.id)) return {};
  const auto utc = clock_.utc_ms();
  if (message.deadline <= utc) return fail(Errc::kState, "the message's deadline is past");
  if (waiting_.size() >= kMessagesMax) {
    ++refused_;
    return fail(Errc::kFull, "too many messages wait for the courier");
  }
  const auto now = clock_.monotonic_ms();
  const auto left = std::min(message.deadline - utc, keys::kDeliveryMsMax);
  auto& item = waiting_[message.id];
  item.message = std::move(message);
  item.give_up = now + left + kAnswerMs;
  item.due = now;
  send_due();
  return {};
}

void CourierDesk::connected(std::uint64_t channel, Send send) {
  channel_ = channel;
  send_ = std::move(send);
  asked_.clear();
  for (auto& [id, item] : waiting_) {
    item.due = 0;
    item.frame = 0;
  }
  send_due();
}

void CourierDesk::lost(std::uint64_t channel) {
  if (channel == channel_) send_ = {};
}

void CourierDesk::send_due() {
  if (!send_) return;
  const auto now = clock_.monotonic_ms();
  for (auto& [id, item] : waiting_) {
    if (item.due > now) continue;
    const auto frame = next_frame_++;
    if (next_frame_ == 0) next_frame_ = 1;
    if (!send_(frame_of(item.message, frame))) {
      item.due = now + kAgainMs;  // its queue is full, or it is going away
      continue;
    }
    item.due = kSent;
    item.frame = frame;
    asked_[frame] = id;
  }
}

// Delivered names its message: also one that answers an earlier connection's request counts.
void CourierDesk::on_reply(const io::Frame& frame) {
  const auto asked = asked_.find(frame.id);
  const auto id = asked == asked_.end() ? keys::DeliveryId{} : asked->second;
  if (asked != asked_.end()) asked_.erase(asked);
  if (frame.type == keys::Delivered::kType) {
    if (const auto said = unpack<keys::Delivered>(frame.body)) return ended(*said);
  } else if (io::unpack_error(frame.body).code == Errc::kFull) {
    if (const auto item = waiting_.find(id); item != waiting_.end()) {
      item->second.frame = 0;
      item->second.due = clock_.monotonic_ms() + kAgainMs;
    }
    return;
  }
  ended({id, keys::DeliveryOutcome::kRefused, "courier_refused"});
}

void CourierDesk::tick() {
  const auto now = clock_.monotonic_ms();
  std::vector<keys::Delivered> over;
  for (const auto& [id, item] : waiting_)
    if (now >= item.give_up)
      over.push_back({id, keys::DeliveryOutcome::kGivenUp,
                      item.due == kSent && send_ ? "no_answer" : "no_courier"});
  for (const auto& said : over) ended(said);
  send_due();
}

void CourierDesk::ended(const keys::Delivered& said) {
  const auto item = waiting_.find(said.id);
  if (item == waiting_.end()) return;
  asked_.erase(item->second.frame);
  waiting_.erase(item);
  log_event("keeper.delivered", {{"message", said.id.hex()},
                                 {"outcome", keys::to_text(said.outcome)},
                                 {"reason", said.reason}});
  if (on_outcome_) on_outcome_(said);
}

SecretBytes CourierDesk::hand_over() const {
  HandedDesk handed;
  handed.next_frame = next_frame_;
  for (const auto& [id, item] : waiting_) {
    const auto& from = item.message;
    handed.messages.push_back({from.id, from.channel, from.address.clone(), from.subject,
                               from.text.clone(), from.deadline});
  }
  return pack_secret(handed);
}

Status CourierDesk::take_over(ByteView raw) {
  if (raw.empty()) return {};
  const auto version = ByteReader(raw).u32();
  if (version != kHandedDeskVersion)
    return fail(Errc::kUnsupported, "messages for the courier of version " +
                                        std::to_string(version) + " were handed over");
  auto handed = TRY(unpack<HandedDesk>(raw));
  if (handed.messages.size() > kMessagesMax || handed.next_frame == 0)
    return fail(Errc::kMalformed, "messages for the courier that cannot be");
  const auto utc = clock_.utc_ms();
  const auto now = clock_.monotonic_ms();
  next_frame_ = handed.next_frame;
  for (auto& message : handed.messages) {
    const auto left =
        message.deadline <= utc ? 0 : std::min(message.deadline - utc, keys::kDeliveryMsMax);
    auto& item = waiting_[message.id];
    item.give_up = now + left + kAnswerMs;
    item.due = now;
    item.message = std::move(message);
  }
  return {};
}

}  // namespace callward::app
