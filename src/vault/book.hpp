// All customers: their rows in the key store, and the index by which they are found. Loads a row
// when it is asked for, keeps what was asked for lately, and says what has to be written; who
// writes, erases and logs is the keeper (keys/tenant.hpp).
//
// INVARIANT: what stage_rows() has put into the store is what is here; a customer that is not in
// the store and not here is nobody.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>

#include "keys/key_store.hpp"
#include "vault/customer.hpp"
#include "vault/head.hpp"

namespace callward::vault {

class Book {
 public:
  static constexpr std::size_t kKeptMax = 20'000;  // in memory, unchanged
  static constexpr std::uint64_t kSpareMin = 512, kSpareMax = 2'048;
  static constexpr std::size_t kFoundMax = 20;           // customers of one value
  static constexpr std::size_t kScannedPerTurn = 2'000;  // rows

  Book(Entropy& entropy, keys::KeyStore& store);
  // Reads the head, or makes one. kCorrupt, kUnsupported.
  Status open();

  // Stays where it is until let_go(). kNotFound: nobody, or erased.
  Result<Customer*> find(const CustomerId& id);
  // One of the spare ones, whose keys are on the disk already, or a fresh one (`durable` false: it
  // has to be written before anybody hears of it). kFull: there are no more rows.
  struct Created {
    Customer* customer = nullptr;
    bool durable = false;
  };
  Result<Created> create();
  // Makes spare ones where few are left (true: then they are staged, and count once committed).
  bool make_spare();
  void committed();
  // It was somebody's, the log says: never a spare one again.
  void taken(std::uint64_t row);
  void touch(const Customer& customer);  // it has changed
  Head& change_head() {
    head_dirty_ = true;
    return head_;
  }
  [[nodiscard]] const Head& head() const { return head_; }

  // By the token of a value of this kind; the customers who have it now, at most kFoundMax.
  [[nodiscard]] Token token_of(FieldKind kind, ByteView normalised) const;
  Status index(Customer& customer, Leaf leaf, const Token& token);
  Result<std::vector<CustomerId>> look_up(const Token& token);

  // Those whose leaves have to go: out of their cover, and what found them out of the index. The
  // customer who wanted all gone loses the row.
  Status puncture(Customer& customer);
  void drop(const Customer& customer);

  Status stage_rows();
  [[nodiscard]] std::size_t dirty() const { return dirty_.size() + dropped_.size(); }  // rows
  void let_go();  // of what is unchanged and not asked for lately

  // One turn of some rows. A row that cannot be read keeps nobody behind it from their turn.
  struct Turn {
    std::optional<std::uint64_t> next;  // where the next turn goes on; nothing: at the end
    std::uint64_t unread = 0;           // rows that are there and could not be read
    std::string why;                    // the last of them, with its number
  };
  // Goes round all customers, some rows a turn, as they are; `on_wanted` gets those that are.
  // Behind the end it begins anew. An error: no mirror is there.
  Result<Turn> scan(const std::function<bool(const Customer&)>& wanted,
                    const std::function<void(Customer&)>& on_wanted);
  void scan_anew() { scanned_ = keys::kCustomerRowsFrom; }
  [[nodiscard]] bool nobody() const { return head_.next_customer == keys::kCustomerRowsFrom; }
  // The customers of some rows from `from` on, as they are.
  Result<Turn> visit(std::uint64_t from, const std::function<void(const Customer&)>& on_customer);
  struct Place {
    std::uint64_t rows = 0, of = 0;
  };
  [[nodiscard]] Place scanned() const { return place_of(scanned_); }
  [[nodiscard]] Place place_of(std::uint64_t row) const {
    return {row - keys::kCustomerRowsFrom, head_.next_customer - keys::kCustomerRowsFrom};
  }

 private:
  struct Kept {
    std::unique_ptr<Customer> customer;
    std::uint64_t asked = 0;
  };
  Result<std::optional<SecretBytes>> read_bucket(std::uint64_t bucket);
  BlindIndex index_of();

  Entropy& entropy_;
  keys::KeyStore& store_;
  Head head_;
  bool head_dirty_ = false;
  std::uint64_t staged_spare_end_ = 0;            // once it is committed; 0: nothing new
  std::unordered_map<std::uint64_t, Kept> kept_;  // by row
  std::set<std::uint64_t> dirty_, dropped_;
  std::uint64_t asked_ = 0, scanned_ = keys::kCustomerRowsFrom;
};

}  // namespace callward::vault
