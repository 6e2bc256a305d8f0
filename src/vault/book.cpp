#include "vault/book.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace callward::vault {

Book::Book(Entropy& entropy, keys::KeyStore& store) : entropy_(entropy), store_(store) {}

Status Book::open() {
  const auto row = TRY(store_.get(keys::kVaultHeadRow));
  if (row) {
    head_ = TRY(Head::decode(row->expose()));
    return {};
  }
  auto& fresh = change_head();
  fresh.search_key = entropy_.key();
  fresh.compare_key = entropy_.key();
  return {};
}

Result<Customer*> Book::find(const CustomerId& id) {
  const auto row = TRY(row_of(id));
  const auto nobody = fail(Errc::kNotFound, "no such customer");
  if (dropped_.contains(row)) return nobody;
  auto at = kept_.find(row);
  if (at == kept_.end()) {
    const auto content = TRY(store_.get(row));
    if (!content) return nobody;
    auto read = std::make_unique<Customer>(TRY(Customer::decode(row, content->expose())));
    at = kept_.emplace(row, Kept{std::move(read), 0}).first;
  }
  // An id that was guessed has the row right, and not the rest.
  if (!equal_constant_time(at->second.customer->id().bytes, id.bytes)) return nobody;
  at->second.asked = ++asked_;
  return at->second.customer.get();
}

Result<Book::Created> Book::create() {
  auto& head = change_head();
  if (head.next_customer >= keys::kCustomerRowsEnd)
    return fail(Errc::kFull, "the vault has had as many customers as it can number");
  const auto row = head.next_customer++;
  if (row < head.spare_end) {
    const auto content = TRY(store_.get(row));
    if (!content) return fail(Errc::kCorrupt, "a spare customer's row is not there");
    auto spare = std::make_unique<Customer>(TRY(Customer::decode(row, content->expose())));
    auto* customer = spare.get();
    kept_.insert_or_assign(row, Kept{std::move(spare), ++asked_});
    dirty_.insert(row);
    return Created{customer, true};
  }
  head.spare_end = std::max(head.spare_end, head.next_customer);
  auto fresh = std::make_unique<Customer>(make_customer_id(row, entropy_), entropy_.key());
  auto* customer = fresh.get();
  kept_.insert_or_assign(row, Kept{std::move(fresh), ++asked_});
  dirty_.insert(row);
  return Created{customer, false};
}

bool Book::make_spare() {
  if (staged_spare_end_ != 0 || head_.spare_end - head_.next_customer >= kSpareMin) return false;
  const auto end = std::min(keys::kCustomerRowsEnd, head_.next_customer + kSpareMax);
  for (auto row = head_.spare_end; row < end; ++row)
    store_.stage_put(row, Customer(make_customer_id(row, entropy_), entropy_.key()).encode());
  staged_spare_end_ = end;
  return true;
}

// The head says so with the next commit only: until then it names fewer than there are.
void Book::committed() {
  if (staged_spare_end_ == 0) return;
  auto& head = change_head();
  head.spare_end = std::max(head.spare_end, staged_spare_end_);
  staged_spare_end_ = 0;
}

void Book::taken(std::uint64_t row) {
  if (row < head_.next_customer) return;
  auto& head = change_head();
  head.next_customer = row + 1;
  head.spare_end = std::max(head.spare_end, head.next_customer);
}

void Book::touch(const Customer& customer) { dirty_.insert(*row_of(customer.id())); }

Token Book::token_of(FieldKind kind, ByteView normalised) const {
  return make_token(head_.search_key, kind, as_text(normalised));
}

BlindIndex Book::index_of() {
  return BlindIndex({.get = [this](std::uint64_t bucket) { return read_bucket(bucket); },
                     .put =
                         [this](std::uint64_t bucket, SecretBytes content) {
                           store_.stage_put(keys::kBucketRowsFrom + bucket, std::move(content));
                         }},
                    head_.index);
}

Result<std::optional<SecretBytes>> Book::read_bucket(std::uint64_t bucket) {
  return store_.get(keys::kBucketRowsFrom + bucket);
}

