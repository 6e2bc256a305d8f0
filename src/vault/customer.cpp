#include "vault/customer.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::vault {
namespace {

constexpr std::int64_t kHourMs = 3'600'000, kDayMs = 24 * kHourMs;
constexpr std::size_t kIdRowBytes = 6;
constexpr std::int64_t kFirstNumber = 1;  // long ago: the first one was not changed

template <class Range, class Match>
auto* find_in(Range& range, Match match) {
  const auto at = std::ranges::find_if(range, match);
  return at == range.end() ? nullptr : &*at;
}

}  // namespace

CustomerId make_customer_id(std::uint64_t row, Entropy& entropy) {
  auto id = CustomerId::random(entropy);
  for (std::size_t i = 0; i < kIdRowBytes; ++i)
    id.bytes[i] = static_cast<std::uint8_t>(row >> (8 * i));
  return id;
}

Result<std::uint64_t> row_of(const CustomerId& id) {
  std::uint64_t row = 0;
  for (std::size_t i = 0; i < kIdRowBytes; ++i)
    row |= static_cast<std::uint64_t>(id.bytes[i]) << (8 * i);
  if (row < keys::kCustomerRowsFrom || row >= keys::kCustomerRowsEnd)
    return fail(Errc::kNotFound, "no customer's id");
  return row;
}

const char* to_text(FieldState state) {
  static constexpr std::array kWords = {"", "readable", "compare_only", "gone"};
  return kWords.at(static_cast<std::size_t>(state));
}
const char* to_text(GoneBy by) {
  static constexpr std::array kWords = {"",      "corrected", "used",    "case_closed",
                                        "hours", "retention", "customer"};
  return kWords.at(static_cast<std::size_t>(by));
}

std::optional<GoneBy> parse_gone_by(std::string_view word) {
  for (auto by = GoneBy::kCorrected; by <= GoneBy::kCustomer;
       by = static_cast<GoneBy>(static_cast<int>(by) + 1))
    if (word == to_text(by)) return by;
  return std::nullopt;
}

Customer::Customer(const CustomerId& id, Key32 root)
    : id_(id), cover_(keys::Cover::whole(std::move(root))) {}

const Version* Customer::find(Leaf leaf) const {
  return find_in(versions_, [leaf](const auto& v) { return v.leaf == leaf; });
}
Version* Customer::find_version(Leaf leaf) {
  return find_in(versions_, [leaf](const auto& v) { return v.leaf == leaf; });
}
Case* Customer::case_of(CaseNumber number) {
  return find_in(cases_, [number](const auto& c) { return c.number == number; });
}

const Case* Customer::find_case(CaseNumber number) const {
  return find_in(cases_, [number](const auto& c) { return c.number == number; });
}

void Customer::go(Leaf leaf, GoneBy by) {
  if (auto* version = find_version(leaf); version != nullptr) let_go(*version, by);
}

const Version* Customer::newest(const std::string& field) const {
  for (auto at = versions_.rbegin(); at != versions_.rend(); ++at)
    if (at->field == field && at->state != FieldState::kGone) return &*at;
  return nullptr;
}

bool Customer::all_closed() const {
  return std::ranges::all_of(cases_, [](const auto& c) { return c.closed_at != 0; });
}

void Customer::let_go(Version& version, GoneBy by) {
  if (version.state == FieldState::kGone) return;
  version.state = FieldState::kGone;
  version.gone_by = by;
  version.compare.reset();
}

Result<CaseNumber> Customer::open_case(const Keep& keep, std::int64_t now) {
  if (cases_.size() >= kCasesMax || room_for_words() <= kWordsKept)
    return fail(Errc::kFull, "too many cases of one customer");
  cases_.push_back({.number = next_case_++,
                    .opened_at = now,
                    .reference_days = static_cast<std::uint16_t>(keep.reference_days),
                    .contact_days = static_cast<std::uint16_t>(keep.contact_days)});
  return cases_.back().number;
}

Result<Leaf> Customer::store(const FieldSpec& spec, CaseNumber of_case, const Policy& policy,
                             std::int64_t now, std::optional<CompareToken> compare) {
  const auto* in = case_of(of_case);
  if (in == nullptr || in->closed_at != 0) return fail(Errc::kNotFound, "no such open case");
  const bool word = spec.of_class == FieldClass::kServiceWord;
  CHECK(word == compare.has_value());
  if (next_leaf_ >= kTypedLeavesMax || versions_.size() >= kTypedMax ||
      room_for_words() <= kWordsKept)
    return fail(Errc::kFull, "too many fields of one customer");
  const bool secret = spec.of_class == FieldClass::kSecret;
  const auto leaf = next_leaf_++;
  replace_with({.field = spec.id,
                .kind = spec.kind,
                .of_class = spec.of_class,
                .of_case = of_case,
                .leaf = leaf,
                .stored_at = now,
                .gone_at = secret ? now + policy.keep.secret_hours * kHourMs : 0,
                .state = word ? FieldState::kCompareOnly : FieldState::kReadable,
                .gone_by = GoneBy::kNothing,
                .compare = compare,
                .found_by = {}});
  return leaf;
}

