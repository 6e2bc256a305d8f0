// What reviewers' marks say of the listener: how many calls leaked, how many secrets were missed,
// how sure that is, and how much was erased needlessly. Pure: entries of the log in, figures out.
//
// What counts as one:
//   found     what the listener ordered erased (or held, and no person kept), joined where it
//             touches on any stream, without what a reviewer called needless, and without what was
//             found in part (cut_edge)
//   missed    a reviewer's mark; marks that overlap in time (of both sides, of two reviewers) are
//             one, of the newest one's kind and cause
//   needless  marks on what the listener had erased, joined where they touch
//   reviewed  a call that somebody says to have listened to wholly, who by the log had keys of the
//             sound of nine tenths of what was open of it; others are left out, and counted
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "audit/entry.hpp"
#include "keys/segment_range.hpp"
#include "quality/wilson.hpp"

namespace callward::quality {

// Reviews of [from, to), UTC ms.
struct Window {
  std::int64_t from = 0, to = audit::kEntryNumberMax;
};

struct LeakReport {
  Window window;
  Share calls;    // with a missed secret, among the reviewed
  Share random;   // the same, of those that the reviewer says were chosen at random
  Share secrets;  // missed, among found and missed
  std::uint64_t found = 0, missed = 0, needless = 0;
  std::uint64_t not_heard = 0;         // calls that are left out: nobody had heard enough of them
  std::uint64_t missed_elsewhere = 0;  // marks in the window, of calls that are not counted
  std::map<std::string, std::uint64_t> missed_kinds, missed_causes, needless_kinds, needless_causes;
};

class LeakCount {
 public:
  explicit LeakCount(Window window) : window_(window) {}
  // Whether add() has a use for such an entry now.
  [[nodiscard]] bool wants(std::string_view type, std::string_view subject) const;
  // From the newest to the oldest.
  void add(const audit::Entry& entry);
  // Calls are reviewed whose beginning did not come yet: older entries are needed, too.
  [[nodiscard]] bool waits() const { return waiting_ > 0; }
  [[nodiscard]] LeakReport report() const;

  static constexpr std::uint64_t kHeardPercent = 90;
  static constexpr std::uint32_t kEdgeSegments = 10;  // how near what was cut lies to its rest

 private:
  using Ranges = std::vector<keys::SegmentRange>;
  struct Mark {
    std::int64_t at = 0;
    std::string kind, cause;
    Ranges ranges;
  };
  struct Marks {
    std::vector<Mark> missed, needless;  // newest first
  };
  struct Review {
    std::string by;
    bool random = false;
  };
  struct Call {
    std::vector<Review> reviews;
    bool began = false;
    Ranges ends, closed, found;
    std::map<std::string, Ranges> heard;
    std::set<std::string, std::less<>> kept;  // orders that were held, and then open again
  };
  static std::vector<Mark> stretches(const std::vector<Mark>& marks, bool joins_touching);
  [[nodiscard]] bool counts(const Call& call) const;
  void add_call(const Call& call, const Marks& marks, LeakReport& report) const;
  static void add_closed(Call& call, const audit::Entry& entry);
  void add_fact(Call& call, const audit::Entry& entry);

  Window window_;
  std::map<std::string, Call, std::less<>> calls_;
  std::map<std::string, Marks> marks_;
  std::size_t waiting_ = 0;
};

boost::json::object to_json(const LeakReport& report);
// For people, a line each: with what cannot be said of so few.
std::vector<std::string> report_lines(const LeakReport& report);

}  // namespace callward::quality
