// What the listener and the keeper say to each other.
#include <algorithm>
#include <unordered_set>

#include "app/listener_process.hpp"
#include "base/event_log.hpp"
#include "keys/record.hpp"
#include "keys/typed_protocol.hpp"

namespace callward::app {

namespace {

constexpr std::int64_t kReplyMsMax = 10'000;
constexpr std::int64_t kHearAgainMsMax = 15'000;
constexpr std::int64_t kPollSoonMs = 500;  // while a call waits for the keeper's word
constexpr std::int64_t kPollRareMs = 5'000;
constexpr std::int64_t kOrderRetryMs = 500;
constexpr std::int64_t kHearAgainRetryMs = 1'000;

}  // namespace

void Listener::on_keeper_connected() {
  for (auto& [id, call] : calls_) {
    call->known = false;
    call->unknown_since_ms = clock_.monotonic_ms();
    call->typed_told.clear();  // this keeper has not heard it
  }
  keeper_.request(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kListener}, kReplyMsMax,
                  [this](Result<io::Frame> reply) {
                    keeper_ready_ = reply.has_value();
                    next_poll_ms_ = 0;
                    if (!reply)
                      log_event("listener.keeper_refuses", {{"why", reply.error().message}});
                  });
}

void Listener::on_keeper_lost() { keeper_ready_ = false; }

void Listener::on_keeper_event(io::Frame frame) {
  if (frame.type == keys::WipeRanges::kType) return wipe_ranges(frame);
  if (frame.type == keys::SearchTyped::kType) return search_typed(frame);
  if (frame.type != keys::OrderState::kType) return;
  const auto state = unpack<keys::OrderState>(frame.body);
  if (state && state->outcome == keys::OrderOutcome::kErased && calls_.count(state->call) != 0)
    ++orders_erased_;
}

void Listener::wipe_ranges(const io::Frame& request) {
  const auto message = unpack<keys::WipeRanges>(request.body);
  if (message) {
    const auto at = calls_.find(message->call);
    if (at != calls_.end())
      for (const auto& range : message->ranges) at->second->wipe(range);
  }
  if (keeper_.connected() && request.id != 0) keeper_.channel()->reply(request, keys::Ack{});
}

void Listener::tick() {
  std::uint64_t buffered_ms = 0;
  for (const auto& [id, call] : calls_) buffered_ms += call->listener().buffered_ms();
  for (auto& [id, call] : calls_) {
    call->pause(buffered_ms > kBufferedMsTotalMax &&
                call->listener().buffered_ms() > kCreditBelowMs);
    call->touched = true;
  }
  bound_memory();
  if (auto now = degraded(); now != degraded_) {
    log_event("listener.degraded", {{"now", now}, {"before", degraded_}});
    degraded_ = std::move(now);
  }
  if (keeper_ready_ && !polling_ && clock_.monotonic_ms() >= next_poll_ms_) poll_unheard();
}

// ---- what is to be heard ------------------------------------------------------------------------

void Listener::poll_unheard() {
  polling_ = true;
  const auto serial = next_serial_;
  keeper_.request(keys::UnheardRequest{}, kReplyMsMax, [this, serial](Result<io::Frame> reply) {
    polling_ = false;
    next_poll_ms_ = clock_.monotonic_ms() + kPollSoonMs;
    if (!running_ || !reply) return;
    if (const auto list = unpack<keys::UnheardList>(reply->body)) on_unheard(serial, *list);
  });
}

void Listener::on_unheard(std::uint64_t asked_at, const keys::UnheardList& list) {
  std::unordered_set<CallId> listed;
  for (const auto& item : list.calls) {
    listed.insert(item.call);
    on_listed(item);
  }
  std::vector<CallId> absent;
  for (const auto& [id, call] : calls_)
    if (listed.count(id) == 0) absent.push_back(id);
  for (const auto& id : absent)
    if (calls_.count(id) != 0) on_not_listed(*calls_[id], asked_at);
  const bool soon = std::any_of(calls_.begin(), calls_.end(), [](const auto& item) {
    return !item.second->known || item.second->done_sent;
  });
  next_poll_ms_ = clock_.monotonic_ms() + (soon ? kPollSoonMs : kPollRareMs);
}

void Listener::on_listed(const keys::UnheardCall& item) {
  const auto at = calls_.find(item.call);
  if (at == calls_.end()) {
    // A live call comes by itself, when the recorder opens it.
    if (!item.ended) return;
    const auto ended = std::count_if(calls_.begin(), calls_.end(),
                                     [](const auto& c) { return c.second->ended(); });
    if (static_cast<std::size_t>(ended) >= kCatchUpCallsMax) return;
  }
  auto* call = find_or_make(item.call);
  if (call == nullptr) return;
  const bool news = !call->known;
  call->place(item, handles_);
  if (item.ended) call->close(item.ends, clock_.monotonic_ms(), handles_);
  if (news) (void)send_clearance(*call, call->listener().clearance());
  if (!call->done_sent || !item.ended) return;
  // It was told that all is heard, and does not agree yet.
  if (++call->done_repeats > kDoneRepeatsMax) {
    log_event("listener.call_anew", {{"call", item.call.hex()}});
    const auto old = std::move(at->second);
    drop(item.call);
    if (old->listener().searches().empty()) return;
    if (auto* anew = find_or_make(item.call)) anew->listener().take_over(old->listener());
    return;
  }
  (void)send_clearance(*call, call->listener().clearance());
  (void)keeper_.send(keys::ListenDone{item.call});
}

