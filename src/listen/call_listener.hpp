// One call being listened to: audio of its streams in, work for recognisers, erase orders,
// clearance and derived data out. Pure: no socket, no clock; time is the call's own, in
// milliseconds since segment 0.
//
//   audio() ─▶ samples kept ─▶ take_vad() ─▶ vad_done() ─▶ turns ─▶ take_turn() ─▶ turn_done() ─┐
//      └─▶ tones, RFC 4733 digits ──────────────────────────────────────────────────────────────┤
//                     in the order in which they began, from all streams: Conversation ◀────────┘
//                                      └─▶ orders, then clearance, then words and peaks of what
//                                      stays
//
// INVARIANTS
//   (1) Clearance never passes a turn that is not heard, nor a question whose answer is not over.
//   (2) An order is handed out before any clearance or derived data of its range; derived data
//   never covers an
//       ordered segment, and its words never stem from one.
//   (3) Without recognisers nothing is cleared: audio waits, bounded, and is refused beyond that.
//   (4) A typed value is looked for in all words that are remembered when it comes, and in every
//   later turn of every stream before that turn is cleared. What was cleared and derived before it
//   came is ordered all the same; that its keys stood on a disk is the keeper's to mend.
//   (5) While a secret question is open, sound that voice detection did not take for speech counts
//   as the secret, if it is louder than the stream is by itself.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "codec/inband_dtmf.hpp"
#include "listen/belief.hpp"
#include "listen/conversation.hpp"
#include "listen/derived.hpp"
#include "listen/loudness.hpp"
#include "listen/ranges.hpp"
#include "listen/turns.hpp"
#include "listen/typed_secret.hpp"

namespace callward::listen {

inline constexpr std::uint32_t kListenSegmentMs = 100;
inline constexpr std::uint32_t kListenSegmentSamples = 800;
inline constexpr std::size_t kTypedPerCallMax = 32;  // values that are looked for in one call

struct CallLimits {
  std::uint32_t buffered_ms_max = 180'000;  // audio of a stream that waits for recognisers
  std::uint32_t vad_windows_min = 12;       // asked together: fewer round trips
  std::uint32_t vad_windows_max = 300;
  std::uint32_t wait_other_ms =
      5'000;  // a heard turn waits so long for an earlier one still open elsewhere
  std::uint32_t clear_behind_ms =
      1'200;  // clearance stays behind what was heard: margins reach back
  std::uint32_t pad_before_ms = 120, pad_after_ms = 160;  // around what is erased
  std::uint32_t unheard_segments_min = 4;    // loud, and no turn: shorter is a click or a cough
  std::uint32_t unheard_pause_segments = 3;  // so much quiet ends it
  std::uint32_t unheard_segments_max = 50;   // then what there is of it is ordered
  std::uint32_t digit_pad_ms = 80;
  std::uint32_t digit_join_ms = 2'000;        // pauses between keys are erased with them
  int turn_attempts_max = 3;                  // then a turn counts as not recognisable
  std::size_t remembered_words_max = 30'000;  // of a stream, for typed values: three hours of talk
  std::uint32_t typed_reach_ms = 45'000;      // so far back a turn is looked at with the new one
};

struct VadJob {
  std::uint8_t stream = 0;
  bool begin = false, end = false;
  SecretBytes pcm;
};
struct TurnJob {
  std::uint64_t id = 0;
  std::uint8_t stream = 0;
  bool urgent = false;       // a question is open
  std::uint32_t end_ms = 0;  // how old it is
  SecretBytes pcm;
};
struct StreamRange {
  std::uint8_t stream = 0;
  std::uint32_t first = 0, end = 0;  // segments
  bool operator==(const StreamRange&) const = default;
};
struct Order {
  std::vector<StreamRange> ranges;
  Secret kind{};
};
struct Clearance {
  std::vector<std::pair<std::uint8_t, std::uint32_t>> marks;  // stream, segments cleared
  bool question_open = false;
};
struct Derived {
  bool words = false;  // else peaks
  std::uint8_t stream = 0;
  std::uint32_t first = 0, end = 0;
  SecretBytes payload;
};
// How the search for one typed value stands.
struct TypedState {
  SearchId id;
  std::uint32_t places = 0;  // ordered so far
};
// A keyed digit of RFC 4733, as the segment's payload tells it.
struct PayloadDigit {
  char digit = 0;
  std::uint8_t start_ms = 0;  // within the segment
  std::uint32_t length_ms = 0;
};

class CallListener {
 public:
  CallListener(const Grammar& grammar, CallLimits limits = {})
      : limits_(limits), grammar_(grammar), conversation_(grammar) {
    typed_.reserve(kTypedPerCallMax);
  }
  ~CallListener();
  CallListener(const CallListener&) = delete;
  CallListener& operator=(const CallListener&) = delete;

