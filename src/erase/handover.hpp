// What a keeper hands to the one that takes its place in a planned restart: all that it knows and
// that stands on no disk, or not yet. By socket only; the bytes are key material.
//
//   u32 version, then the fields of HandedState in the order of its `visit` (base/pack.hpp)
//
// The version is that of the whole; a newer one than ours is refused before anything of it is read.
#pragma once

#include "erase/call_keys.hpp"

namespace callward::erase {

inline constexpr std::uint32_t kHandoverVersion = 5;
inline constexpr std::size_t kHandoverBytesMax = 256u << 20;

struct HandedStream {
  std::uint32_t ends = 0, heard = 0, persisted = 0, heard_before_question = 0;
  template <class V>
  void visit(V& v) {
    v(ends, heard, persisted, heard_before_question);
  }
};

// CallKeys, field by field: a field that is added there and not here does not compile.
struct HandedCall {
  CallId id;
  std::uint64_t row = 0;
  keys::CallSource source{};
  keys::Direction direction{};
  std::uint16_t streams = 0, declared = 0;
  std::int64_t started_at = 0;
  bool ended = false, listened = false, closed = false;
  OrderId closed_by;
  bool legal_hold = false, drop = false;
  std::vector<Proposal> proposals;
  bool start_logged = true, end_logged = false, rooted = false;
  std::int64_t begun_ms = 0;  // monotonic: one clock for all processes of a machine
  std::uint32_t issued_from = 0;
  std::vector<HandedStream> marks;  // kStreamsMax
  std::vector<Blocked> blocked;
  std::vector<SegmentRange> lost;
  std::vector<keys::TreeNode> cover;
  std::uint64_t listener_segments = 0;
  std::uint32_t next_call_data = 0;
  bool question_open = false;
  std::int64_t question_since_ms = 0;  // monotonic
  bool dirty = false, heard_moved = false;
  keys::CallBackOf call_back;
  template <class V>
  void visit(V& v) {
    v(id, row, source, direction, streams, declared, started_at, ended, listened, closed, closed_by,
      legal_hold, drop, proposals, start_logged, end_logged, rooted, begun_ms, issued_from, marks,
      blocked, lost, cover, listener_segments, next_call_data, question_open, question_since_ms,
      dirty, heard_moved, call_back);
  }
};
HandedCall to_handed(const CallKeys& call);
// kMalformed: out of the tree, or contradicting itself.
Result<CallKeys> from_handed(HandedCall handed);

// An order that waits: taken, and not carried out yet. Nobody waits for its answer.
struct HandedOrder {
  OrderId id;
  CallId call;
  std::vector<SegmentRange> ranges;
  std::uint8_t reason = 0;
  std::string source;
  bool logged = false;
  template <class V>
  void visit(V& v) {
    v(id, call, ranges, reason, source, logged);
  }
};
struct HandedOutcome {
  OrderId order;
  keys::OrderOutcome outcome{};
  template <class V>
  void visit(V& v) {
    v(order, outcome);
  }
};

struct HandedDecision {
  OrderId order;
  keys::HeldDecision decision{};
  template <class V>
  void visit(V& v) {
    v(order, decision);
  }
};

// A call that an agent has made private, and whose end is not logged yet.
struct HandedPrivate {
  CallId call;
  OrderId order;
  std::string by;
  std::uint32_t first = 0, end = 0;
  std::int64_t until_ms = 0;  // monotonic
  bool logged = false, over = false;
  std::string cause, ended_by;
  std::uint16_t kept = 0;
  std::uint32_t kept_upto = 0;
  template <class V>
  void visit(V& v) {
    v(call, order, by, first, end, until_ms, logged, over, cause, ended_by, kept, kept_upto);
  }
};

struct HandedState {
  std::uint32_t version = kHandoverVersion;
  // What the disk must say to whoever takes over.
  std::uint64_t epoch = 0, log_size = 0, next_row = 0;
  std::vector<HandedCall> calls;
  std::vector<HandedOrder> orders, unconfirmed;
  std::vector<HandedOutcome> known_orders;
  std::vector<HandedDecision> decided;
  std::vector<CallId> sealed, unlogged_listens;
  std::vector<HandedPrivate> privates;
  bool new_rows = false;
  std::int64_t last_persist_ms = 0, retry_orders_ms = 0;  // monotonic
  std::uint64_t orders_done = 0, opened = 0;
  template <class V>
  void visit(V& v) {
    v(version, epoch, log_size, next_row, calls, orders, unconfirmed, known_orders, decided, sealed,
      unlogged_listens, privates, new_rows, last_persist_ms, retry_orders_ms, orders_done, opened);
  }
};
// kTooLarge: more than kHandoverBytesMax.
Result<SecretBytes> encode_handed(const HandedState& state);
Result<HandedState> decode_handed_v1(ByteView raw);
Result<HandedState> decode_handed_v2(ByteView raw);
Result<HandedState> decode_handed_v3(ByteView raw);
Result<HandedState> decode_handed_v4(ByteView raw);  // handover_old.cpp
// An older version is read. kUnsupported: of a newer version. kMalformed: cut off, or contradicting
// itself.
Result<HandedState> decode_handed(ByteView raw);

}  // namespace callward::erase
