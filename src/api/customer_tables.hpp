// What the server keeps of customers and requests: ciphertext, and copies of what the log says of
// them for lists and time-lines. No value, no name, no number, no key.
//
// INVARIANTS
//   (1) What the log says is followed in its order, once, a bundle a transaction; it can be read
//       from the beginning at any time and gives the same rows.
//   (2) A record whose end the log has (`fields_erase_intended`) is not kept; FieldsGone only tells
//       of it sooner.
//   (3) A copy decides nothing: the keeper judges each step anew.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/entry.hpp"
#include "audit/note.hpp"
#include "base/vfs.hpp"
#include "db/database.hpp"
#include "disclose/request.hpp"
#include "keys/vault_protocol.hpp"

namespace callward::api {

std::vector<std::string> customer_migrations();
std::vector<std::string> customer_later_migrations();
std::vector<std::string> call_trail_migrations();
// Of an entry's data; empty where there is no such text.
std::string text_at(const boost::json::object& data, const char* name);
// Entries about calls that are followed: beginnings, orders, openings.
bool is_of_calls(std::string_view type);

struct CaseRow {
  CustomerId customer;
  std::uint32_t number = 0;
  std::int64_t opened_at = 0, closed_at = 0;  // UTC ms; 0: open
  PersonId opened_by, technician;             // zero: nobody
  CallId call;                                // in which it was opened; zero: none
};
struct CaseFilter {
  std::optional<PersonId> opened_by, technician;
  std::optional<bool> open;
  // Behind this one: opened_at, customer, number.
  std::optional<std::tuple<std::int64_t, std::string, std::int64_t>> before;
  std::int64_t limit = 100;
};

struct LogRow {
  std::uint64_t entry = 0;
  std::string type, actor;
  std::int64_t at = 0;
  boost::json::object data;
};

// kWaiting: whosoever, for an expert or a release.
enum class RequestView : std::uint8_t {
  kMine,
  kVerify,
  kRelease,
  kReview,
  kAll,
  kWindow,
  kWaiting
};
struct RequestFilter {
  RequestView view{};
  PersonId person;  // whose view it is
  // Of these requesters alone; nothing: of all.
  std::optional<std::vector<PersonId>> of;
  // What is shown of what the view finds; empty: all of it.
  std::function<bool(const disclose::Request&)> shows;
  // Behind this one: its place in the order, and its id.
  std::optional<std::pair<std::int64_t, std::string>> after;
  std::int64_t limit = 100;
};
struct RequestPage {
  std::vector<disclose::Request> requests;
  // Behind which it goes on; nothing: there is no more.
  std::optional<std::pair<std::int64_t, std::string>> next;
};

struct Form {
  std::string token_hash;  // hex SHA-256
  CustomerId customer;
  std::uint32_t of_case = 0;
  std::string field;
  PersonId by;
  std::int64_t until = 0;
};

class CustomerTables {
 public:
  explicit CustomerTables(db::Database& database) : db_(database) {}

  // ---- records ----
  Status keep_field(const CustomerId& customer, std::uint32_t of_case,
                    const keys::StoredField& field);
  Status keep_statement(const CustomerId& customer, const RequestId& request, std::uint32_t number,
                        const keys::FieldRecord& statement);
  // No record: it is not here (compare-only, or gone). The keeper says what that means.
  Result<keys::FieldRecord> record(const CustomerId& customer, std::uint32_t leaf);
  Result<keys::FieldRecord> newest(const CustomerId& customer, std::uint32_t of_case,
                                   const std::vector<std::string>& fields);  // kNotFound
  Result<keys::FieldRecord> statement(const RequestId& request, std::uint32_t number);
  Status gone(const CustomerId& customer, const std::vector<std::uint32_t>& leaves);

  // ---- cases ----
  Status keep_case(const CaseRow& row);  // as the keeper has just said; the log says it again
  Status close(const CustomerId& customer, std::uint32_t number, std::int64_t at);
  Status assign(const CustomerId& customer, std::uint32_t number, const PersonId& technician);
  Result<std::optional<CaseRow>> find_case(const CustomerId& customer, std::uint32_t number);
  Result<std::vector<CaseRow>> cases(const CaseFilter& filter);
  // The last call by then in which something of the case was typed; zero: none.
  Result<CallId> call_of(const CustomerId& customer, std::uint32_t number, std::int64_t by);
  Result<bool> works_for(const PersonId& person, const CustomerId& customer);

