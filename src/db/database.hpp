// One SQL database behind a small interface: SQLite (WAL) now, PostgreSQL later. It holds metadata
// and workflow, never content, never a key, never a number or a name of a customer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace callward::db {

using Value = std::variant<std::nullptr_t, std::int64_t, std::string, Bytes>;

class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  // By position; a value of another type reads as zero or empty.
  [[nodiscard]] std::int64_t number(std::size_t column) const;
  [[nodiscard]] std::string text(std::size_t column) const;
  [[nodiscard]] Bytes blob(std::size_t column) const;
  [[nodiscard]] bool null(std::size_t column) const;

 private:
  std::vector<Value> values_;
};

class Database {
 public:
  virtual ~Database() = default;
  // Parameters stand as ?1, ?2 …; never pasted into the text. Rows beyond `kRowsMax` are an error
  // (kTooLarge). It sees what was committed when it began, and within a transaction what that has
  // written; it does not wait for others' transactions.
  virtual Result<std::vector<Row>> query(const std::string& sql,
                                         const std::vector<Value>& parameters = {}) = 0;
  // How many rows it changed.
  virtual Result<std::int64_t> execute(const std::string& sql,
                                       const std::vector<Value>& parameters = {}) = 0;
  // All or nothing; an error of `work` rolls back.
  virtual Status transaction(const std::function<Status()>& work) = 0;
  // The same, durable with what other threads bring meanwhile: one sync for all of them. `work` may
  // run on another thread, while this one waits; it must take no lock that a caller of this holds.
  // An error of one undoes that one's alone. Where all is undone (the disk is full, the commit
  // fails), all of them get that error. Not from within a work, nor within transaction().
  virtual Status write(const std::function<Status()>& work) = 0;

  static constexpr std::size_t kReaders = 4;  // read at once
  static constexpr std::size_t kRowsMax = 100'000;
  static constexpr std::size_t kTogetherMax = 64;     // works of one commit
  static constexpr std::size_t kStatementsMax = 256;  // kept prepared, by their text
  // Of the log of a file's writes: taken over into it from so many pages on, and beyond the bound
  // readers are waited for.
  static constexpr int kLogPages = 1'000, kLogPagesMax = 4'096;  // of 4 KiB
};

// A snapshot of a database that others use, into a new file (SQLite's online backup).
Status copy_sqlite(const std::string& from, const std::string& to);

// What SQLite's own checks say is wrong with a file that nobody writes to; empty: nothing. They see
// a broken structure, not a value that was changed: SQLite has no checksums.
Result<std::vector<std::string>> check_sqlite(const std::string& path);

// Safe for several threads: one writes at a time, kReaders read beside it. Applies what is missing
// of `migrations`, in order; kUnsupported: the file was written by a newer program.
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                              const std::vector<std::string>& migrations);

}  // namespace callward::db
