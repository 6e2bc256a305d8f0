// A customer: the tree of keys, cases, and what is known of each version of each field. The values
// are records in the server's database; here is who can open them. Pure: it changes itself and says
// which leaves have to go; the keeper erases them (docs/formats/customer.md).
//
//   stored ──▶ readable ──case closes──▶ compare-only ──▶ gone       contact
//              readable ──────── retention ends ────────▶ gone       reference
//              readable ── used, case closes, hours ────▶ gone       secret
//              compare-only ────────────────────────────▶ gone       service word
//
// INVARIANTS
//   (1) A version never becomes readable again, and is never kept longer, whatever a policy says
//       later: its class and its hours were taken when it was stored, its days when its case was
//       opened. A policy that says less holds for what is there, too.
//   (2) The cover opens the leaves of readable versions and those not yet used, no others, once
//       what `leaves_to_go` names was punctured.
//   (3) A leaf is used once.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "keys/key_store.hpp"
#include "keys/tree.hpp"
#include "vault/blind_index.hpp"
#include "vault/policy.hpp"

namespace callward::vault {

using CaseNumber = std::uint32_t;  // of one customer, from 1
using Leaf = std::uint32_t;        // index of stream 0

inline constexpr std::uint8_t kCustomerRowVersion = 66;
// Read, and written anew as the newer one: its cases do not say what was in force at their opening.
inline constexpr std::uint8_t kCustomerRowVersionWithoutDays = 65;

// The id says its row (ADR 13). kNotFound: it is no customer's.
CustomerId make_customer_id(std::uint64_t row, Entropy& entropy);
Result<std::uint64_t> row_of(const CustomerId& id);

enum class FieldState : std::uint8_t { kReadable = 1, kCompareOnly = 2, kGone = 3 };
enum class GoneBy : std::uint8_t {
  kNothing = 0,
  kCorrected = 1,  // a newer version came
  kUsed = 2,
  kCaseClosed = 3,
  kHours = 4,
  kRetention = 5,
  kCustomer = 6,  // the customer wants it gone
};
const char* to_text(FieldState state);
const char* to_text(GoneBy by);
std::optional<GoneBy> parse_gone_by(std::string_view word);

// What remains of a value that can be compared and not read: Argon2id of HMAC(keeper's key, value).
struct CompareToken {
  std::array<std::uint8_t, 16> salt{};
  std::array<std::uint8_t, 32> hash{};
};
inline constexpr std::uint8_t kMissesMax = 3;

struct Version {
  std::string field;  // id in the policy
  FieldKind kind{};
  FieldClass of_class{};
  CaseNumber of_case = 0;
  Leaf leaf = 0;
  std::int64_t stored_at = 0;  // UTC ms
  std::int64_t gone_at = 0;    // of a secret: by then at the latest; 0: no hour
  FieldState state = FieldState::kReadable;
  GoneBy gone_by = GoneBy::kNothing;
  std::optional<CompareToken> compare;
  std::optional<Token> found_by;  // it stands in the blind index, while it is readable
  std::uint8_t misses = 0;        // compared wrongly in a row; locked at kMissesMax
};

struct Case {
  CaseNumber number = 0;
  std::int64_t opened_at = 0, closed_at = 0;            // UTC ms; 0: open
  std::int64_t reference_until = 0, contact_until = 0;  // once closed, by the policy of then
  // By the policy of when it was opened: what is stored in it is kept so long after a case's end at
  // most. kNotKnown: by a row that did not say so.
  static constexpr std::uint16_t kNotKnown = 0xFFFF;
  std::uint16_t reference_days = kNotKnown, contact_days = kNotKnown;
  // When what was to end `until` does by a policy that says `days`; 0: it is open.
  [[nodiscard]] std::int64_t ends(std::int64_t until, std::int64_t days) const {
    return closed_at == 0 ? 0 : std::min(until, closed_at + days * 86'400'000);
  }
  PersonId technician;  // who may read its query while it is open; zero: nobody
};

// By which clock it is judged whose time is over: secrets by one that nothing stops, what is kept
// for days by one that retention may stop. 0: nothing of it.
struct Times {
  std::int64_t secrets = 0, kept = 0;
};

class Customer {
 public:
  // Versions that are not gone; a row has its limit. What people type stops before what has to be
  // said of requests does: else whoever types in data leaves nobody room to revoke what they see.
  // (A row of before may have 2,000 that were typed.)
  static constexpr std::size_t kVersionsMax = 2'200;
  static constexpr std::size_t kWordsKept = 700;  // of them for words alone
  static constexpr std::size_t kTypedMax = kVersionsMax - kWordsKept;
  static constexpr std::size_t kCasesMax = 1'000;
  static constexpr Leaf kLeavesMax = 1u << 20;
  static constexpr Leaf kTypedLeavesMax = kLeavesMax - (1u << 16);
  static_assert(kLeavesMax - kTypedLeavesMax > kWordsKept);

  Customer(const CustomerId& id, Key32 root);
  static Result<Customer> decode(std::uint64_t row, ByteView raw);
  [[nodiscard]] SecretBytes encode() const;
  // The row's size at most, whatever is erased of it.
  [[nodiscard]] std::size_t bytes_at_most() const;

