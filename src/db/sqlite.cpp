#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>

#include "base/check.hpp"
#include "db/database.hpp"

namespace callward::db {

std::int64_t Row::number(std::size_t column) const {
  const auto* value =
      column < values_.size() ? std::get_if<std::int64_t>(&values_[column]) : nullptr;
  return value == nullptr ? 0 : *value;
}
std::string Row::text(std::size_t column) const {
  const auto* value =
      column < values_.size() ? std::get_if<std::string>(&values_[column]) : nullptr;
  return value == nullptr ? std::string() : *value;
}
Bytes Row::blob(std::size_t column) const {
  const auto* value = column < values_.size() ? std::get_if<Bytes>(&values_[column]) : nullptr;
  return value == nullptr ? Bytes() : *value;
}
bool Row::null(std::size_t column) const {
  return column >= values_.size() || std::holds_alternative<std::nullptr_t>(values_[column]);
}

namespace {

struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, FinishStatement>;
// One of those that are kept, in use: it holds no read lock and no parameter when it is let go.
struct EndUse {
  void operator()(sqlite3_stmt* statement) const {
    ::sqlite3_reset(statement);
    ::sqlite3_clear_bindings(statement);
  }
};
using Statement = std::unique_ptr<sqlite3_stmt, EndUse>;

// One connection, for one thread at a time.
class Connection {
 public:
  static constexpr int kBusyMs = 5'000, kReadersMs = 50;
  explicit Connection(sqlite3* handle) : handle_(handle) {}
  ~Connection() {
    statements_.clear();
    ::sqlite3_close(handle_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<std::vector<Row>> query(const std::string& sql, const std::vector<Value>& parameters) {
    const auto statement = TRY(prepare(sql, parameters));
    std::vector<Row> rows;
    int rc = SQLITE_ROW;
    while ((rc = ::sqlite3_step(statement.get())) == SQLITE_ROW) {
      if (rows.size() >= Database::kRowsMax)
        return fail(Errc::kTooLarge, "query gives too many rows");
      rows.push_back(read_row(statement.get()));
    }
    if (rc != SQLITE_DONE) return error("query");
    return rows;
  }
  Result<std::int64_t> execute(const std::string& sql, const std::vector<Value>& parameters) {
    const auto statement = TRY(prepare(sql, parameters));
    int rc = SQLITE_ROW;
    while ((rc = ::sqlite3_step(statement.get())) == SQLITE_ROW) {
    }
    if (rc != SQLITE_DONE) return error("execute");
    return ::sqlite3_changes64(handle_);
  }
  [[nodiscard]] sqlite3* handle() const { return handle_; }
  void bound_log() { ::sqlite3_wal_hook(handle_, take_over, this); }
  // Some errors (a full disk, memory that is out) end the transaction by themselves: what is done
  // after that would stand for itself.
  [[nodiscard]] bool in_transaction() const { return ::sqlite3_get_autocommit(handle_) == 0; }

 private:
  tl::unexpected<Error> error(const char* what) {
    const int code = ::sqlite3_extended_errcode(handle_);
    const bool full = (code & 0xFF) == SQLITE_FULL;
    const bool exists = (code & 0xFF) == SQLITE_CONSTRAINT;
    return fail(full     ? Errc::kFull
                : exists ? Errc::kExists
                         : Errc::kIo,
                std::string("database, ") + what + ": " + ::sqlite3_errmsg(handle_));
  }

  Result<Statement> prepare(const std::string& sql, const std::vector<Value>& parameters) {
    auto kept = statements_.find(sql);
    if (kept == statements_.end()) {
      sqlite3_stmt* raw = nullptr;
      if (::sqlite3_prepare_v3(handle_, sql.c_str(), static_cast<int>(sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
        return error("prepare");
      // Most texts are fixed. Of those that are put together from parts there is no end: then all
      // go, and those in use are back at once.
      if (statements_.size() >= Database::kStatementsMax) statements_.clear();
      kept = statements_.emplace(sql, Prepared(raw)).first;
    }
    Statement statement(kept->second.get());
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (bind(statement.get(), static_cast<int>(i + 1), parameters[i]) != SQLITE_OK)
        return error("bind");
    return statement;
  }

  static int bind(sqlite3_stmt* statement, int at, const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value))
      return ::sqlite3_bind_int64(statement, at, *number);
    if (const auto* text = std::get_if<std::string>(&value))
      return ::sqlite3_bind_text(statement, at, text->data(), static_cast<int>(text->size()),
                                 SQLITE_TRANSIENT);
    if (const auto* blob = std::get_if<Bytes>(&value))
      return ::sqlite3_bind_blob(statement, at,
                                 blob->empty() ? "" : static_cast<const void*>(blob->data()),
                                 static_cast<int>(blob->size()), SQLITE_TRANSIENT);
    return ::sqlite3_bind_null(statement, at);
  }

  static Row read_row(sqlite3_stmt* statement) {
    std::vector<Value> values;
    for (int i = 0; i < ::sqlite3_column_count(statement); ++i) {
      switch (::sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
          values.emplace_back(static_cast<std::int64_t>(::sqlite3_column_int64(statement, i)));
          break;
        case SQLITE_TEXT:
          values.emplace_back(
              std::string(reinterpret_cast<const char*>(::sqlite3_column_text(statement, i)),
                          static_cast<std::size_t>(::sqlite3_column_bytes(statement, i))));
          break;
        case SQLITE_BLOB: {
          const auto* data = static_cast<const std::uint8_t*>(::sqlite3_column_blob(statement, i));
          values.emplace_back(Bytes(data, data + ::sqlite3_column_bytes(statement, i)));
          break;
        }
        default:
          values.emplace_back(nullptr);
      }
    }
    return Row(std::move(values));
  }

  // After each commit. What was written lies beside the file until it is taken over; that log
  // begins anew only where nobody reads of it just then. Of many who read somebody always does:
  // beyond the bound they are waited for, a moment, and who comes next reads of the file. Where
  // somebody reads for long, a backup, the log grows on meanwhile.
  static int take_over(void* self, sqlite3* handle, const char* name, int pages) {
    auto& restart_at = static_cast<Connection*>(self)->restart_at_;
    if (pages < Database::kLogPages) {
      restart_at = Database::kLogPagesMax;
      return SQLITE_OK;
    }
    if (pages < restart_at) {
      (void)::sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
      return SQLITE_OK;
    }
    ::sqlite3_busy_timeout(handle, kReadersMs);
    const int rc =
        ::sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    ::sqlite3_busy_timeout(handle, kBusyMs);
    restart_at = rc == SQLITE_OK ? Database::kLogPagesMax : pages + Database::kLogPages;
    return SQLITE_OK;
  }

  sqlite3* handle_;
  int restart_at_ = Database::kLogPagesMax;
  std::map<std::string, Prepared> statements_;
};

Result<std::unique_ptr<Connection>> connect(const std::string& path, int flags, int busy_ms) {
  sqlite3* handle = nullptr;
  const int rc = ::sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  auto made = std::make_unique<Connection>(handle);  // closed in any case
  if (rc != SQLITE_OK) return fail(Errc::kIo, path + ": " + ::sqlite3_errstr(rc));
  ::sqlite3_busy_timeout(handle, busy_ms);
  return made;
}

// Reading goes on while somebody writes: each reader sees what was committed when it began.
class Readers {
 public:
  explicit Readers(std::vector<std::unique_ptr<Connection>> connections)
      : free_(std::move(connections)) {}
  Result<std::vector<Row>> query(const std::string& sql, const std::vector<Value>& parameters) {
    return Lent(*this)->query(sql, parameters);
  }

 private:
  // One of them, for as long as this lives: whatever ends a query, the connection comes back.
  class Lent {
   public:
    explicit Lent(Readers& readers) : readers_(readers) {
      std::unique_lock lock(readers_.mutex_);
      readers_.given_back_.wait(lock, [&] { return !readers_.free_.empty(); });
      mine_ = std::move(readers_.free_.back());
      readers_.free_.pop_back();
    }
    ~Lent() {
      {
        const std::lock_guard lock(readers_.mutex_);
        readers_.free_.push_back(std::move(mine_));
      }
      readers_.given_back_.notify_one();
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    Connection* operator->() const { return mine_.get(); }

   private:
    Readers& readers_;
    std::unique_ptr<Connection> mine_;
  };

  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::unique_ptr<Connection>> free_;  // room for all of them, from the beginning
};

class Sqlite final : public Database {
 public:
  explicit Sqlite(std::unique_ptr<Connection> main) : main_(std::move(main)) {}
  // From now on reading does not wait for who writes.
  void read_by(std::unique_ptr<Readers> readers) { readers_ = std::move(readers); }

  // Within a transaction what it has written itself is read: by its own connection.
  Result<std::vector<Row>> query(const std::string& sql,
                                 const std::vector<Value>& parameters) override {
    if (readers_ != nullptr && sql.starts_with("SELECT") && owner_ != std::this_thread::get_id())
      return readers_->query(sql, parameters);
    const std::lock_guard lock(mutex_);
    return main_->query(sql, parameters);
  }

  Result<std::int64_t> execute(const std::string& sql,
                               const std::vector<Value>& parameters) override {
    const std::lock_guard lock(mutex_);
    return main_->execute(sql, parameters);
  }

  Status transaction(const std::function<Status()>& work) override {
    const std::lock_guard lock(mutex_);
    const Owning owning(owner_);
    TRY(execute("BEGIN IMMEDIATE", {}));
    auto done = work();
    if (done) done = drop(execute("COMMIT", {}));
    if (!done) roll_back();
    return done;
  }

  // The first of those that wait writes for all that have come; who comes meanwhile is the next
  // round's.
  Status write(const std::function<Status()>& work) override {
    CHECK(owner_ != std::this_thread::get_id());  // it would wait for itself
    Waiting mine{.work = work, .outcome = {}, .done = false};
    std::unique_lock lock(queue_mutex_);
    queue_.push_back(&mine);
    while (!mine.done) {
      moved_.wait(lock, [&] { return mine.done || !leading_; });
      if (mine.done) break;
      const auto count = std::min(queue_.size(), kTogetherMax);
      const std::vector<Waiting*> group(queue_.begin(), queue_.begin() + static_cast<long>(count));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<long>(count));
      leading_ = true;
      lock.unlock();
      write_together(group);
      lock.lock();
      for (auto* one : group) one->done = true;
      leading_ = false;
      moved_.notify_all();
    }
    return mine.outcome;
  }

 private:
  // Which thread is within a transaction, for as long as it is.
  struct Owning {
    explicit Owning(std::atomic<std::thread::id>& owner) : owner(owner) {
      owner = std::this_thread::get_id();
    }
    ~Owning() { owner = std::thread::id(); }
    Owning(const Owning&) = delete;
    Owning& operator=(const Owning&) = delete;
    std::atomic<std::thread::id>& owner;
  };
  struct Waiting {
    const std::function<Status()>& work;
    Status outcome;
    bool done = false;
  };

  void roll_back() {
    if (main_->in_transaction()) (void)execute("ROLLBACK", {});
  }

  // An error: it has undone all of them.
  Status write_one(Waiting& one) {
    TRY(execute("SAVEPOINT one", {}));
    one.outcome = one.work();
    if (!main_->in_transaction()) return one.outcome ? fail(Errc::kIo, "undone") : one.outcome;
    if (!one.outcome) TRY(execute("ROLLBACK TO one", {}));
    return drop(execute("RELEASE one", {}));
  }

  void write_together(const std::vector<Waiting*>& group) {
    const std::lock_guard lock(mutex_);
    const Owning owning(owner_);
    const auto outcome = [&]() -> Status {
      TRY(execute("BEGIN IMMEDIATE", {}));
      for (auto* one : group) TRY(write_one(*one));
      return drop(execute("COMMIT", {}));
    }();
    if (!outcome) {
      roll_back();
      for (auto* one : group)
        if (one->outcome) one->outcome = outcome;
    }
  }

  static Status drop(const Result<std::int64_t>& result) {
    if (!result) return tl::unexpected<Error>(result.error());
    return {};
  }

  std::unique_ptr<Connection> main_;
  std::recursive_mutex mutex_;  // query and execute run inside transaction() too
  std::unique_ptr<Readers> readers_;
  std::mutex queue_mutex_;
  std::condition_variable moved_;
  std::deque<Waiting*> queue_;
  bool leading_ = false;
  std::atomic<std::thread::id> owner_;  // who is within a transaction
};

Status migrate(Database& database, const std::vector<std::string>& migrations) {
  const auto rows = TRY(database.query("PRAGMA user_version"));
  const auto version = rows.empty() ? 0 : rows[0].number(0);
  if (version > static_cast<std::int64_t>(migrations.size()))
    return fail(Errc::kUnsupported, "the database is of version " + std::to_string(version) +
                                        "; this program knows " +
                                        std::to_string(migrations.size()));
  for (auto i = static_cast<std::size_t>(version); i < migrations.size(); ++i) {
    TRY(database.transaction([&]() -> Status {
      std::size_t begin = 0;
      for (auto end = migrations[i].find(';'); end != std::string::npos;
           end = migrations[i].find(';', begin)) {
        TRY(database.execute(migrations[i].substr(begin, end - begin)));
        begin = end + 1;
      }
      TRY(database.execute("PRAGMA user_version = " + std::to_string(i + 1)));
      return {};
    }));
  }
  return {};
}

}  // namespace

Status copy_sqlite(const std::string& from, const std::string& to) {
  constexpr int kBusyMs = 10'000;
  const auto source = TRY(connect(from, SQLITE_OPEN_READWRITE, kBusyMs));
  const auto target = TRY(connect(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, kBusyMs));
  auto* backup = ::sqlite3_backup_init(target->handle(), "main", source->handle(), "main");
  if (backup == nullptr) return fail(Errc::kIo, to + ": " + ::sqlite3_errmsg(target->handle()));
  const int step = ::sqlite3_backup_step(backup, -1);  // all of it under one read lock
  const int end = ::sqlite3_backup_finish(backup);
  if (step != SQLITE_DONE) return fail(Errc::kIo, from + ": " + ::sqlite3_errstr(step));
  if (end != SQLITE_OK) return fail(Errc::kIo, to + ": " + ::sqlite3_errstr(end));
  // One file that says all: no log of its own beside it.
  TRY(target->query("PRAGMA journal_mode = DELETE", {}));
  return {};
}

Result<std::vector<std::string>> check_sqlite(const std::string& path) {
  const auto database = TRY(connect(path, SQLITE_OPEN_READWRITE, 0));
  std::vector<std::string> findings;
  const auto rows = database->query("PRAGMA integrity_check", {});
  if (!rows) return std::vector{rows.error().message};
  for (const auto& row : *rows)
    if (row.text(0) != "ok") findings.push_back(row.text(0));
  const auto strays = database->query("PRAGMA foreign_key_check", {});
  if (!strays) return std::vector{strays.error().message};
  for (const auto& row : *strays)
    findings.push_back("a row of " + row.text(0) + " names one of " + row.text(2) +
                       " that is not there");
  return findings;
}

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path,
                                              const std::vector<std::string>& migrations) {
  auto main = TRY(connect(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                          Connection::kBusyMs));
  // What it keeps to undo one of several works would be a file in a temporary folder: our processes
  // may open none, and nothing of ours belongs there.
  for (const char* pragma :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON",
        "PRAGMA trusted_schema = OFF", "PRAGMA temp_store = MEMORY"})
    TRY(main->query(pragma, {}));
  main->bound_log();
  auto database = std::make_unique<Sqlite>(std::move(main));
  TRY(migrate(*database, migrations));
  if (path == ":memory:") return std::unique_ptr<Database>(std::move(database));
  std::vector<std::unique_ptr<Connection>> readers;
  for (std::size_t i = 0; i < Database::kReaders; ++i) {
    readers.push_back(TRY(connect(path, SQLITE_OPEN_READWRITE, Connection::kBusyMs)));
    for (const char* pragma :
         {"PRAGMA query_only = ON", "PRAGMA trusted_schema = OFF", "PRAGMA temp_store = MEMORY"})
      TRY(readers.back()->query(pragma, {}));
  }
  database->read_by(std::make_unique<Readers>(std::move(readers)));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace callward::db