  // Listening begins at `first_index`. What is before `cleared` was cleared and derived by an
  // earlier listener: it is heard for its context, and its secrets are ordered once more.
  void open_stream(std::uint8_t stream, Side side, std::uint32_t first_index,
                   std::uint32_t cleared = 0);
  [[nodiscard]] bool has_stream(std::uint8_t stream) const { return find(stream) != nullptr; }
  // One segment; indices rise, what is missing counts as silence. kFull: recognisers are too far
  // behind.
  Status audio(std::uint8_t stream, std::uint32_t index, std::span<const std::int16_t> samples,
               std::span<const PayloadDigit> digits);
  // Nothing more can be had before `end_index`: what is missing counts as silence.
  Status skip(std::uint8_t stream, std::uint32_t end_index);
  void end_stream(std::uint8_t stream, std::uint32_t end_index);

  // Work. Each job is answered once; one of voice detection a stream is out at a time.
  std::optional<VadJob> take_vad();
  std::optional<VadJob> take_vad(std::uint8_t stream);
  // Streams whose audio waits for voice detection, and since which millisecond.
  [[nodiscard]] std::vector<std::pair<std::uint8_t, std::uint32_t>> vad_waiting() const;
  void vad_done(std::uint8_t stream, ByteView probabilities);
  // Asked again, if it was out; from the state of a fresh detector in any case: the old one is
  // gone.
  void vad_failed(std::uint8_t stream);
  std::optional<TurnJob> take_turn();
  [[nodiscard]] std::optional<std::uint32_t> turn_waiting_ms() const;  // end of the next to take
  void turn_done(std::uint64_t id, const RecogniseReply& reply);
  void turn_failed(std::uint64_t id);  // asked again, at most turn_attempts_max times
  [[nodiscard]] bool urgent() const { return conversation_.open_since_ms().has_value(); }

  // Results, in this order: first every order, then clearance, then derived data.
  std::vector<Order> take_orders();
  std::optional<Clearance> take_clearance();
  std::vector<Derived> take_derived();
  // All marks as they stand, for a keeper that may have missed some.
  [[nodiscard]] Clearance clearance() const;
  // Everything of an ended call was heard, cleared and derived.
  [[nodiscard]] bool finished() const;

  [[nodiscard]] std::uint32_t next_index(std::uint8_t stream) const;
  [[nodiscard]] std::uint32_t heard_ms() const { return heard_ms_; }
  [[nodiscard]] std::uint32_t buffered_ms() const;  // of the stream that holds most
  [[nodiscard]] std::uint32_t turns_waiting() const;
  // A value that was typed during the call; it is kept, wiped with this object, and what is found
  // of it is ordered. The same id again changes nothing. kMalformed: nothing that is looked for;
  // kFull: too many.
  Status search(const SearchId& id, ByteView value);
  [[nodiscard]] const std::vector<TypedState>& searches() const { return searches_; }
  // From the call's beginning on, but for what was ordered away: else some words were heard by an
  // earlier listener only, or are forgotten.
  [[nodiscard]] bool remembers_all() const;
  [[nodiscard]] bool began_late() const;  // a stream's beginning was not heard here
  [[nodiscard]] std::size_t remembered_words() const;
  // The older half of each stream's, for want of memory.
  void forget_older_words();
  // What another listener of this call was asked to look for and to wipe is ours now.
  void take_over(CallListener& old);

  // Zeroes what is held of these segments (the keeper's order to wipe).
  void wipe_range(const StreamRange& range);