  Result<CaseNumber> open_case(const Keep& keep, std::int64_t now);
  // A new version, readable (a service word: compare-only, with its token). What it replaces goes.
  // kNotFound: no such open case. kFull: beyond kTypedMax, or beyond a
  // row's bytes once all words have their room.
  Result<Leaf> store(const FieldSpec& spec, CaseNumber of_case, const Policy& policy,
                     std::int64_t now, std::optional<CompareToken> compare = {});
  // What a store() would change; taken back when what was stored came to nothing: what it replaced
  // is there again, its own leaves and cases are used and go.
  struct Before {
    std::vector<Version> versions;
    std::int64_t number_since = 0;
    Leaf next_leaf = 0;
    CaseNumber next_case = 0;
  };
  [[nodiscard]] Before before() const { return {versions_, number_since_, next_leaf_, next_case_}; }
  void take_back(const Before& before);
  // What was said about a request, in a case that may be closed: kept as a reference. `spec.id` is
  // nobody's but this. kFull: beyond kVersionsMax.
  Result<Leaf> add_words(const FieldSpec& spec, CaseNumber of_case, std::int64_t now);
  // A secret that was read is gone; anything else stays.
  void used(Leaf leaf);
  Status close_case(CaseNumber number, const Keep& keep, std::int64_t now);
  // kNotFound: no such open case.
  Status assign_case(CaseNumber number, const PersonId& technician);
  // What its time is over for and still has to be erased: by hours or retention, not by a hand.
  [[nodiscard]] std::size_t passed() const;
  // What pass() would take, besides.
  [[nodiscard]] std::size_t over(const Keep& keep, const Times& times) const;
  // What its time is over for: secrets by the hour, references and compare-only values by
  // retention. Under a legal hold secrets only.
  void pass(const Keep& keep, const Times& times);
  // It is to go, whatever it is: by the log's word.
  void go(Leaf leaf, GoneBy by);
  // What the log says was stored, where the row does not know of it: false where it does.
  bool restore(const FieldSpec& spec, CaseNumber of_case, Leaf leaf, std::int64_t stored_at,
               std::int64_t gone_at);
  void restore_case(CaseNumber number, const Keep& keep, std::int64_t opened_at);
  // Leaves before this one are used, whatever became of them.
  void skip_leaves(Leaf before) { next_leaf_ = std::max(next_leaf_, before); }
  // The customer wants it gone: one version, or (nullopt) everything. kDenied: a legal hold.
  Status erase(std::optional<Leaf> leaf);
  // A contact becomes compare-only once its token is made, for which it has to be read once more.
  [[nodiscard]] std::vector<Leaf> to_compare() const;
  void set_compare(Leaf leaf, const CompareToken& token);
  void set_found_by(Leaf leaf, const Token& token);
  // Those of what is readable no more: to be taken out of the index. Each is said once.
  std::vector<Token> take_stale_tokens();
  // Counts a comparison; kDenied: locked, kNotFound: nothing to compare with.
  Result<bool> compared(Leaf leaf, bool fits);

  // Leaves that the cover still opens and may not, and of what was compared: to be punctured, and
  // the store's epoch switched, so that no old page has the key or the token.
  [[nodiscard]] std::vector<Leaf> leaves_to_go() const;
  void puncture(const std::vector<Leaf>& leaves);
  [[nodiscard]] const Version* find(Leaf leaf) const;
  [[nodiscard]] const Version* newest(const std::string& field) const;  // that is not gone
  // Not after the last moment, by what it has: when pass() has something to do next; 0: never.
  [[nodiscard]] std::int64_t next_pass(const Keep& keep) const;
  // How many days after the last case's end it is kept: no more than was promised when its own
  // began; 0 of a secret.
  [[nodiscard]] std::int64_t days_of(const Version& version, const Keep& keep) const;
  // ... and as it is to be told: where every case is over, those that were in force when it was.
  [[nodiscard]] std::int64_t days_told(const Version& version, const Keep& keep) const;
  // When this version's time is over, a hold aside; 0: not while a case is open.
  [[nodiscard]] std::int64_t until(const Version& version, const Keep& keep) const;

  [[nodiscard]] const CustomerId& id() const { return id_; }
  [[nodiscard]] const std::vector<Version>& versions() const { return versions_; }
  // By count and by the row's bytes.
  [[nodiscard]] std::size_t room_for_words() const;
  [[nodiscard]] const std::vector<Case>& cases() const { return cases_; }
  [[nodiscard]] const keys::Cover& cover() const { return cover_; }
  [[nodiscard]] Leaf next_leaf() const { return next_leaf_; }
  [[nodiscard]] const Case* find_case(CaseNumber number) const;
  [[nodiscard]] bool held() const { return held_; }
  void hold(bool on);
  [[nodiscard]] std::int64_t number_since() const { return number_since_; }
  // When the first case was opened; 0: none was.
  [[nodiscard]] std::int64_t begun_at() const {
    return cases_.empty() ? 0 : cases_.front().opened_at;
  }

 private:
  Customer() = default;
  void replace_with(Version version);
  Version* find_version(Leaf leaf);
  Case* case_of(CaseNumber number);
  [[nodiscard]] bool all_closed() const;
  static void let_go(Version& version, GoneBy by);
  [[nodiscard]] bool is_over(const Version& version, const Keep& keep, const Times& times) const;
  void forget_gone();

  CustomerId id_;
  bool held_ = false;
  Leaf next_leaf_ = 0;
  CaseNumber next_case_ = 1;
  std::int64_t number_since_ = 0;  // when the number on file was changed; 0: never had one
  std::vector<Case> cases_;
  std::vector<Version> versions_;  // by leaf; those that are gone and punctured are forgotten
  keys::Cover cover_;
};

}  // namespace callward::vault
