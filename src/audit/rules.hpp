// The rules of erasing and disclosure, replayed over the log's entries: a second implementation
// that reads the log and nothing else, so that the keeper's word is not the only one.
//
// It reads entries as JSON and takes nothing for granted: a type that it does not know is counted
// and passed over; a field that is missing breaks the rules that need it. What is still within its
// grace (an erasure that runs, a call that is being sealed) is no breach: time is the log's own,
// that of its newest entry.
//
// Memory: a few hundred bytes a call, and the ordered ranges.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "audit/entry.hpp"
#include "audit/note.hpp"
#include "base/vfs.hpp"

namespace callward::audit {

// What `keeper_started` states as `rules`: from there on the log holds all that these need. 1: who
// releases has heard, a review answers both questions, who acts in a call is whose it is. 2: who
// may be the second of two is made by two. 3: who acts on a customer's data has the role, two erase
// a customer, and none whose request waits, look-ups have a day's bound. 4: nothing is typed in a
// call-back, one field is erased as all of them are, who confirms finds the first one still there;
// a role that may second comes after the passkey.
inline constexpr std::int64_t kRulesStated = 4;

enum class RuleWeight : std::uint8_t { kBreach, kWarning, kNote };
const char* to_text(RuleWeight weight);

struct Rule {
  std::string_view name;
  RuleWeight weight;
  std::string_view meaning;
};
// Every rule there is; the documents' table is this one.
const std::vector<Rule>& rules();

struct RuleFinding {
  const Rule* rule = nullptr;
  std::uint64_t index = 0;  // of the entry that breaks it, or that began what is missing
  std::string subject;
  std::string what;
};

struct RulesReport {
  std::uint64_t entries = 0;
  std::uint64_t unknown = 0;  // entries of types that this program does not know
  std::uint64_t calls = 0, orders = 0;
  std::vector<RuleFinding> findings;                    // at most kRuleFindingsMax; by index
  std::uint64_t breaches = 0, warnings = 0, notes = 0;  // all of them
  [[nodiscard]] bool good() const { return breaches == 0; }
};
inline constexpr std::size_t kRuleFindingsMax = 10'000;

// How long what was begun may take before its absence is a breach, in the log's time.
struct RuleGrace {
  std::int64_t erase_ms = 10 * 60'000;
  std::int64_t seal_ms = 60 * 60'000;
  std::int64_t adopt_ms = 10 * 60'000;    // after a keeper's start, for the calls that ran
  std::int64_t private_ms = 10 * 60'000;  // from on to off: the bound, and a log that was away
  std::int64_t held_ms = 24 * 3'600'000;  // an order that waits for a person
  std::int64_t running_ms = 24 * 3'600'000;
  std::int64_t session_ms = 60'000;  // between a session's end and the last thing it asked for
  std::int64_t backwards_ms = 1'000;
  std::int64_t delete_ms = 24 * 3'600'000;  // from `erased` to the ciphertext's end
  std::int64_t age_ms = 3'600'000;          // what a clock may be off before retention stops
};

// Rules of entries that this folder does not understand (disclose/log_rules.hpp): they are given
// every entry that can be read, and say what is broken by a rule's name in the one table.
class RuleJudge {
 public:
  using Find = std::function<void(std::string_view rule, std::uint64_t index,
                                  const std::string& subject, std::string what)>;
  virtual ~RuleJudge() = default;
  virtual void add(std::uint64_t index, const audit::Entry& entry, const Find& find) = 0;
  virtual void finish(std::int64_t newest_at, const Find& find) = 0;
};

class RuleChecker {
 public:
  explicit RuleChecker(RuleGrace grace = {}, RuleJudge* judge = nullptr)
      : grace_(grace), judge_(judge) {}
  // Entries in order, each once; `text` is the entry as it stands in the log.
  void add(std::uint64_t index, std::string_view text);
  RulesReport finish();