 private:
  struct Pending {
    std::uint64_t id = 0;
    Turn turn;
    bool asked = false, done = false;
    int attempts = 0;
    Heard heard;
  };
  struct TypedFound {
    std::size_t search = 0;
    TypedPlace place;
  };
  struct Stream {
    std::uint8_t number = 0;
    Side side{};
    std::uint32_t first_index = 0, next_index = 0;
    std::optional<std::uint32_t> end_index;
    std::vector<std::int16_t> samples;     // from sample base on
    std::uint64_t base = 0, vad_sent = 0;  // samples since segment 0
    bool vad_out = false, vad_fresh = true, vad_over = false;
    std::size_t vad_out_windows = 0;
    TurnFinder turns;
    codec::InbandDtmf tones;
    std::optional<std::uint32_t> tone_open_ms;
    std::vector<Keyed> keyed;  // all of them, for blanking; weighed ones are marked by position
    std::size_t keyed_weighed = 0;
    std::optional<std::uint32_t> keyed_last_end;
    std::deque<Pending> pending;  // by start
    std::vector<Word> words;      // heard, not yet derived
    HeardTurns remembered;        // all that was heard and not ordered away
    std::size_t remembered_words = 0;
    bool forgot = false;              // older ones are gone
    std::vector<std::uint8_t> peaks;  // since peaks_base (in 20 ms cells)
    std::uint32_t peaks_base = 0;
    std::uint32_t window_next = 0;  // next second to derive
    IntervalSet erased, wiped;      // ordered away; told by the keeper to be zeroed
    std::uint32_t cleared = 0;
    std::optional<TypedFinding::Open> typed_open;  // a value may have begun here
    Loudness loudness;
    std::deque<Interval> spoken;     // turns and keys that reach beyond unheard_next
    std::uint32_t unheard_next = 0;  // segments before it were looked at
    Interval unheard;                // a loud stretch that no turn covers, while it lasts
    std::uint32_t unheard_loud = 0;  // its loud segments
  };

  Stream* find(std::uint8_t number);
  const Stream* find(std::uint8_t number) const;
  void take_tones(Stream& stream, const std::vector<codec::InbandDigit>& digits);
  [[nodiscard]] std::optional<std::uint64_t> vad_windows(const Stream& stream) const;
  std::optional<VadJob> vad_job(Stream& stream);
  [[nodiscard]] const Pending* next_turn(const Stream** of) const;
  void add_turn(Stream& stream, const Turn& turn);
  [[nodiscard]] bool keyed_away(const Stream& stream, const Turn& turn) const;
  SecretBytes turn_pcm(const Stream& stream, const Turn& turn) const;
  [[nodiscard]] std::uint32_t settled_ms(const Stream& stream) const;
  [[nodiscard]] std::uint32_t wall_ms(const Stream& stream) const;
  [[nodiscard]] bool may_weigh(std::uint32_t start_ms, std::uint32_t end_ms,
                               const Stream& own) const;
  void work();
  void settle();
  void look_unheard(Stream& stream, std::uint32_t upto, bool open);
  void order_unheard(Stream& stream);
  static void add_spoken(Stream& stream, std::uint32_t start_ms, std::uint32_t end_ms);
  bool weigh_next();
  void weigh_turn(Stream& stream);
  void weigh_key(Stream& stream);
  void order(const Finding& finding, std::uint32_t before_ms, std::uint32_t after_ms);
  void forget_samples(Stream& stream);
  static void forget_words(Stream& stream, const IntervalSet& gone);
  static void forget_remembered(Stream& stream, const IntervalSet& gone);
  void forget_oldest(Stream& stream, std::size_t words_max);
  std::vector<TypedFound> remember(Stream& stream, const Heard& heard);
  std::vector<TypedFound> remember(Stream& stream, const Keyed& key);
  std::vector<TypedFound> remember(Stream& stream, HeardTurn turn);
  void order_typed(const Stream& stream, const std::vector<TypedFound>& found);
  [[nodiscard]] std::optional<std::uint32_t> typed_open_ms() const;
  [[nodiscard]] bool all_over() const;
  void derive(Stream& stream, std::uint32_t upto, std::vector<Derived>& out);
  void derive_window(Stream& stream, std::uint32_t window, std::vector<Derived>& out);
  Pending* find_turn(std::uint64_t id);

  CallLimits limits_;
  const Grammar& grammar_;
  Conversation conversation_;
  std::vector<TypedSecret> typed_;    // bounded by kTypedPerCallMax
  std::vector<TypedState> searches_;  // of the same numbers
  std::map<std::uint8_t, Stream> streams_;
  std::uint64_t next_turn_ = 1;
  std::uint32_t heard_ms_ = 0;      // everything before it was weighed
  std::uint32_t asked_end_ms_ = 0;  // end of the turn that opened the question
  bool question_open_ = false;
  SameAnswers same_answers_;
  std::vector<Order> orders_;
};

}  // namespace callward::listen
