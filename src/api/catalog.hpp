// The server's table of calls: what the recorder tells, kept in the database, and counted together
// with the keeper's half of the account. No content, no numbers, no names.
#pragma once

#include <boost/json.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "api/backend.hpp"
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
  Result<std::vector<store::CallEvent>> list(const CallFilter& filter);
  Result<std::vector<std::pair<std::string, std::int64_t>>> days();  // UTC day, calls; newest first

  Result<std::vector<store::AccountedStream>> account(const store::CallEvent& event);
  Result<boost::json::object> to_json(const store::CallEvent& event);

  // Ciphertext, wherever it is now. Segments [first, end).
  Result<std::vector<Bytes>> records(const store::CallEvent& event, keys::RecordKind kind,
                                     std::uint8_t stream, std::uint32_t first, std::uint32_t end);
  static constexpr std::size_t kRecordsMax = 4'096;

 private:
  Status index_object(const std::string& name);
  db::Database& db_;
  store::ObjectStore& objects_;
  Link& keeper_;
  Link& recorder_;
};

const char* to_text(store::CallPhase phase);

}  // namespace callward::api