  // ---- requests ----
  // kNotFound. By the log's steps and the limits of then; `limits` where the log does not tell.
  Result<disclose::Request> request(const RequestId& id, const disclose::Limits& limits);
  // ... and of one whose steps cannot be read, as it stood last: a list has each of them.
  Result<disclose::Request> known(const RequestId& id, const disclose::Limits& limits);
  Result<bool> has_step(const RequestId& id, std::uint32_t number);  // the log has told of it
  // At most filter.limit, of at most kLookedAtMax that were looked at: an empty page may go on.
  static constexpr std::int64_t kLookedAtMax = 2'000;
  Result<RequestPage> requests(const RequestFilter& filter, const disclose::Limits& limits);
  // As the log's steps up to the entry `to` have made it.
  Status keep_request(const disclose::Request& request, std::int64_t to,
                      const disclose::Limits& limits);
  Result<bool> has_part(const PersonId& person, const CustomerId& customer);
  Result<bool> is_asked_for(const CustomerId& customer);
  Result<std::vector<RequestId>> requests_of(const CustomerId& customer);

  // ---- the log ----
  // Entries about a customer or a request, oldest first, behind `after`; of `types` alone, if any.
  Result<std::vector<LogRow>> log_of(const std::string& subject, std::optional<std::uint64_t> after,
                                     std::int64_t limit, const boost::json::array& types = {});
  // Entries about a call in which something of a customer was typed, or that was a call-back,
  // oldest first: what was erased of it (`erase_intended`, `retention_intended`, and `erased` with
  // all its orders), who was given keys of it (`opened`, `exported`). Of `types` alone, if any.
  Result<std::vector<LogRow>> trail_of(const std::string& call, std::int64_t limit,
                                       const boost::json::array& types = {});
  struct Touched {
    std::set<RequestId> requests;  // of which there is anything new
    std::set<RequestId> stepped;   // to be projected anew, once for all its new steps
    std::map<RequestId, std::set<PersonId>> left;  // experts from whom it was taken
    std::map<PersonId, std::int64_t> missed;       // on duty, as the keeper says, and when (UTC ms)
  };
  // Takes in what was published since the last time, at most so many bundles. `news`: what of it
  // people are told, where it fails after some bundles, too.
  Status follow_log(const std::string& log_dir, const audit::NamedKey& key, Vfs& vfs,
                    const disclose::Limits& limits, Touched& news);
  Status take(std::uint64_t index, const audit::Entry& entry, Touched& touched);

  // ---- one-time forms ----
  static constexpr std::int64_t kFormMs = 30 * 60'000;
  static constexpr std::int64_t kFormsPerCaseMax = 5;       // that are open
  static constexpr std::int64_t kFormsPerPersonMax = 50;    // that are open
  static constexpr std::int64_t kFormsMax = 10'000;         // that are open
  static constexpr std::int64_t kFormTriesMax = 5;          // values that the keeper did not take
  static constexpr std::int64_t kFormsKeptMs = 86'400'000;  // after their end: then the row goes
  Status make_form(const Form& form, std::int64_t now);     // kFull
  Result<Form> form(const std::string& token_hash, std::int64_t now);  // kNotFound: none that holds
  // The one try that counts: false when somebody else has it.
  Result<bool> use_form(const std::string& token_hash, std::int64_t now);
  Status give_form_back(const std::string& token_hash);  // the keeper did not take the value

  static constexpr std::int64_t kStepsMax = 10'000;  // of one request
  static constexpr std::uint64_t kBundlesPerTurn = 64;
  // A call lasts 29 hours at most, and what was typed in it is taken a minute after its end.
  static constexpr std::int64_t kCallForgottenMs = 31 * 3'600'000;

 private:
  Status take_customer(std::uint64_t index, const audit::Entry& entry);
  Status take_erased(std::uint64_t index, const audit::Entry& entry);
  Status take_void(const audit::Entry& entry);
  Status take_of_call(std::uint64_t index, const audit::Entry& entry);
  Status take_erased_of_calls(std::uint64_t index, const audit::Entry& entry);
  Status take_retention(std::uint64_t index, const audit::Entry& entry);
  Status call_began(const audit::Entry& entry);
  Status call_is_told(const std::string& call, std::int64_t at);
  Status note_call(std::uint64_t index, const std::string& call, const audit::Entry& entry);
  Status take_going(const audit::Entry& entry);
  Status note(std::uint64_t index, const std::string& subject, const audit::Entry& entry);
  // A request with the entry of the last step that is in it.
  struct Folded {
    disclose::Request request;
    std::int64_t to = -1;
    // As its row has it, where that is another program's; nothing: it is ours, or there is none.
    std::optional<Bytes> stale;
  };
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  Result<Folded> fold(const RequestId& id, const disclose::Limits& today, std::int64_t end);
  disclose::Limits limits_at(std::int64_t entry, const disclose::Limits& today);
  Status project(const RequestId& id, const disclose::Limits& limits, std::int64_t end,
                 Touched& touched);
  Result<std::int64_t> followed_to();  // entries of the log that were taken in
  Status begin_anew();
  db::Database& db_;
};

}  // namespace callward::api
