// Messages between the keeper and its peers, over run/keeper.sock (frames of io/frame.hpp).
// A peer says Hello first; what it may send then is the row of its role in the keeper's table. A
// request has a frame id other than 0 and gets exactly one reply with that id: the reply type named
// beside it, or ErrorReply. Frames with id 0 are events and get no reply.
//
// Types 100-199 go to the keeper, 200-299 come from it, never reused; more: keeper_acts.hpp,
// courier_protocol.hpp, dial_protocol.hpp, vault_protocol.hpp.
#pragma once

#include <optional>
#include <string_view>

#include "base/pack.hpp"
#include "keys/call_source.hpp"
#include "keys/peer_role.hpp"
#include "keys/segment_range.hpp"
#include "keys/tree.hpp"

namespace callward::keys {

inline constexpr std::uint32_t kKeeperProtocolVersion = 1;
inline constexpr std::size_t kKeeperFrameBytesMax = 4u << 20;

// Any peer ----------------------------------------------------------------------------------------

struct Hello {  // -> Welcome
  static constexpr std::uint16_t kType = 100;
  std::uint32_t version = kKeeperProtocolVersion;
  PeerRole role{};
  template <class V>
  void visit(V& v) {
    v(version, role);
  }
};
struct Welcome {
  static constexpr std::uint16_t kType = 200;
  std::uint32_t version = kKeeperProtocolVersion;
  bool unlocked = false;  // false: the anchor is locked; roots are issued in memory only
  template <class V>
  void visit(V& v) {
    v(version, unlocked);
  }
};
struct Ack {  // "done", where there is nothing more to say
  static constexpr std::uint16_t kType = 201;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};

// One entry of the audit log; durable when the reply comes. `data` is canonical JSON; the table in
// audit/entry_types says which role may append which type.
struct LogAppend {  // -> LogAppended
  static constexpr std::uint16_t kType = 101;
  std::string type, actor, subject, data;
  template <class V>
  void visit(V& v) {
    v(type, actor, subject, data);
  }
};
struct LogAppended {
  static constexpr std::uint16_t kType = 202;
  std::uint64_t index = 0;
  template <class V>
  void visit(V& v) {
    v(index);
  }
};

struct KeeperStatusRequest {  // -> KeeperStatus
  static constexpr std::uint16_t kType = 102;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct KeeperStatus {
  static constexpr std::uint16_t kType = 203;
  std::string json;  // one JSON object: epoch, rows, live_calls, mirrors[], log{size,failed},
                     // queues[], orders
  template <class V>
  void visit(V& v) {
    v(json);
  }
};

// Recorder ----------------------------------------------------------------------------------------

struct CallStart {  // -> CallStarted, after call_started is durable in the log
  static constexpr std::uint16_t kType = 110;
  CallId call;
  CallSource source{};
  Direction direction{};
  std::uint16_t streams = 0;    // bit mask of audio streams 0..14
  std::int64_t started_at = 0;  // UTC ms of index 0
  Bytes call_data;  // JSON of numbers, names, metadata: sealed under stream 15, never stored
                    // otherwise
  template <class V>
  void visit(V& v) {
    v(call, source, direction, streams, started_at, call_data);
  }
};
struct CallStarted {
  static constexpr std::uint16_t kType = 210;
  std::uint64_t row = 0;
  std::vector<TreeNode> nodes;  // forward-only: open every index >= 0 of streams 0..14
  Bytes call_data_record;       // sealed record of kind 16, to be stored in spool and object
  template <class V>
  void visit(V& v) {
    v(row, nodes, call_data_record);
  }
};

// More call data during the call (a re-INVITE's metadata).
struct CallDataPut {  // -> SealedRecord
  static constexpr std::uint16_t kType = 111;
  CallId call;
  Bytes call_data;
  template <class V>
  void visit(V& v) {
    v(call, call_data);
  }
};
struct SealedRecord {
  static constexpr std::uint16_t kType = 211;
  Bytes record;
  template <class V>
  void visit(V& v) {
    v(record);
  }
};

// After a recorder's restart: nodes for indices from max(last issued, elapsed - 0.5 s).
struct Reissue {  // -> Reissued
  static constexpr std::uint16_t kType = 112;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
struct Reissued {
  static constexpr std::uint16_t kType = 212;
  std::uint32_t first_index = 0;  // the same for every stream
  std::vector<TreeNode> nodes;
  template <class V>
  void visit(V& v) {
    v(first_index, nodes);
  }
};

// After the keeper's death: the nodes that the recorder froze when the socket broke.
struct Adopt {  // -> Adopted
  static constexpr std::uint16_t kType = 113;
  CallId call;
  CallSource source{};
  Direction direction{};
  std::uint16_t streams = 0;
  std::int64_t started_at = 0;
  bool spare = false;             // began on a spare root while the keeper was away
  std::uint32_t first_index = 0;  // nodes open indices >= this
  std::vector<TreeNode> nodes;
  Bytes call_data;  // for a spare call: not yet sealed
  template <class V>
  void visit(V& v) {
    v(call, source, direction, streams, started_at, spare, first_index, nodes, call_data);
  }
};
struct Adopted {
  static constexpr std::uint16_t kType = 213;
  std::uint64_t row = 0;
  // Segments [cleared mark, first_index) of each stream are lost for good: account `lost`, cause
  // keeper.
  std::vector<std::uint32_t> lost_from;  // per stream number 0.., index; lost up to first_index
  Bytes call_data_record;
  template <class V>
  void visit(V& v) {
    v(row, lost_from, call_data_record);
  }
};

// A pool for calls that begin while the keeper is away.
struct SpareRoots {  // -> SpareRootsGiven
  static constexpr std::uint16_t kType = 114;
  std::uint16_t wanted = 0;
  template <class V>
  void visit(V& v) {
    v(wanted);
  }
};
struct SpareRoot {
  CallId call;  // to be used as that call's id
  std::vector<TreeNode> nodes;
  template <class V>
  void visit(V& v) {
    v(call, nodes);
  }
};
struct SpareRootsGiven {
  static constexpr std::uint16_t kType = 214;
  std::vector<SpareRoot> roots;
  template <class V>
  void visit(V& v) {
    v(roots);
  }
};

struct StreamEnd {
  std::uint8_t stream = 0;
  std::uint32_t end_index = 0;  // one past the last segment
  template <class V>
  void visit(V& v) {
    v(stream, end_index);
  }
};
struct CallEnd {  // -> Ack, after call_ended is durable
  static constexpr std::uint16_t kType = 115;
  CallId call;
  std::int64_t ended_at = 0;
  std::string cause;  // "bye", "cancel", "rtp_timeout", "session_timer", "import_end", "recovered",
                      // "spool_full"; of one without a segment: "never_recorded"
  std::vector<StreamEnd> streams;
  template <class V>
  void visit(V& v) {
    v(call, ended_at, cause, streams);
  }
};
struct CallSealed {  // -> Ack, after call_sealed is durable
  static constexpr std::uint16_t kType = 116;
  CallId call;
  std::array<std::uint8_t, 32> root{};
  std::uint64_t leaves = 0;
  std::uint64_t object_bytes = 0;
  template <class V>
  void visit(V& v) {
    v(call, root, leaves, object_bytes);
  }
};

// Event: a derived record that the keeper has sealed; the recorder stores it.
struct DerivedSealed {
  static constexpr std::uint16_t kType = 220;
  CallId call;
  Bytes record;
  template <class V>
  void visit(V& v) {
    v(call, record);
  }
};
// Event: the listener is done with this call: the derived object may be closed.
struct ListeningDone {
  static constexpr std::uint16_t kType = 221;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
// Request of the keeper to the recorder (the id is the keeper's): ciphertext for re-hearing.
struct FetchCipher {  // -> CipherFetched
  static constexpr std::uint16_t kType = 222;
  CallId call;
  std::uint8_t stream = 0;
  std::uint32_t first = 0, end = 0;  // indices [first, end), at most 150
  template <class V>
  void visit(V& v) {
    v(call, stream, first, end);
  }
};
struct CipherFetched {
  static constexpr std::uint16_t kType = 122;
  std::vector<Bytes> records;  // missing ones are left out
  template <class V>
  void visit(V& v) {
    v(records);
  }
};

// Request of the keeper to recorder and listener: zero what you hold of these; `erased` waits for
// it (<= 1 s).
struct WipeRanges {  // -> Ack
  static constexpr std::uint16_t kType = 223;
  CallId call;
  std::vector<SegmentRange> ranges;
  template <class V>
  void visit(V& v) {
    v(call, ranges);
  }
};

// Listener ----------------------------------------------------------------------------------------

// Erase orders, from every source. Accepted = from now on the ranges open to nobody.
struct EraseOrder {  // -> OrderAccepted; later the event OrderState
  static constexpr std::uint16_t kType = 130;
  OrderId order;  // repeated until acknowledged: idempotent
  CallId call;
  std::vector<SegmentRange> ranges;
  std::string reason;  // a code of erase/reasons.hpp
  std::string actor;   // "listener", or a person's id
  template <class V>
  void visit(V& v) {
    v(order, call, ranges, reason, actor);
  }
};
enum class OrderOutcome : std::uint8_t {
  kAccepted = 1,
  kHeld = 2,
  kIntended = 3,
  kErased = 4,
  kUnconfirmed = 5,
  kRefused = 6,
  kKept = 7  // it was held, and a person decided that its ranges stay
};
struct OrderAccepted {
  static constexpr std::uint16_t kType = 230;
  OrderId order;
  OrderOutcome outcome{};  // kAccepted, or kHeld: a person must decide, opened to nobody meanwhile
  template <class V>
  void visit(V& v) {
    v(order, outcome);
  }
};
struct OrderState {  // event to the listener and to servers
  static constexpr std::uint16_t kType = 231;
  OrderId order;
  CallId call;
  OrderOutcome outcome{};
  std::vector<SegmentRange> ranges;
  std::string reason;
  template <class V>
  void visit(V& v) {
    v(order, call, outcome, ranges, reason);
  }
};

// Event: everything of these streams before `upto` has been heard and its secrets ordered.
struct ClearedMark {
  std::uint8_t stream = 0;
  std::uint32_t upto = 0;
  template <class V>
  void visit(V& v) {
    v(stream, upto);
  }
};
struct Cleared {
  static constexpr std::uint16_t kType = 131;
  CallId call;
  std::vector<ClearedMark> marks;
  bool question_open =
      false;  // an answer is awaited: the mark must not be moved by time-outs < 90 s
  template <class V>
  void visit(V& v) {
    v(call, marks, question_open);
  }
};

// Event: plaintext of one derived record (words, peaks, findings); the keeper seals it and passes
// it on.
struct DerivedPut {
  static constexpr std::uint16_t kType = 132;
  CallId call;
  std::uint8_t kind = 0;             // keys::RecordKind
  std::uint8_t stream = 0;           // whose words or peaks these are
  std::uint16_t streams = 0;         // mask of the streams under whose leaves it is sealed
  std::uint32_t first = 0, end = 0;  // segments [first, end)
  SecretBytes plaintext;
  template <class V>
  void visit(V& v) {
    v(call, kind, stream, streams, first, end, plaintext);
  }
};
// Event: all of an ended call has been heard, all orders and derived records sent.
struct ListenDone {
  static constexpr std::uint16_t kType = 133;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
// What is still to be heard of calls that live or wait, after a listener's restart.
struct UnheardRequest {  // -> UnheardList
  static constexpr std::uint16_t kType = 134;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct UnheardCall {
  CallId call;
  bool ended = false;
  std::vector<ClearedMark> heard;  // cleared so far
  std::vector<StreamEnd> ends;     // issued or final ends
  template <class V>
  void visit(V& v) {
    v(call, ended, heard, ends);
  }
};
struct UnheardList {
  static constexpr std::uint16_t kType = 234;
  std::vector<UnheardCall> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};
// Plaintext of one stretch for re-hearing (entry heard_again); at most 150 segments.
struct HearAgain {  // -> HeardAgain
  static constexpr std::uint16_t kType = 135;
  CallId call;
  SegmentRange range;
  template <class V>
  void visit(V& v) {
    v(call, range);
  }
};
struct HeardSegment {
  std::uint32_t index = 0;
  std::uint8_t codec = 0;
  SecretBytes payload;  // as in segment/payload.hpp
  template <class V>
  void visit(V& v) {
    v(index, codec, payload);
  }
};
struct HeardAgain {
  static constexpr std::uint16_t kType = 235;
  std::vector<HeardSegment> segments;
  template <class V>
  void visit(V& v) {
    v(segments);
  }
};

// Server ------------------------------------------------------------------------------------------

enum class OpenPurpose : std::uint8_t { kPlay = 1, kExport = 2, kTranscript = 3, kChallenge = 4 };
const char* to_text(OpenPurpose purpose);
constexpr bool is_purpose(OpenPurpose said) {
  return said >= OpenPurpose::kPlay && said <= OpenPurpose::kChallenge;
}
std::optional<OpenPurpose> purpose_of_text(std::string_view text);

// Record keys for a reader: the headers are bytes 0..71 of the records that it wants to open.
struct Open {  // -> Opened
  static constexpr std::uint16_t kType = 140;
  CallId call;
  std::string actor;  // the person's id, or "operator"
  OpenPurpose purpose{};
  std::string reason_hash;  // hex SHA-256(r || reason) for the entry; the reason is not sent on
  std::array<std::uint8_t, 32> reader_key{};          // X25519 public
  std::vector<std::array<std::uint8_t, 72>> headers;  // at most 4,096, spanning at most 60 s
  template <class V>
  void visit(V& v) {
    v(call, actor, purpose, reason_hash, reader_key, headers);
  }
};
enum class KeyState : std::uint8_t { kGiven = 1, kErased = 2, kUnheard = 3, kRefused = 4 };
struct Opened {
  static constexpr std::uint16_t kType = 240;
  Bytes enc;     // HPKE encapsulated key, 32 bytes
  Bytes sealed;  // HPKE (info "callward open v1", aad = call id) of 32 bytes a kGiven header, in
                 // order
  std::vector<std::uint8_t> states;  // KeyState per header
  template <class V>
  void visit(V& v) {
    v(enc, sealed, states);
  }
};

// What the keeper still has of a call, for a proof of erasure; logged (key_statement).
struct Prove {  // -> Proved
  static constexpr std::uint16_t kType = 144;
  CallId call;
  std::string actor;
  template <class V>
  void visit(V& v) {
    v(call, actor);
  }
};
struct Proved {
  static constexpr std::uint16_t kType = 244;
  std::string statement;    // docs/formats/proof.md
  std::uint64_t index = 0;  // of the entry that holds its hash
  template <class V>
  void visit(V& v) {
    v(statement, index);
  }
};

struct CallStateRequest {  // -> CallState
  static constexpr std::uint16_t kType = 141;
  CallId call;
  template <class V>
  void visit(V& v) {
    v(call);
  }
};
struct ErasedRange {
  SegmentRange range;
  std::string reason;
  OrderOutcome outcome{};  // kIntended: not yet confirmed gone, but opened to nobody
  OrderId order;           // of kHeld: what a person decides about; of kErased zero
  template <class V>
  void visit(V& v) {
    v(range, reason, outcome, order);
  }
};
struct CallState {
  static constexpr std::uint16_t kType = 241;
  bool known = false;
  bool live = false;
  bool listened = false;  // ListenDone has come
  std::vector<ClearedMark> cleared;
  std::vector<StreamEnd> ends;
  std::vector<ErasedRange> erased;
  std::vector<SegmentRange> lost;     // by the keeper's death
  std::vector<SegmentRange> unheard;  // persisted or in memory, not heard
  template <class V>
  void visit(V& v) {
    v(known, live, listened, cleared, ends, erased, lost, unheard);
  }
};

// A person decides about an order that is held. kNotFound: nothing is held under that order;
// kState: it was decided otherwise, or the call is closed whole and another order stands for it.
enum class HeldDecision : std::uint8_t { kErase = 1, kKeep = 2 };
struct DecideHeld {  // -> HeldDecided, after held_decided is durable in the log
  static constexpr std::uint16_t kType = 142;
  CallId call;
  OrderId order;
  HeldDecision decision{};
  std::string actor;        // the person's id, or "operator"
  std::string reason_hash;  // as in Open
  template <class V>
  void visit(V& v) {
    v(call, order, decision, actor, reason_hash);
  }
};
struct HeldDecided {
  static constexpr std::uint16_t kType = 242;
  OrderId order;
  OrderOutcome outcome{};  // kKept; or how far its erasure is: kAccepted, kErased, kUnconfirmed
  template <class V>
  void visit(V& v) {
    v(order, outcome);
  }
};
// Which calls wait for a person.
struct HeldCallsRequest {  // -> HeldCalls
  static constexpr std::uint16_t kType = 143;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
struct HeldCalls {
  static constexpr std::uint16_t kType = 243;
  std::uint64_t total = 0;
  std::vector<CallId> calls;  // at most Keeper::kHeldListMax of them
  template <class V>
  void visit(V& v) {
    v(total, calls);
  }
};

struct ErrorReply {
  static constexpr std::uint16_t kType = 299;
  Errc code{};
  std::string message;
  template <class V>
  void visit(V& v) {
    v(code, message);
  }
};

}  // namespace callward::keys
