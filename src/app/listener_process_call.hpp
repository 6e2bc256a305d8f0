// One call of the listener: how its audio comes together, live from the recorder and, where that
// has gaps, once more through the keeper; and what it has to tell the keeper.
//
// INVARIANTS
//   (1) CallListener gets each stream without a gap: a jump is heard again before what follows it.
//   Only what the keeper cannot give (erased, lost) counts as silence.
//   (2) What waits here is bounded: live audio that comes while earlier audio is missing or while
//   recognisers are behind is dropped from its old end, and heard again later.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "keys/keeper_protocol.hpp"
#include "listen/call_listener.hpp"
#include "store/recorder_protocol.hpp"

namespace callward::app {

inline constexpr std::uint32_t kLiveHeldMax = 100;  // segments of a stream that wait for a gap
inline constexpr std::uint32_t kHearAgainSegments = 150;
inline constexpr std::uint32_t kContextSegments = 150;      // heard again before a restart's mark
inline constexpr std::uint32_t kHearAgainBelowMs = 60'000;  // buffered; more waits at the keeper
inline constexpr std::uint32_t kCreditBelowMs = 20'000;
inline constexpr std::uint32_t kEdgeSegments = 100;  // so near the newest, a record may be late
inline constexpr int kMissingTriesMax = 10;
inline constexpr std::int64_t kMissingRetryMs = 500;
inline constexpr std::size_t kOrdersOpenMax = 1'000;  // of a call; beyond it the call waits

struct PendingOrder {
  keys::EraseOrder message;
  bool asked = false;  // out at the keeper
  std::int64_t retry_ms = 0;
};

struct CallCounters {
  std::uint64_t live_dropped = 0;  // segments to be heard again
  std::uint64_t heard_again = 0;   // segments that came so
  std::uint64_t missing = 0;       // nobody has them: silence
  std::uint64_t bad_payloads = 0;  // of the recorder: never in practice
};

class ListenedCall {
 public:
  struct Live {
    std::uint32_t index = 0;
    std::uint8_t codec = 0;
    SecretBytes payload;  // empty once wiped
  };
  struct Line {
    std::uint8_t stream = 0;
    std::optional<listen::Side> side;   // as signalling says
    std::uint64_t handle = 0;           // its name at the workers
    std::optional<std::size_t> worker;  // holds its voice detection's state
    std::deque<Live> live;
    std::uint32_t known_end = 0;  // one past the newest that is known to exist
    std::optional<std::uint32_t> end;
    bool end_told = false;
    int missing_tries = 0;
    std::int64_t retry_ms = 0;  // not heard again before
  };

  ListenedCall(CallId id, std::uint64_t serial, const listen::Grammar& grammar,
               std::int64_t origin_ms, CallCounters& counters)
      : id_(id),
        serial_(serial),
        origin_ms_(origin_ms),
        counters_(counters),
        listener_(std::make_unique<listen::CallListener>(grammar)) {}

  // Streams and sides, when signalling tells them. `fresh`: the call begins with what comes now.
  void describe(const std::vector<store::StreamSpec>& streams, bool fresh, std::uint64_t& handles);
  // The keeper's word on where to begin, or that it knows the call.
  void place(const keys::UnheardCall& known, std::uint64_t& handles);
  void live(store::Audio audio, std::uint64_t& handles);
  void close(const std::vector<keys::StreamEnd>& ends, std::int64_t now_ms, std::uint64_t& handles);
  // Hands on what has come and fits; nothing while paused.
  void feed();
  void pause(bool on);
  void wipe(const keys::SegmentRange& range);
  // All of it once more from its beginning, for a typed value that was said before this listener
  // began. Answers to questions of before are for nobody: the serial is another one.
  void hear_from_start(std::uint64_t serial, const listen::Grammar& grammar);
  // What waits to be sent of these segments is let go: they were ordered away.
  void forget_derived(const keys::SegmentRange& range);

  // What shall be heard again now.
  [[nodiscard]] std::optional<keys::SegmentRange> wanted(std::int64_t now_ms) const;
  void heard_again(const keys::SegmentRange& range, std::vector<keys::HeardSegment> segments,
                   std::int64_t now_ms);
  void hear_later(std::uint8_t stream, std::int64_t when_ms);

  [[nodiscard]] const CallId& id() const { return id_; }
  [[nodiscard]] std::uint64_t serial() const { return serial_; }
  [[nodiscard]] std::int64_t origin_ms() const { return origin_ms_; }
  [[nodiscard]] bool placed() const { return placed_; }
  [[nodiscard]] bool ended() const;
  [[nodiscard]] std::uint32_t lag_ms() const;
  listen::CallListener& listener() { return *listener_; }
  [[nodiscard]] const listen::CallListener& listener() const { return *listener_; }
  std::map<std::uint8_t, Line>& lines() { return lines_; }

  // What goes to the keeper; kept by whoever speaks to it.
  std::deque<PendingOrder> orders;
  std::deque<keys::DerivedPut> derived;
  std::map<SearchId, std::uint32_t> typed_told;  // of each typed value, how many places
  bool touched = true;     // something changed since its results were looked at
  bool known = false;      // by this keeper, since it is connected
  bool done_sent = false;  // ListenDone
  int done_repeats = 0;
  bool asking = false;  // HearAgain is out
  bool import = false;
  std::uint32_t credit_owed = 0;
  std::int64_t unknown_since_ms = 0;

 private:
  Line& line(std::uint8_t stream, std::uint64_t& handles);
  void open(Line& line, std::uint32_t first, std::uint32_t cleared);
  [[nodiscard]] listen::Side side_of(const Line& line) const;
  void feed(Line& line);
  bool take(Line& line, std::uint32_t index, std::uint8_t codec, ByteView payload);
  [[nodiscard]] bool may_come_yet(const Line& line, std::uint32_t index, std::int64_t now_ms) const;

  CallId id_;
  std::uint64_t serial_;
  std::int64_t origin_ms_;  // monotonic time of its index 0, about
  CallCounters& counters_;
  std::unique_ptr<listen::CallListener> listener_;
  std::map<std::uint8_t, Line> lines_;
  bool placed_ = false, paused_ = false;
  std::int64_t closed_ms_ = 0;
};

}  // namespace callward::app
