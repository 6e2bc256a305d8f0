// What the keeper knows of one call: its cover, what has been heard, persisted, erased and lost;
// and its row in the key store (docs/formats/page.md, "Row of a call").
//
// INVARIANTS
//   (1) A segment of a blocked range (erased, ordered or held) is never opened and never newly
//   persisted.
//       What is only held stays where it was on the disk: a person decides about it, not the
//       listener.
//   (2) The persisted cover of an audio stream opens nothing at or beyond persisted[stream].
//   (3) heard[stream] says how far the listener has cleared; beyond it nothing is opened for
//   people.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "erase/reasons.hpp"
#include "keys/call_back.hpp"
#include "keys/keeper_protocol.hpp"
#include "keys/tree.hpp"

namespace callward::erase {

using keys::SegmentRange;

enum class BlockState : std::uint8_t {
  kOrdered = 1,  // accepted; not yet logged or not yet gone
  kHeld = 2,     // beyond its bounds: a person must decide
  kErased = 3,   // gone from every mirror, logged
};

struct Blocked {
  SegmentRange range;
  std::uint8_t reason = 0;
  BlockState state{};
  OrderId order;                 // in rows while kOrdered or kHeld: needed until it is done
  std::uint32_t kept_below = 0;  // kHeld: leaves below this index stood on a disk when it was held
  template <class V>
  void visit(V& v) {
    v(range, reason, state, order, kept_below);
  }
};

inline constexpr std::size_t kHeldPerCallMax = 300;

// What a person decided about a held order; as the log has it, so that a replay does the same.
struct Decision {
  OrderId order;
  bool erase = false;
  bool whole = false;  // the call was closed: about all of it
  std::uint8_t reason = 0;
  std::vector<SegmentRange> ranges;
};

// A person's order that another person must confirm: who gave it may not be who confirms it.
struct Proposal {
  OrderId order;
  PersonId by;  // zero: the operator of the command line, who counts as one person
  std::uint8_t reason = 0;
  template <class V>
  void visit(V& v) {
    v(order, by, reason);
  }
};
inline constexpr std::size_t kProposalsPerCallMax = 16;

struct CallKeys {
  CallId id;
  std::uint64_t row = 0;
  keys::CallSource source{};
  keys::Direction direction{};
  std::uint16_t streams = 0;  // audio streams that there are
  std::uint16_t declared =
      0;  // those of them that the recorder named: the listener's bound counts these
  std::int64_t started_at = 0;  // UTC ms
  bool ended = false;
  bool listened = false;
  bool closed = false;      // too many held ranges: opened to nobody and persisted no further
  OrderId closed_by;        // the held order that closed it: stands for all of the call
  bool legal_hold = false;  // a legal hold: not erased as a whole, not by retention
  bool drop = false;  // closed by a person: if another confirms, all of its keys and its row go
  std::vector<Proposal> proposals;  // of persons, still to be decided
  bool start_logged = true, end_logged = false;
  bool rooted = false;  // this keeper made its root: forward nodes can be issued again
  std::int64_t begun_ms =
      0;  // monotonic time of index 0, as far as known: wall clocks are set by people
  std::uint32_t issued_from = 0;  // forward nodes were issued from here: never again from before
  std::array<std::uint32_t, keys::kStreamsMax> ends{};  // known after the end
  std::array<std::uint32_t, keys::kStreamsMax> heard{};
  std::array<std::uint32_t, keys::kStreamsMax> persisted{};
  std::vector<Blocked> blocked;
  std::vector<SegmentRange> lost;
  keys::Cover cover;
  std::uint64_t listener_segments = 0;  // ordered by the listener so far: its bound
  std::uint32_t next_call_data = 0;     // counter of stream 15
  bool question_open = false;
  std::array<std::uint32_t, keys::kStreamsMax> heard_before_question{};
  std::int64_t question_since_ms = 0;  // monotonic
  bool dirty = false;                  // the row does not say what memory does
  bool heard_moved = false;            // likewise, and it may wait for the next round of persisting
  keys::CallBackOf call_back;          // of a call that we dialled

