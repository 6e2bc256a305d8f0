// The server's table of calls: what the recorder tells, kept in the database, and counted together
// with the keeper's half of the account. No content, no numbers, no names.
#pragma once

#include <boost/json.hpp>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "api/backend.hpp"
#include "audit/note.hpp"
#include "db/database.hpp"
#include "store/account.hpp"
#include "store/object_store.hpp"

namespace callward::api {

std::vector<std::string> catalog_migrations();

struct CallFilter {
  std::optional<std::int64_t> from, until;  // started_at, UTC ms
  std::optional<store::CallPhase> phase;
  std::optional<keys::Direction> direction;
  std::optional<std::pair<std::int64_t, std::string>> before;  // cursor: started_at, id
  std::int64_t limit = 200;
};

class Catalog {
 public:
  Catalog(db::Database& database, store::ObjectStore& objects, Link& keeper, Link& recorder)
      : db_(database), objects_(objects), keeper_(keeper), recorder_(recorder) {}

  Status apply(const store::CallEvent& event);  // from the recorder
  Status catch_up();                            // objects that the table does not know
  // After a reconnection: rows that are open here and not among the recorder's own are brought to
  // what their objects say.
  Status settle(const std::vector<store::CallEvent>& open);
  Result<store::CallEvent> find(const CallId& id);  // kNotFound
  // ... as it was told last, without asking anybody.
  Result<store::CallEvent> last_told(const CallId& id);  // kNotFound
  Result<std::vector<store::CallEvent>> list(const CallFilter& filter);
  Result<std::vector<std::pair<std::string, std::int64_t>>> days();  // UTC day, calls; newest first

  Result<std::vector<store::AccountedStream>> account(const store::CallEvent& event);
  // `holds`: which calls are under a legal hold, where somebody has asked already.
  Result<boost::json::object> to_json(const store::CallEvent& event,
                                      const std::set<CallId>* holds = nullptr);
  [[nodiscard]] std::set<CallId> holds_among(const std::vector<store::CallEvent>& events);

  // Calls whose ciphertext went when their retention was over: said by the log, kept here. Reads
  // what the log has published since the last time; the first time all of it.
  Status follow_log(const std::string& log_dir, const audit::NamedKey& key, Vfs& vfs);
  [[nodiscard]] Result<bool> retired(const CallId& call);

  // Ciphertext, wherever it is now. Segments [first, end).
  Result<std::vector<Bytes>> records(const store::CallEvent& event, keys::RecordKind kind,
                                     std::uint8_t stream, std::uint32_t first, std::uint32_t end);
  static constexpr std::size_t kRecordsMax = 4'096;

 private:
  Status index_object(const std::string& name);
  Status complete_state(const store::CallEvent& event, keys::CallState& state);
  Status take_deleted(const std::string& entry);
  db::Database& db_;
  store::ObjectStore& objects_;
  Link& keeper_;
  Link& recorder_;
};

const char* to_text(store::CallPhase phase);

}  // namespace callward::api
