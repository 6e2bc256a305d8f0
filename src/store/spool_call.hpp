// What the spool holds of one call: where its frames stand, what was said of it, its account. The
// same object serves a live call (told as frames are appended) and a recovered one (told as frames
// are found).
#pragma once

#include <optional>
#include <set>

#include "store/account.hpp"
#include "store/object_store.hpp"
#include "store/spool.hpp"

namespace callward::store {

inline constexpr std::size_t kAudioStreamsMax = 15;

struct SpoolCallBegin {
  std::uint64_t sequence = 0, row = 0;
  keys::CallSource source{};
  keys::Direction direction{};
  std::int64_t started_at = 0;
  std::vector<StreamSpec> streams;
  std::vector<std::string> flags;
  bool spare = false;  // on a spare root: the keeper does not know it yet
  template <class V>
  void visit(V& v) {
    v(sequence, row, source, direction, started_at, streams, flags, spare);
  }
};
struct SpoolState {
  std::vector<StreamSpec> streams;
  std::uint32_t at_ms = 0;
  template <class V>
  void visit(V& v) {
    v(streams, at_ms);
  }
};
struct SpoolAccount {
  std::vector<RecorderInterval> changes;  // assigned in this order
  template <class V>
  void visit(V& v) {
    v(changes);
  }
};
struct SpoolDial {
  DialId dial;
  template <class V>
  void visit(V& v) {
    v(dial);
  }
};
struct SpoolCallEnded {
  std::int64_t ended_at = 0;
  std::string cause;
  std::vector<keys::StreamEnd> ends;
  template <class V>
  void visit(V& v) {
    v(ended_at, cause, ends);
  }
};

// Whose packets a stream takes: what signalling announced, who holds the stream (values of
// segment::SourceHolder), and what was refused so far.
struct SpoolSource {
  std::uint8_t stream = 0;
  std::vector<Endpoint> announced;
  std::uint8_t holder = 0;
  Endpoint held;
  template <class V>
  void visit(V& v) {
    v(stream, announced, holder, held);
  }
};
struct SpoolSources {
  std::vector<SpoolSource> sources;  // of all streams
  std::vector<std::string> flags;    // of the call, as they are now
  template <class V>
  void visit(V& v) {
    v(sources, flags);
  }
};

// Frames of one call that stand one behind the other.
struct FrameRun {
  std::uint32_t file = 0, offset = 0, bytes = 0;
  std::uint32_t first = 0, last = 0;  // segments of the audio records in it; first > last: none
};

class SpoolCall {
 public:
  explicit SpoolCall(const CallId& id) : id_(id) {}
  [[nodiscard]] const CallId& id() const { return id_; }

  // A live call: `account_of` is kept by the segmenters, so only the frame's place is noted.
  void appended(FrameType type, ByteView payload, const FrameRef& ref);
  // A recovered one: place and meaning. Frames that cannot be unpacked are counted, never fatal.
  void recovered(const FrameView& frame, const FrameRef& ref);
  // After recovery: segments without a record up to each stream's last one are lost ("damaged").
  void fill_holes();

  std::optional<SpoolCallBegin> begin;
  std::vector<StreamSpec> streams;   // as signalling said last
  std::vector<SpoolSource> sources;  // as they stood last
  std::optional<DialId> dial;        // whose recording it is, of a call-back
  std::optional<SpoolCallEnded> ended;
  bool listened = false;
  std::array<StreamAccount, kAudioStreamsMax> accounts;
  std::array<std::uint32_t, kAudioStreamsMax> end_index{};  // one past the last record

  [[nodiscard]] const std::vector<FrameRun>& runs() const { return runs_; }
  [[nodiscard]] std::uint64_t unreadable_frames() const { return unreadable_; }
  [[nodiscard]] std::uint16_t stream_mask() const;
  [[nodiscard]] std::vector<RecorderInterval> account() const;
  // The object's head; `begin` must be there.
  [[nodiscard]] ObjectHead object_head() const;

  // Records from the spool: of this kind and stream that touch [first, end), the first valid one of
  // an index, at most `max`.
  [[nodiscard]] Result<std::vector<Bytes>> records(const Spool& spool, keys::RecordKind kind,
                                                   std::uint8_t stream, std::uint32_t first,
                                                   std::uint32_t end, std::size_t max) const;
  // Every record for the recording object: call data and audio, each index once (the first valid
  // one wins). kCorrupt: a frame that was whole is not so any more, unless `salvage`: then it is
  // passed by.
  Status each_recorded(const Spool& spool, const RecordSink& sink, bool salvage = false) const;
  // Every derived record.
  Result<std::vector<Bytes>> derived(const Spool& spool) const;
  // After the recording object was written: only derived frames count from here on.
  void forget_runs() {
    runs_.clear();
    derived_runs_.clear();
  }

 private:
  void recovered_end(ByteView payload);
  void recovered_dial(ByteView payload);
  void note_run(FrameType type, ByteView payload, const FrameRef& ref);
  CallId id_;
  std::vector<FrameRun> runs_;
  std::vector<std::size_t> derived_runs_;  // those of runs_ that have a derived frame, ascending
  std::uint64_t unreadable_ = 0;
};

// Writes, verifies and publishes the recording object of an ended call. An object that is there
// already (of a recorder that died before it could say so) is verified and its summary returned.
// What can no longer be read from the spool is left out and accounted as lost ("damaged").
Result<ObjectSummary> seal_call(const Spool& spool, const SpoolCall& call, ObjectStore& store);

}  // namespace callward::store
