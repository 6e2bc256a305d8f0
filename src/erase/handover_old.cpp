// Handed state of version 1, before legal holds and persons' proposals, of version 2, before
// private stretches, of version 3, where they were of both sides always, and of version 4, before
// it was known whose call-back a call is: read, so that an older program hands over to this one.
#include "erase/handover.hpp"

namespace callward::erase {
namespace {

struct HandedCallV1 {
  HandedCall now;
  template <class V>
  void visit(V& v) {
    v(now.id, now.row, now.source, now.direction, now.streams, now.declared, now.started_at,
      now.ended, now.listened, now.closed, now.closed_by, now.start_logged, now.end_logged,
      now.rooted, now.begun_ms, now.issued_from, now.marks, now.blocked, now.lost, now.cover,
      now.listener_segments, now.next_call_data, now.question_open, now.question_since_ms,
      now.dirty, now.heard_moved);
  }
};

struct HandedCallV4 {
  HandedCall now;
  template <class V>
  void visit(V& v) {
    v(now.id, now.row, now.source, now.direction, now.streams, now.declared, now.started_at,
      now.ended, now.listened, now.closed, now.closed_by, now.legal_hold, now.drop, now.proposals,
      now.start_logged, now.end_logged, now.rooted, now.begun_ms, now.issued_from, now.marks,
      now.blocked, now.lost, now.cover, now.listener_segments, now.next_call_data,
      now.question_open, now.question_since_ms, now.dirty, now.heard_moved);
  }
};

template <class Call>
void take_calls(HandedState& now, std::vector<Call>& calls) {
  for (auto& call : calls) now.calls.push_back(std::move(call.now));
}

struct HandedStateV4 {
  HandedState now;
  std::vector<HandedCallV4> calls;
  template <class V>
  void visit(V& v) {
    v(now.version, now.epoch, now.log_size, now.next_row, calls, now.orders, now.unconfirmed,
      now.known_orders, now.decided, now.sealed, now.unlogged_listens, now.privates, now.new_rows,
      now.last_persist_ms, now.retry_orders_ms, now.orders_done, now.opened);
  }
};

struct HandedStateV2 {
  HandedState now;
  std::vector<HandedCallV4> calls;
  template <class V>
  void visit(V& v) {
    v(now.version, now.epoch, now.log_size, now.next_row, calls, now.orders, now.unconfirmed,
      now.known_orders, now.decided, now.sealed, now.unlogged_listens, now.new_rows,
      now.last_persist_ms, now.retry_orders_ms, now.orders_done, now.opened);
  }
};

struct HandedPrivateV3 {
  HandedPrivate now;
  template <class V>
  void visit(V& v) {
    v(now.call, now.order, now.by, now.first, now.end, now.until_ms, now.logged, now.over,
      now.cause, now.ended_by);
  }
};

struct HandedStateV3 {
  HandedState now;
  std::vector<HandedCallV4> calls;
  std::vector<HandedPrivateV3> privates;
  template <class V>
  void visit(V& v) {
    v(now.version, now.epoch, now.log_size, now.next_row, calls, now.orders, now.unconfirmed,
      now.known_orders, now.decided, now.sealed, now.unlogged_listens, privates, now.new_rows,
      now.last_persist_ms, now.retry_orders_ms, now.orders_done, now.opened);
  }
};

struct HandedStateV1 {
  HandedState now;
  std::vector<HandedCallV1> calls;
  template <class V>
  void visit(V& v) {
    v(now.version, now.epoch, now.log_size, now.next_row, calls, now.orders, now.unconfirmed,
      now.known_orders, now.decided, now.sealed, now.unlogged_listens, now.new_rows,
      now.last_persist_ms, now.retry_orders_ms, now.orders_done, now.opened);
  }
};

// Of versions whose calls alone were other ones.
template <class Old>
Result<HandedState> decode_with_old_calls(ByteView raw) {
  auto old = TRY(unpack<Old>(raw));
  take_calls(old.now, old.calls);
  old.now.version = kHandoverVersion;
  return std::move(old.now);
}

}  // namespace

Result<HandedState> decode_handed_v1(ByteView raw) {
  return decode_with_old_calls<HandedStateV1>(raw);
}
Result<HandedState> decode_handed_v2(ByteView raw) {
  return decode_with_old_calls<HandedStateV2>(raw);
}
Result<HandedState> decode_handed_v4(ByteView raw) {
  return decode_with_old_calls<HandedStateV4>(raw);
}

Result<HandedState> decode_handed_v3(ByteView raw) {
  auto old = TRY(unpack<HandedStateV3>(raw));
  take_calls(old.now, old.calls);
  for (auto& open : old.privates) {
    open.now.kept_upto = open.now.first;
    old.now.privates.push_back(std::move(open.now));
  }
  old.now.version = kHandoverVersion;
  return std::move(old.now);
}

}  // namespace callward::erase
