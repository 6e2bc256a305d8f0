// What the log says of calls whose retention is over, in the server's table.
//
// The keeper forgets such a call, row and all, once its ciphertext is deleted. That it was
// retention says the log, which outlives a server that was away, and a database that was put back
// from a backup: the place up to which it was read stands in the same database.
#include "api/catalog.hpp"
#include "audit/daily.hpp"
#include "audit/entry.hpp"
#include "audit/tiles.hpp"

namespace callward::api {
namespace {

constexpr std::string_view kRead = "objects_deleted";
constexpr std::uint64_t kBundlesPerStep = 64;  // then what was found is written down

}  // namespace

// Its notes go with it: reasons in words, sealed under keys that are gone.
Status Catalog::take_deleted(const std::string& text) {
  if (text.find("\"type\":\"objects_deleted\"") == std::string::npos) return {};
  const auto entry = audit::decode_entry(text);
  if (!entry) return {};  // of a newer kind
  for (const char* list : {"calls", "kept"})
    for (const auto& item : entry->data.at(list).as_array()) {
      if (!item.is_string()) continue;
      const std::string call(item.as_string());
      TRY(db_.execute("INSERT INTO retired VALUES (?1, ?2) ON CONFLICT (call) DO NOTHING",
                      {call, std::int64_t{std::string_view(list) == "kept"}}));
      TRY(db_.execute("DELETE FROM notes WHERE call = ?1", {call}));
    }
  return {};
}

Status Catalog::follow_log(const std::string& log_dir, const audit::NamedKey& key, Vfs& vfs) {
  const auto size = TRY(audit::read_checkpoint(vfs, log_dir + "/checkpoint", key)).checkpoint.size;
  const auto rows =
      TRY(db_.query("SELECT next FROM log_read WHERE what = ?1", {std::string(kRead)}));
  auto next = rows.empty() ? std::uint64_t{0} : static_cast<std::uint64_t>(rows[0].number(0));
  // A log that is shorter than what was read of it is another: read from its beginning.
  if (next > size) next = 0;
  const auto limit = std::min(size, next + kBundlesPerStep * audit::kTileWidth);
  if (next == limit) return {};
  while (next < limit) {
    const auto bundle = next / audit::kTileWidth;
    const auto texts = TRY(audit::read_bundle(
        vfs, log_dir, bundle, std::min(audit::kTileWidth, size - bundle * audit::kTileWidth)));
    for (auto i = next - bundle * audit::kTileWidth; i < texts.size(); ++i)
      TRY(take_deleted(texts[i]));
    next = bundle * audit::kTileWidth + texts.size();
  }
  TRY(db_.execute("INSERT INTO log_read VALUES (?1, ?2) ON CONFLICT (what) DO UPDATE SET next = ?2",
                  {std::string(kRead), static_cast<std::int64_t>(next)}));
  return {};
}

Result<bool> Catalog::retired(const CallId& call) {
  return !TRY(db_.query("SELECT kept FROM retired WHERE call = ?1", {call.hex()})).empty();
}

}  // namespace callward::api