 private:
  struct Range {
    std::int64_t stream = 0, first = 0, end = 0;
    auto operator<=>(const Range&) const = default;
  };
  struct Entry {
    std::uint64_t index = 0;
    std::int64_t at = 0;
    std::string type, actor, subject;
    boost::json::object data;
  };
  struct Moment {
    std::uint64_t index = 0;
    std::int64_t at = 0;
    bool set = false;
  };
  struct Call {
    Moment started, ended, sealed, listened;
    std::int64_t alive_at = 0;  // its last sign of life: start, adoption
    std::string root;
    // Ordered or held: what opens to nobody, by order.
    std::map<std::string, std::set<Range>> closed;
    bool unknown_said = false;
    bool hold = false, empty = false, call_back = false;
    std::int64_t began_at = 0;  // what retention counts from
    std::string retired_by;     // order of retention
    bool deleted = false;       // its ciphertext, or the store keeps it for good
  };
  struct Order {
    std::string call, source;  // source: of one that was held
    Moment intended, unconfirmed, erased, held, to_erase, private_on, private_off, missed;
    bool decided = false;
    bool private_erases = false;  // there was something between its beginning and its end
    std::set<std::int64_t> kept;  // private: streams that stay recorded
  };
  struct Person {
    bool signed_in = false;
    std::set<std::string> sessions;
    std::int64_t last_end_at = 0;
  };
  using Handler = void (RuleChecker::*)(const Entry&);
  static const std::map<std::string_view, Handler>& handlers();

  void find(std::string_view rule, std::uint64_t index, const std::string& subject,
            std::string what);
  Call& call_of(const Entry& entry, bool may_begin = false);
  static std::vector<Range> ranges_of(const Entry& entry);
  static std::string text_of(const Entry& entry, const char* field);
  static std::int64_t number_of(const Entry& entry, const char* field);
  static std::vector<std::string> list_of(const Entry& entry, const char* field);

  void keeper_started(const Entry& entry);
  void call_started(const Entry& entry);
  void call_at(const Entry& entry);
  void call_ended(const Entry& entry);
  void call_sealed(const Entry& entry);
  void keeper_adopted(const Entry& entry);
  void heard_again(const Entry& entry);
  void listened(const Entry& entry);
  void erase_intended(const Entry& entry);
  void fields_erase_intended(const Entry& entry);
  void erased(const Entry& entry);
  void erase_unconfirmed(const Entry& entry);
  void private_on(const Entry& entry);
  void private_off(const Entry& entry);
  void check_private(const Entry& entry, const Order& order);
  void check_private_use(const Entry& entry);
  void take_sides(const Entry& entry, Order& order);
  void check_second(const Entry& entry, const Order& order);
  void hold_set(const Entry& entry);
  void hold_lifted(const Entry& entry);
  void mirror_retired(const Entry& entry);
  void mirror_returned(const Entry& entry);
  void order_held(const Entry& entry);
  void held_decided(const Entry& entry);
  void name_call(Order& order, const Entry& entry);
  static void close(Call& call, const std::string& order, const Entry& entry);
  void opened(const Entry& entry);
  void key_statement(const Entry& entry);
  void secret_missed(const Entry& entry);
  void marked(const Entry& entry);
  // rules_retention.cpp
  void retention_run(const Entry& entry);
  void retention_intended(const Entry& entry);
  void check_retired(const Entry& entry, const std::string& id, const Call& call);
  void objects_deleted(const Entry& entry);
  void retention_stopped(const Entry& entry);
  void retention_confirmed(const Entry& entry);
  void finish_retention();
  void signed_in(const Entry& entry);
  void session_ended(const Entry& entry);
  void check_reader(const Entry& entry);
  void check_given(const Entry& entry, const Call& call);
  void finish_calls();
  void finish_orders();
  [[nodiscard]] bool is_gone(const std::string& id, const Order& order) const;

  [[nodiscard]] RuleJudge::Find finder();

  RuleGrace grace_;
  RuleJudge* judge_;
  RulesReport report_;
  std::map<std::string, Call> calls_;
  std::map<std::string, Order> orders_;
  std::map<std::string, Person> persons_;
  std::set<std::int64_t> retired_;  // mirrors
  std::int64_t newest_at_ = 0;
  std::int64_t keeper_started_at_ = 0;
  std::map<std::int64_t, std::string> rows_;  // calls by row
  std::int64_t may_retire_ = 0;               // calls: what the present run may
  std::int64_t let_go_ = 0;                   // of what the owner confirmed, what has not gone yet
  bool retention_stopped_ = false;
  std::set<std::string> running_;  // calls whose keys a living keeper must have
};

// All published entries of a log's folder, under its newest checkpoint, which must hold under
// `key`. kCorrupt when the entries are not those that it signs (verify_log says which).
Result<RulesReport> check_rules(
    Vfs& vfs, const std::string& dir, const NamedKey& key, const RuleGrace& grace = {},
    const std::function<void(std::uint64_t, std::uint64_t)>& progress = {},
    RuleJudge* judge = nullptr);
// docs/log-rules.md is this text.
std::string rules_markdown();

}  // namespace callward::audit
