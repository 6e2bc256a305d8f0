// The rules of people and disclosures over the log's entries, for `callward log check`: the role
// chart and the chains are judged anew by people::Chart and disclose::Chain, by the limits that the
// log says were in force; what only the keeper knew when it judged (checks, call-backs, who was on
// duty, whose key a browser has) is held to the entries that say so. Nothing but the log is read.
//
// Names and weights of the rules stand in audit/rules_table.cpp. Time is the log's own; steps have
// the keeper's counted time, which a restart may move ahead of it, never back.
//
// Memory: what the log says of each customer and request, a few hundred bytes each.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "audit/rules.hpp"
#include "disclose/chain.hpp"
#include "disclose/recordings.hpp"
#include "vault/policy.hpp"

namespace callward::disclose {

class LogRules final : public audit::RuleJudge {
 public:
  explicit LogRules(audit::RuleGrace grace = {}) : grace_(grace) {}
  void add(std::uint64_t index, const audit::Entry& entry, const Find& find) override;
  void finish(std::int64_t newest_at, const Find& find) override;

 private:
  struct Moment {
    std::uint64_t index = 0;
    std::int64_t at = 0;
  };
  struct OfRequest {
    Chain chain;
    std::uint64_t last = 0;                  // its newest entry
    std::int64_t since = 0;                  // counted time of that state
    std::set<std::string> passed;            // since it rang
    std::set<std::uint32_t> proofs;          // ... and by which fields; of a code where it went
    std::optional<std::uint32_t> code_sent;  // to which field, the last one since it rang
    bool code_by_mail = false;
    std::optional<CallBack> call_back;
    std::uint64_t rang = 0;
    PersonId rung_by;
    std::map<std::uint32_t, bool> said;     // steps, and whether they have words
    std::set<PersonId> read;                // ... and who read the first one's
    std::map<PersonId, HeardSound> opened;  // had keys of the call-back's sound
    std::set<PersonId> heard;               // ... of enough, as an entry of the request says
    bool broken = false;                    // a rule, and nothing more is said of it
    bool late_said = false;
  };
  struct OfField {
    std::string field, kind, of_class;
    std::uint32_t of_case = 0;
    Moment stored;
    std::int64_t due = 0;   // of a secret: gone by then; 0: never
    bool replaced = false;  // there was one before it
    bool ordered = false;   // to be erased, by itself
    bool gone = false;
  };
  struct OfCase {
    // Promised when it began, at most so long; 0: not known.
    std::int64_t reference_days = 0, contact_days = 0;
    // Once closed: until then, by the days in force of then; 0: open.
    std::int64_t closed_at = 0, reference_until = 0, contact_until = 0;
  };
  struct OfCustomer {
    std::map<std::uint32_t, OfField> fields;  // by leaf
    std::map<std::uint32_t, OfCase> cases;
    std::map<std::uint32_t, PersonId> open_cases;
    std::map<std::string, std::uint32_t> newest;
    std::optional<Moment> held;
    std::int64_t changed_at = 0;  // when something was last ordered that may take a field
    // Who ordered all of it gone, since that was last confirmed, and when, the last time.
    std::map<PersonId, std::int64_t> all_by;
    std::int64_t all_at = 0;  // when it was; 0: never
    std::vector<RequestId> requests;
  };
  // What a keeper states has to be so much, for some rules to hold its log (audit::kRulesStated):
  // who seconds is made by two; who acts on customers' data, and how many look-ups a day; what is
  // typed in no call-back, and what one person has erased; who seconds had a passkey first.
  static constexpr std::int64_t kRulesOfSeconds = 2, kRulesOfActs = 3, kRulesOfTyped = 4,
                                kRulesOfKeys = 4;
  // A keeper counts 24 hours from a moment that the log does not say, and each for itself: in a day
  // of the log's there are two of its days at most.
  static constexpr std::size_t kDays = 2;
  using ReaderKey = std::array<std::uint8_t, 32>;
  struct Reader {
    PersonId person;
    Bytes passkey;
    std::int64_t at = 0;
    keys::ReaderScope scope;
  };
  struct Now {  // the entry that is looked at
    std::uint64_t index;
    const audit::Entry& entry;
    const Find& find;
    void breaks(std::string_view rule, std::string what) const {
      find(rule, index, entry.subject, std::move(what));
    }
  };
  using Handler = void (LogRules::*)(const Now&);
  static const std::map<std::string_view, Handler>& handlers();