Status Book::index(Customer& customer, Leaf leaf, const Token& token) {
  auto index = index_of();
  TRY(index.add(token, *row_of(customer.id())));
  change_head().index = index.head();
  customer.set_found_by(leaf, token);
  touch(customer);
  return {};
}

Result<std::vector<CustomerId>> Book::look_up(const Token& token) {
  std::vector<CustomerId> found;
  for (const auto row : TRY(index_of().find(token))) {
    if (found.size() >= kFoundMax) break;
    if (dropped_.contains(row)) continue;
    const auto kept = kept_.find(row);
    if (kept != kept_.end()) {
      found.push_back(kept->second.customer->id());
      continue;
    }
    const auto content = TRY(store_.get(row));
    if (!content) continue;
    const auto customer = TRY(Customer::decode(row, content->expose()));
    found.push_back(customer.id());
  }
  return found;
}

Status Book::puncture(Customer& customer) {
  const auto stale = customer.take_stale_tokens();
  auto index = index_of();
  for (const auto& token : stale) TRY(index.remove(token, *row_of(customer.id())));
  if (!stale.empty()) change_head().index = index.head();
  customer.puncture(customer.leaves_to_go());
  touch(customer);
  return {};
}

void Book::drop(const Customer& customer) {
  const auto row = *row_of(customer.id());
  dropped_.insert(row);
  dirty_.erase(row);
  kept_.erase(row);
}

Status Book::stage_rows() {
  for (const auto row : dirty_) {
    const auto at = kept_.find(row);
    CHECK(at != kept_.end());
    store_.stage_put(row, at->second.customer->encode());
  }
  for (const auto row : dropped_) store_.stage_drop(row);
  if (head_dirty_) store_.stage_put(keys::kVaultHeadRow, head_.encode());
  dirty_.clear();
  dropped_.clear();
  head_dirty_ = false;
  return {};
}

void Book::let_go() {
  if (kept_.size() <= kKeptMax) return;
  // The older half of what nobody has asked for lately.
  const auto before = asked_ - std::min<std::uint64_t>(asked_, kKeptMax / 2);
  std::erase_if(kept_, [&](const auto& item) {
    return item.second.asked < before && !dirty_.contains(item.first);
  });
}

Result<Book::Turn> Book::visit(std::uint64_t from,
                               const std::function<void(const Customer&)>& on_customer) {
  std::size_t rows = 0;
  std::uint64_t next = from;
  Turn turn;
  const auto unread = [&turn](std::uint64_t row, const Error& error) {
    ++turn.unread;
    turn.why = "row " + std::to_string(row) + ": " + error.message;
  };
  const auto done = store_.for_each(
      [&](std::uint64_t row, ByteView content) -> Status {
        if (++rows > kScannedPerTurn) return fail(Errc::kBusy, "enough for this turn");
        next = row + 1;
        if (dropped_.contains(row)) return {};
        // What is in memory may be newer than its row.
        if (const auto kept = kept_.find(row); kept != kept_.end()) {
          on_customer(*kept->second.customer);
          return {};
        }
        if (const auto customer = Customer::decode(row, content))
          on_customer(*customer);
        else
          unread(row, customer.error());
        return {};
      },
      from, head_.next_customer);
  if (done) return turn;
  if (rows <= kScannedPerTurn) {  // not by us: what is there opens in no mirror
    if (done.error().code == Errc::kState) return tl::unexpected<Error>(done.error());
    unread(next, done.error());
    next = (next / keys::kRowsPerLeaf + 1) * keys::kRowsPerLeaf;
  }
  if (next < head_.next_customer) turn.next = next;
  return turn;
}

Result<Book::Turn> Book::scan(const std::function<bool(const Customer&)>& wanted,
                              const std::function<void(Customer&)>& on_wanted) {
  std::vector<CustomerId> seen;
  auto turn = TRY(visit(scanned_, [&](const Customer& customer) {
    if (wanted(customer)) seen.push_back(customer.id());
  }));
  scanned_ = turn.next.value_or(keys::kCustomerRowsFrom);
  for (const auto& id : seen)
    if (const auto customer = find(id)) on_wanted(**customer);
  return turn;
}

}  // namespace callward::vault
