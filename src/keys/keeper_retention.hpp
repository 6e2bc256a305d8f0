// Messages to and from the keeper, continued: retention. The rules are those of
// keeper_protocol.hpp.
#pragma once

#include "keys/keeper_protocol.hpp"

namespace callward::keys {

// Server ------------------------------------------------------------------------------------------

struct RetentionStatus {
  static constexpr std::uint16_t kType = 249;
  std::string json;  // Retention in api/openapi.yaml
  template <class V>
  void visit(V& v) {
    v(json);
  }
};
struct RetentionStatusRequest {  // -> RetentionStatus
  static constexpr std::uint16_t kType = 149;
  std::uint8_t reserved = 0;
  template <class V>
  void visit(V& v) {
    v(reserved);
  }
};
// Now, not only once a day; under the same bounds. kState: none is set, it is stopped, or it stops
// at this. `dry_run`: what it would do, and nothing is done.
struct RunRetention {  // -> RetentionStatus, when the run has begun
  static constexpr std::uint16_t kType = 150;
  std::string actor;
  bool dry_run = false;
  template <class V>
  void visit(V& v) {
    v(actor, dry_run);
  }
};
// The owner's word about retention that has stopped: the clock is right, and `calls` calls, which
// is how many are due by it, may go at once. kState: it has not stopped, or the number is another.
struct ConfirmRetention {  // -> RetentionStatus, after retention_confirmed is durable
  static constexpr std::uint16_t kType = 151;
  std::string actor;
  std::uint64_t calls = 0;
  std::string reason_hash;  // hex SHA-256(r || reason)
  template <class V>
  void visit(V& v) {
    v(actor, calls, reason_hash);
  }
};

// Which of these calls are under a legal hold.
struct HoldsAmongRequest {  // -> HoldsAmong
  static constexpr std::uint16_t kType = 152;
  std::vector<CallId> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};
struct HoldsAmong {
  static constexpr std::uint16_t kType = 252;
  std::vector<CallId> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};

// Recorder ----------------------------------------------------------------------------------------

struct RemovableCall {
  CallId call;
  std::int64_t started_at = 0;  // UTC ms: where its objects stand
  template <class V>
  void visit(V& v) {
    v(call, started_at);
  }
};
// Request of the keeper to the recorder: no key opens anything of these calls any more; delete
// their recording and derived objects.
struct RemoveObjects {  // -> ObjectsRemoved
  static constexpr std::uint16_t kType = 224;
  std::vector<RemovableCall> calls;
  template <class V>
  void visit(V& v) {
    v(calls);
  }
};
enum class ObjectFate : std::uint8_t {
  kGone = 1,   // deleted, now or before
  kKept = 2,   // the store does not let go of it: write-once
  kLater = 3,  // it failed, or the recorder still works on it: ask again
};
struct ObjectsRemoved {
  static constexpr std::uint16_t kType = 124;
  std::vector<ObjectFate> fates;  // in the order asked
  template <class V>
  void visit(V& v) {
    v(fates);
  }
};

}  // namespace callward::keys