  // The recorder says that these audio streams exist.
  void declare(std::uint16_t mask) {
    declared = static_cast<std::uint16_t>(declared | (mask & 0x7FFF));
    streams = static_cast<std::uint16_t>(streams | declared);
  }
  [[nodiscard]] bool has_stream(std::uint8_t stream) const {
    return stream < 15 && (streams >> stream & 1) != 0;
  }
  // Beyond their bounds: closed until a person decides. With too many of them the whole call is.
  void hold(std::vector<SegmentRange> ranges, std::uint8_t reason, const OrderId& order);
  // A person wants all of it gone: closed like by too many held ranges.
  void propose_drop(const Proposal& proposal);
  [[nodiscard]] const Proposal* proposal_of(const OrderId& order) const;
  [[nodiscard]] bool to_be_dropped() const { return drop && !closed; }
  // Confirmed, and every key of it is gone: its row is nothing but a row.
  [[nodiscard]] bool is_husk() const;
  [[nodiscard]] bool is_blocked(std::uint8_t stream, std::uint32_t index) const;
  [[nodiscard]] bool overlaps_blocked(const SegmentRange& range) const;
  [[nodiscard]] bool all_heard() const;
  // Ended, and not one segment of it was recorded: nothing to hear.
  [[nodiscard]] bool is_empty() const;

  // How many segments of `ranges` (joined) nobody has ordered away yet. What is only held is not
  // ordered away: who asks for it again asks as much as the first time.
  [[nodiscard]] std::uint64_t not_yet_ordered(const std::vector<SegmentRange>& ranges) const;
  // There is nothing to hear in what is lost: a mark at its beginning moves behind it.
  void skip_lost();
  // What was held and lies within an erased range needs no decision any more, nor does a person's
  // order of which nothing else is held.
  void settle_held();
  void forget_settled();
  [[nodiscard]] bool waits_for_a_person() const;
  // What is held under this order: of a closed call, which must have ended, all of it.
  [[nodiscard]] Decision held_under(const OrderId& wanted) const;
  // Kept: open again, as far as there are keys. To be erased: an ordinary order's ranges.
  void take(const Decision& decision);
  // Which stretches of `range` no key opens any more, though nobody erased, ordered or held them,
  // and they are not known as lost.
  [[nodiscard]] std::vector<SegmentRange> missing(const SegmentRange& range) const;
  // What is erased is said once: stretches that lie in another one, or touch one of the same
  // reason, become one; with more than `most` left, reasons no longer keep neighbours apart.
  void join_erased(std::size_t most);
  [[nodiscard]] bool is_call_back() const {
    return keys::CallAsked{id, source, call_back}.is_call_back();
  }
  // Of [0, end) of this stream: what is neither ordered, held, erased nor lost.
  [[nodiscard]] std::uint64_t kept_segments(std::uint8_t stream, std::uint32_t end) const;
  // Ranges that are ordered or held, and not yet erased.
  [[nodiscard]] std::size_t open_blocks() const;

  // Whether any leaf of `range` may stand in a page on a disk. Of a call that another keeper began
  // no mark says what that one wrote and never switched to: such pages open under the epoch key
  // that still lives.
  [[nodiscard]] bool may_be_on_disk(const SegmentRange& range) const {
    return !rooted || range.first < persisted[range.stream];
  }
  void puncture(const SegmentRange& range);

  // Moves the persisted marks up to `upto` (never back, never past a held or ordered range's need:
  // blocked leaves are punctured in what is written) and gives the row's bytes.
  void persist_upto(const std::array<std::uint32_t, keys::kStreamsMax>& upto);
  [[nodiscard]] SecretBytes encode_row() const;
  static Result<CallKeys> decode_row(std::uint64_t row, ByteView raw);
};

}  // namespace callward::erase