  // log_rules.cpp: people and requests
  void keeper_started(const Now& now);
  void hand_over_failed(const Now& now);
  void policy_in_force(const Now& now);
  void chart_changed(const Now& now);
  void made_second_by(const Now& now, const people::SignedChange& change);
  void duty_changed(const Now& now);
  void reader_bound(const Now& now);
  void disclosure_step(const Now& now);
  void check_assigned(const Now& now, const Request& before, const ChainStep& step);
  void check_proofs(const Now& now, const OfRequest& request, const ChainStep& step);
  void check_pass(const Now& now, const OfRequest& request, const ChainStep& step);
  void check_view(const Now& now, const OfRequest& request, const ChainStep& step);
  OfRequest* in_call(const Now& now, std::string_view rule, bool by_expert);
  void check_made(const Now& now);
  void code_sent(const Now& now);
  void call_back_made(const Now& now);
  void words_read(const Now& now);
  void call_back_heard(const Now& now);
  void check_heard(const Now& now, const OfRequest& request, const ChainStep& step);
  void receipt_given(const Now& now);
  void call_started(const Now& now);
  bool reads_on(const Reader& reader, std::int64_t at) const;
  // log_rules_recordings.cpp
  void opened(const Now& now);
  void check_opened_before(const Now& now, const CallId& call, const keys::CallBackOf& of);
  Heard heard_of(const CallId& call, std::int64_t at) const;
  void erase_intended(const Now& now);
  void held_decided(const Now& now);
  void marked(const Now& now);
  void check_taken(const Now& now, std::string_view by) const;
  // log_rules_calls.cpp
  void call_at(const Now& now);
  void looked_up(const Now& now);
  void count_looked_up(const Now& now);
  void count_caller(const Now& now);
  [[nodiscard]] bool is_call_back(const CallId& call) const;
  void check_typed(const Now& now, std::string_view call) const;
  void private_on(const Now& now);
  void check_in_call(const Now& now, std::string_view call) const;
  // log_rules_vault.cpp: customers
  void fields_stored(const Now& now);
  void fields_void(const Now& now);
  void fields_erase_intended(const Now& now);
  void note_keep(const Now& now);
  void check_kept(const Now& now, const OfCustomer& customer, const OfField& field);
  void field_retention_stopped(const Now& now);
  void field_retention_confirmed(const Now& now);
  void check_hold(const Now& now, const OfCustomer& customer, std::uint32_t leaf);
  void check_role(const Now& now, people::Roles roles) const;
  void check_wished(const Now& now, const OfCustomer& customer, std::uint32_t leaf) const;
  void order_all(const Now& now, OfCustomer& customer);
  void count_ordered(const Now& now);
  void check_settled(const Now& now, const OfCustomer& customer) const;
  void case_closed(const Now& now);
  void case_assigned(const Now& now);
  void query_read(const Now& now);
  void erasure_ordered(const Now& now);
  void customer_hold(const Now& now);
  static void note_case(OfCase& begun, const audit::Entry& entry);
  void due_soon(OfField& field, std::int64_t at);
  void finish_secrets(std::int64_t newest_at, const Find& find) const;
  void finish_reviews(std::int64_t newest_at, const Find& find) const;

  audit::RuleGrace grace_;
  std::unique_ptr<people::Chart> chart_;
  people::RelyingParty party_;
  std::optional<Limits> limits_;
  // Days that are in force for what is stored. `by_owner_`: the log says that they grow shorter by
  // an owner's word alone (keepers before did as the policy said).
  std::optional<vault::Keep> keep_;
  bool by_owner_ = false;
  std::optional<Moment> kept_stopped_;
  std::set<std::array<std::uint8_t, 16>> words_;  // an owner's, by their nonces
  std::uint64_t chart_last_ = 0;                  // the newest change's entry, plus one
  bool had_second_ = false;                       // once there was who may be the second of two
  std::map<RequestId, OfRequest> requests_;
  std::map<CustomerId, OfCustomer> customers_;
  struct OfCall {
    std::uint64_t began = 0;
    bool call_back = false;
    // Who had keys of it before the log says whose call-back it was.
    std::vector<std::pair<PersonId, std::uint64_t>> opened_by;
    std::set<PersonId> were;  // at whose telephone it is, or has been
  };
  std::map<CallId, OfCall> calls_;
  struct LookedUp {  // typed values, on one day of the log's, by the newest keeper
    std::int64_t day = 0;
    std::size_t all = 0, most = 0;  // and how many it may be, by the chart when it was most
    std::map<std::string, std::size_t> by;
  };
  LookedUp looked_;
  struct OwnDay {  // the same, of each person
    std::int64_t day = 0;
    std::map<std::string, std::size_t> by;
    std::size_t count(std::int64_t on, const std::string& who) {
      if (on != day) *this = {.day = on};
      return ++by[who];
    }
  };
  OwnDay callers_, ordered_;                   // by a call's number; erasures of what is no secret
  std::uint64_t takers_of_ = 0;                // the chart's entry by which `look_ups_` is
  std::size_t look_ups_ = 0;                   // of all in a day
  std::set<std::string> private_;              // stretches that have begun, by their orders
  std::map<CallId, keys::CallBackOf> backed_;  // that were a call-back already
  struct Keeper {                              // the newest one
    std::int64_t at = 0;
    std::int64_t rules = 0;  // that its entries can be held to, or those of one before it
    std::set<PersonId> on_duty;
    std::map<std::pair<PersonId, ReaderKey>, Reader> readers;
  };
  Keeper keeper_;
  std::set<PersonId> came_;  // on duty, and not off since, whatever keepers came and went
  std::optional<Keeper> keeper_before_;  // that handed over just now
};

}  // namespace callward::disclose