// A secret of another case is that case's; everything else there is once.
void Customer::replace_with(Version version) {
  const bool secret = version.of_class == FieldClass::kSecret;
  for (auto& old : versions_)
    if (old.field == version.field && (!secret || old.of_case == version.of_case) &&
        (!held_ || secret))  // under a hold what was replaced is kept, too
      let_go(old, GoneBy::kCorrected);
  if (version.kind == FieldKind::kPhone)
    number_since_ = number_since_ == 0 ? kFirstNumber : version.stored_at;
  versions_.push_back(std::move(version));
}

bool Customer::restore(const FieldSpec& spec, CaseNumber of_case, Leaf leaf, std::int64_t stored_at,
                       std::int64_t gone_at) {
  if (leaf < next_leaf_ || leaf >= kLeavesMax || versions_.size() >= kVersionsMax ||
      case_of(of_case) == nullptr)
    return false;
  next_leaf_ = leaf + 1;
  replace_with({.field = spec.id,
                .kind = spec.kind,
                .of_class = spec.of_class,
                .of_case = of_case,
                .leaf = leaf,
                .stored_at = stored_at,
                .gone_at = gone_at});
  return true;
}

void Customer::restore_case(CaseNumber number, const Keep& keep, std::int64_t opened_at) {
  if (number < next_case_ || cases_.size() >= kCasesMax) return;
  next_case_ = number;
  (void)open_case(keep, opened_at);  // there is room
}

void Customer::take_back(const Before& before) {
  for (auto& version : versions_)
    if (version.leaf >= before.next_leaf) let_go(version, GoneBy::kCorrected);
  std::erase_if(cases_, [&](const auto& one) { return one.number >= before.next_case; });
  for (const auto& old : before.versions) {
    auto* version = find_version(old.leaf);
    if (version != nullptr && version->gone_by == GoneBy::kCorrected) *version = old;
    // What could only be compared has no leaf to be punctured, and was forgotten at once.
    if (version == nullptr && old.state == FieldState::kCompareOnly) versions_.push_back(old);
  }
  std::ranges::sort(versions_, {}, &Version::leaf);
  number_since_ = before.number_since;
}

void Customer::hold(bool on) {
  held_ = on;
  if (on) return;
  for (auto& version : versions_)
    if (version.of_class != FieldClass::kSecret && newest(version.field) != &version)
      let_go(version, GoneBy::kCorrected);
}

Result<Leaf> Customer::add_words(const FieldSpec& spec, CaseNumber of_case, std::int64_t now) {
  if (find_case(of_case) == nullptr) return fail(Errc::kNotFound, "no such case");
  if (next_leaf_ >= kLeavesMax || room_for_words() == 0)
    return fail(Errc::kFull, "too much was said about one customer's requests");
  versions_.push_back({.field = spec.id,
                       .kind = spec.kind,
                       .of_class = FieldClass::kReference,
                       .of_case = of_case,
                       .leaf = next_leaf_++,
                       .stored_at = now});
  return versions_.back().leaf;
}

void Customer::used(Leaf leaf) {
  auto* version = find_version(leaf);
  if (version != nullptr && version->of_class == FieldClass::kSecret)
    let_go(*version, GoneBy::kUsed);
}

Status Customer::close_case(CaseNumber number, const Keep& keep, std::int64_t now) {
  auto* closed = case_of(number);
  if (closed == nullptr || closed->closed_at != 0)
    return fail(Errc::kNotFound, "no such open case");
  closed->closed_at = now;
  closed->reference_until = now + keep.reference_days * kDayMs;
  closed->contact_until = now + keep.contact_days * kDayMs;
  for (auto& version : versions_)
    if (version.of_case == number && version.of_class == FieldClass::kSecret)
      let_go(version, GoneBy::kCaseClosed);
  return {};
}

Status Customer::assign_case(CaseNumber number, const PersonId& technician) {
  auto* assigned = case_of(number);
  if (assigned == nullptr || assigned->closed_at != 0)
    return fail(Errc::kNotFound, "no such open case");
  assigned->technician = technician;
  return {};
}

std::int64_t Customer::days_of(const Version& version, const Keep& keep) const {
  if (version.of_class == FieldClass::kSecret) return 0;
  const bool contact = version.of_class == FieldClass::kContact;
  const auto days = contact ? keep.contact_days : keep.reference_days;
  const auto* own = find_case(version.of_case);
  if (own == nullptr) return days;
  return std::min<std::int64_t>(days, contact ? own->contact_days : own->reference_days);
}

// The last of all cases decides about what outlives one; 0: not while one is open.
std::int64_t Customer::until(const Version& version, const Keep& keep) const {
  if (version.of_class == FieldClass::kSecret)
    return std::min(version.gone_at, version.stored_at + keep.secret_hours * kHourMs);
  const bool contact = version.of_class == FieldClass::kContact;
  const auto days = days_of(version, keep);
  std::int64_t last = 0;
  for (const auto& one : cases_) {
    if (one.closed_at == 0) return 0;
    last = std::max(last, one.ends(contact ? one.contact_until : one.reference_until, days));
  }
  return last;
}