void Listener::on_not_listed(ListenedCall& call, std::uint64_t asked_at) {
  if (call.serial() >= asked_at) return;  // younger than the question
  if (call.done_sent && call.known) {
    ++calls_done_;
    return drop(call.id());
  }
  if (!call.placed() && call.lines().empty()) {  // a typed value is all that was ever said of it
    tell_typed(call, true);
    return drop(call.id());
  }
  const auto now = clock_.monotonic_ms();
  if (call.known) {
    call.known = false;
    call.unknown_since_ms = now;
  } else if (now - call.unknown_since_ms > kUnknownMsMax) {
    log_event("listener.call_unknown", {{"call", call.id().hex()}});
    tell_typed(call, true);
    drop(call.id());
  }
}

void Listener::hear_again(ListenedCall& call) {
  if (!keeper_ready_ || !call.known || hear_agains_open_ >= kHearAgainsOpenMax) return;
  const auto range = call.wanted(clock_.monotonic_ms());
  if (!range) return;
  call.asking = true;
  ++hear_agains_open_;
  keeper_.request(
      keys::HearAgain{call.id(), *range}, kHearAgainMsMax,
      [this, id = call.id(), serial = call.serial(), range = *range](Result<io::Frame> answer) {
        --hear_agains_open_;
        on_heard_again(id, serial, range, std::move(answer));
      });
}

void Listener::on_heard_again(const CallId& id, std::uint64_t serial,
                              const keys::SegmentRange& range, Result<io::Frame> answer) {
  auto* call = find(id, serial);
  if (call == nullptr) return;
  call->asking = false;
  const auto now = clock_.monotonic_ms();
  auto heard = answer ? unpack<keys::HeardAgain>(answer->body)
                      : Result<keys::HeardAgain>(tl::unexpected<Error>(answer.error()));
  if (heard) return call->heard_again(range, std::move(heard->segments), now);
  // A stream that joined later: a mark at its beginning makes it known.
  if (heard.error().code == Errc::kMalformed)
    (void)keeper_.send(keys::Cleared{id, {{range.stream, 0}}, false});
  call->hear_later(range.stream, now + kHearAgainRetryMs);
}

// ---- orders, then results -----------------------------------------------------------------------

void Listener::send_orders(ListenedCall& call) {
  if (!keeper_ready_) return;
  const auto now = clock_.monotonic_ms();
  for (auto& order : call.orders) {
    if (order.asked || now < order.retry_ms) continue;
    order.asked = true;
    keeper_.request(order.message, kReplyMsMax,
                    [this, id = call.id(), serial = call.serial(),
                     order_id = order.message.order](Result<io::Frame> answer) {
                      on_order_answer(id, serial, order_id, std::move(answer));
                    });
  }
}

void Listener::on_order_answer(const CallId& id, std::uint64_t serial, const OrderId& order,
                               Result<io::Frame> answer) {
  auto* call = find(id, serial);
  if (call == nullptr) return;
  if (answer && answer->type == keys::OrderAccepted::kType) {
    std::erase_if(call->orders, [&](const auto& p) { return p.message.order == order; });
    return;
  }
  refused(*call, order,
          answer ? Error{Errc::kUnavailable, "an answer of another type"} : answer.error());
}

// Repeated until it is taken. One that the keeper finds impossible is asked range by range, so that
// a range beyond the call's end does not keep the others from being erased; a single impossible
// range opens nothing that could be read.
void Listener::refused(ListenedCall& call, const OrderId& order, const Error& error) {
  const auto at = std::find_if(call.orders.begin(), call.orders.end(),
                               [&](const auto& p) { return p.message.order == order; });
  if (at == call.orders.end()) return;
  at->asked = false;
  at->retry_ms = clock_.monotonic_ms() + kOrderRetryMs;
  if (error.code != Errc::kMalformed) return;
  auto ranges = std::move(at->message.ranges);
  auto message = std::move(at->message);
  call.orders.erase(at);
  if (ranges.size() <= 1) {
    ++orders_refused_;
    log_event("listener.order_refused", {{"call", call.id().hex()}, {"why", error.message}});
    return;
  }
  for (const auto& range : ranges) {
    PendingOrder single;
    single.message = message;
    single.message.order = OrderId::random(entropy_);
    single.message.ranges = {range};
    call.orders.push_back(std::move(single));
  }
}

bool Listener::send_clearance(const ListenedCall& call, const listen::Clearance& clearance) {
  keys::Cleared cleared{.call = call.id(), .marks = {}, .question_open = clearance.question_open};
  for (const auto& [stream, upto] : clearance.marks) cleared.marks.push_back({stream, upto});
  return cleared.marks.empty() || keeper_.send(cleared);
}

void Listener::send_results(ListenedCall& call) {
  if (!keeper_ready_ || !call.known || !call.orders.empty() || call.done_sent) return;
  tell_typed(call, false);
  if (call.derived.empty()) {
    if (const auto clearance = call.listener().take_clearance())
      if (!send_clearance(call, *clearance)) call.known = false;  // told again with all marks
    for (auto& item : call.listener().take_derived()) {
      const auto kind = item.words ? keys::RecordKind::kWords : keys::RecordKind::kPeaks;
      call.derived.push_back({.call = call.id(),
                              .kind = static_cast<std::uint8_t>(kind),
                              .stream = item.stream,
                              .streams = static_cast<std::uint16_t>(1u << item.stream),
                              .first = item.first,
                              .end = item.end,
                              .plaintext = std::move(item.payload)});
    }
  }
  while (!call.derived.empty() && keeper_.send(call.derived.front())) call.derived.pop_front();
  if (!call.derived.empty() || !call.listener().finished() || !call.known) return;
  tell_typed(call, true);
  call.done_sent = keeper_.send(keys::ListenDone{call.id()});
  if (call.done_sent) next_poll_ms_ = std::min(next_poll_ms_, clock_.monotonic_ms() + 100);
}

}  // namespace callward::app
