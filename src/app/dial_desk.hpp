// The keeper's side of the call-back: which dials run, how far each is, and which recording it has.
// Pure: the way to signal and the time are given; who orders a call-back, and what is made of its
// news, is the vault's business.
//
// INVARIANTS
//   (1) Each dial that was taken gives exactly one news of its end: signal's word, or after its
//       deadline our own.
//   (2) States come in their order, none twice, however often signal tells them again.
//   (3) The call of a news is the one that the recorder named, never one that signal says.
//   (4) A keeper that was restarted knows of running dials what signal and recorder tell it again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/clock.hpp"
#include "base/queue.hpp"
#include "keys/dial_protocol.hpp"

namespace callward::app {

inline constexpr std::size_t kDialsKept = 256;  // running ones, and ended ones for a while
inline constexpr std::int64_t kDialEndedKeptMs = 120'000;  // the recorder may speak after the end
inline constexpr std::int64_t kDialGraceMs = 60'000;       // beyond the deadline, for signal's word

// A step of a dial, or its recording's name (then `state` is what it was).
struct DialNews {
  DialId dial;
  keys::DialState state{};
  keys::DialCause cause{};      // of kEnded
  CallId call;                  // zero: the recorder has not named one yet
  std::uint32_t talked_ms = 0;  // since both were connected
};

class DialDesk {
 public:
  struct Ways {
    // A request to signal; done comes exactly once, kUnavailable when signal is not there.
    std::function<void(const keys::Dial&, std::function<void(Result<keys::DialTaken>)>)> dial;
    std::function<void(const keys::HangUp&)> hang_up;
    std::function<void(const DialNews&)> news;
  };
  DialDesk(Clock& clock, Ways ways) : clock_(clock), ways_(std::move(ways)) {}

  // done: taken, then news follow; or why not. kUnavailable: signal or the recorder is away;
  // kConfig: no [callback]; kMalformed; kExists: that id; kFull; kTimeout: signal did not answer
  // (it is told to hang up).
  void dial(const keys::Dial& order, std::function<void(Status)> done);
  // kNotFound: no such dial runs. Its end comes as news.
  Status hang_up(const DialId& dial);

  void progress(const keys::DialProgress& told);  // from signal
  void recorded(const keys::DialRecorded& told);  // from the recorder
  void tick();                                    // now and then: deadlines

  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] QueueGauge gauge() const {
    return {"keeper.dials", dials_.size(), kDialsKept, refused_};
  }

 private:
  struct Entry {
    DialNews latest;
    bool taken = false;         // signal has said so, or speaks of it
    std::int64_t until_ms = 0;  // running: when its end is told without signal; ended: forgotten
  };
  Entry* find_or_adopt(const DialId& dial);
  bool make_room();
  void tell(Entry& entry, keys::DialState state, keys::DialCause cause, std::uint32_t talked_ms);
  static bool ended(const Entry& entry) { return entry.latest.state == keys::DialState::kEnded; }

  Clock& clock_;
  Ways ways_;
  std::map<DialId, Entry> dials_;
  std::uint64_t refused_ = 0;
};

}  // namespace callward::app