std::int64_t Customer::days_told(const Version& version, const Keep& keep) const {
  const auto end = until(version, keep);
  if (version.of_class == FieldClass::kSecret || end == 0) return days_of(version, keep);
  const auto last = std::ranges::max(cases_, {}, &Case::closed_at).closed_at;
  return (end - last) / kDayMs;
}

std::size_t Customer::passed() const {
  return static_cast<std::size_t>(std::ranges::count_if(versions_, [](const auto& version) {
    return version.gone_by == GoneBy::kHours || version.gone_by == GoneBy::kRetention;
  }));
}

bool Customer::is_over(const Version& version, const Keep& keep, const Times& times) const {
  const bool secret = version.of_class == FieldClass::kSecret;
  const auto end = until(version, keep);
  return version.state != FieldState::kGone && end != 0 &&
         (secret ? times.secrets : times.kept) >= end && (!held_ || secret);
}

std::size_t Customer::over(const Keep& keep, const Times& times) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      versions_, [&](const auto& version) { return is_over(version, keep, times); }));
}

void Customer::pass(const Keep& keep, const Times& times) {
  for (auto& version : versions_)
    if (is_over(version, keep, times))
      let_go(version,
             version.of_class == FieldClass::kSecret ? GoneBy::kHours : GoneBy::kRetention);
}

std::int64_t Customer::next_pass(const Keep& keep) const {
  std::int64_t next = 0;
  for (const auto& version : versions_) {
    if (version.state == FieldState::kGone) continue;
    if (held_ && version.of_class != FieldClass::kSecret) continue;
    const auto end = until(version, keep);
    if (end != 0 && (next == 0 || end < next)) next = end;
  }
  return next;
}

Status Customer::erase(std::optional<Leaf> leaf) {
  if (leaf) {
    auto* version = find_version(*leaf);
    if (version == nullptr || version->state == FieldState::kGone)
      return fail(Errc::kNotFound, "no such field");
    if (held_ && version->of_class != FieldClass::kSecret)
      return fail(Errc::kDenied, "under a legal hold");
    let_go(*version, GoneBy::kCustomer);
    return {};
  }
  if (held_) return fail(Errc::kDenied, "under a legal hold");
  for (auto& version : versions_) let_go(version, GoneBy::kCustomer);
  return {};
}

std::vector<Leaf> Customer::to_compare() const {
  std::vector<Leaf> leaves;
  if (!all_closed() || held_) return leaves;
  for (const auto& version : versions_)
    if (version.of_class == FieldClass::kContact && version.state == FieldState::kReadable)
      leaves.push_back(version.leaf);
  return leaves;
}

void Customer::set_compare(Leaf leaf, const CompareToken& token) {
  auto* version = find_version(leaf);
  CHECK(version != nullptr && version->state == FieldState::kReadable);
  version->state = FieldState::kCompareOnly;
  version->compare = token;
}

void Customer::set_found_by(Leaf leaf, const Token& token) {
  auto* version = find_version(leaf);
  CHECK(version != nullptr && version->state == FieldState::kReadable);
  version->found_by = token;
}

std::vector<Token> Customer::take_stale_tokens() {
  std::vector<Token> stale;
  for (auto& version : versions_) {
    if (version.state == FieldState::kReadable || !version.found_by) continue;
    stale.push_back(*version.found_by);
    version.found_by.reset();
  }
  return stale;
}

Result<bool> Customer::compared(Leaf leaf, bool fits) {
  auto* version = find_version(leaf);
  if (version == nullptr || version->state == FieldState::kGone)
    return fail(Errc::kNotFound, "nothing to compare with");
  auto& misses = version->misses;
  if (misses >= kMissesMax) return fail(Errc::kDenied, "compared wrongly too often: locked");
  misses = fits ? 0 : static_cast<std::uint8_t>(misses + 1);
  return fits;
}

std::vector<Leaf> Customer::leaves_to_go() const {
  std::vector<Leaf> leaves;
  for (const auto& version : versions_)
    if (version.state == FieldState::kGone ||
        (version.state == FieldState::kCompareOnly && cover_.opens(keys::leaf_of(0, version.leaf))))
      leaves.push_back(version.leaf);
  return leaves;
}

void Customer::puncture(const std::vector<Leaf>& leaves) {
  for (const auto leaf : leaves)
    cover_.puncture(keys::leaf_of(0, leaf), keys::leaf_of(0, leaf) + 1);
  forget_gone();
}

void Customer::forget_gone() {
  std::erase_if(versions_, [this](const auto& version) {
    return version.state == FieldState::kGone && !version.found_by &&
           !cover_.opens(keys::leaf_of(0, version.leaf));
  });
}

}  // namespace callward::vault
