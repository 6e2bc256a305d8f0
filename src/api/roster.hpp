// The role chart on the server's side: what the log says, judged by the code that the keeper judges
// with. Once a chart is founded it says what a person may do here; before that the database does.
//
// INVARIANTS
//   (1) A chart that was founded stays so: a log that is shorter, or another, is an error, and
//       never a way back to passphrases alone.
//   (2) While the log cannot be read for the first time nobody signs in: what is not known is not
//       taken for not founded.
//   (3) Who left has no session after the change that says so; a passkey that is taken away takes
//       the sessions along that began with it.
//   (4) A change that the keeper took is in the database before it holds here and before a session
//       begins by it: a server that dies before it has read the log knows it, and ends no session
//       for want of it.
//   (5) What the database has of the log is one chart: an entry of another is not written down.
//
// Thread-safe. What is given out is a chart that does not change any more.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "audit/note.hpp"
#include "base/vfs.hpp"
#include "db/database.hpp"
#include "keys/vault_protocol.hpp"
#include "people/chart.hpp"
#include "people/people.hpp"

namespace callward::api {

std::vector<std::string> roster_migrations();

class Roster {
 public:
  struct Place {  // of the log
    std::string dir;
    audit::NamedKey key;
    Vfs* vfs = nullptr;
  };
  Roster(db::Database& database, people::People& people, people::RelyingParty party, Place log);

  // What was read or taken before, from the database; then follow() goes on from there. What was
  // taken and does not go on from what was read is dropped, and said.
  Status load();
  // Reads what the log has published since the last time. No checkpoint yet: an empty log.
  // kCorrupt: it has another chart than what is known here. kState: the chart here is ahead of a
  // log that has gone on without it, as after keeper and log were set back; nothing can be changed
  // until both have what is known here again.
  Status follow();
  // Why the last follow() found another chart, or one that is behind; empty: it is the log's.
  [[nodiscard]] std::string differs() const;
  // What the keeper has just taken, ahead of the log's files. kState: it took something else.
  Status take(const people::SignedChange& change, const keys::ChartTaken& taken);

  // kUnavailable (2).
  Result<std::shared_ptr<const people::Chart>> chart();
  // The session with the roles that its person has today; kDenied ends it.
  Result<people::Session> admit(Result<people::Session> session);

  [[nodiscard]] const people::RelyingParty& party() const { return party_; }
  void on_change(std::function<void()> heard) { heard_ = std::move(heard); }

 private:
  struct Read {
    people::SignedChange change;
    std::string entry;
  };
  Result<Read> read_entry(const std::string& text) const;
  Status read_on(std::set<PersonId>& about);
  Status take_back();
  Status check_behind(std::uint64_t size, bool shorter);
  Status check_ahead(const people::Change& change) const;
  Status read_range(std::uint64_t from, std::uint64_t size, std::set<PersonId>& about);
  Status take_entry(const std::string& text, std::set<PersonId>& about);
  Status apply(const people::SignedChange& change, std::set<PersonId>& about);
  void hold(std::shared_ptr<const people::Chart> next);
  Status load_ahead(people::Chart& chart);
  Status put_ahead(const people::SignedChange& change);
  Status settle(const std::set<PersonId>& about);
  std::shared_ptr<const people::Chart> now() const;

  db::Database& db_;
  people::People& people_;
  people::RelyingParty party_;
  Place log_;
  std::function<void()> heard_;
  std::mutex reading_;  // one reader of the log; held before mutex_
  mutable std::mutex mutex_;
  std::shared_ptr<const people::Chart> chart_;
  bool known_ = false;
  std::string differs_;  // under mutex_
  // Under reading_: of the log when it was looked at last, how often it has grown since the chart
  // here is ahead of it, and the newest change that was seen in it.
  std::uint64_t log_size_ = 0;
  std::size_t grown_ = 0;
  std::uint64_t seen_ = 0;
};

}  // namespace callward::api
