// Which letters are on their way, which is tried next, how each ended. Pure: time comes in, nothing
// goes out but what it returns.
//
//   (new) ──add──▶ waiting ──take──▶ trying ──tried: taken, refused──▶ ended
//                   ▲   │              │
//                   │   └──deadline────┼──────────────────────────────▶ ended (given up)
//                   └──tried: later────┘  (past the deadline: given up)
//
// INVARIANTS
//   (1) An id of a source is one letter: added again it goes on as it was, or says how it ended.
//   (2) A letter ends once; its address and text are gone with that, its id and end are remembered
//       (the last kEndsKept of them).
//   (3) No try begins with less than kTryMsMin to the deadline, and none may last beyond it.
//   (4) The keeper's come before the server's; of one source the one that has waited longest. So a
//       server that asks for too much holds up no code of the keeper's.
//
// Monotonic milliseconds (`now`) rule; the deadline's wall clock is read once, when a letter comes.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/queue.hpp"
#include "courier/letter.hpp"
#include "courier/verdict.hpp"

namespace callward::courier {

enum class Source : std::uint8_t { kKeeper = 0, kServer = 1 };

inline constexpr std::size_t kLettersMax = 1'000;  // of a source, on their way
inline constexpr std::size_t kEndsKept = 4'000;
inline constexpr std::int64_t kBackOffFirstMs = 2'000;  // doubling
inline constexpr std::int64_t kBackOffMaxMs = 60'000;
inline constexpr std::int64_t kTryMsMax = 30'000;
inline constexpr std::int64_t kTryMsMin = 500;

struct LetterKey {
  Source source{};
  keys::DeliveryId id;
  auto operator<=>(const LetterKey&) const = default;
};

class Book {
 public:
  // What has ended, and for whom.
  struct End {
    LetterKey key;
    keys::DeliveryChannel channel{};
    keys::Delivered said;
    std::uint32_t tries = 0;
  };
  struct Try {
    LetterKey key;
    std::shared_ptr<const Letter> letter;  // wiped once nobody has it any more
    std::int64_t ms_max = 0;
  };
  struct Counts {
    std::uint64_t taken = 0, refused = 0, given_up = 0, tries = 0;
    std::uint64_t waiting = 0;  // on their way, those that are tried just now included
    std::string failing;        // why the last try came to nothing, until one comes through
  };

  Book(bool email, bool sms) : configured_{email, sms} {}

  // An end at once (a repeat of what has ended, or a letter that cannot be sent), or nothing: it is
  // on its way. kFull.
  Result<std::optional<End>> add(Source source, keys::Deliver message, std::int64_t now,
                                 std::int64_t utc_ms);
  // The next one of this channel that is due.
  std::optional<Try> take(keys::DeliveryChannel channel, std::int64_t now);
  // What a try that take() gave has come to; the end, if that was it.
  std::optional<End> tried(const LetterKey& key, const Attempt& attempt, std::int64_t now);
  // Those whose deadline has passed.
  std::vector<End> expire(std::int64_t now);

  [[nodiscard]] bool configured(keys::DeliveryChannel channel) const {
    return configured_[index(channel)];
  }
  [[nodiscard]] Counts counts(keys::DeliveryChannel channel) const;
  [[nodiscard]] std::vector<QueueGauge> gauges() const;

 private:
  struct Item {
    std::shared_ptr<const Letter> letter;
    std::int64_t due = 0, deadline = 0, back_off = kBackOffFirstMs;
    std::uint32_t tries = 0;
    bool trying = false;
    std::string last;  // reason of the last try
  };
  using Items = std::map<LetterKey, Item>;

  static std::size_t index(keys::DeliveryChannel channel) {
    return channel == keys::DeliveryChannel::kSms ? 1 : 0;
  }
  End end(Items::iterator item, keys::DeliveryOutcome outcome, const std::string& reason);
  void remember(const LetterKey& key, const keys::Delivered& said);

  std::array<bool, 2> configured_{};
  Items items_;
  std::array<std::uint64_t, 2> of_source_{}, full_{};
  std::array<Counts, 2> counts_;
  std::map<LetterKey, keys::Delivered> ends_;
  std::deque<LetterKey> oldest_ends_;
};

}  // namespace callward::courier
